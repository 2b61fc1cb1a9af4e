/* Grants between two domains: dom0 as the honest back end of a front end that lies. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/pair.h"
#include "common/trap.h"
#include <xen/memory.h>

#define ID    7
#define THIRD 8
#define RW    GNTMAP_host_map
#define RO    (GNTMAP_host_map | GNTMAP_readonly)

static struct domu other, third;
static char *hole, *hole2, *hole3, *own;
static long page, page2; /* the other domain's */

static unsigned long page_mfn(long address)
{
    return domu_mfn(&other, (void *)address);
}

static void grant(grant_ref_t ref, uint16_t flags, domid_t dom, unsigned long mfn)
{
    domu_call(&other, far_grant, ref, flags, DOM_FRAME(dom, mfn));
}

static unsigned int flags_of(grant_ref_t ref)
{
    return (unsigned int)domu_call(&other, far_flags, ref, 0, 0);
}

static unsigned int use_of(grant_ref_t ref)
{
    return (unsigned int)domu_call(&other, far_in_use, ref, 0, 0);
}

static void unmap_says(const char *name, grant_handle_t handle, uint64_t at, uint64_t bus, grant_ref_t ref)
{
    int status = grant_unmap(handle, at, bus);

    result(name, "status %d in use %x", status, use_of(ref));
}

/* Maps, says what happened, unmaps. */
static void try_map(const char *name, domid_t dom, grant_ref_t ref, uint32_t flags)
{
    struct gnttab_map_grant_ref m = grant_map(dom, ref, flags, (uint64_t)hole);

    if (m.status)
        result(name, "status %d", m.status);
    else
        result(name, "status 0, unmap %d", grant_unmap(m.handle, (uint64_t)hole, 0));
}

static void test_map(void)
{
    struct gnttab_map_grant_ref rw, ro;

    domu_call(&other, far_store, page, 0x6172, 0);
    grant(8, GTF_permit_access, 0, page_mfn(page));
    rw = grant_map(ID, 8, RW, (uint64_t)hole);
    result("map", "status %d in use %x", rw.status, use_of(8));
    result("bus address is the frame", "%d", rw.dev_bus_addr >> 12 == page_mfn(page));
    result("reads", "%lx", *(volatile unsigned long *)hole);
    *(volatile unsigned long *)hole = 0x7283;
    result("written", "%lx", domu_call(&other, far_load, page, 0, 0));
    ro = grant_map(ID, 8, RO, (uint64_t)hole2);
    result("map read-only as well", "status %d in use %x", ro.status, use_of(8));
    result("store by it", "vector %u", trap_of_store(hole2));
    unmap_says("unmap of writable", rw.handle, (uint64_t)hole, 0, 8);
    result("entry and translation are gone", "%d vector %u", *pte_of((unsigned long)hole, 1) == 0,
           trap_of_load(hole));
    result("unmap again", "status %d", grant_unmap(rw.handle, (uint64_t)hole, 0));
    unmap_says("unmap of read-only", ro.handle, (uint64_t)hole2, 0, 8);
    result("load after", "vector %u", trap_of_load(hole2));
    result("entry as it was", "flags %x", flags_of(8));
}

/* Neither address nor bus address: nothing to take away. */
static void test_unmap_kinds(void)
{
    struct gnttab_map_grant_ref m = grant_map(ID, 8, RW | GNTMAP_device_map, (uint64_t)hole);

    result("map for both", "status %d", m.status);
    unmap_says("unmap of nothing", m.handle, 0, 0, 8);
    result("unmap of a wrong bus address", "status %d", grant_unmap(m.handle, 0, m.dev_bus_addr + PAGE_SIZE));
    unmap_says("unmap of host part", m.handle, (uint64_t)hole, 0, 8);
    result("unmap of host part again", "status %d", grant_unmap(m.handle, (uint64_t)hole, 0));
    unmap_says("unmap of device part", m.handle, 0, m.dev_bus_addr, 8);
    m = grant_map(ID, 8, GNTMAP_device_map, 0);
    result("map for device alone", "status %d in use %x", m.status, use_of(8));
    unmap_says("unmap of that as host", m.handle, (uint64_t)hole, 0, 8);
    unmap_says("unmap of device alone", m.handle, 0, m.dev_bus_addr, 8);
}

