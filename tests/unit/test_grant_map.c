/* unit: hv/grant/table.c hv/grant/pin.c hv/grant/maptrack.c hv/grant/map.c hv/grant/copy.c
 * hv/grant/grant_op.c hv/grant/transfer.c hv/grant/cache.c hv/cpu/cache.c tests/unit/stubs/machine.c
 * tests/unit/fixtures/domains.c tests/unit/fixtures/grant.c */
#include <stdlib.h>

#include <unit.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/page_type.h>
#include "fixtures/grant.h"

static void test_map(void **state)
{
    grant_handle_t ro, rw;

    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, GNTMAP_host_map | GNTMAP_readonly, L1_VA, &ro), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading);
    assert_int_equal(pte_mfn(*l1(0)).m, data_frame[1]);
    assert_false(*l1(0) & PTE_RW);
    assert_int_equal(map(1, 9, GNTMAP_host_map | 5u << 16, L1_VA + PAGE_SIZE, &rw), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(*l1(1) & (PTE_RW | PTE_P | PTE_AVAIL), PTE_RW | PTE_P | 5 << 9);
    /* One reference of the entry, one of the handle, for each. */
    assert_int_equal(frame_table[data_frame[1]].count_info & PGC_COUNT_MASK, 4);
    assert_int_equal(frame_table[data_frame[1]].type_info, 2);

    /* The other entry maps the same frame, but is another mapping: a writable one would be left without a
     * writer. */
    assert_int_equal(unmap(rw, L1_VA), GNTST_general_error);
    assert_int_equal(unmap(ro, L1_VA + PAGE_SIZE), GNTST_general_error);
    assert_int_equal(domains[1].refcount, 3); /* each mapping keeps the domain, too */
    assert_int_equal(unmap(rw, L1_VA + PAGE_SIZE), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading);
    assert_int_equal(flushes, 1);
    assert_int_equal(unmap(ro, L1_VA), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(*l1(0) | *l1(1), 0);
    assert_int_equal(unmap(ro, L1_VA), GNTST_bad_handle);
    assert_int_equal(unmap(123456, L1_VA), GNTST_bad_handle);
    assert_int_equal(unmap(~0u, L1_VA), GNTST_bad_handle);
}

static void test_map_refusals(void **state)
{
    grant_handle_t h;
    uint32_t rw = GNTMAP_host_map;

    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_general_error); /* nothing granted */
    grant_to(1, 9, 2, 0);
    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_general_error); /* to another domain */
    grant_to(1, 9, 0, GTF_readonly);
    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_general_error);
    assert_int_equal(map(7, 9, rw, L1_VA, &h), GNTST_bad_domain);
    assert_int_equal(map(1, 512, rw, L1_VA, &h), GNTST_bad_gntref);
    assert_int_equal(map(1, ~0u, rw, L1_VA, &h), GNTST_bad_gntref);
    assert_int_equal(map(1, 9, 0, L1_VA, &h), GNTST_bad_gntref);
    grant_to(1, 9, 0, 0);
    entry(1, 9)->frame = (uint32_t)data_frame[2]; /* not its own */
    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_bad_page);
    entry(1, 9)->frame = ~0u;
    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_bad_page);
    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, rw, 1ul << 40, &h), GNTST_general_error); /* no table there */
    assert_int_equal(map(1, 9, rw | GNTMAP_contains_pte, (data_frame[0] << 12) + 8, &h), GNTST_general_error);
    assert_int_equal(map(1, 9, rw | GNTMAP_contains_pte, (l1_frame << 12) + 4, &h), GNTST_general_error);
    /* A refusal leaves the entry as it was, and no handle in use. */
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(map(1, 9, rw | GNTMAP_contains_pte, (l1_frame << 12) + 24, &h), GNTST_okay);
    assert_int_equal(h, 0);
    assert_int_equal(pte_mfn(*l1(3)).m, data_frame[1]);
    assert_int_equal(unmap(h, (l1_frame << 12) + 32), GNTST_general_error); /* not there */
    assert_int_equal(unmap(h, (l1_frame << 12) + 24), GNTST_okay);
}

static void test_handles_run_out(void **state)
{
    const unsigned int all = 2 * PAGE_SIZE / sizeof(struct maptrack);
    grant_handle_t h;

    grant_to(1, 9, 0, 0);
    for (unsigned int i = 0; i < all; i++)
        assert_int_equal(map(1, 9, GNTMAP_device_map | GNTMAP_readonly, 0, &h), GNTST_okay);
    assert_int_equal(map(1, 9, GNTMAP_device_map, 0, &h), GNTST_no_space);
    /* The end of the mapping domain releases them all, in steps. */
    preempt_now = true;
    assert_int_equal(grant_release_mappings(&domains[0]), -ERESTART);
    assert_int_equal(grant_active(domains[1].grant, 9)->readers, all - 64);
    preempt_now = false;
    assert_int_equal(grant_release_mappings(&domains[0]), 0);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
}

