#include "grant.h"
#include "hypercall.h"
#include "mm.h"

static char table_page[4096] __attribute__((aligned(4096)));
static char status_page[4096] __attribute__((aligned(4096)));
static uint32_t table_version;

long grant_op(unsigned int cmd, void *arg, unsigned int count)
{
    return HC3(__HYPERVISOR_grant_table_op, cmd, arg, count);
}

static void map_own(void *at, uint64_t mfn)
{
    must("map grant frame", hc_update_va_mapping((unsigned long)at, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
}

void grant_setup(uint32_t version)
{
    struct gnttab_set_version v = {.version = version};
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_get_status_frames f = {.dom = DOMID_SELF, .nr_frames = 1};
    xen_pfn_t frame = 0;
    uint64_t status = 0;

    must("set_version", grant_op(GNTTABOP_set_version, &v, 1));
    set_xen_guest_handle(s.frame_list, &frame);
    must("setup_table", grant_op(GNTTABOP_setup_table, &s, 1));
    must("setup_table status", s.status);
    map_own(table_page, frame);
    table_version = version;
    if (version == 1)
        return;
    set_xen_guest_handle(f.frame_list, &status);
    must("status frames", grant_op(GNTTABOP_get_status_frames, &f, 1));
    must("status frames' status", f.status);
    map_own(status_page, status);
}

union grant_entry_v2 *grant_entry_2(grant_ref_t ref)
{
    return (union grant_entry_v2 *)table_page + ref;
}

static struct grant_entry_v1 *entry_1(grant_ref_t ref)
{
    return (struct grant_entry_v1 *)table_page + ref;
}

static volatile struct grant_entry_header *header(grant_ref_t ref)
{
    return table_version == 1 ? (void *)entry_1(ref) : (void *)grant_entry_2(ref);
}

void grant_write(grant_ref_t ref, uint16_t flags, domid_t dom, uint64_t mfn)
{
    header(ref)->flags = 0;
    __sync_synchronize();
    if (table_version == 1)
        entry_1(ref)->frame = (uint32_t)mfn;
    else
        grant_entry_2(ref)->full_page.frame = mfn;
    header(ref)->domid = dom;
    __sync_synchronize();
    header(ref)->flags = flags;
}

uint16_t grant_flags(grant_ref_t ref)
{
    return header(ref)->flags;
}

uint16_t grant_in_use(grant_ref_t ref)
{
    uint16_t bits = table_version == 1 ? grant_flags(ref) : ((volatile grant_status_t *)status_page)[ref];

    return bits & (GTF_reading | GTF_writing);
}

uint64_t grant_frame(grant_ref_t ref)
{
    return table_version == 1 ? *(volatile uint32_t *)&entry_1(ref)->frame
                              : *(volatile uint64_t *)&grant_entry_2(ref)->full_page.frame;
}

struct gnttab_map_grant_ref grant_map(domid_t dom, grant_ref_t ref, uint32_t flags, uint64_t addr)
{
    struct gnttab_map_grant_ref m = {.host_addr = addr, .flags = flags, .ref = ref, .dom = dom, .status = 99};

    must("map_grant_ref", grant_op(GNTTABOP_map_grant_ref, &m, 1));
    return m;
}

int grant_unmap(grant_handle_t handle, uint64_t addr, uint64_t bus)
{
    struct gnttab_unmap_grant_ref u = {
        .host_addr = addr, .dev_bus_addr = bus, .handle = handle, .status = 99};

    must("unmap_grant_ref", grant_op(GNTTABOP_unmap_grant_ref, &u, 1));
    return u.status;
}

int grant_copy(bool from_ref, domid_t from_dom, uint64_t from, bool to_ref, domid_t to_dom, uint64_t to,
               uint16_t offset, uint16_t len)
{
    struct gnttab_copy c = {
        .source = {.domid = from_dom, .offset = offset},
        .dest = {.domid = to_dom, .offset = offset},
        .len = len,
        .flags = (uint16_t)((from_ref ? GNTCOPY_source_gref : 0) | (to_ref ? GNTCOPY_dest_gref : 0)),
        .status = 99};

    if (from_ref)
        c.source.u.ref = (grant_ref_t)from;
    else
        c.source.u.gmfn = from;
    if (to_ref)
        c.dest.u.ref = (grant_ref_t)to;
    else
        c.dest.u.gmfn = to;
    must("copy", grant_op(GNTTABOP_copy, &c, 1));
    return c.status;
}
