/* memory_op for the toolstack: claims, resources, memory maps and what needs a physical map or hardware. */
#include "common/child.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/memory.h>
#include <xen/physdev.h>

#define UNMAPPED ((void *)0x1000)
#define NOBODY   9

static uint64_t buffer[512] __attribute__((aligned(4096)));

static long memory_op(unsigned int cmd, void *arg)
{
    return HC2(__HYPERVISOR_memory_op, cmd, arg);
}

static long claim(domid_t id, unsigned long pages, unsigned int order, unsigned int flags)
{
    struct xen_memory_reservation r = {
        .nr_extents = pages, .extent_order = order, .mem_flags = flags, .domid = id};

    return memory_op(XENMEM_claim_pages, &r);
}

static uint64_t outstanding(void)
{
    domctl_clear();
    must("info", domctl(XEN_DOMCTL_getdomaininfo, CHILD_ID));
    return domctl_arg.u.getdomaininfo.outstanding_pages;
}

static void test_claims(void)
{
    domctl_clear();
    domctl_arg.u.max_mem.max_memkb = 4000;
    must("max_mem", domctl(XEN_DOMCTL_max_mem, CHILD_ID));
    result_errno("claim", claim(CHILD_ID, 100, 0, 0));
    result("claimed beyond what it has", "%lu", outstanding());
    result_errno("claim again", claim(CHILD_ID, 200, 0, 0));
    result_errno("claim nothing", claim(CHILD_ID, 0, 0, 0));
    result("claimed then", "%lu", outstanding());
    result_errno("claim less than it has", claim(CHILD_ID, 2, 0, 0));
    result("claimed of that", "%lu", outstanding());
    result_errno("claim nothing again", claim(CHILD_ID, 0, 0, 0));
    result_errno("claim beyond its limit", claim(CHILD_ID, 2000, 0, 0));
    result_errno("claim of large pages", claim(CHILD_ID, 1, 9, 0));
    result_errno("claim with flags", claim(CHILD_ID, 100, 0, 1));
    result_errno("claim for nobody", claim(NOBODY, 100, 0, 0));
    result_errno("claim for dom0", claim(DOMID_SELF, 0, 0, 0));
    domctl_clear();
    domctl_arg.u.max_mem.max_memkb = 1ul << 40;
    must("max_mem", domctl(XEN_DOMCTL_max_mem, CHILD_ID));
    result_errno("claim more than there is", claim(CHILD_ID, 1ul << 30, 0, 0));
    result_errno("claim absurdly much", claim(CHILD_ID, ~0ul, 0, 0));
    result_errno("claim, bad pointer", memory_op(XENMEM_claim_pages, UNMAPPED));
    {
        struct xen_memory_reservation r = {.nr_extents = 1, .domid = CHILD_ID};
        xen_pfn_t pfn = 50;

        result_errno("claim to be used", claim(CHILD_ID, 60, 0, 0));
        result("claimed", "%d", outstanding() > 0);
        set_xen_guest_handle(r.extent_start, &pfn);
        result_errno("populate out of it", memory_op(XENMEM_populate_physmap, &r));
        result_errno("claim no more", claim(CHILD_ID, 0, 0, 0));
        result("claimed in the end", "%lu", outstanding());
    }
}

static void acquire(const char *name, domid_t id, uint16_t type, uint32_t rid, uint64_t first, uint32_t count,
                    void *list)
{
    struct xen_mem_acquire_resource r = {
        .domid = id, .type = type, .id = rid, .nr_frames = count, .frame = first};
    long ret;

    memset(buffer, 0, sizeof(buffer));
    r.frame_list.p = list;
    ret = memory_op(XENMEM_acquire_resource, &r);
    result(name, "%e frames %u first %d", ret, r.nr_frames, buffer[0] != 0);
}

