/* unit: hv/grant/table.c hv/grant/pin.c hv/grant/maptrack.c hv/grant/map.c hv/grant/copy.c
 * hv/grant/grant_op.c hv/grant/transfer.c hv/grant/cache.c hv/cpu/cache.c tests/unit/stubs/machine.c
 * tests/unit/fixtures/domains.c tests/unit/fixtures/grant.c */
#define _GNU_SOURCE /* registers of a signal */
#include <unit.h>
#include <signal.h>
#include <ucontext.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/page_type.h>
#include "fixtures/grant.h"

#define TRAP_FLAG 0x100 /* of RFLAGS */

static void test_copy(void **state)
{
    struct gnttab_copy c = {.source = {.u.ref = 9, .domid = 1, .offset = 4000},
                            .dest = {.u.gmfn = data_frame[0], .domid = DOMID_SELF, .offset = 10},
                            .len = 96,
                            .flags = GNTCOPY_source_gref};

    assert_int_equal(copy(c), GNTST_general_error);
    grant_to(1, 9, 0, GTF_readonly);
    assert_int_equal(copy(c), GNTST_okay);
    assert_int_equal(fake_memory[data_frame[0]][9], '0');
    assert_int_equal(fake_memory[data_frame[0]][10], '1');
    assert_int_equal(fake_memory[data_frame[0]][105], '1');
    assert_int_equal(fake_memory[data_frame[0]][106], '0');
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_readonly);

    c.len = 97;
    assert_int_equal(copy(c), GNTST_bad_copy_arg);
    c.len = 96;
    c.dest.domid = 0; /* its own number will not do */
    assert_int_equal(copy(c), GNTST_permission_denied);
    c.dest = (struct gnttab_copy_ptr){.u.gmfn = data_frame[2], .domid = DOMID_SELF};
    assert_int_equal(copy(c), GNTST_bad_page);
    c.dest = (struct gnttab_copy_ptr){.u.ref = 9, .domid = 1}; /* granted read-only */
    c.flags |= GNTCOPY_dest_gref;
    assert_int_equal(copy(c), GNTST_general_error);
    c.source.domid = 55;
    assert_int_equal(copy(c), GNTST_bad_domain);
}

static void test_v2_parts(void **state)
{
    grant_entry_v2_t *e;
    grant_handle_t h;
    struct gnttab_copy c = {.source = {.u.ref = 9, .domid = 1, .offset = 100},
                            .dest = {.u.gmfn = data_frame[0], .domid = DOMID_SELF},
                            .len = 50,
                            .flags = GNTCOPY_source_gref};

    use_v2(1);
    e = (grant_entry_v2_t *)domains[1].grant->shared[0] + 9;
    e->sub_page.hdr = (grant_entry_header_t){GTF_permit_access | GTF_sub_page, 0};
    e->sub_page.frame = data_frame[1];
    e->sub_page.page_off = 100;
    e->sub_page.length = 50;
    assert_int_equal(copy(c), GNTST_okay);
    c.len = 51;
    assert_int_equal(copy(c), GNTST_general_error);
    c.len = 50;
    c.source.offset = 99;
    assert_int_equal(copy(c), GNTST_general_error);
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA, &h), GNTST_general_error);
    c.source.offset = 100;
    e->sub_page.length = 4000; /* past the end of the page */
    assert_int_equal(copy(c), GNTST_general_error);
}

static void test_transitive(void **state)
{
    grant_entry_v2_t *e;
    grant_handle_t h;
    struct gnttab_copy c = {.source = {.u.ref = 9, .domid = 1},
                            .dest = {.u.gmfn = data_frame[0], .domid = DOMID_SELF},
                            .len = 8,
                            .flags = GNTCOPY_source_gref};

    use_v2(1);
    grant_to(2, 20, 1, GTF_readonly); /* domain 2 to domain 1, which passes it on */
    e = (grant_entry_v2_t *)domains[1].grant->shared[0] + 9;
    e->transitive.hdr = (grant_entry_header_t){GTF_transitive, 0};
    e->transitive.trans_domid = 2;
    e->transitive.gref = 20;
    assert_int_equal(copy(c), GNTST_okay);
    assert_int_equal(fake_memory[data_frame[0]][0], '2');
    assert_int_equal(entry(2, 20)->flags, GTF_permit_access | GTF_readonly);
    assert_int_equal(map(1, 9, GNTMAP_host_map | GNTMAP_readonly, L1_VA, &h), GNTST_general_error);
    c.source = (struct gnttab_copy_ptr){.u.gmfn = data_frame[0], .domid = DOMID_SELF};
    c.dest = (struct gnttab_copy_ptr){.u.ref = 9, .domid = 1};
    c.flags = GNTCOPY_dest_gref;
    assert_int_equal(copy(c), GNTST_general_error); /* read-only at its end */
    grant_to(2, 20, 0, 0);                          /* not to domain 1 any more */
    c.source = (struct gnttab_copy_ptr){.u.ref = 9, .domid = 1};
    c.dest = (struct gnttab_copy_ptr){.u.gmfn = data_frame[0], .domid = DOMID_SELF};
    c.flags = GNTCOPY_source_gref;
    assert_int_equal(copy(c), GNTST_general_error);
    e->transitive.trans_domid = 1; /* to itself: no endless way */
    e->transitive.gref = 9;
    assert_int_equal(copy(c), GNTST_general_error);
}

