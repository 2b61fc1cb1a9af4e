/* Grant tables, version 2: status frames, full-page, sub-page and transitive entries; dom0 grants to itself.
 */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/grant_table.h>

static union grant_entry_v2 *table;
static grant_status_t *status;
static char *page, *page2, *hole;
static char table_page[4096] __attribute__((aligned(4096)));
static char status_page[4096] __attribute__((aligned(4096)));

static long grant_op(unsigned int cmd, void *arg)
{
    return HC3(__HYPERVISOR_grant_table_op, cmd, arg, 1);
}

static long set_version(uint32_t version, uint32_t *result_version)
{
    struct gnttab_set_version v = {.version = version};
    long ret = grant_op(GNTTABOP_set_version, &v);

    *result_version = v.version;
    return ret;
}

static void full_page(unsigned int ref, uint16_t flags, domid_t dom, const void *what)
{
    table[ref].full_page.frame = virt_to_mfn(what);
    table[ref].hdr.domid = dom;
    __sync_synchronize();
    *(volatile uint16_t *)&table[ref].hdr.flags = flags;
}

static void sub_page(unsigned int ref, uint16_t flags, const void *what, uint16_t off, uint16_t length)
{
    table[ref].sub_page.frame = virt_to_mfn(what);
    table[ref].sub_page.page_off = off;
    table[ref].sub_page.length = length;
    table[ref].hdr.domid = 0;
    __sync_synchronize();
    *(volatile uint16_t *)&table[ref].hdr.flags = flags | GTF_sub_page;
}

static void transitive(unsigned int ref, domid_t dom, grant_ref_t of)
{
    table[ref].transitive.trans_domid = dom;
    table[ref].transitive.gref = of;
    table[ref].hdr.domid = 0;
    __sync_synchronize();
    *(volatile uint16_t *)&table[ref].hdr.flags = GTF_transitive;
}

static void test_setup(void)
{
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_get_status_frames f = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_get_version g = {.dom = DOMID_SELF};
    xen_pfn_t frames[2];
    uint64_t status_frames[8] = {0};
    uint32_t version;
    long ret;

    set_xen_guest_handle(s.frame_list, frames);
    set_xen_guest_handle(f.frame_list, status_frames);
    ret = set_version(2, &version);
    result("set_version 2", "%e version %u", ret, version);
    ret = grant_op(GNTTABOP_get_version, &g);
    result("get_version", "%e %u", ret, g.version);
    ret = grant_op(GNTTABOP_setup_table, &s);
    result("setup_table", "%e status %d", ret, s.status);
    must("map table",
         hc_update_va_mapping((unsigned long)table_page, pte_make(frames[0], PTE_DATA), UVMF_INVLPG));
    table = (void *)table_page;
    ret = grant_op(GNTTABOP_get_status_frames, &f);
    result("get_status_frames", "%e status %d frame %d", ret, f.status, status_frames[0] != 0);
    must("map status",
         hc_update_va_mapping((unsigned long)status_page, pte_make(status_frames[0], PTE_DATA), UVMF_INVLPG));
    status = (void *)status_page;
    f.nr_frames = 100;
    ret = grant_op(GNTTABOP_get_status_frames, &f);
    result("get_status_frames of 100", "%e status %d", ret, f.status);
    f = (struct gnttab_get_status_frames){.dom = 7, .nr_frames = 1};
    ret = grant_op(GNTTABOP_get_status_frames, &f);
    result("get_status_frames of absent domain", "%e status %d", ret, f.status);
    result("entries start empty", "%d %d", table[8].hdr.flags == 0, status[8] == 0);
}

static struct gnttab_map_grant_ref map_ref(unsigned int ref, uint32_t flags)
{
    struct gnttab_map_grant_ref m = {
        .host_addr = (uint64_t)hole, .flags = flags, .ref = ref, .dom = 0, .status = 99};

    must("map hypercall", grant_op(GNTTABOP_map_grant_ref, &m));
    return m;
}

static int unmap_ref(grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref u = {.host_addr = (uint64_t)hole, .handle = handle, .status = 99};

    must("unmap hypercall", grant_op(GNTTABOP_unmap_grant_ref, &u));
    return u.status;
}