static void test_resources(void)
{
    acquire("grant frames, how many", CHILD_ID, XENMEM_resource_grant_table, 0, 0, 0, NULL);
    acquire("grant frame", CHILD_ID, XENMEM_resource_grant_table, 0, 0, 1, buffer);
    acquire("grant frame 3", CHILD_ID, XENMEM_resource_grant_table, 0, 3, 1, buffer);
    acquire("grant frame 4", CHILD_ID, XENMEM_resource_grant_table, 0, 4, 1, buffer);
    acquire("status frame", CHILD_ID, XENMEM_resource_grant_table, 1, 0, 1, buffer);
    acquire("grant frames, other kind", CHILD_ID, XENMEM_resource_grant_table, 2, 0, 1, buffer);
    acquire("no grant frames", CHILD_ID, XENMEM_resource_grant_table, 0, 0, 0, buffer);
    acquire("ioreq server", CHILD_ID, XENMEM_resource_ioreq_server, 0, 0, 1, buffer);
    acquire("trace buffer", CHILD_ID, XENMEM_resource_vmtrace_buf, 0, 0, 1, buffer);
    acquire("resource 9", CHILD_ID, 9, 0, 0, 1, buffer);
    acquire("resource of nobody", NOBODY, XENMEM_resource_grant_table, 0, 0, 1, buffer);
    acquire("resource of dom0", DOMID_SELF, XENMEM_resource_grant_table, 0, 0, 1, buffer);
    acquire("resource, bad pointer", CHILD_ID, XENMEM_resource_grant_table, 0, 0, 1, UNMAPPED);
    result_errno("resource, bad argument", memory_op(XENMEM_acquire_resource, UNMAPPED));
}

static void test_physmap(void)
{
    struct xen_add_to_physmap a = {.domid = CHILD_ID, .space = XENMAPSPACE_shared_info, .gpfn = 100};
    struct xen_add_to_physmap_batch b = {.domid = CHILD_ID, .space = XENMAPSPACE_gmfn_foreign, .size = 1};
    struct xen_remove_from_physmap r = {.domid = CHILD_ID, .gpfn = 100};
    int err = 77;

    result_errno("add shared info", memory_op(XENMEM_add_to_physmap, &a));
    a.space = XENMAPSPACE_grant_table;
    result_errno("add grant table", memory_op(XENMEM_add_to_physmap, &a));
    a.space = 99;
    result_errno("add space 99", memory_op(XENMEM_add_to_physmap, &a));
    a.domid = NOBODY;
    result_errno("add for nobody", memory_op(XENMEM_add_to_physmap, &a));
    result_errno("add, bad pointer", memory_op(XENMEM_add_to_physmap, UNMAPPED));
    b.idxs.p = buffer;
    b.gpfns.p = buffer + 8;
    b.errs.p = &err;
    result("add a batch", "%e %d", memory_op(XENMEM_add_to_physmap_batch, &b), err);
    b.size = 0;
    result_errno("add an empty batch", memory_op(XENMEM_add_to_physmap_batch, &b));
    b.size = 1;
    b.domid = NOBODY;
    result_errno("add a batch for nobody", memory_op(XENMEM_add_to_physmap_batch, &b));
    b.domid = CHILD_ID;
    b.idxs.p = UNMAPPED;
    result_errno("add a batch, bad list", memory_op(XENMEM_add_to_physmap_batch, &b));
    result_errno("add a batch, bad pointer", memory_op(XENMEM_add_to_physmap_batch, UNMAPPED));
    result_errno("remove", memory_op(XENMEM_remove_from_physmap, &r));
    r.gpfn = child_spare(0);
    result_errno("remove its frame", memory_op(XENMEM_remove_from_physmap, &r));
    r.domid = DOMID_SELF;
    r.gpfn = virt_to_mfn(buffer);
    result_errno("remove our frame", memory_op(XENMEM_remove_from_physmap, &r));
    r.gpfn = ~0ul;
    result_errno("remove no frame", memory_op(XENMEM_remove_from_physmap, &r));
    r.domid = NOBODY;
    result_errno("remove for nobody", memory_op(XENMEM_remove_from_physmap, &r));
}

static void rdm(const char *name, unsigned int flags, unsigned int entries, void *where)
{
    struct xen_reserved_device_memory_map m = {.flags = flags, .nr_entries = entries};
    long ret;

    m.buffer.p = where;
    ret = memory_op(XENMEM_reserved_device_memory_map, &m);
    result(name, "%e %u", ret, m.nr_entries);
}