/* The front end changes its entry while it is in use. */
static void test_changes(void)
{
    struct gnttab_map_grant_ref m, m2;

    domu_call(&other, far_store, page2, 0x2222, 0);
    grant(9, GTF_permit_access, 0, page_mfn(page));
    m = grant_map(ID, 9, RW, (uint64_t)hole3);
    must("map", m.status);
    grant(9, 0, 0, page_mfn(page));
    result("revoked by force", "flags %x, still reads %lx", flags_of(9), *(volatile unsigned long *)hole3);
    try_map("map of the revoked", ID, 9, RO);
    grant(9, GTF_permit_access, 5, page_mfn(page));
    try_map("map of it given to another", ID, 9, RO);
    grant(9, GTF_permit_access | GTF_readonly, 0, page_mfn(page));
    try_map("map of it made read-only", ID, 9, RW);
    try_map("map of it read-only", ID, 9, RO);
    grant(9, GTF_permit_access, 0, page_mfn(page2));
    m2 = grant_map(ID, 9, RO, (uint64_t)hole2);
    result("map after the frame was changed", "status %d reads %lx", m2.status,
           m2.status ? 0 : *(volatile unsigned long *)hole2);
    if (!m2.status)
        result("unmap of that", "%d", grant_unmap(m2.handle, (uint64_t)hole2, 0));
    unmap_says("unmap of the first", m.handle, (uint64_t)hole3, 0, 9);
    m = grant_map(ID, 9, RO, (uint64_t)hole);
    result("map of the new frame", "status %d reads %lx", m.status, *(volatile unsigned long *)hole);
    result("unmap of the new frame", "%d", grant_unmap(m.handle, (uint64_t)hole, 0));
}

static void try_frame(const char *name, unsigned long mfn)
{
    struct gnttab_map_grant_ref m;
    int w;

    grant(10, GTF_permit_access, 0, mfn);
    m = grant_map(ID, 10, RW, (uint64_t)hole);
    w = m.status;
    if (!m.status)
        must("unmap", grant_unmap(m.handle, (uint64_t)hole, 0));
    m = grant_map(ID, 10, RO, (uint64_t)hole);
    result(name, "writable %d read-only %d, copy %d", w, m.status,
           grant_copy(true, ID, 10, false, DOMID_SELF, virt_to_mfn(own), 0, 8));
    if (!m.status)
        must("unmap", grant_unmap(m.handle, (uint64_t)hole, 0));
}

/* What it grants is not its to grant, or must not be written. */
static void test_frames(void)
{
    domu_flags(ID);
    try_frame("its shared info", (unsigned long)domctl_arg.u.getdomaininfo.shared_info_frame);
    try_frame("our frame", virt_to_mfn(own));
    try_frame("our page table", virt_to_mfn(kernel_l4));
    try_frame("its page table", other.mfn[other.nr_frames - 1]);
    try_frame("a device", 0xb8);
    try_frame("no RAM", 0xfffffff);
    try_frame("frame of the VMM or free", 0x200);
}

