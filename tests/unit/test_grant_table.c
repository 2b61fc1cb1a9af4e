/* unit: hv/grant/table.c hv/grant/pin.c hv/grant/maptrack.c hv/grant/map.c hv/grant/copy.c
 * hv/grant/grant_op.c hv/grant/transfer.c hv/grant/cache.c hv/cpu/cache.c tests/unit/stubs/machine.c
 * tests/unit/fixtures/domains.c tests/unit/fixtures/grant.c */
#include <unit.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/page_type.h>
#include <xen/memory.h>
#include "fixtures/grant.h"

static void test_v2(void **state)
{
    grant_entry_v2_t *e;
    grant_handle_t h;

    grant_to(1, 1, 0, 0); /* reserved: survives the change */
    grant_to(1, 9, 0, 0);
    use_v2(1);
    e = (grant_entry_v2_t *)domains[1].grant->shared[0];
    assert_int_equal(e[1].hdr.flags, GTF_permit_access);
    assert_int_equal(e[1].full_page.frame, data_frame[1]);
    assert_int_equal(e[9].hdr.flags, 0);
    assert_int_equal(map(1, 1, GNTMAP_host_map, L1_VA, &h), GNTST_okay);
    assert_int_equal(e[1].hdr.flags, GTF_permit_access);
    assert_int_equal(domains[1].grant->status[0][1], GTF_reading | GTF_writing);
    set_current(&vcpus[1]);
    assert_int_equal(op(GNTTABOP_set_version, &(struct gnttab_set_version){1}, 1), -EBUSY);
    set_current(&vcpus[0]);
    assert_int_equal(unmap(h, L1_VA), GNTST_okay);
    assert_int_equal(domains[1].grant->status[0][1], 0);
    set_current(&vcpus[1]);
    assert_int_equal(op(GNTTABOP_set_version, &(struct gnttab_set_version){1}, 1), 0);
    assert_int_equal(entry(1, 1)->frame, data_frame[1]);
    assert_int_equal(op(GNTTABOP_set_version, &(struct gnttab_set_version){3}, 1), -EINVAL);
}

