/* mmu_update in all modes, update_va_mapping with each flag, and what both refuse. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/memory.h>

static char *va;          /* a page of the initial mapping whose entry the tests change */
static uint64_t va_entry; /* machine address of that entry */
static uint64_t *page, *page2;

static long mmu_update_fd(struct mmu_update *u, unsigned int n, unsigned int *done, unsigned int fd)
{
    return HC4(__HYPERVISOR_mmu_update, u, n, done, fd);
}

static long set_entry(uint64_t pte)
{
    return mmu_update_one(va_entry, pte);
}

static uint64_t entry_flags(void)
{
    return *pte_of((unsigned long)va, 1) & 0xffful;
}

static long map_fd(uint64_t pte, unsigned int fd)
{
    struct mmu_update u = {.ptr = va_entry, .val = pte};

    return mmu_update_fd(&u, 1, NULL, fd);
}

static void test_normal(void)
{
    struct mmu_update u[3];
    unsigned int done = 77;

    *page = 0x1234;
    result_errno("map writable", set_entry(pte_make(virt_to_mfn(page), PTE_DATA)));
    result("reads", "%lx", *(volatile uint64_t *)va);
    *(volatile uint64_t *)va = 0x5678;
    result("written through", "%lx", *page);
    result_errno("map read-only", set_entry(pte_make(virt_to_mfn(page), PTE_RO)));
    mmuext(MMUEXT_INVLPG_LOCAL, (unsigned long)va, 0);
    TRY("movq $1, (%0)", ::"r"(va) : "memory");
    result_trap("write to read-only");
    result_errno("unmap", set_entry(0));
    mmuext(MMUEXT_INVLPG_LOCAL, (unsigned long)va, 0);
    TRY("movq $1, (%0)", ::"r"(va) : "memory");
    result_trap("write to unmapped");
    u[0] = (struct mmu_update){va_entry, pte_make(virt_to_mfn(page), PTE_DATA)};
    u[1] = (struct mmu_update){va_entry, pte_make(virt_to_mfn(kernel_l4), PTE_DATA)};
    u[2] = (struct mmu_update){va_entry, 0};
    result_errno("batch whose second fails", mmu_update_fd(u, 3, &done, DOMID_SELF));
    result("done count", "%u, first applied %d", done, entry_flags() == (PTE_DATA & 0xfff));
    u[1] = u[2];
    done = 77;
    result_errno("batch of three", mmu_update_fd(u, 3, &done, DOMID_SELF));
    result("done count of three", "%u", done);
    done = 77;
    result_errno("batch of none", mmu_update_fd(u, 0, &done, DOMID_SELF));
    result("done count of none", "%u", done);
    result_errno("bad done pointer", mmu_update_fd(u, 1, (void *)0x1000, DOMID_SELF));
    result_errno("bad request pointer", mmu_update_fd((void *)0x1000, 1, NULL, DOMID_SELF));
    result_errno("request pointer in VMM", mmu_update_fd((void *)0xffff820000000000, 1, NULL, DOMID_SELF));
}

static void test_modes(void)
{
    uint64_t mfn = virt_to_mfn(page);

    set_entry(pte_make(mfn, PTE_P | PTE_RW | PTE_A | PTE_D));
    result_errno("preserve ad",
                 mmu_update_one(va_entry | MMU_PT_UPDATE_PRESERVE_AD, pte_make(mfn, PTE_P | PTE_RW)));
    result("entry after preserve ad", "%lx", entry_flags() & ~PTE_US);
    result_errno("normal update without ad", set_entry(pte_make(mfn, PTE_P | PTE_RW)));
    result("entry after normal", "%lx", entry_flags() & ~PTE_US);
    result_errno("no translate",
                 mmu_update_one(va_entry | MMU_PT_UPDATE_NO_TRANSLATE, pte_make(mfn, PTE_RO)));
    result("entry after no translate", "%lx", entry_flags() & ~PTE_US);
    set_entry(0);
    result_errno("ptr within entry", mmu_update_one(va_entry + 4, 0));
    result_errno("ptr to data page", mmu_update_one(virt_to_machine(page2 + 5), 0xabcdef));
    result("data page got", "%lx", page2[5]);
    page2[5] = 0;
    result_errno("ptr to shared info", mmu_update_one(start_info->shared_info + 0xff8, 0));
    result_errno("ptr out of range", mmu_update_one(1ul << 50, 0));
    result_errno("ptr beyond RAM", mmu_update_one(1ul << 39, 0));
    result_errno("ptr to low memory", mmu_update_one(0x9000, 0));
}

