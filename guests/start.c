/* What the VMM hands to a PV kernel: registers, start_info, memory, initial page tables, version. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/features.h>
#include <xen/memory.h>
#include <xen/version.h>

extern char _image_start[], _image_end[];

static void test_registers(void)
{
    const struct entry_regs *r = &entry_regs;

    result("entry segments", "cs %lx ss %lx ds %lx es %lx fs %lx gs %lx", r->cs, r->ss, r->ds, r->es, r->fs,
           r->gs);
    result("entry rflags", "%lx", r->rflags);
    result("entry rax rbx rcx rdx rdi rbp", "%d %d %d %d %d %d", r->rax == 0, r->rbx == 0, r->rcx == 0,
           r->rdx == 0, r->rdi == 0, r->rbp == 0);
    result("entry r8-r15 zero", "%d", !(r->r8 | r->r9 | r->r10 | r->r12 | r->r13 | r->r14 | r->r15));
    result("entry rsi is start_info", "%d", r->rsi == (uint64_t)start_info);
    result("entry stack page aligned", "%d", !(r->rsp & 4095));
    result("entry upcall mask pending", "%d %d", vcpu_info()->evtchn_upcall_mask,
           vcpu_info()->evtchn_upcall_pending);
}

static void test_start_info(void)
{
    const struct start_info *s = start_info;
    unsigned long p2m_pages = (s->nr_pages * 8 + PAGE_SIZE - 1) / PAGE_SIZE;
    unsigned long image_end = ((unsigned long)_image_end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);

    result("magic", "%s", s->magic);
    result("flags", "%x", s->flags);
    result("store", "%ld %u", (long)s->store_mfn, s->store_evtchn);
    result("console offset within page, size", "%d %u", s->console.dom0.info_off < 4096,
           s->console.dom0.info_size);
    result("console offset equals sizeof start_info", "%d", s->console.dom0.info_off == sizeof(*s));
    result("command line", "%s", (const char *)s->cmd_line);
    result("module", "%lx %lx", s->mod_start, s->mod_len);
    result("shared_info aligned and nonzero", "%d %d", !(s->shared_info & 4095), s->shared_info != 0);
    result("nr_pages at least 64 MiB", "%d", s->nr_pages >= 16384);
#ifdef GUEST_INIT_P2M
    result("mfn_list", "%lx", s->mfn_list);
    result("start_info after image", "%d", (unsigned long)s == image_end);
    result("p2m frames", "%d", s->nr_p2m_frames >= p2m_pages);
    result("first_p2m_pfn beyond the initial mapping", "%d",
           s->first_p2m_pfn >= virt_to_pfn((void *)s->pt_base) + s->nr_pt_frames);
#else
    result("mfn_list after image", "%d", s->mfn_list == image_end);
    result("start_info after mfn_list", "%d", (unsigned long)s == s->mfn_list + p2m_pages * PAGE_SIZE);
    result("p2m fields", "%lx %lx", s->first_p2m_pfn, s->nr_p2m_frames);
#endif
    result("page tables after start_info", "%d", s->pt_base == (unsigned long)s + PAGE_SIZE);
    result("stack after page tables", "%d",
           entry_regs.rsp == s->pt_base + s->nr_pt_frames * PAGE_SIZE + PAGE_SIZE);
}

/* Walks the initial mapping: everything 4 KiB pages, in order, writable but for page tables. */
static void test_initial_tables(void)
{
    /* Whether kernel pages carry U/S or G or are dirty already, and how bits 52-58 are used, is the VMM's own
     * business. */
    const uint64_t hidden = PTE_FRAME | PTE_US | PTE_G | PTE_D | (0x7ful << 52);
    unsigned long table_start = virt_to_pfn((void *)start_info->pt_base);
    unsigned long tables = start_info->nr_pt_frames, end, va;
    unsigned long wrong_frame = 0, readonly = 0, readonly_tables = 0, nx = 0, l1_count = 0;
    uint64_t or_flags = 0, and_flags = ~0ul, upper_or = 0, upper_and = ~0ul;

    for (va = VIRT_BASE; va >= VIRT_BASE; va += PAGE_SIZE) {
        uint64_t *l2 = pte_of(va, 2), e, pde;

        if (!(va & 0x1fffff)) {
            if (!l2 || !(*l2 & PTE_P))
                break;
            pde = *l2;
            upper_or |= pde & ~hidden;
            upper_and &= pde & ~hidden;
            l1_count++;
        }
        e = *pte_of(va, 1);
        if (!(e & PTE_P))
            break;
        or_flags |= e & ~hidden;
        and_flags &= e & ~hidden;
        if (mfn_to_pfn((e & PTE_FRAME) >> 12) != virt_to_pfn((void *)va) ||
            pfn_to_mfn(virt_to_pfn((void *)va)) != (e & PTE_FRAME) >> 12)
            wrong_frame++;
        if (!(e & PTE_RW)) {
            readonly++;
            if (virt_to_pfn((void *)va) - table_start < tables)
                readonly_tables++;
        }
        nx += !!(e & PTE_NX);
    }
    end = va;
    result("initial mapping", "frames out of order %lu", wrong_frame);
    result("initial mapping end 4 MiB aligned", "%d", !(end & 0x3fffff));
    result("initial mapping padding at least 512 KiB", "%d", end - entry_regs.rsp >= 512 * 1024);
    result("readonly pages are exactly the tables", "%d %d", readonly == tables, readonly_tables == tables);
    result("l1 entry flags", "any %lx all %lx nx %lu", or_flags, and_flags, nx);
    result("l2 entry flags", "any %lx all %lx", upper_or, upper_and);
    result("l3 l4 entry flags", "%lx %lx", *pte_of(VIRT_BASE, 3) & ~PTE_FRAME,
           *pte_of(VIRT_BASE, 4) & ~PTE_FRAME);
    result("number of tables", "%d", tables == l1_count + 3);
}