static void test_device_map(void **state)
{
    struct gnttab_map_grant_ref m = {
        .host_addr = L1_VA, .flags = GNTMAP_host_map | GNTMAP_device_map, .ref = 9, .dom = 1};
    struct gnttab_unmap_grant_ref u;

    grant_to(1, 9, 0, 0);
    assert_int_equal(op(GNTTABOP_map_grant_ref, &m, 1), 0);
    assert_int_equal(m.dev_bus_addr, data_frame[1] << 12);
    u = (struct gnttab_unmap_grant_ref){.dev_bus_addr = 4096, .handle = m.handle};
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    assert_int_equal(u.status, GNTST_bad_dev_addr);
    assert_int_equal(unmap(m.handle, L1_VA), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags,
                     GTF_permit_access | GTF_reading | GTF_writing); /* devices still may */
    u.dev_bus_addr = m.dev_bus_addr;
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    assert_int_equal(u.status, GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
}

static struct gnttab_map_grant_ref both;

static void unmap_device_part(void)
{
    struct gnttab_unmap_grant_ref u = {.dev_bus_addr = both.dev_bus_addr, .handle = both.handle};

    assert_int_equal(op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    assert_int_equal(u.status, GNTST_okay);
    /* The other CPU is not done: nothing is dropped. */
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
}

/* Two CPUs take the two kinds of one mapping away at once: the handle ends once, and with the later of them.
 */
static void test_two_unmaps(void **state)
{
    grant_handle_t h;

    both = (struct gnttab_map_grant_ref){
        .host_addr = L1_VA, .flags = GNTMAP_host_map | GNTMAP_device_map, .ref = 9, .dom = 1};
    grant_to(1, 9, 0, 0);
    assert_int_equal(op(GNTTABOP_map_grant_ref, &both, 1), 0);
    other_cpu = unmap_device_part;
    assert_int_equal(unmap(both.handle, 1ul << 40),
                     GNTST_general_error); /* not there: it keeps its host part */
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(map(1, 9, GNTMAP_device_map, 0, &h), GNTST_okay);
    assert_int_not_equal(h, both.handle);
    assert_int_equal(unmap(both.handle, L1_VA), GNTST_okay);
    assert_int_equal(unmap(both.handle, L1_VA), GNTST_bad_handle);
    assert_int_equal(grant_release_mappings(&domains[0]), 0);
    domains[0].grant->release_next = 0;

    assert_int_equal(op(GNTTABOP_map_grant_ref, &both, 1), 0);
    other_cpu = unmap_device_part;
    assert_int_equal(unmap(both.handle, L1_VA), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
}

static void test_batches(void **state)
{
    struct gnttab_map_grant_ref m[80];
    struct gnttab_unmap_grant_ref u[80];
    struct hypercall_args args;
    unsigned int tries = 0;
    long rc;

    grant_to(1, 9, 0, 0);
    for (unsigned int i = 0; i < 80; i++)
        m[i] = (struct gnttab_map_grant_ref){
            .host_addr = L1_VA + i * PAGE_SIZE, .flags = GNTMAP_host_map, .ref = 9, .dom = 1};
    preempt_now = true;
    args = (struct hypercall_args){{GNTTABOP_map_grant_ref, (uint64_t)m, 80}};
    do
        tries++;
    while ((rc = hc_grant_table_op(&args)) == -ERESTART);
    assert_int_equal(rc, 0);
    assert_int_equal(tries, 80);
    for (unsigned int i = 0; i < 80; i++) {
        assert_int_equal(m[i].status, GNTST_okay);
        u[i] = (struct gnttab_unmap_grant_ref){.host_addr = m[i].host_addr, .handle = m[i].handle};
    }
    preempt_now = false;
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, u, 80), 0);
    assert_int_equal(flushes, 3); /* 32 + 32 + 16 */
    for (unsigned int i = 0; i < 80; i++)
        assert_int_equal(u[i].status, GNTST_okay);
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, u, 0x80000000), -EINVAL);
    assert_int_equal(op(99, u, 1), -ENOSYS);
    bad_guest_pointer = true;
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, u, 1), -EFAULT);
    assert_int_equal(op(GNTTABOP_map_grant_ref, m, 1), -EFAULT);
    assert_int_equal(op(GNTTABOP_copy, m, 1), -EFAULT);
}