/* A granted frame becomes a page table, and the other way round. */
static void test_becomes_table(void)
{
    struct gnttab_map_grant_ref m;
    unsigned long mfn = page_mfn(page2);

    domu_call(&other, far_store, page2, 0, 0);
    grant(11, GTF_permit_access, 0, mfn);
    m = grant_map(ID, 11, RW, (uint64_t)hole);
    must("its page is not mapped by it", (int)domu_call(&other, far_map_own, page2, 0, 0));
    result("pin while mapped writable", "%e",
           domu_call(&other, far_mmuext, MMUEXT_PIN_L1_TABLE, (long)mfn, 0));
    result("unmap of writable before the pin", "%d", grant_unmap(m.handle, (uint64_t)hole, 0));
    m = grant_map(ID, 11, RO, (uint64_t)hole);
    result("pin while mapped read-only", "%e",
           domu_call(&other, far_mmuext, MMUEXT_PIN_L1_TABLE, (long)mfn, 0));
    result("unmap of read-only before the pin", "%d", grant_unmap(m.handle, (uint64_t)hole, 0));
    try_map("map of a pinned table", ID, 11, RW);
    try_map("map of a pinned table read-only", ID, 11, RO);
    result("copy to a pinned table", "%d",
           grant_copy(false, DOMID_SELF, virt_to_mfn(own), true, ID, 11, 0, 8));
    result("unpin", "%e", domu_call(&other, far_mmuext, MMUEXT_UNPIN_TABLE, (long)mfn, 0));
    try_map("map of what was a table", ID, 11, RW);
    must("map it again", (int)domu_call(&other, far_map_own, page2, (long)pte_make(mfn, PTE_DATA), 0));
}

static void test_domains(void)
{
    grant(12, GTF_permit_access, 5, page_mfn(page));
    try_map("granted to another", ID, 12, RO);
    grant(12, GTF_permit_access, DOMID_SELF, page_mfn(page));
    try_map("granted to DOMID_SELF", ID, 12, RO);
    grant(12, GTF_permit_access, 0, page_mfn(page));
    try_map("of absent domain", 9, 12, RO);
    try_map("of DOMID_SELF", DOMID_SELF, 12, RO);
    try_map("of DOMID_IO", DOMID_IO, 12, RO);
    try_map("of DOMID_XEN", DOMID_XEN, 12, RO);
    grant(12, GTF_accept_transfer, 0, page_mfn(page));
    try_map("of a transfer entry", ID, 12, RO);
    grant(12, GTF_transitive, 0, page_mfn(page));
    try_map("of a transitive entry, mapped", ID, 12, RO);
    try_map("ref beyond the table", ID, 100000, RO);
    try_map("ref -1", ID, ~0u, RO);
    try_map("no flags", ID, 8, 0);
    try_map("read-only alone", ID, 8, GNTMAP_readonly);
    try_map("application map", ID, 8, RW | GNTMAP_application_map);
}

static void test_copy(void)
{
    unsigned long mine = virt_to_mfn(own);

    grant(13, GTF_permit_access, 0, page_mfn(page));
    grant(14, GTF_permit_access | GTF_readonly, 0, page_mfn(page2));
    domu_call(&other, far_store, page2, 0x3333, 0);
    *(unsigned long *)own = 0x4444;
    result("copy in", "%d", grant_copy(true, ID, 14, false, DOMID_SELF, mine, 0, 8));
    result("copied in", "%lx", *(volatile unsigned long *)own);
    *(unsigned long *)own = 0x4444;
    result("copy out", "%d", grant_copy(false, DOMID_SELF, mine, true, ID, 13, 0, 8));
    result("copied out", "%lx", domu_call(&other, far_load, page, 0, 0));
    result("copy between its pages", "%d", grant_copy(true, ID, 14, true, ID, 13, 0, 8));
    result("copied between", "%lx", domu_call(&other, far_load, page, 0, 0));
    result("copy to read-only", "%d", grant_copy(false, DOMID_SELF, mine, true, ID, 14, 0, 8));
    result("copy from its frame by number", "%d", grant_copy(false, ID, page_mfn(page), true, ID, 13, 0, 8));
    result("copy from our frame, our number", "%d", grant_copy(false, 0, mine, true, ID, 13, 0, 8));
    result("copy from its frame as ours", "%d",
           grant_copy(false, DOMID_SELF, page_mfn(page), true, ID, 13, 0, 8));
    result("copy from ref of DOMID_SELF", "%d", grant_copy(true, DOMID_SELF, 14, true, ID, 13, 0, 8));
    result("copy from ref of absent domain", "%d", grant_copy(true, 9, 14, true, ID, 13, 0, 8));
    result("copy from ref of DOMID_IO", "%d", grant_copy(true, DOMID_IO, 14, true, ID, 13, 0, 8));
    result("copy from ref out of range", "%d", grant_copy(true, ID, 100000, true, ID, 13, 0, 8));
    result("copy across the page", "%d", grant_copy(true, ID, 14, true, ID, 13, 4090, 8));
    result("in use afterwards", "%x %x", use_of(13), use_of(14));
}