/* A frame of RAM that this domain does not own. */
static unsigned long foreign_mfn(void)
{
    for (unsigned long mfn = 0x200; mfn < 0x18000; mfn++) {
        unsigned long pfn = mfn_to_pfn(mfn);

        if ((pfn >= start_info->nr_pages || pfn_to_mfn(pfn) != mfn) && mfn != start_info->shared_info >> 12)
            return mfn;
    }
    return 0;
}

static void test_machphys(void)
{
    unsigned long mfn = virt_to_mfn(page), pfn = virt_to_pfn(page);
    uint64_t ptr = ((uint64_t)mfn << 12) | MMU_MACHPHYS_UPDATE;

    result_errno("machphys", mmu_update_one(ptr, 0x12345));
    result("m2p entry", "%lx", mfn_to_pfn(mfn));
    result_errno("machphys back", mmu_update_one(ptr, pfn));
    result("m2p entry back", "%d", mfn_to_pfn(mfn) == pfn);
    result_errno("machphys with offset", mmu_update_one(ptr | 0xff8, pfn));
    result_errno("machphys of foreign", mmu_update_one((foreign_mfn() << 12) | MMU_MACHPHYS_UPDATE, 5));
    result_errno("machphys of shared info", mmu_update_one(start_info->shared_info | MMU_MACHPHYS_UPDATE, 5));
    result_errno("machphys of page table",
                 mmu_update_one(virt_to_machine(kernel_l4) | MMU_MACHPHYS_UPDATE, virt_to_pfn(kernel_l4)));
    result_errno("machphys out of range", mmu_update_one((1ul << 50) | MMU_MACHPHYS_UPDATE, 5));
    result_errno("machphys of hole", mmu_update_one(0xf0000000ul | MMU_MACHPHYS_UPDATE, 5));
}

static void test_l1_values(void)
{
    static const struct {
        const char *name;
        uint64_t flags;
    } cases[] = {
        {"l1 no A D", PTE_P | PTE_RW},
        {"l1 U", PTE_P | PTE_RW | PTE_US},
        {"l1 G", PTE_P | PTE_RW | PTE_G},
        {"l1 PWT", PTE_P | PTE_RW | PTE_PWT},
        {"l1 PCD", PTE_P | PTE_RW | PTE_PCD},
        {"l1 PCD PWT", PTE_P | PTE_RW | PTE_PCD | PTE_PWT},
        {"l1 PAT", PTE_P | PTE_RW | PTE_PAT},
        {"l1 PAT PWT", PTE_P | PTE_RW | PTE_PAT | PTE_PWT},
        {"l1 PAT PCD", PTE_P | PTE_RW | PTE_PAT | PTE_PCD},
        {"l1 NX", PTE_P | PTE_RW | PTE_NX},
        {"l1 bit 9", PTE_P | (1ul << 9)},
        {"l1 bit 10", PTE_P | (1ul << 10)},
        {"l1 bit 11", PTE_P | (1ul << 11)},
        {"l1 bit 53", PTE_P | (1ul << 53)},
        {"l1 bit 58", PTE_P | (1ul << 58)},
        {"l1 bit 62", PTE_P | (1ul << 62)},
        {"l1 address bit 50", PTE_P | (1ul << 50)},
        {"l1 not present, flags", PTE_RW | PTE_US | PTE_A},
    };

    /* U/S and G of the stored entry are the VMM's own business. */
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        long ret = set_entry(pte_make(virt_to_mfn(page), cases[i].flags));

        result(cases[i].name, "%e %lx", ret,
               ret ? 0 : (*pte_of((unsigned long)va, 1) & 0x8000000000000efbul));
        set_entry(0);
    }
    result_errno("l1 not present, zero frame", set_entry(0x100));
    result_errno("l1 not present, frame beyond RAM", set_entry(1ul << 45));
    set_entry(0);
}