/*
 * Another CPU of the granting domain writes to the entry in the middle of grant_pin(): the pin is taken in
 * single steps.
 */
static volatile unsigned int steps, write_at; /* counted, and after which of them; write_at 0: no stepping */
static volatile uint16_t *written;
static uint16_t new_flags;

static void step(int number, siginfo_t *info, void *context)
{
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

    if (write_at && ++steps == write_at) {
        *written = new_flags;
        write_at = 0;
    }
    *flags = write_at ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
}

/* What grant_pin() says of entry 9 of domain 1 for a map; *n is 0 if it was done before the write. */
static int16_t pin_in_steps(struct grant_pin *pin, uint16_t flags, unsigned int *n)
{
    int16_t status;

    steps = 0;
    new_flags = flags;
    write_at = *n;
    raise(SIGTRAP); /* begins it */
    status = grant_pin(pin, &domains[1], 9, 0, true, false);
    *n = write_at ? 0 : *n;
    write_at = 0;
    return status;
}

/* A map may use plain grants alone, and which kind an entry is of is decided once. */
static void becomes(grant_entry_v2_t *e, uint16_t flags)
{
    unsigned int pinned = 0;

    /* Between two looks at the entry lie dozens of instructions here: every fifth will do. */
    for (unsigned int n = 1, tried = 1; tried; n += 5) {
        struct grant_pin pin;
        int16_t status;

        e->hdr.flags = GTF_permit_access;
        tried = n;
        status = pin_in_steps(&pin, flags, &tried);
        if (status)
            continue;
        assert_null(pin.next);
        assert_int_equal(pin.length, 0);
        assert_int_equal(mfn_x(pin.mfn), 10);
        grant_unpin(&pin);
        pinned++;
    }
    assert_true(pinned > 1); /* not only the one without a write */
}

static void test_kind_changes(void **state)
{
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    grant_entry_v2_t *e;

    use_v2(1);
    e = (grant_entry_v2_t *)domains[1].grant->shared[0];
    e[10].hdr = (grant_entry_header_t){GTF_permit_access, 1};
    e[9].sub_page.page_off = 1; /* or the domain that a transitive grant leads to */
    e[9].sub_page.length = 8;
    e[9].sub_page.frame = 10; /* or its entry there */
    written = &e[9].hdr.flags;
    assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
    becomes(&e[9], GTF_transitive);
    becomes(&e[9], GTF_permit_access | GTF_sub_page);
    signal(SIGTRAP, SIG_DFL);
}

static long cache_flush(uint64_t address, uint16_t offset, uint16_t length, uint32_t kind)
{
    struct gnttab_cache_flush f = {.a.dev_bus_addr = address, .offset = offset, .length = length, .op = kind};

    return op(GNTTABOP_cache_flush, &f, 1);
}

static void test_cache_flush(void **state)
{
    uint64_t own = data_frame[0] << 12, theirs = data_frame[1] << 12;
    struct gnttab_cache_flush f = {.a.dev_bus_addr = theirs, .length = 64, .op = GNTTAB_CACHE_CLEAN};
    struct hypercall_args args = {{GNTTABOP_cache_flush, (uint64_t)&f, 1}};
    grant_handle_t h;

    assert_int_equal(cache_flush(own, 10, 4086, GNTTAB_CACHE_CLEAN), 0);
    assert_int_equal(cache_flush(own, 10, 4087, GNTTAB_CACHE_CLEAN), -EINVAL);
    assert_int_equal(cache_flush(own, 0, 64, GNTTAB_CACHE_INVAL), -EOPNOTSUPP);
    assert_int_equal(cache_flush(own, 0, 64, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL), 0);
    assert_int_equal(cache_flush(own, 0, 64, 4), -EINVAL);
    assert_int_equal(cache_flush(own, 0, 64, 0), 0);
    assert_int_equal(cache_flush((uint64_t)FAKE_FRAMES << 12, 0, 64, GNTTAB_CACHE_CLEAN), -EINVAL);
    /* Not mapped: the frame is let alone, as even a short reference could be in its owner's way. */
    gets = 0;
    assert_int_equal(cache_flush(theirs, 0, 64, GNTTAB_CACHE_CLEAN), -EINVAL);
    mfn_to_page(_mfn(data_frame[1]))->owner = DOMID_INVALID; /* the VMM's own */
    assert_int_equal(cache_flush(theirs, 0, 64, GNTTAB_CACHE_CLEAN), -EINVAL);
    mfn_to_page(_mfn(data_frame[1]))->owner = 1;
    assert_int_equal(gets, 0);
    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, GNTMAP_device_map, 0, &h), GNTST_okay);
    assert_int_equal(cache_flush(theirs, 0, 64, GNTTAB_CACHE_CLEAN), 0);
    /* A search from the middle, as a continued one is, misses what lies before. */
    args.a[0] |= 100ul << 32;
    assert_int_equal(hc_grant_table_op(&args), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_copy),         TEST(test_v2_parts),    TEST(test_transitive),
        TEST(test_kind_changes), TEST(test_cache_flush),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