static void test_replace(void **state)
{
    struct gnttab_unmap_and_replace r = {.host_addr = L1_VA, .new_addr = L1_VA + PAGE_SIZE};
    uint64_t own = data_frame[0];

    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA, &r.handle), GNTST_okay);
    frame_table[own].count_info++;
    *l1(1) = pte_make(_mfn(own), PTE_P);
    assert_int_equal(op(GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_okay);
    assert_int_equal(pte_mfn(*l1(0)).m, own);
    assert_int_equal(*l1(1), 0);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(op(GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_bad_handle);
}

/* An entry of another mapping does not move: its handle would not find it, and could be ended without it. */
static void test_replace_by_foreign(void **state)
{
    struct gnttab_unmap_and_replace r = {.host_addr = L1_VA, .new_addr = L1_VA + PAGE_SIZE};
    grant_handle_t h;

    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA, &r.handle), GNTST_okay);
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA + PAGE_SIZE, &h), GNTST_okay);
    assert_int_equal(op(GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_general_error);
    assert_int_equal(unmap(r.handle, L1_VA), GNTST_okay);
    assert_int_equal(unmap(h, L1_VA + PAGE_SIZE), GNTST_okay);
    r.new_addr = L1_VA + 2 * PAGE_SIZE; /* nothing: then nothing comes in its place */
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA, &r.handle), GNTST_okay);
    assert_int_equal(op(GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_okay);
    assert_int_equal(*l1(0), 0);
}

enum { REFS = 4, FIRST_REF = 8, HANDLES = 24 };

struct held {
    bool live, readonly;
    grant_ref_t ref;
    grant_handle_t handle;
    uint64_t addr;
};

/* Counts, flags and references are what the live handles explain. */
static void check_explained(const struct held *held)
{
    unsigned int readers[REFS] = {0}, writers[REFS] = {0}, live = 0, rw = 0;

    for (unsigned int n = 0; n < HANDLES; n++) {
        if (!held[n].live)
            continue;
        live++;
        rw += !held[n].readonly;
        if (held[n].readonly)
            readers[held[n].ref - FIRST_REF]++;
        else
            writers[held[n].ref - FIRST_REF]++;
    }
    for (unsigned int n = 0; n < REFS; n++) {
        uint16_t flags = entry(1, FIRST_REF + n)->flags;

        assert_int_equal(grant_active(domains[1].grant, FIRST_REF + n)->readers, readers[n]);
        assert_int_equal(grant_active(domains[1].grant, FIRST_REF + n)->writers, writers[n]);
        assert_int_equal(!!(flags & GTF_reading), readers[n] || writers[n]);
        assert_int_equal(!!(flags & GTF_writing), !!writers[n]);
    }
    assert_int_equal(frame_table[data_frame[1]].count_info & PGC_COUNT_MASK, 2 * live);
    assert_int_equal(frame_table[data_frame[1]].type_info, 2 * rw);
}

/* Random maps, unmaps, copies and changes of the entries by their owner. */
static void test_random(void **state)
{
    struct held held[HANDLES] = {{0}};

    srandom(11);
    for (unsigned int i = 0; i < 30000; i++) {
        unsigned int n = (unsigned int)random() % HANDLES;
        struct held *h = &held[n];
        grant_ref_t ref = FIRST_REF + (unsigned int)random() % REFS;
        struct gnttab_copy c = {.source = {.u.ref = ref, .domid = 1},
                                .dest = {.u.gmfn = data_frame[0], .domid = DOMID_SELF},
                                .len = 8,
                                .flags = GNTCOPY_source_gref};

        switch (random() % 4) {
        case 0: /* what an owner may do: take back only what is not in use */
            if (!(entry(1, ref)->flags & (GTF_reading | GTF_writing)))
                grant_to(1, ref, random() % 4 ? 0 : 2, random() % 2 ? GTF_readonly : 0);
            break;
        case 1:
            (void)copy(c);
            break;
        case 2:
            if (h->live)
                break;
            h->readonly = random() % 2;
            h->ref = ref;
            h->addr = L1_VA + n * PAGE_SIZE;
            h->live = map(1, ref, GNTMAP_host_map | (h->readonly ? GNTMAP_readonly : 0), h->addr,
                          &h->handle) == GNTST_okay;
            break;
        default:
            if (h->live)
                assert_int_equal(unmap(h->handle, h->addr), GNTST_okay);
            h->live = false;
        }
        check_explained(held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_map),        TEST(test_map_refusals),       TEST(test_handles_run_out),
        TEST(test_device_map), TEST(test_two_unmaps),         TEST(test_batches),
        TEST(test_replace),    TEST(test_replace_by_foreign), TEST(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