static void test_frames(void)
{
    uint64_t *l1 = page_alloc();
    unsigned long foreign = foreign_mfn();

    page_make_readonly(l1);
    must("pin", mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1), 0));
    result_errno("pinned L1 writable", set_entry(pte_make(virt_to_mfn(l1), PTE_DATA)));
    result_errno("pinned L1 read-only", set_entry(pte_make(virt_to_mfn(l1), PTE_RO)));
    must("unpin", mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1), 0));
    result_errno("unpinned L1 writable", set_entry(pte_make(virt_to_mfn(l1), PTE_DATA)));
    set_entry(0);
    page_make_writable(l1);
    result_errno("kernel L4 writable", set_entry(pte_make(virt_to_mfn(kernel_l4), PTE_DATA)));
    result_errno("kernel L4 read-only", set_entry(pte_make(virt_to_mfn(kernel_l4), PTE_RO)));
    set_entry(0);
    result("have foreign frame", "%d", foreign != 0);
    result_errno("foreign frame", set_entry(pte_make(foreign, PTE_DATA)));
    result_errno("foreign frame read-only", set_entry(pte_make(foreign, PTE_RO)));
    result_errno("shared info frame", set_entry(start_info->shared_info | PTE_DATA));
    set_entry(0);
    result_errno("frame beyond RAM", set_entry(pte_make(1ul << 26, PTE_DATA)));
    set_entry(0);
    result_errno("frame beyond address width", set_entry(pte_make(1ul << 39, PTE_DATA)));
    result_errno("VGA memory", set_entry(pte_make(0xb8, PTE_DATA | PTE_PCD)));
    set_entry(0);
    result_errno("PCI hole", set_entry(pte_make(0xf0000, PTE_DATA | PTE_PCD)));
    set_entry(0);
    result_errno("local APIC", set_entry(pte_make(0xfee00, PTE_DATA | PTE_PCD)));
    set_entry(0);
    result_errno("IO-APIC", set_entry(pte_make(0xfec00, PTE_DATA | PTE_PCD)));
    result("IO-APIC writable", "%d", !!(entry_flags() & PTE_RW));
    set_entry(0);
    result_errno("IO-APIC read-only", set_entry(pte_make(0xfec00, PTE_RO | PTE_PCD)));
    set_entry(0);
    result_errno("machine frame 0", set_entry(pte_make(0, PTE_DATA)));
    set_entry(0);
}

static void test_foreigndom(void)
{
    uint64_t own = pte_make(virt_to_mfn(page), PTE_DATA), io = pte_make(0xb8, PTE_DATA | PTE_PCD);

    result_errno("FD io, own frame", map_fd(own, DOMID_IO));
    result_errno("FD io, VGA", map_fd(io, DOMID_IO));
    set_entry(0);
    result_errno("FD xen, own frame", map_fd(own, DOMID_XEN));
    set_entry(0);
    result_errno("FD 0, own frame", map_fd(own, 0));
    set_entry(0);
    result_errno("FD 1", map_fd(own, 1));
    result_errno("FD 0x7ff3", map_fd(own, DOMID_COW));
    result_errno("FD 0x7ff4", map_fd(own, DOMID_INVALID));
    result_errno("FD 0x7fff", map_fd(own, DOMID_IDLE));
    result_errno("FD 0xffff", map_fd(own, 0xffff));
    result_errno("PFD self explicit", map_fd(own, DOMID_SELF | ((DOMID_SELF + 1) << 16)));
    set_entry(0);
    result_errno("PFD 0", map_fd(own, DOMID_SELF | (1u << 16)));
    set_entry(0);
    result_errno("PFD 1", map_fd(own, DOMID_SELF | (2u << 16)));
    result_errno("FD 1 clearing an entry", map_fd(0, 1));
}

