/* A back end without rights that misuses what dom0 granted to it, and what dom0 sees of it. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/pair.h"
#include "common/trap.h"
#include <xen/memory.h>
#include <xen/vcpu.h>

#define ID 7
#define RW GNTMAP_host_map
#define RO (GNTMAP_host_map | GNTMAP_readonly)

static struct domu other;
static unsigned long *page, *page2;
static long hole, hole2, own; /* addresses in the other domain */

enum { REF_RW = 8, REF_RO = 9, REF_OTHER = 10 };

static long map(grant_ref_t ref, uint32_t flags, long at, grant_handle_t *handle)
{
    long status = domu_call(&other, far_map, DOM_FRAME(0, ref), flags, at);

    *handle = (grant_handle_t)domu_call(&other, far_handle, 0, 0, 0);
    return status;
}

static long unmap(grant_handle_t handle, long at)
{
    return domu_call(&other, far_unmap, handle, at, 0);
}

static void test_handles(void)
{
    grant_handle_t h, h2;
    long ret;

    result("map", "%ld", map(REF_RW, RW, hole, &h));
    result("map second", "%ld", map(REF_OTHER, RW, hole2, &h2));
    result("unmap unknown handle", "%ld", unmap(h2 + 5, hole));
    result("unmap handle -1", "%ld", unmap(~0u, hole));
    result("unmap by the other's address", "%ld %ld", unmap(h, hole2), unmap(h2, hole));
    result("unmap of address without tables", "%ld", unmap(h, 0x4000000000));
    result("unmap in the VMM", "%ld", unmap(h, (long)0xffff820000000000));
    result("unmap of its own page", "%ld", unmap(h, own));
    result("both still there", "%x %x, vectors %ld %ld", grant_in_use(REF_RW), grant_in_use(REF_OTHER),
           domu_call(&other, far_trap_of_load, hole, 0, 0), domu_call(&other, far_trap_of_load, hole2, 0, 0));
    ret = unmap(h, hole);
    result("unmap", "%ld in use %x, vector %ld", ret, grant_in_use(REF_RW),
           domu_call(&other, far_trap_of_load, hole, 0, 0));
    result("unmap twice", "%ld", unmap(h, hole));
    ret = map(REF_RW, RW, hole, &h);
    result("handle is used again", "%d", h < h2 + 5 && !ret);
    result("unmap of both", "%ld %ld", unmap(h, hole), unmap(h2, hole2));
}

/* Two mappings of one frame, only one of them writable. */
static void test_wrong_mapping(void)
{
    grant_handle_t rw, ro;
    long ret;

    must("map", (int)map(REF_RW, RW, hole, &rw));
    must("map read-only", (int)map(REF_RW, RO, hole2, &ro));
    ret = unmap(rw, hole2);
    result("unmap writable handle at the read-only address", "%ld", ret);
    result("dom0 sees what is left", "in use %x, store %ld", grant_in_use(REF_RW),
           domu_call(&other, far_trap_of_store, hole, 0, 0));
    (void)unmap(rw, hole);
    (void)unmap(ro, hole2);
    (void)unmap(ro, hole);
    result("after all", "in use %x, vectors %ld %ld", grant_in_use(REF_RW),
           domu_call(&other, far_trap_of_load, hole, 0, 0), domu_call(&other, far_trap_of_load, hole2, 0, 0));
}

static void test_rights(void)
{
    unsigned long mfn = virt_to_mfn(page);
    grant_handle_t h;

    result("map writable of read-only grant", "%ld", map(REF_RO, RW, hole, &h));
    must("map read-only", (int)map(REF_RO, RO, hole, &h));
    result("store to it", "vector %ld", domu_call(&other, far_trap_of_store, hole, 0, 0));
    result("make it writable", "%e", domu_call(&other, far_map_own, hole, (long)pte_make(mfn, PTE_DATA), 0));
    result("map the frame elsewhere", "%e",
           domu_call(&other, far_map_own, hole2, (long)pte_make(mfn, PTE_RO), 0));
    result("change other bits of it", "%e",
           domu_call(&other, far_map_own, hole, (long)pte_make(mfn, PTE_P | PTE_A), 0));
    result("store then", "vector %ld", domu_call(&other, far_trap_of_store, hole, 0, 0));
    result("unmap after that", "%ld", unmap(h, hole));
    must("map writable", (int)map(REF_RW, RW, hole, &h));
    result("make writable one read-only", "%e",
           domu_call(&other, far_map_own, hole, (long)pte_make(mfn, PTE_RO), 0));
    result("make it writable again", "%e",
           domu_call(&other, far_map_own, hole, (long)pte_make(mfn, PTE_DATA), 0));
    result("unmap of it", "%ld", unmap(h, hole));
    result("in use after it", "%x", grant_in_use(REF_RW));
}