/* By the machine address of the entry, also by those that are no entry of ours. */
static void try_pte(const char *name, uint64_t address)
{
    struct gnttab_map_grant_ref m = grant_map(ID, 8, RW | GNTMAP_contains_pte, address);

    result(name, "status %d", m.status);
    if (!m.status)
        result("unmap of it", "%d", grant_unmap(m.handle, address, 0));
}

static void test_contains_pte(void)
{
    uint64_t slot = virt_to_machine(pte_of((unsigned long)hole, 1));
    struct gnttab_map_grant_ref m = grant_map(ID, 8, RW | GNTMAP_contains_pte, slot);
    struct gnttab_unmap_and_replace r = {.host_addr = slot, .new_addr = (uint64_t)hole2, .status = 99};

    result("map by entry", "status %d reads %d", m.status, trap_of_load(hole) == 0);
    result("unmap by address", "%d", grant_unmap(m.handle, (uint64_t)hole, 0));
    r.handle = m.handle;
    must("replace", grant_op(GNTTABOP_unmap_and_replace, &r, 1));
    result("replace by entry", "%d", r.status);
    unmap_says("unmap by entry", m.handle, slot, 0, 8);
    m = grant_map(ID, 8, RW, (uint64_t)hole);
    result("map by address", "%d", m.status);
    result("unmap by entry of that", "%d", grant_unmap(m.handle, slot, 0));
    (void)grant_unmap(m.handle, (uint64_t)hole, 0);
    try_pte("entry not aligned", slot + 4);
    try_pte("entry of a data page", virt_to_machine(own));
    try_pte("entry of level 2", virt_to_machine(pte_of((unsigned long)hole, 2)));
    try_pte("entry of level 4", virt_to_machine(kernel_l4));
    try_pte("entry of its table", (uint64_t)other.mfn[other.nr_frames - 1] << 12);
    try_pte("entry out of range", 1ul << 50);
}

static void replace(const char *name, grant_handle_t handle, uint64_t at, uint64_t new)
{
    struct gnttab_unmap_and_replace r = {.host_addr = at, .new_addr = new, .handle = handle, .status = 99};

    must("unmap_and_replace", grant_op(GNTTABOP_unmap_and_replace, &r, 1));
    result(name, "%d", r.status);
}

