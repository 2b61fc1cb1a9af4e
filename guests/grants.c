/* Grant tables, version 1 and the rest of the version interface: dom0 grants to itself. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/grant_table.h>

static struct grant_entry_v1 *table;
static char *page, *page2, *hole;

static long grant_op(unsigned int cmd, void *arg, unsigned int count)
{
    return HC3(__HYPERVISOR_grant_table_op, cmd, arg, count);
}

static void grant(unsigned int ref, uint16_t flags, domid_t dom, const void *what)
{
    table[ref].domid = dom;
    table[ref].frame = (uint32_t)virt_to_mfn(what);
    __sync_synchronize();
    *(volatile uint16_t *)&table[ref].flags = flags;
}

static void test_setup(void)
{
    static char table_page[4096] __attribute__((aligned(4096)));
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    xen_pfn_t frames[2] = {0, 0};
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};
    long ret;

    ret = grant_op(GNTTABOP_query_size, &q, 1);
    result("query_size", "%e status %d frames %u max %u", ret, q.status, q.nr_frames, q.max_nr_frames);
    q.dom = 5;
    ret = grant_op(GNTTABOP_query_size, &q, 1);
    result("query_size of absent", "%e status %d", ret, q.status);
    result_errno("query_size of none", grant_op(GNTTABOP_query_size, &q, 0));
    result_errno("query_size of two", grant_op(GNTTABOP_query_size, &q, 2));
    result_errno("query_size, unmapped", grant_op(GNTTABOP_query_size, (void *)0x1000, 1));
    set_xen_guest_handle(s.frame_list, frames);
    ret = grant_op(GNTTABOP_setup_table, &s, 1);
    result("setup_table", "%e status %d frame %d", ret, s.status, frames[0] != 0);
    must("map table",
         hc_update_va_mapping((unsigned long)table_page, pte_make(frames[0], PTE_DATA), UVMF_INVLPG));
    table = (void *)table_page;
    result("entries start empty", "%d", table[8].flags == 0 && table[100].flags == 0);
    s.nr_frames = 1000000;
    ret = grant_op(GNTTABOP_setup_table, &s, 1);
    result("setup_table, too many", "%e status %d", ret, s.status);
    s.nr_frames = 1;
    s.dom = 5;
    ret = grant_op(GNTTABOP_setup_table, &s, 1);
    result("setup_table of absent", "%e status %d", ret, s.status);
    s.dom = DOMID_SELF;
    set_xen_guest_handle(s.frame_list, (xen_pfn_t *)0x1000);
    ret = grant_op(GNTTABOP_setup_table, &s, 1);
    result("setup_table, bad list", "%e status %d", ret, s.status);
    s.nr_frames = 3;
    static xen_pfn_t many[3];
    set_xen_guest_handle(s.frame_list, many);
    ret = grant_op(GNTTABOP_setup_table, &s, 1);
    result("setup_table of three", "%e status %d distinct %d", ret, s.status,
           many[1] != many[2] && many[0] == frames[0]);
    result_errno("make table a page table", mmuext(MMUEXT_PIN_L1_TABLE, frames[0], 0));
}

static struct gnttab_map_grant_ref map_ref(unsigned int ref, domid_t dom, uint32_t flags, uint64_t addr)
{
    struct gnttab_map_grant_ref m = {.host_addr = addr, .flags = flags, .ref = ref, .dom = dom, .status = 99};
    long ret = grant_op(GNTTABOP_map_grant_ref, &m, 1);

    must("map_grant_ref hypercall", ret);
    return m;
}

static int unmap_ref(grant_handle_t handle, uint64_t addr)
{
    struct gnttab_unmap_grant_ref u = {.host_addr = addr, .handle = handle, .status = 99};

    must("unmap_grant_ref hypercall", grant_op(GNTTABOP_unmap_grant_ref, &u, 1));
    return u.status;
}

static void result_map(const char *name, const struct gnttab_map_grant_ref *m, unsigned int ref)
{
    result(name, "status %d entry flags %x", m->status, table[ref].flags);
}

static void test_map(void)
{
    struct gnttab_map_grant_ref m, m2;
    uint64_t va = (uint64_t)hole;

    *(uint64_t *)page = 0x6172;
    grant(8, GTF_permit_access, 0, page);
    m = map_ref(8, 0, GNTMAP_host_map, va);
    result_map("map", &m, 8);
    result("reads", "%lx", *(volatile uint64_t *)hole);
    *(volatile uint64_t *)hole = 0x7283;
    result("written", "%lx", *(uint64_t *)page);
    result("bus address is the frame", "%d", m.dev_bus_addr == virt_to_machine(page));
    m2 = map_ref(8, 0, GNTMAP_host_map, va);
    result_map("map at the same address", &m2, 8);
    result("unmap of first", "%d", unmap_ref(m.handle, va));
    result("entry after", "%x", table[8].flags);
    if (!m2.status) {
        result("unmap of second", "%d", unmap_ref(m2.handle, va));
        result("entry after both", "%x", table[8].flags);
    }
    result("unmap again", "%d", unmap_ref(m.handle, va));
    TRY("movq (%0), %%rax", ::"r"(hole) : "rax");
    result_trap("access after unmap");
    m = map_ref(8, 0, GNTMAP_host_map | GNTMAP_readonly, va);
    result_map("map read-only", &m, 8);
    TRY("movq $1, (%0)", ::"r"(hole) : "memory");
    result_trap("write to read-only mapping");
    result("unmap at the wrong address", "%d", unmap_ref(m.handle, va + PAGE_SIZE));
    result("update_va_mapping over it", "%e", hc_update_va_mapping(va, 0, UVMF_INVLPG));
    result("unmap after that", "%d", unmap_ref(m.handle, va));
    result("entry then", "%x", table[8].flags);
    grant(9, GTF_permit_access | GTF_readonly, 0, page);
    m = map_ref(9, 0, GNTMAP_host_map, va);
    result_map("map writable of read-only grant", &m, 9);
    m = map_ref(9, 0, GNTMAP_host_map | GNTMAP_readonly, va);
    result_map("map read-only of read-only grant", &m, 9);
    if (!m.status)
        unmap_ref(m.handle, va);
    m = map_ref(8, 0, GNTMAP_host_map | GNTMAP_contains_pte, virt_to_machine(pte_of(va, 1)));
    result_map("map by pte", &m, 8);
    if (!m.status) {
        result("reads by pte", "%lx", *(volatile uint64_t *)hole);
        result("unmap by pte", "%d", unmap_ref(m.handle, virt_to_machine(pte_of(va, 1))));
    }
    m = map_ref(8, 0, GNTMAP_host_map | GNTMAP_device_map, va);
    result_map("map for host and device", &m, 8);
    if (!m.status)
        result("unmap host part", "%d", unmap_ref(m.handle, va));
    result("entry with device part left", "%x", table[8].flags);
}

static void test_map_refusals(void)
{
    uint64_t va = (uint64_t)hole;
    struct gnttab_map_grant_ref m;

    grant(20, GTF_invalid, 0, page);
    m = map_ref(20, 0, GNTMAP_host_map, va);
    result_map("map of invalid entry", &m, 20);
    grant(21, GTF_permit_access, 7, page);
    m = map_ref(21, 0, GNTMAP_host_map, va);
    result_map("map of another's grant", &m, 21);
    grant(22, GTF_accept_transfer, 0, page);
    m = map_ref(22, 0, GNTMAP_host_map, va);
    result_map("map of transfer entry", &m, 22);
    m = map_ref(1000000, 0, GNTMAP_host_map, va);
    result("map of ref out of range", "status %d", m.status);
    m = map_ref(8, 5, GNTMAP_host_map, va);
    result("map of absent domain", "status %d", m.status);
    grant(23, GTF_permit_access, 0, page);
    m = map_ref(23, 0, 0, va);
    result_map("map with no flags", &m, 23);
    m = map_ref(23, 0, GNTMAP_host_map, 0xffff820000000000);
    result_map("map into VMM", &m, 23);
    m = map_ref(23, 0, GNTMAP_host_map, 0x4000000000);
    result_map("map without tables", &m, 23);
    m = map_ref(23, 0, GNTMAP_host_map, va + 8);
    result_map("map unaligned", &m, 23);
    if (!m.status)
        unmap_ref(m.handle, va + 8);
    grant(24, GTF_permit_access, 0, kernel_l4);
    m = map_ref(24, 0, GNTMAP_host_map, va);
    result_map("map page table writable", &m, 24);
    m = map_ref(24, 0, GNTMAP_host_map | GNTMAP_readonly, va);
    result_map("map page table read-only", &m, 24);
    if (!m.status)
        unmap_ref(m.handle, va);
    grant(25, GTF_permit_access, 0, page);
    table[25].frame = 0x200;
    m = map_ref(25, 0, GNTMAP_host_map, va);
    result_map("map of frame of the VMM or free", &m, 25);
    table[25].frame = 0xffffffff;
    m = map_ref(25, 0, GNTMAP_host_map, va);
    result_map("map of frame out of range", &m, 25);
    result("unmap of handle 0xffffffff", "%d", unmap_ref(0xffffffff, va));
    result("unmap of handle 12345", "%d", unmap_ref(12345, va));
    result_errno("map, unmapped argument", grant_op(GNTTABOP_map_grant_ref, (void *)0x1000, 1));
    result_errno("map of none", grant_op(GNTTABOP_map_grant_ref, &m, 0));
    result_errno("unknown operation", grant_op(50, &m, 1));
}

static struct gnttab_copy copy(uint16_t flags, uint64_t src, uint16_t soff, uint64_t dst, uint16_t doff,
                               uint16_t len)
{
    struct gnttab_copy c = {.source = {.domid = DOMID_SELF, .offset = soff},
                            .dest = {.domid = DOMID_SELF, .offset = doff},
                            .len = len,
                            .flags = flags,
                            .status = 99};

    if (flags & GNTCOPY_source_gref)
        c.source.u.ref = (grant_ref_t)src, c.source.domid = 0;
    else
        c.source.u.gmfn = src;
    if (flags & GNTCOPY_dest_gref)
        c.dest.u.ref = (grant_ref_t)dst, c.dest.domid = 0;
    else
        c.dest.u.gmfn = dst;
    must("copy hypercall", grant_op(GNTTABOP_copy, &c, 1));
    return c;
}

static void result_copy(const char *name, struct gnttab_copy c)
{
    result(name, "status %d, byte 10 %x, byte 20 %x", c.status, (unsigned char)page2[10],
           (unsigned char)page2[20]);
}

static void test_copy(void)
{
    unsigned long src = virt_to_mfn(page), dst = virt_to_mfn(page2);

    memset(page, 0xa5, PAGE_SIZE);
    memset(page2, 0, PAGE_SIZE);
    result_copy("copy by frames", copy(0, src, 0, dst, 10, 10));
    grant(30, GTF_permit_access | GTF_readonly, 0, page);
    grant(31, GTF_permit_access, 0, page2);
    grant(32, GTF_permit_access | GTF_readonly, 0, page2);
    memset(page2, 0, PAGE_SIZE);
    result_copy("copy from grant", copy(GNTCOPY_source_gref, 30, 0, dst, 20, 10));
    memset(page2, 0, PAGE_SIZE);
    result_copy("copy to grant", copy(GNTCOPY_dest_gref, src, 0, 31, 10, 11));
    result("entries after", "%x %x", table[30].flags, table[31].flags);
    memset(page2, 0, PAGE_SIZE);
    result_copy("copy to read-only grant", copy(GNTCOPY_dest_gref, src, 0, 32, 10, 11));
    result_copy("copy from bad ref", copy(GNTCOPY_source_gref, 500, 0, dst, 10, 11));
    result_copy("copy across page", copy(0, src, 4000, dst, 10, 200));
    result_copy("copy across page of destination", copy(0, src, 0, dst, 4090, 10));
    result_copy("copy of 0", copy(0, src, 0, dst, 10, 0));
    result_copy("copy to page table", copy(0, src, 0, virt_to_mfn(kernel_l4), 10, 10));
    result_copy("copy from frame of the VMM or free", copy(0, 0x200, 0, dst, 10, 10));
    result_copy("copy from frame out of range", copy(0, 1ul << 40, 0, dst, 10, 10));
    result_errno("copy, unmapped argument", grant_op(GNTTABOP_copy, (void *)0x1000, 1));
    result_errno("copy, huge count", grant_op(GNTTABOP_copy, (void *)0x1000, 0xffffffff));
}

static void test_versions(void)
{
    struct gnttab_get_version g = {.dom = DOMID_SELF};
    struct gnttab_set_version v = {.version = 3};
    struct gnttab_get_status_frames f = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_swap_grant_ref w = {.ref_a = 40, .ref_b = 41};
    uint64_t frame = 0;
    long ret;

    ret = grant_op(GNTTABOP_get_version, &g, 1);
    result("get_version", "%e version %u", ret, g.version);
    ret = grant_op(GNTTABOP_set_version, &v, 1);
    result("set_version 3", "%e", ret);
    grant(40, GTF_permit_access, 0, page);
    grant(41, GTF_permit_access, 0, page2);
    ret = grant_op(GNTTABOP_swap_grant_ref, &w, 1);
    result("swap", "%e status %d swapped %d", ret, w.status, table[40].frame == virt_to_mfn(page2));
    w.ref_b = 1000000;
    ret = grant_op(GNTTABOP_swap_grant_ref, &w, 1);
    result("swap out of range", "%e status %d", ret, w.status);
    set_xen_guest_handle(f.frame_list, &frame);
    ret = grant_op(GNTTABOP_get_status_frames, &f, 1);
    result("status frames with version 1", "%e status %d", ret, f.status);
    memset(table, 0, PAGE_SIZE);
    v.version = 1;
    result_errno("set_version 1", grant_op(GNTTABOP_set_version, &v, 1));
    v.version = 2;
    ret = grant_op(GNTTABOP_set_version, &v, 1);
    result("set_version 2", "%e version %u", ret, v.version);
    ret = grant_op(GNTTABOP_get_status_frames, &f, 1);
    result("status frames then", "%e status %d", ret, f.status);
    ret = grant_op(GNTTABOP_get_version, &g, 1);
    result("get_version then", "%e version %u", ret, g.version);
    v.version = 1;
    result_errno("set_version back to 1", grant_op(GNTTABOP_set_version, &v, 1));
}

void guest_main(void)
{
    page = page_alloc();
    page2 = page_alloc();
    hole = page_hole();
    test_setup();
    test_map();
    test_map_refusals();
    test_copy();
    test_versions();
}