/* In the other domain: operations that take a frame, on one that is not its own. */
static long far_misuse(long which, long mfn, long at)
{
    xen_pfn_t frame = (xen_pfn_t)mfn;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    struct vcpu_register_vcpu_info v = {.mfn = (uint64_t)mfn};
    struct xen_memory_exchange x = {.in = {.nr_extents = 1, .domid = DOMID_SELF},
                                    .out = {.nr_extents = 1, .domid = DOMID_SELF}};
    struct evtchn_init_control c = {.control_gfn = (uint64_t)mfn};
    xen_pfn_t out = 0x700;
    static void *mine;

    if (!mine)
        mine = page_alloc();
    set_xen_guest_handle(r.extent_start, &frame);
    set_xen_guest_handle(x.in.extent_start, &frame);
    set_xen_guest_handle(x.out.extent_start, &out);
    switch (which) {
    case 0:
        return mmuext(MMUEXT_PIN_L1_TABLE, (unsigned long)mfn, 0);
    case 1:
        return mmuext(MMUEXT_PIN_L4_TABLE, (unsigned long)mfn, 0);
    case 2:
        return mmuext(MMUEXT_NEW_BASEPTR, (unsigned long)mfn, 0);
    case 3:
        return mmuext(MMUEXT_CLEAR_PAGE, (unsigned long)mfn, 0);
    case 4:
        return mmuext(MMUEXT_COPY_PAGE, virt_to_mfn(mine), (unsigned long)mfn);
    case 5:
        return HC2(__HYPERVISOR_set_gdt, &frame, 512);
    case 6:
        return mmuext(MMUEXT_SET_LDT, (unsigned long)at, 512);
    case 7:
        return HC3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &v);
    case 8:
        return HC2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r);
    case 9:
        return HC2(__HYPERVISOR_memory_op, XENMEM_exchange, &x);
    case 10:
        return mmu_update_one((uint64_t)mfn << 12 | MMU_MACHPHYS_UPDATE, 0x123);
    case 11:
        return event_op(EVTCHNOP_init_control, &c);
    default:
        return far_transfer(mfn, 0, 20);
    }
}

static void test_misuse(void)
{
    static const char *const names[] = {"pin as level 1",
                                        "pin as level 4",
                                        "use as base",
                                        "clear page",
                                        "copy page",
                                        "set as GDT",
                                        "set as LDT",
                                        "register as vcpu_info",
                                        "decrease reservation",
                                        "exchange",
                                        "set machine-to-phys",
                                        "use as control block",
                                        "transfer"};
    struct gnttab_map_grant_ref m;
    grant_handle_t h;

    must("map", (int)map(REF_RW, RW, hole, &h));
    grant_write(20, GTF_accept_transfer, ID, 0);
    page[0] = 0x1717;
    for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
        result(names[i], "%e", domu_call(&other, far_misuse, i, (long)virt_to_mfn(page), hole));
    result("page is as it was", "%lx, number %d, entry %x", page[0],
           mfn_to_pfn(virt_to_mfn(page)) == virt_to_pfn(page), grant_flags(20));
    /* It passes our frame on to us as if it were its own. */
    domu_call(&other, far_grant, 8, GTF_permit_access, DOM_FRAME(0, virt_to_mfn(page)));
    m = grant_map(ID, 8, RO, 0);
    result("map of what it passes on", "%d", m.status);
    result("copy of what it passes on", "%d",
           grant_copy(true, ID, 8, false, DOMID_SELF, virt_to_mfn(page2), 0, 8));
    result("unmap after the misuse", "%ld", unmap(h, hole));
}