static void test_va_mapping(void)
{
    unsigned long a = (unsigned long)va;
    uint64_t pte = pte_make(virt_to_mfn(page), PTE_DATA);
    static uint64_t cpus = 1;

    result_errno("va none", hc_update_va_mapping(a, pte, UVMF_NONE));
    result_errno("va flush local", hc_update_va_mapping(a, pte, UVMF_TLB_FLUSH));
    result_errno("va flush all", hc_update_va_mapping(a, pte, UVMF_TLB_FLUSH | UVMF_ALL));
    result_errno("va flush multi", hc_update_va_mapping(a, pte, UVMF_TLB_FLUSH | (unsigned long)&cpus));
    result_errno("va invlpg local", hc_update_va_mapping(a, pte, UVMF_INVLPG));
    result_errno("va invlpg all", hc_update_va_mapping(a, pte, UVMF_INVLPG | UVMF_ALL));
    result_errno("va invlpg multi", hc_update_va_mapping(a, pte, UVMF_INVLPG | (unsigned long)&cpus));
    result_errno("va flush type 3", hc_update_va_mapping(a, pte, 3));
    result_errno("va flush multi, bad mask", hc_update_va_mapping(a, pte, UVMF_TLB_FLUSH | 0x1000));
    result_errno("va invlpg multi, bad mask", hc_update_va_mapping(a, pte, UVMF_INVLPG | 0x1000));
    result_errno("va unaligned", hc_update_va_mapping(a + 0x123, pte, UVMF_INVLPG));
    *page = 0x99;
    result("va reads", "%lx", *(volatile uint64_t *)va);
    result_errno("va table writable",
                 hc_update_va_mapping(a, pte_make(virt_to_mfn(kernel_l4), PTE_DATA), UVMF_INVLPG));
    result("va kept", "%lx", *(volatile uint64_t *)va);
    result_errno("va unmap", hc_update_va_mapping(a, 0, UVMF_INVLPG));
    result_errno("va without table", hc_update_va_mapping(0x4000000000, pte, UVMF_INVLPG));
    result_errno("va in VMM", hc_update_va_mapping(0xffff820000000000, pte, UVMF_INVLPG));
    result_errno("va m2p", hc_update_va_mapping(0xffff800000000000, pte, UVMF_INVLPG));
    result_errno("va noncanonical", hc_update_va_mapping(0x900000000000, pte, UVMF_INVLPG));
    result_errno("va other self",
                 HC4(__HYPERVISOR_update_va_mapping_otherdomain, a, pte, UVMF_INVLPG, DOMID_SELF));
    result_errno("va other 0", HC4(__HYPERVISOR_update_va_mapping_otherdomain, a, pte, UVMF_INVLPG, 0));
    result_errno("va other 1", HC4(__HYPERVISOR_update_va_mapping_otherdomain, a, pte, UVMF_INVLPG, 1));
    result_errno("va other io own",
                 HC4(__HYPERVISOR_update_va_mapping_otherdomain, a, pte, UVMF_INVLPG, DOMID_IO));
    result_errno("va other io VGA", HC4(__HYPERVISOR_update_va_mapping_otherdomain, a,
                                        pte_make(0xb8, PTE_DATA), UVMF_INVLPG, DOMID_IO));
    result_errno("va other xen",
                 HC4(__HYPERVISOR_update_va_mapping_otherdomain, a, pte, UVMF_INVLPG, DOMID_XEN));
    set_entry(0);
}

/* Upper levels: entries of the kernel's own tables for an address that nothing uses. */
/* Entries of the two tables above the level-1 table that maps the data; the level-4 slot at `base` leads
 * there. */