static void test_map(void)
{
    struct gnttab_map_grant_ref m;

    *(uint64_t *)page = 0x2b2b;
    full_page(8, GTF_permit_access, 0, page);
    m = map_ref(8, GNTMAP_host_map);
    result("map", "status %d entry %x status word %x", m.status, table[8].hdr.flags, status[8]);
    result("reads", "%lx", *(volatile uint64_t *)hole);
    result("unmap", "%d", unmap_ref(m.handle));
    result("status word after", "%x", status[8]);
    m = map_ref(8, GNTMAP_host_map | GNTMAP_readonly);
    result("map read-only", "status %d status word %x", m.status, status[8]);
    unmap_ref(m.handle);
    full_page(9, GTF_permit_access | GTF_readonly, 0, page);
    m = map_ref(9, GNTMAP_host_map);
    result("map writable of read-only", "status %d status word %x", m.status, status[9]);
    full_page(10, GTF_permit_access, 5, page);
    m = map_ref(10, GNTMAP_host_map);
    result("map of another's", "status %d", m.status);
    sub_page(11, GTF_permit_access, page, 100, 50);
    m = map_ref(11, GNTMAP_host_map);
    result("map of sub-page", "status %d", m.status);
    transitive(12, 0, 8);
    m = map_ref(12, GNTMAP_host_map);
    result("map of transitive", "status %d", m.status);
    full_page(13, GTF_permit_access, 0, kernel_l4);
    m = map_ref(13, GNTMAP_host_map);
    result("map page table writable", "status %d", m.status);
    full_page(14, GTF_permit_access, 0, page);
    table[14].full_page.frame = 1ul << 45;
    m = map_ref(14, GNTMAP_host_map);
    result("map of frame out of range", "status %d", m.status);
    m = map_ref(256, GNTMAP_host_map);
    result("map of ref beyond the frames", "status %d", m.status);
}

static int copy_from(unsigned int ref, uint16_t off, uint16_t len)
{
    struct gnttab_copy c = {.source = {.u.ref = ref, .domid = 0, .offset = off},
                            .dest = {.u.gmfn = virt_to_mfn(page2), .domid = DOMID_SELF, .offset = 0},
                            .len = len,
                            .flags = GNTCOPY_source_gref,
                            .status = 99};

    must("copy hypercall", grant_op(GNTTABOP_copy, &c));
    return c.status;
}

static int copy_to(unsigned int ref, uint16_t off, uint16_t len)
{
    struct gnttab_copy c = {.source = {.u.gmfn = virt_to_mfn(page2), .domid = DOMID_SELF, .offset = 0},
                            .dest = {.u.ref = ref, .domid = 0, .offset = off},
                            .len = len,
                            .flags = GNTCOPY_dest_gref,
                            .status = 99};

    must("copy hypercall", grant_op(GNTTABOP_copy, &c));
    return c.status;
}

static void test_copy(void)
{
    memset(page, 0x77, PAGE_SIZE);
    result("copy from full page", "%d", copy_from(8, 0, 100));
    result("copied", "byte %x status word %x", (unsigned char)page2[50], status[8]);
    result("copy from sub-page", "%d", copy_from(11, 100, 50));
    result("copy from the start of sub-page's page", "%d", copy_from(11, 0, 50));
    result("copy beyond sub-page", "%d", copy_from(11, 140, 20));
    result("copy before sub-page", "%d", copy_from(11, 90, 20));
    result("copy to sub-page", "%d", copy_to(11, 100, 50));
    sub_page(15, GTF_permit_access, page, 4090, 50);
    result("copy from sub-page across the end", "%d", copy_from(15, 4090, 50));
    sub_page(16, GTF_permit_access | GTF_readonly, page, 0, 50);
    result("copy to read-only sub-page", "%d", copy_to(16, 0, 10));
    result("copy from transitive", "%d", copy_from(12, 0, 100));
    transitive(17, 0, 11);
    result("copy from transitive of sub-page", "%d", copy_from(17, 100, 50));
    result("copy beyond transitive of sub-page", "%d", copy_from(17, 0, 200));
    transitive(18, 0, 500);
    result("copy from transitive of bad ref", "%d", copy_from(18, 0, 10));
    transitive(19, 7, 8);
    result("copy from transitive of absent domain", "%d", copy_from(19, 0, 10));
    transitive(20, 0, 20);
    result("copy from transitive of itself", "%d", copy_from(20, 0, 10));
    result("status words after", "%x %x %x %x", status[8], status[11], status[12], status[17]);
}

static void test_versions(void)
{
    struct gnttab_map_grant_ref m = map_ref(8, GNTMAP_host_map);
    uint32_t version;
    long ret;

    ret = set_version(1, &version);
    result("set_version 1 with a mapping", "%e version %u", ret, version);
    unmap_ref(m.handle);
    must("unmap status", hc_update_va_mapping((unsigned long)status_page, 0, UVMF_INVLPG));
    memset(table, 0, PAGE_SIZE);
    table[3].full_page.hdr.flags = GTF_permit_access;
    table[3].full_page.frame = virt_to_mfn(page);
    ret = set_version(1, &version);
    result("set_version 1", "%e version %u", ret, version);
    result("reserved entry 3 kept", "%d", ((struct grant_entry_v1 *)table)[3].frame == virt_to_mfn(page));
    ret = set_version(2, &version);
    result("set_version 2 again", "%e version %u", ret, version);
    result("reserved entry 3 kept again", "%d", table[3].full_page.frame == virt_to_mfn(page));
    ret = set_version(1, &version);
    result("set_version 1 at last", "%e version %u", ret, version);
}

void guest_main(void)
{
    page = page_alloc();
    page2 = page_alloc();
    hole = page_hole();
    test_setup();
    test_map();
    test_copy();
    test_versions();
}