static void test_l4_slots(void)
{
    unsigned long vmm = 0, guest = 0;

    for (int i = 0; i < 512; i++)
        if (kernel_l4[i] & PTE_P) {
            if (i >= 256 && i < 272)
                vmm++;
            else
                guest++;
        }
    result("l4 present guest slots", "%lu", guest);
    result("l4 slot 256 readable", "%d", vmm > 0);
}

static void test_pinned(void)
{
    result_errno("unpin initial L4 while in use", mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(kernel_l4), 0));
    result_errno("unpin initial L4 again", mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(kernel_l4), 0));
    result_errno("pin initial L4", mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(kernel_l4), 0));
    result_errno("pin initial L4 again", mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(kernel_l4), 0));
    result_errno("unpin unpinned L3", mmuext(MMUEXT_UNPIN_TABLE, (kernel_l4[511] & PTE_FRAME) >> 12, 0));
    TRY("movq $0, (%0)", ::"r"(kernel_l4) : "memory");
    result_trap("write to L4");
    TRY("movq %0, %%rax; movq (%%rax), %%rax", ::"r"(kernel_l4) : "rax", "memory");
    result_trap("read of L4");
}

static void test_p2m(void)
{
    unsigned long bad = 0, invalid = 0;
    struct xen_machphys_mapping map;

    result_errno("machphys_mapping", HC2(__HYPERVISOR_memory_op, XENMEM_machphys_mapping, &map));
    result("machphys range", "%lx %lx", map.v_start, map.v_end);
    result("machphys max_mfn covers", "%d", map.max_mfn <= (map.v_end - map.v_start) / 8);
    for (unsigned long p = 0; p < start_info->nr_pages; p++) {
        unsigned long mfn = pfn_to_mfn(p);

        if (mfn > map.max_mfn)
            invalid++;
        else if (mfn_to_pfn(mfn) != p)
            bad++;
    }
    result("p2m entries without m2p counterpart", "%lu %lu", bad, invalid);
    result("m2p of shared_info not ours", "%d",
           mfn_to_pfn(start_info->shared_info >> 12) >= start_info->nr_pages);
    result("shared_info max_pfn list", "%lu %lu", shared_info->arch.max_pfn,
           shared_info->arch.pfn_to_mfn_frame_list_list);
}

static void test_writes_to_m2p(void)
{
    TRY("movq $0, (%0)", ::"r"(MACH2PHYS_VIRT_START) : "memory");
    result_trap("write to m2p");
    TRY("movq (%0), %%rax", ::"r"(0xffff820000000000ul) : "rax", "memory");
    result_vector("read above m2p");
    TRY("movq (%0), %%rax", ::"r"(0xffff87fffffff000ul) : "rax", "memory");
    result_vector("read at end of VMM area");
}

static void test_version(void)
{
    static char buf[4096];
    struct xen_feature_info fi = {.submap_idx = 0};
    struct xen_platform_parameters pp;
    long v = HC2(__HYPERVISOR_xen_version, XENVER_version, 0);

    result("version", "%ld.%ld", v >> 16, v & 0xffff);
    result_errno("features", HC2(__HYPERVISOR_xen_version, XENVER_get_features, &fi));
    result("features submap 0", "%x", fi.submap);
    fi.submap_idx = 1;
    fi.submap = 0;
    result_errno("features 1", HC2(__HYPERVISOR_xen_version, XENVER_get_features, &fi));
    result("features submap 1", "%x", fi.submap);
    result_errno("pagesize", HC2(__HYPERVISOR_xen_version, XENVER_pagesize, 0));
    result_errno("platform_parameters", HC2(__HYPERVISOR_xen_version, XENVER_platform_parameters, &pp));
    result("virt_start", "%lx", pp.virt_start);
    result_errno("capabilities", HC2(__HYPERVISOR_xen_version, XENVER_capabilities, buf));
    result("capabilities name xen-3.0-x86_64", "%d", strstr(buf, "xen-3.0-x86_64") != NULL);
    result_errno("unknown sub-op", HC2(__HYPERVISOR_xen_version, 1000, buf));
}

void guest_main(void)
{
    test_registers();
    test_start_info();
    test_l4_slots();
    test_initial_tables();
    test_p2m();
    test_pinned();
    test_writes_to_m2p();
    test_version();
}