/* Its table with the mapping loses its type, and gets it again. */
static long far_table(long dom_ref, long unpinned_reads, long c)
{
    static uint64_t *l1, *l2;
    unsigned long va = VIRT_BASE + (500ul << 21);
    struct gnttab_map_grant_ref m;
    long ret;

    (void)c;
    if (!l1) {
        l1 = page_alloc();
        l2 = pte_of(va, 2);
        page_make_readonly(l1);
    }
    ret = mmu_update_one(virt_to_machine(l2), pte_make(virt_to_mfn(l1), PTE_TABLE));
    if (ret || unpinned_reads)
        return ret ? ret : *l1 & PTE_P ? -1 : 0;
    m = grant_map((domid_t)dom_ref, (grant_ref_t)((uint64_t)dom_ref >> 16), RW, va);
    if (m.status)
        return m.status;
    *(volatile unsigned long *)va = 0x1818;
    ret = mmu_update_one(virt_to_machine(l2), 0);
    mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    /* The table is a page of data now, with the entry of the mapping in it. */
    return ret ? ret : grant_unmap(m.handle, va, 0);
}

static void test_table(void)
{
    result("map, then drop the table", "%ld", domu_call(&other, far_table, DOM_FRAME(0, REF_OTHER), 0, 0));
    result("written by it", "%lx", page2[0]);
    result("table with the old entry", "%e", domu_call(&other, far_table, 0, 1, 0));
    result("in use", "%x", grant_in_use(REF_OTHER));
}

#define FILL_REFS 12 /* from 100 on: an entry may not be mapped without limit in Xen */

static long far_fill(long a, long b, long c)
{
    struct gnttab_map_grant_ref m;
    long n = 0;

    (void)a, (void)b, (void)c;
    for (grant_ref_t ref = 100; ref < 100 + FILL_REFS; ref++)
        for (unsigned int i = 0; i < 100; i++) {
            m = grant_map(0, ref, GNTMAP_device_map | GNTMAP_readonly, 0);
            if (m.status)
                return n | (long)m.status << 32;
            n++;
        }
    return n;
}

/* As many as its limit of 4 frames allows, then it is ended with all of them. */
static void test_limit(void)
{
    long n;

    for (grant_ref_t ref = 100; ref < 100 + FILL_REFS; ref++)
        grant_write(ref, GTF_permit_access, ID, virt_to_mfn(page2));
    n = domu_call(&other, far_fill, 0, 0, 0);
    result("mappings until none is left", "%d then %ld", (int)n, n >> 32);
}

void guest_main(void)
{
    struct domu_config c = {.id = ID};
    uint64_t before = 0;

    page = page_alloc();
    page2 = page_alloc();
    for (unsigned int round = 1; round <= 2; round++) {
        result_prefix = round == 1 ? NULL : "v2 ";
        grant_setup(round);
        before = machine_settled_pages();
        grant_write(REF_RW, GTF_permit_access, ID, virt_to_mfn(page));
        grant_write(REF_RO, GTF_permit_access | GTF_readonly, ID, virt_to_mfn(page));
        grant_write(REF_OTHER, GTF_permit_access, ID, virt_to_mfn(page2));
        domu_build(&other, &c);
        domu_run(&other);
        domu_call(&other, far_setup, 1, 0, 0);
        hole = domu_call(&other, far_hole, 0, 0, 0);
        hole2 = domu_call(&other, far_hole, 0, 0, 0);
        own = domu_call(&other, far_page, 0, 0, 0);
        test_handles();
        test_wrong_mapping();
        test_rights();
        test_misuse();
        test_table();
        audit_point();
        test_limit();
        domu_unlink(&other);
        must("destroy", domu_destroy(&other));
        result("gone", "%d", domu_gone(ID));
        result("in use when it is gone", "%x %x %x %x", grant_in_use(REF_RW), grant_in_use(REF_RO),
               grant_in_use(REF_OTHER), grant_in_use(100));
    }
    result("pages missing", "%ld", machine_missing_pages(before));
}