static void test_maps(void)
{
    struct xen_foreign_memory_map f = {.domid = CHILD_ID, .map.nr_entries = 1};
    struct xen_vnuma_topology_info v = {.domid = CHILD_ID};
    struct xen_memory_map m = {.nr_entries = 4};
    uint16_t id = CHILD_ID;

    rdm("reserved memory, all", XENMEM_RDM_ALL, 4, buffer);
    rdm("reserved memory, how many", XENMEM_RDM_ALL, 0, NULL);
    rdm("reserved memory of a device", 0, 4, buffer);
    rdm("reserved memory, unknown flags", 2, 4, buffer);
    result_errno("reserved memory, bad pointer", memory_op(XENMEM_reserved_device_memory_map, UNMAPPED));
    f.map.buffer.p = buffer;
    result_errno("set memory map", memory_op(XENMEM_set_memory_map, &f));
    f.map.nr_entries = 10000;
    result_errno("set a large memory map", memory_op(XENMEM_set_memory_map, &f));
    f.map.nr_entries = 1;
    f.map.buffer.p = UNMAPPED;
    result_errno("set memory map, bad pointer", memory_op(XENMEM_set_memory_map, &f));
    f.domid = NOBODY;
    result_errno("set memory map of nobody", memory_op(XENMEM_set_memory_map, &f));
    m.buffer.p = buffer;
    result_errno("own memory map", memory_op(XENMEM_memory_map, &m));
    result_errno("vnuma", memory_op(XENMEM_get_vnumainfo, &v));
    v.domid = NOBODY;
    result_errno("vnuma of nobody", memory_op(XENMEM_get_vnumainfo, &v));
    v.domid = DOMID_SELF;
    result_errno("own vnuma", memory_op(XENMEM_get_vnumainfo, &v));
    v.domid = CHILD_ID;
    v.pad = 1;
    result_errno("vnuma, pad", memory_op(XENMEM_get_vnumainfo, &v));
    result_errno("vnuma, bad pointer", memory_op(XENMEM_get_vnumainfo, UNMAPPED));
    result("maximum gpfn", "%d", memory_op(XENMEM_maximum_gpfn, &id) >= 0);
    result("current reservation", "%d", memory_op(XENMEM_current_reservation, &id) > 0);
    result("maximum reservation", "%d", memory_op(XENMEM_maximum_reservation, &id) > 0);
    id = NOBODY;
    result_errno("maximum gpfn of nobody", memory_op(XENMEM_maximum_gpfn, &id));
    result_errno("current reservation of nobody", memory_op(XENMEM_current_reservation, &id));
}

static void test_others(void)
{
    struct xen_mem_paging_op p = {.op = XENMEM_paging_op_evict, .domain = CHILD_ID};
    struct xen_mem_access_op a = {.op = XENMEM_access_op_get_access, .domid = CHILD_ID};
    struct xen_mem_sharing_op s = {.op = XENMEM_sharing_op_nominate_gfn, .domain = CHILD_ID};
    struct xen_pod_target t = {.domid = CHILD_ID};

    result_errno("paging", memory_op(XENMEM_paging_op, &p));
    p.domain = NOBODY;
    result_errno("paging of nobody", memory_op(XENMEM_paging_op, &p));
    result_errno("paging, bad pointer", memory_op(XENMEM_paging_op, UNMAPPED));
    result_errno("access", memory_op(XENMEM_access_op, &a));
    a.domid = NOBODY;
    result_errno("access of nobody", memory_op(XENMEM_access_op, &a));
    result_errno("access, bad pointer", memory_op(XENMEM_access_op, UNMAPPED));
    result_errno("sharing", memory_op(XENMEM_sharing_op, &s));
    s.domain = NOBODY;
    result_errno("sharing of nobody", memory_op(XENMEM_sharing_op, &s));
    result_errno("sharing, bad pointer", memory_op(XENMEM_sharing_op, UNMAPPED));
    result_errno("get pod target", memory_op(XENMEM_get_pod_target, &t));
    result_errno("set pod target", memory_op(XENMEM_set_pod_target, &t));
    t.domid = NOBODY;
    result_errno("get pod target of nobody", memory_op(XENMEM_get_pod_target, &t));
    result_errno("operation 8", memory_op(8, buffer));
    result_errno("operation 10", memory_op(XENMEM_machine_memory_map, UNMAPPED));
    result_errno("operation 25", memory_op(XENMEM_machphys_compat_mfn_list, UNMAPPED));
    result_errno("operation 29", memory_op(29, buffer));
    result_errno("operation 63", memory_op(63, buffer));
}

void guest_main(void)
{
    child_create(1);
    test_claims();
    test_resources();
    test_physmap();
    test_maps();
    test_others();
    child_destroy();
}