static void test_entries(unsigned long base, uint64_t *l3, uint64_t *l2, uint64_t *l1, uint64_t *data)
{
    result_errno(
        "l2 entry with PSE",
        mmu_update_one(virt_to_machine(l2 + 1), pte_make(virt_to_mfn(data) & ~511ul, PTE_TABLE | PTE_PSE)));
    result_errno("l3 entry with PSE",
                 mmu_update_one(virt_to_machine(l3 + 1), pte_make(0, PTE_TABLE | PTE_PSE)));
    result_errno("l2 entry to l3",
                 mmu_update_one(virt_to_machine(l2 + 1), pte_make(virt_to_mfn(l3), PTE_TABLE)));
    result_errno("l2 entry to data",
                 mmu_update_one(virt_to_machine(l2 + 1), pte_make(virt_to_mfn(data), PTE_TABLE)));
    result_errno("l2 entry to same l1",
                 mmu_update_one(virt_to_machine(l2 + 1), pte_make(virt_to_mfn(l1), PTE_TABLE)));
    result("second mapping reads", "%lx", *(volatile uint64_t *)(base + 0x200000));
    result_errno("l2 entry to foreign",
                 mmu_update_one(virt_to_machine(l2 + 2), pte_make(foreign_mfn(), PTE_TABLE)));
    result_errno("l2 entry beyond RAM",
                 mmu_update_one(virt_to_machine(l2 + 2), pte_make(1ul << 26, PTE_TABLE)));
    result_errno("l2 entry bit 8",
                 mmu_update_one(virt_to_machine(l2 + 2), pte_make(virt_to_mfn(l1), PTE_TABLE | PTE_G)));
    result_errno("l2 entry write-through",
                 mmu_update_one(virt_to_machine(l2 + 2), pte_make(virt_to_mfn(l1), PTE_TABLE | PTE_PWT)));
    result_errno("l2 entry uncached",
                 mmu_update_one(virt_to_machine(l2 + 2), pte_make(virt_to_mfn(l1), PTE_TABLE | PTE_PCD)));
    result_errno("l3 entry uncached",
                 mmu_update_one(virt_to_machine(l3 + 2), pte_make(virt_to_mfn(l2), PTE_TABLE | PTE_PCD)));
    result_errno("l2 entry without U",
                 mmu_update_one(virt_to_machine(l2 + 3), pte_make(virt_to_mfn(l1), PTE_P | PTE_RW)));
    result("l2 entry stored", "%lx", l2[3] & 0xfff & ~PTE_US);
    result_errno("l2 entry read-only, NX",
                 mmu_update_one(virt_to_machine(l2 + 4), pte_make(virt_to_mfn(l1), PTE_P | PTE_US | PTE_NX)));
    TRY("movq $1, (%0)", ::"r"(base + 4 * 0x200000ul) : "memory");
    result_trap("write through read-only l2 entry");
    result_errno("l2 entry change of flags only",
                 mmu_update_one(virt_to_machine(l2 + 4), pte_make(virt_to_mfn(l1), PTE_TABLE)));
    result_errno("l2 entry, not present with frame", mmu_update_one(virt_to_machine(l2 + 5), 0xabc000));
    result_errno("l3 entry to l1",
                 mmu_update_one(virt_to_machine(l3 + 2), pte_make(virt_to_mfn(l1), PTE_TABLE)));
    result_errno("l3 entry NX",
                 mmu_update_one(virt_to_machine(l3 + 2), pte_make(virt_to_mfn(l2), PTE_TABLE | PTE_NX)));
}

static void test_l4_slots(uint64_t *l3)
{
    result_errno("l4 slot 256", mmu_update_one(virt_to_machine(kernel_l4 + 256), 0));
    result_errno("l4 slot 271",
                 mmu_update_one(virt_to_machine(kernel_l4 + 271), pte_make(virt_to_mfn(l3), PTE_TABLE)));
    result_errno("l4 slot 272",
                 mmu_update_one(virt_to_machine(kernel_l4 + 272), pte_make(virt_to_mfn(l3), PTE_TABLE)));
    result_errno("l4 slot 272 off", mmu_update_one(virt_to_machine(kernel_l4 + 272), 0));
}

/* All three are writable and in no use; a refusal leaves them so. */
static void test_upper_refused(uint64_t l4e, uint64_t *l3, uint64_t *l2, uint64_t *l1)
{
    l1[7] = pte_make(virt_to_mfn(kernel_l4), PTE_DATA);
    memset(l2, 0, PAGE_SIZE);
    memset(l3, 0, PAGE_SIZE);
    l2[0] = pte_make(virt_to_mfn(l1), PTE_TABLE);
    l3[0] = pte_make(virt_to_mfn(l2), PTE_TABLE);
    page_make_readonly(l1);
    page_make_readonly(l2);
    page_make_readonly(l3);
    result_errno("l4 entry over an l1 that maps l4 writable",
                 mmu_update_one(l4e, pte_make(virt_to_mfn(l3), PTE_TABLE)));
    result_errno("all writable after refusal 1",
                 hc_update_va_mapping((unsigned long)l1, pte_make(virt_to_mfn(l1), PTE_DATA), UVMF_INVLPG));
    result_errno("all writable after refusal 2",
                 hc_update_va_mapping((unsigned long)l2, pte_make(virt_to_mfn(l2), PTE_DATA), UVMF_INVLPG));
    result_errno("all writable after refusal 3",
                 hc_update_va_mapping((unsigned long)l3, pte_make(virt_to_mfn(l3), PTE_DATA), UVMF_INVLPG));
}