static void test_replace(void)
{
    struct gnttab_map_grant_ref m = grant_map(ID, 8, RW, (uint64_t)hole);
    char *mine = page_alloc();
    unsigned long mfn = virt_to_mfn(mine);

    *(unsigned long *)mine = 0x8888;
    replace("replace, wrong handle", m.handle + 100, (uint64_t)hole, (uint64_t)mine);
    replace("replace, wrong address", m.handle, (uint64_t)hole2, (uint64_t)mine);
    result("page to replace by", "%d", trap_of_load(mine) == 0);
    if (trap_of_load(mine))
        must("map again", hc_update_va_mapping((unsigned long)mine, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
    replace("replace by an address without tables", m.handle, (uint64_t)hole, 0x4000000000);
    replace("replace", m.handle, (uint64_t)hole, (uint64_t)mine);
    result("reads after replace", "%lx, other place vector %u", *(volatile unsigned long *)hole,
           trap_of_load(mine));
    result("in use after replace", "%x", use_of(8));
    unmap_page(hole);
    m = grant_map(ID, 8, RW, (uint64_t)hole);
    replace("replace by nothing", m.handle, (uint64_t)hole, (uint64_t)hole2);
    result("after that", "in use %x entry %d", use_of(8), *pte_of((unsigned long)hole, 1) != 0);
    if (*pte_of((unsigned long)hole, 1))
        must("unmap", grant_unmap(m.handle, (uint64_t)hole, 0));
    replace("replace by address 0", m.handle, (uint64_t)hole, 0);
}

/* In the other domain: what it may ask about tables. */
static long far_table_ops(long which, long dom, long b)
{
    xen_pfn_t frames[8];
    struct gnttab_query_size q = {.dom = (domid_t)dom, .status = 99};
    struct gnttab_setup_table s = {.dom = (domid_t)dom, .nr_frames = (uint32_t)b, .status = 99};
    struct gnttab_get_version g = {.dom = (domid_t)dom};
    struct gnttab_set_version v = {.version = (uint32_t)b};
    struct gnttab_dump_table d = {.dom = (domid_t)dom, .status = 99};
    struct xen_mem_acquire_resource r = {
        .domid = (domid_t)dom, .type = XENMEM_resource_grant_table, .nr_frames = 1};
    long ret;

    set_xen_guest_handle(s.frame_list, frames);
    set_xen_guest_handle(r.frame_list, frames);
    switch (which) {
    case 0:
        ret = grant_op(GNTTABOP_query_size, &q, 1);
        return ret ? ret : q.status;
    case 1:
        ret = grant_op(GNTTABOP_setup_table, &s, 1);
        return ret ? ret : s.status;
    case 2:
        ret = grant_op(GNTTABOP_get_version, &g, 1);
        return ret ? ret : (long)g.version;
    case 3:
        return grant_op(GNTTABOP_set_version, &v, 1);
    case 4:
        ret = grant_op(GNTTABOP_dump_table, &d, 1);
        return ret ? ret : d.status;
    default:
        return HC2(__HYPERVISOR_memory_op, XENMEM_acquire_resource, &r);
    }
}

static void test_table_ops(uint32_t version)
{
    static const char *const names[] = {"query_size",  "setup_table", "get_version",
                                        "set_version", "dump_table",  "acquire_resource"};
    struct gnttab_map_grant_ref m;
    long in_far = 0;

    for (long which = 0; which < 6; which++) {
        if (which == 3)
            continue;
        in_far = domu_call(&other, far_table_ops, which, 0, 1);
        result(names[which], "self %e, of dom0 %e; dom0 of it %e, of itself %e, of absent %e",
               domu_call(&other, far_table_ops, which, DOMID_SELF, 1), in_far, far_table_ops(which, ID, 1),
               far_table_ops(which, DOMID_SELF, 1), far_table_ops(which, 9, 1));
    }
    result("setup_table up to the limit", "%ld", domu_call(&other, far_table_ops, 1, DOMID_SELF, 4));
    result("setup_table beyond the limit", "%ld", domu_call(&other, far_table_ops, 1, DOMID_SELF, 5));
    result("setup_table of it beyond the limit", "%ld", far_table_ops(1, ID, 5));
    m = grant_map(ID, 8, RW, (uint64_t)hole);
    result("set_version while mapped", "%e", domu_call(&other, far_table_ops, 3, 0, 3 - version));
    result("set_version, same, while mapped", "%e", domu_call(&other, far_table_ops, 3, 0, version));
    (void)grant_unmap(m.handle, (uint64_t)hole, 0);
}

static long acquire(uint32_t id, uint64_t first, uint32_t nr, xen_pfn_t *frames)
{
    struct xen_mem_acquire_resource r = {
        .domid = ID, .type = XENMEM_resource_grant_table, .id = id, .frame = first, .nr_frames = nr};

    set_xen_guest_handle(r.frame_list, frames);
    return HC2(__HYPERVISOR_memory_op, XENMEM_acquire_resource, &r);
}

/* As the toolstack does before a domain runs. */
static void test_acquire(uint32_t version)
{
    xen_pfn_t frames[8] = {0};
    struct grant_entry_header *h = (void *)hole;

    grant(8, GTF_permit_access, 0, page_mfn(page));
    result("acquire table", "%e", acquire(XENMEM_resource_grant_table_id_shared, 0, 1, frames));
    result("map table", "%e", map_foreign(hole, frames[0], PTE_DATA, ID));
    h = (void *)(hole + 8 * (version == 1 ? sizeof(struct grant_entry_v1) : sizeof(union grant_entry_v2)));
    result("entry seen", "flags %x dom %u", h->flags, h->domid);
    unmap_page(hole);
    result("map table as ours", "%e", map_foreign(hole, frames[0], PTE_DATA, DOMID_SELF));
    result("acquire second to fourth", "%e", acquire(XENMEM_resource_grant_table_id_shared, 1, 3, frames));
    result("acquire fifth", "%e", acquire(XENMEM_resource_grant_table_id_shared, 4, 1, frames));
    result("acquire none", "%e", acquire(XENMEM_resource_grant_table_id_shared, 0, 0, frames));
    result("acquire from far out", "%e",
           acquire(XENMEM_resource_grant_table_id_shared, 1ul << 40, 1, frames));
    result("acquire status", "%e", acquire(XENMEM_resource_grant_table_id_status, 0, 1, frames));
    if (version == 2) {
        result("map status", "%e", map_foreign(hole, frames[0], PTE_DATA, ID));
        unmap_page(hole);
        result("map status read-only", "%e", map_foreign(hole, frames[0], PTE_RO, ID));
        unmap_page(hole);
    }
    result("acquire unknown id", "%e", acquire(7, 0, 1, frames));
    result("acquire by our own number", "%e", far_table_ops(5, 0, 1));
    result("acquire, bad list", "%e", acquire(XENMEM_resource_grant_table_id_shared, 0, 1, (void *)0x1000));
}

static long flush_op(bool by_ref, uint64_t what, uint16_t offset, uint16_t length, uint32_t op)
{
    struct gnttab_cache_flush f = {.offset = offset, .length = length, .op = op};

    if (by_ref)
        f.a.ref = (grant_ref_t)what, f.op |= GNTTAB_CACHE_SOURCE_GREF;
    else
        f.a.dev_bus_addr = what;
    return grant_op(GNTTABOP_cache_flush, &f, 1);
}

static long far_flush(long address, long op, long c)
{
    (void)c;
    return flush_op(false, (uint64_t)address, 0, 64, (uint32_t)op);
}

static void test_cache_flush(void)
{
    uint64_t mine = virt_to_machine(own), theirs = (uint64_t)page_mfn(page) << 12;
    struct gnttab_map_grant_ref m;

    result("clean own page", "%e", flush_op(false, mine, 0, 64, GNTTAB_CACHE_CLEAN));
    result("invalidate own page", "%e", flush_op(false, mine, 0, 64, GNTTAB_CACHE_INVAL));
    result("both of own page", "%e", flush_op(false, mine, 0, 64, GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN));
    result("flush nothing of own page", "%e", flush_op(false, mine, 0, 0, GNTTAB_CACHE_CLEAN));
    result("flush without kind", "%e", flush_op(false, mine, 0, 64, 0));
    result("flush of unknown kind", "%e", flush_op(false, mine, 0, 64, 4));
    result("flush across the page", "%e", flush_op(false, mine, 4090, 64, GNTTAB_CACHE_CLEAN));
    result("flush of no RAM", "%e", flush_op(false, 1ul << 50, 0, 64, GNTTAB_CACHE_CLEAN));
    result("flush of its page, not mapped", "%e", flush_op(false, theirs, 0, 64, GNTTAB_CACHE_CLEAN));
    result("flush by ref", "%e", flush_op(true, 8, 0, 64, GNTTAB_CACHE_CLEAN));
    m = grant_map(ID, 8, RW, (uint64_t)hole);
    result("flush of its page, mapped", "%e", flush_op(false, theirs, 0, 64, GNTTAB_CACHE_CLEAN));
    (void)grant_unmap(m.handle, (uint64_t)hole, 0);
    result("it cleans its own page", "%e", domu_call(&other, far_flush, (long)theirs, GNTTAB_CACHE_CLEAN, 0));
    result("it cleans our page", "%e", domu_call(&other, far_flush, (long)mine, GNTTAB_CACHE_CLEAN, 0));
    result("flush of none", "%e", grant_op(GNTTABOP_cache_flush, NULL, 0));
    result("flush, unmapped argument", "%e", grant_op(GNTTABOP_cache_flush, (void *)0x1000, 1));
}

static void test_swap(void)
{
    struct gnttab_map_grant_ref m;

    grant(20, GTF_permit_access, 0, page_mfn(page));
    grant(21, GTF_permit_access | GTF_readonly, 0, page_mfn(page2));
    result("swap", "%ld", domu_call(&other, far_swap, 20, 21, 0));
    result("flags after swap", "%x %x", flags_of(20), flags_of(21));
    m = grant_map(ID, 21, RW, (uint64_t)hole);
    result("swap while mapped", "%ld", domu_call(&other, far_swap, 20, 21, 0));
    (void)grant_unmap(m.handle, (uint64_t)hole, 0);
    result("swap with itself", "%ld", domu_call(&other, far_swap, 20, 20, 0));
    result("swap out of range", "%ld", domu_call(&other, far_swap, 20, 1000000, 0));
}

static void suite(uint32_t version)
{
    domu_call(&other, far_setup, version, 0, 0);
    page = domu_call(&other, far_page, 0, 0, 0);
    page2 = domu_call(&other, far_page, 0, 0, 0);
    test_map();
    test_unmap_kinds();
    test_changes();
    test_frames();
    test_becomes_table();
    test_domains();
    test_copy();
    test_contains_pte();
    test_replace();
    test_swap();
    test_acquire(version);
    test_table_ops(version);
    audit_point();
}

/* Version 2 entries of the other domain. */

static int copy_in(grant_ref_t ref, uint16_t offset, uint16_t len)
{
    return grant_copy(true, ID, ref, false, DOMID_SELF, virt_to_mfn(own), offset, len);
}

static void test_parts(void)
{
    struct gnttab_map_grant_ref m;

    grant(30, GTF_permit_access, 0, page_mfn(page));
    domu_call(&other, far_sub_page, 30, GTF_permit_access | GTF_sub_page, 100 | 50l << 16);
    result("part", "%d", copy_in(30, 100, 50));
    result("before and after the part", "%d %d", copy_in(30, 99, 10), copy_in(30, 149, 2));
    domu_call(&other, far_sub_page, 30, GTF_permit_access | GTF_sub_page, 4000 | 200l << 16);
    result("part beyond the page", "%d", copy_in(30, 4000, 8));
    domu_call(&other, far_sub_page, 30, GTF_permit_access | GTF_sub_page, 0);
    result("empty part", "%d %d", copy_in(30, 0, 8), copy_in(30, 0, 0));
    domu_call(&other, far_sub_page, 30, GTF_permit_access | GTF_sub_page, 0xffff | 0xffffl << 16);
    result("absurd part", "%d", copy_in(30, 0, 8));
    grant(31, GTF_permit_access, 0, page_mfn(page));
    m = grant_map(ID, 31, RW, (uint64_t)hole);
    domu_call(&other, far_sub_page, 31, GTF_permit_access | GTF_sub_page, 100 | 50l << 16);
    result("part of a mapped entry", "%d %d", copy_in(31, 100, 50), copy_in(31, 0, 8));
    unmap_says("unmap of part's page", m.handle, (uint64_t)hole, 0, 31);
}

/* 8 grants to 7, which passes it on to 0. */
static void test_transitive(void)
{
    struct domu_config c = {.id = THIRD};
    unsigned long mfn;
    long at;

    domu_build(&third, &c);
    domu_run(&third);
    domu_call(&third, far_setup, 1, 0, 0);
    at = domu_call(&third, far_page, 0, 0, 0);
    mfn = domu_mfn(&third, (void *)at);
    domu_call(&third, far_store, at, 0x9999, 0);
    domu_call(&third, far_grant, 8, GTF_permit_access | GTF_readonly, DOM_FRAME(ID, mfn));
    domu_call(&third, far_grant, 9, GTF_permit_access, DOM_FRAME(0, mfn));
    domu_call(&other, far_transitive, 40, THIRD, 8);
    result("passed on", "%d", copy_in(40, 0, 8));
    result("copied from the third", "%lx", *(volatile unsigned long *)own);
    result("copy to it", "%d", grant_copy(false, DOMID_SELF, virt_to_mfn(own), true, ID, 40, 0, 8));
    try_map("map of it", ID, 40, RO);
    domu_call(&other, far_transitive, 41, THIRD, 9);
    result("passed on, what is not its own", "%d", copy_in(41, 0, 8));
    domu_call(&other, far_transitive, 41, THIRD, 77);
    result("passed on, not granted", "%d", copy_in(41, 0, 8));
    domu_call(&other, far_transitive, 41, THIRD, 1000000);
    result("passed on, out of range", "%d", copy_in(41, 0, 8));
    domu_call(&other, far_transitive, 41, 99, 8);
    result("passed on, absent", "%d", copy_in(41, 0, 8));
    domu_call(&other, far_transitive, 41, DOMID_SELF, 40);
    result("passed on, DOMID_SELF", "%d", copy_in(41, 0, 8));
    domu_call(&other, far_transitive, 41, 0, 50);
    grant_write(50, GTF_permit_access, ID, virt_to_mfn(own));
    result("passed on, our own", "%d", copy_in(41, 0, 8));
    result("in use of all", "%x %x %lx", use_of(40), use_of(41), domu_call(&third, far_in_use, 8, 0, 0));
    domu_unlink(&third);
    must("destroy third", domu_destroy(&third));
    result("third gone", "%d", domu_gone(THIRD));
    result("passed on, of the dead", "%d", copy_in(40, 0, 8));
}

void guest_main(void)
{
    struct domu_config c = {.id = ID};
    uint64_t before;

    hole = page_hole();
    hole2 = page_hole();
    hole3 = page_hole();
    own = page_alloc();
    grant_setup(1);
    domu_build(&other, &c);
    domu_run(&other);
    suite(1);
    test_cache_flush();
    /* What the VMM keeps for ever once there were so many domains is there from now on. */
    c.id = THIRD;
    must("create third", domu_create(&c));
    must("destroy third", domctl(XEN_DOMCTL_destroydomain, THIRD));
    c.id = ID;
    domu_unlink(&other);
    must("destroy", domu_destroy(&other));
    result("gone", "%d", domu_gone(ID));
    before = machine_settled_pages();
    domu_build(&other, &c);
    domu_run(&other);
    result_prefix = "v2 ";
    suite(2);
    test_parts();
    test_transitive();
    domu_unlink(&other);
    must("destroy", domu_destroy(&other));
    result("gone", "%d", domu_gone(ID));
    result("pages missing", "%ld", machine_missing_pages(before));
}