static void test_table(void **state)
{
    uint64_t frames[8];
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 3};
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    struct gnttab_get_status_frames g = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_get_version v = {.dom = 1};

    s.frame_list.p = frames;
    g.frame_list.p = frames;
    assert_int_equal(op(GNTTABOP_setup_table, &s, 2), -EINVAL);
    assert_int_equal(op(GNTTABOP_setup_table, &s, 1), 0);
    assert_int_equal(s.status, GNTST_okay);
    for (unsigned int i = 0; i < 3; i++)
        assert_ptr_equal(mfn_to_virt(_mfn(frames[i])), domains[0].grant->shared[i]);
    assert_int_equal(op(GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.nr_frames, 3);
    assert_int_equal(q.max_nr_frames, 4);
    s.nr_frames = 5;
    assert_int_equal(op(GNTTABOP_setup_table, &s, 1), 0);
    assert_int_equal(s.status, GNTST_general_error);
    assert_int_equal(op(GNTTABOP_get_status_frames, &g, 1), 0);
    assert_int_equal(g.status, GNTST_general_error); /* version 1 has none */
    assert_int_equal(op(GNTTABOP_get_version, &v, 1), 0);
    assert_int_equal(v.version, 1);
    v.dom = 9;
    assert_int_equal(op(GNTTABOP_get_version, &v, 1), -ESRCH);
    use_v2(0);
    assert_int_equal(op(GNTTABOP_get_status_frames, &g, 1), 0);
    assert_int_equal(g.status, GNTST_okay);
    assert_ptr_equal(mfn_to_virt(_mfn(frames[0])), domains[0].grant->status[0]);

    set_current(&vcpus[2]);
    q.dom = s.dom = v.dom = 1;
    assert_int_equal(op(GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.status, GNTST_permission_denied);
    assert_int_equal(op(GNTTABOP_setup_table, &s, 1), 0);
    assert_int_equal(s.status, GNTST_permission_denied);
    assert_int_equal(op(GNTTABOP_get_version, &v, 1), -EPERM);
    q.dom = 9;
    assert_int_equal(op(GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.status, GNTST_bad_domain);
}

static void test_swap(void **state)
{
    struct gnttab_swap_grant_ref s = {.ref_a = 9, .ref_b = 25}; /* of one stripe */
    grant_handle_t h;

    set_current(&vcpus[1]);
    grant_to(1, 9, 0, 0);
    assert_int_equal(op(GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, 0);
    assert_int_equal(entry(1, 25)->frame, data_frame[1]);
    s.ref_b = 512;
    assert_int_equal(op(GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, GNTST_bad_gntref);
    set_current(&vcpus[0]);
    assert_int_equal(map(1, 25, GNTMAP_device_map, 0, &h), GNTST_okay);
    set_current(&vcpus[1]);
    s.ref_b = 25;
    assert_int_equal(op(GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, GNTST_eagain);
}

static long acquire(struct xen_mem_acquire_resource *r, uint64_t *frames)
{
    r->frame_list.p = frames;
    return grant_acquire_resource((uint64_t)r);
}

/* A toolstack that maps another domain's table: as much of it as there may be. */
static void test_acquire(void **state)
{
    uint64_t frames[8];
    struct xen_mem_acquire_resource r = {.domid = 1, .type = XENMEM_resource_grant_table};

    assert_int_equal(acquire(&r, NULL), 0);
    assert_int_equal(r.nr_frames, 4);
    r.frame = 1;
    r.nr_frames = 2;
    assert_int_equal(acquire(&r, frames), 0);
    assert_int_equal(domains[1].grant->nr_frames, 3);
    assert_ptr_equal(mfn_to_virt(_mfn(frames[0])), domains[1].grant->shared[1]);
    assert_ptr_equal(mfn_to_virt(_mfn(frames[1])), domains[1].grant->shared[2]);
    r.nr_frames = 4;
    assert_int_equal(acquire(&r, frames), -EINVAL); /* past the largest size */
    r.frame = ~0ul;
    assert_int_equal(acquire(&r, frames), -EINVAL);
    r = (struct xen_mem_acquire_resource){.domid = 1,
                                          .type = XENMEM_resource_grant_table,
                                          .id = XENMEM_resource_grant_table_id_status,
                                          .nr_frames = 1};
    assert_int_equal(acquire(&r, frames), -EINVAL); /* version 1 has none */
    use_v2(1);
    assert_int_equal(acquire(&r, frames), 0);
    assert_ptr_equal(mfn_to_virt(_mfn(frames[0])), domains[1].grant->status[0]);
    r.id = 2;
    assert_int_equal(acquire(&r, frames), -EINVAL);
    r.type = XENMEM_resource_ioreq_server;
    assert_int_equal(acquire(&r, frames), -EOPNOTSUPP);
    r.pad = 1;
    assert_int_equal(acquire(&r, frames), -EINVAL);
    r = (struct xen_mem_acquire_resource){.domid = 9, .type = XENMEM_resource_grant_table, .nr_frames = 1};
    assert_int_equal(acquire(&r, frames), -ESRCH);
    r.domid = 0; /* its own it has already */
    assert_int_equal(acquire(&r, frames), -EPERM);
    r.domid = 1;
    set_current(&vcpus[2]);
    assert_int_equal(acquire(&r, frames), -EPERM);
}

static void test_version_limit(void **state)
{
    struct gnttab_set_version v = {.version = 2};

    grant_table_limit_version(&domains[0], 1);
    assert_int_equal(op(GNTTABOP_set_version, &v, 1), -ENOSYS);
    assert_int_equal(domains[0].grant->version, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_v2), TEST(test_table), TEST(test_swap), TEST(test_acquire), TEST(test_version_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