static void test_upper(void)
{
    const unsigned long base = 0xffffff0000000000ul; /* L4 slot 510 */
    uint64_t *l3 = page_alloc(), *l2 = page_alloc(), *l1 = page_alloc(), *data = page_alloc();
    uint64_t l4e = virt_to_machine(pte_of(base, 4));

    *data = 0x4242;
    result_errno("l4 entry to writable page", mmu_update_one(l4e, pte_make(virt_to_mfn(l3), PTE_TABLE)));
    l1[0] = pte_make(virt_to_mfn(data), PTE_DATA);
    l2[0] = pte_make(virt_to_mfn(l1), PTE_TABLE);
    l3[0] = pte_make(virt_to_mfn(l2), PTE_TABLE);
    page_make_readonly(l3);
    result_errno("l4 entry, l2 writable", mmu_update_one(l4e, pte_make(virt_to_mfn(l3), PTE_TABLE)));
    page_make_readonly(l2);
    page_make_readonly(l1);
    result_errno("l4 entry", mmu_update_one(l4e, pte_make(virt_to_mfn(l3), PTE_TABLE)));
    result("l4 mapping reads", "%lx", *(volatile uint64_t *)base);
    test_entries(base, l3, l2, l1, data);
    test_l4_slots(l3);
    result_errno("l1 in use made writable", set_entry(pte_make(virt_to_mfn(l1), PTE_DATA)));
    result_errno("l4 entry off", mmu_update_one(l4e, 0));
    TRY("movq (%0), %%rax", ::"r"(base) : "rax");
    result_trap("mapping is gone");
    result_errno("l1 writable after", set_entry(pte_make(virt_to_mfn(l1), PTE_DATA)));
    set_entry(0);
    page_make_writable(l1);
    page_make_writable(l2);
    page_make_writable(l3);
    test_upper_refused(l4e, l3, l2, l1);
}

/* Self-referencing entries. */
static void test_linear(void)
{
    uint64_t slot = virt_to_machine(kernel_l4 + 300);
    const unsigned long base = 0xffff000000000000ul | (300ul << 39);
    uint64_t *l3 = page_alloc();

    result_errno("linear writable", mmu_update_one(slot, pte_make(virt_to_mfn(kernel_l4), PTE_TABLE)));
    result_errno("linear read-only",
                 mmu_update_one(slot, pte_make(virt_to_mfn(kernel_l4), PTE_P | PTE_US | PTE_A)));
    if (kernel_l4[300] & PTE_P) {
        const volatile uint64_t *l4 = (void *)(base | (300ul << 30) | (300ul << 21) | (300ul << 12));

        result("linear reads l4", "%d", l4[511] == kernel_l4[511]);
        TRY("movq $0, (%0)", ::"r"(l4) : "memory");
        result_trap("linear write");
    }
    result_errno("linear off", mmu_update_one(slot, 0));
    page_make_readonly(l3);
    must("pin l3", mmuext(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3), 0));
    result_errno("linear l3 read-only",
                 mmu_update_one(virt_to_machine(l3 + 5), pte_make(virt_to_mfn(l3), PTE_P | PTE_US | PTE_A)));
    result_errno("linear l3 writable",
                 mmu_update_one(virt_to_machine(l3 + 5), pte_make(virt_to_mfn(l3), PTE_TABLE)));
    mmu_update_one(virt_to_machine(l3 + 5), 0);
    result_errno("unpin linear l3", mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l3), 0));
    page_make_writable(l3);
}

void guest_main(void)
{
    va = page_hole();
    va_entry = virt_to_machine(pte_of((unsigned long)va, 1));
    page = page_alloc();
    page2 = page_alloc();
    test_normal();
    test_modes();
    test_machphys();
    test_l1_values();
    test_frames();
    test_foreigndom();
    test_va_mapping();
    test_upper();
    test_linear();
}
