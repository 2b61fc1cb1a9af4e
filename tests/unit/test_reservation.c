/* unit: hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/mmu_update.c hv/mm/update_va.c
 * hv/mm/mmuext.c hv/mm/memory_op.c hv/mm/reservation.c hv/mm/exchange.c hv/mm/memory_maps.c hv/mm/retire.c
 * hv/mm/page_alloc.c hv/mm/teardown.c hv/mm/audit.c hv/mm/guest_access.c tests/unit/stubs/mm_machine.c
 * tests/unit/fixtures/page_tables.c */
/* unit-ldflags: -Wl,--wrap=m2p_entry,--wrap=retire_frame */
#include <unit.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/page_alloc.h>
#include <mm/retire.h>
#include <mm/validate.h>
#include <stubs/mm_machine.h>
#include <xen/memory.h>
#include "fixtures/page_tables.h"

/*
 * What another vCPU of d0 does meanwhile, once: it guesses the number of a frame that its domain is about to
 * get, and gives it back; d1 gets it then.
 */
static struct page_info *guessed, *stray;
static bool at_m2p, at_retire, dies_at_m2p;

uint64_t *__real_m2p_entry(mfn_t mfn);
uint64_t *__wrap_m2p_entry(mfn_t mfn);
void __real_retire_frame(struct page_info *page);
void __wrap_retire_frame(struct page_info *page);

static void give_back(void)
{
    struct page_info *page = get_page_from_mfn(page_to_mfn(guessed), d0);

    if (!page)
        return;
    (void)page_release_allocation(page);
    put_page(page);
    machine_softirqs();
    stray = alloc_frames(d1, 0, ALLOC_BITS(40));
    assert_ptr_equal(stray, guessed);
}

/* What the control tools do meanwhile, on another CPU. */
static void kill_d1(void)
{
    d1->dying = DOMAIN_DYING;
    while (domain_relinquish_memory(d1) == -ERESTART)
        ;
}

uint64_t *__wrap_m2p_entry(mfn_t mfn)
{
    if (dies_at_m2p) {
        dies_at_m2p = false;
        kill_d1();
    }
    if (at_m2p) {
        at_m2p = false;
        give_back();
    }
    return __real_m2p_entry(mfn);
}

void __wrap_retire_frame(struct page_info *page)
{
    if (at_retire) {
        at_retire = false;
        give_back();
    }
    __real_retire_frame(page);
}

static long exchange(uint64_t *in, unsigned int nr_in, unsigned int in_order, uint64_t *out,
                     unsigned int nr_out, unsigned int out_order, uint64_t *done)
{
    struct xen_memory_exchange x = {
        .in = {.nr_extents = nr_in, .extent_order = in_order, .domid = DOMID_SELF},
        .out = {.nr_extents = nr_out, .extent_order = out_order, .domid = DOMID_SELF},
    };
    long rc;

    x.in.extent_start.p = in;
    x.out.extent_start.p = out;
    rc = machine_hypercall(hc_memory_op, XENMEM_exchange, (uint64_t)&x, 0, 0, 1000);
    *done = x.nr_exchanged;
    return rc;
}

static void test_exchange(void **state)
{
    uint64_t in[8], out[8] = {100, 104}, done, before;

    for (unsigned int i = 0; i < 8; i++)
        in[i] = mfn_of(page_of(d0));
    before = d0->mm.tot_pages;
    machine_preempt_every = 1;
    assert_int_equal(exchange(in, 8, 0, out, 2, 2, &done), 0);
    assert_int_equal(done, 8);
    machine_softirqs();
    assert_int_equal(d0->mm.tot_pages, before);
    assert_int_equal(d0->mm.extra_pages, 0);
    assert_int_equal(out[0] & 3, 0);
    for (unsigned int i = 0; i < 8; i++) {
        assert_int_equal(get_gpfn_from_mfn(_mfn(out[i / 4] + i % 4)), 100 + i);
        assert_int_equal(mfn_to_page(_mfn(in[i]))->count_info & PGC_STATE_MASK, PGC_STATE_FREE);
    }
    check();
    /* One that is in use spoils its chunk, and that one stays whole. */
    in[0] = out[1];
    in[1] = out[0];
    assert_true(get_page(mfn_to_page(_mfn(out[0] + 2)), d0));
    for (unsigned int i = 0; i < 8; i++)
        out[i] = 200 + i;
    assert_int_equal(exchange(in, 2, 2, out, 8, 0, &done), -EINVAL);
    assert_int_equal(done, 1);
    put_page(mfn_to_page(_mfn(in[1] + 2)));
    machine_softirqs();
    check();
}

/* The frames that d0 will get next, of which `guessed` is the last: the allocator gives the last freed first.
 */
static void guess(unsigned int order)
{
    struct page_info *page = alloc_frames(NULL, order, ALLOC_BITS(40));

    guessed = page + (1u << order) - 1;
    stray = NULL;
    free_frames(page, order);
}

static void check_stray(void)
{
    if (stray)
        assert_int_equal(get_gpfn_from_mfn(page_to_mfn(stray)), INVALID_M2P_ENTRY);
    machine_softirqs();
    check();
}

static void exchange_for_guessed(void)
{
    uint64_t in[4], out[1] = {100}, done;

    for (unsigned int i = 0; i < 4; i++)
        in[i] = mfn_of(page_of(d0));
    guess(2);
    assert_int_equal(exchange(in, 4, 0, out, 1, 2, &done), 0);
    assert_int_equal(out[0] + 3, mfn_of(guessed));
    check_stray();
}

static void test_exchanged_frame_given_back(void **state)
{
    at_m2p = true;
    exchange_for_guessed();
    assert_false(at_m2p);
}

/* Between getting the new frames and counting them. */
static void test_given_back_uncounted(void **state)
{
    at_retire = true;
    exchange_for_guessed();
    assert_ptr_equal(stray, guessed);
    assert_int_equal(d0->mm.tot_pages, 3);
    assert_int_equal(d0->mm.extra_pages, 0);
}

/* A list of new frames that cannot be written costs no frame. */
static void test_exchange_fault(void **state)
{
    uint64_t in[4], done;

    for (unsigned int i = 0; i < 4; i++)
        in[i] = mfn_of(page_of(d0));
    assert_int_equal(exchange(in, 4, 0, NULL, 1, 2, &done), -EFAULT);
    assert_int_equal(done, 0);
    machine_softirqs();
    for (unsigned int i = 0; i < 4; i++)
        assert_int_equal(mfn_to_page(_mfn(in[i]))->owner, d0->id);
    assert_int_equal(d0->mm.tot_pages, 4);
    check();
}

/* What is taken from a domain, and returned after it has lost its memory, does not stay its own. */
static void test_exchange_for_dying(void **state)
{
    struct xen_memory_exchange x = {.in = {.nr_extents = 4, .domid = 1},
                                    .out = {.nr_extents = 1, .extent_order = 2, .domid = 1}};
    uint64_t in[4], out[1] = {100};

    for (unsigned int i = 0; i < 4; i++)
        in[i] = mfn_of(page_of(d1));
    x.in.extent_start.p = in;
    x.out.extent_start.p = out;
    dies_at_m2p = true;
    assert_int_equal(machine_hypercall(hc_memory_op, XENMEM_exchange, (uint64_t)&x, 0, 0, 1000), -EINVAL);
    assert_false(dies_at_m2p);
    machine_softirqs();
    assert_int_equal(d1->mm.tot_pages, 0);
    check();
}

static long reserve(unsigned int op, uint64_t *list, uint64_t nr, unsigned int order, unsigned int bits)
{
    struct xen_memory_reservation r = {
        .nr_extents = nr, .extent_order = order, .mem_flags = bits, .domid = DOMID_SELF};

    r.extent_start.p = list;
    return machine_hypercall(hc_memory_op, op, (uint64_t)&r, 0, 0, 1000);
}

static void test_reservation(void **state)
{
    uint64_t list[16];

    machine_preempt_every = 1;
    for (unsigned int i = 0; i < 16; i++)
        list[i] = 1000 + i;
    assert_int_equal(reserve(XENMEM_populate_physmap, list, 16, 0, 31), 16);
    assert_int_equal(get_gpfn_from_mfn(_mfn(list[15])), 1015);
    assert_int_equal(reserve(XENMEM_decrease_reservation, list, 8, 0, 0), 8);
    assert_int_equal(reserve(XENMEM_decrease_reservation, list, 8, 0, 0), 0);
    assert_int_equal(reserve(XENMEM_increase_reservation, list, 1, 3, 31), 1);
    assert_int_equal(list[0] & 7, 0);
    assert_int_equal(reserve(XENMEM_increase_reservation, list, 1, 12, 31), 0);
    assert_int_equal(reserve(XENMEM_increase_reservation, list, 1, 60, 31), 0);
    assert_int_equal(reserve(XENMEM_increase_reservation, list, 1, 0, 12), 0);
    machine_softirqs();
    assert_int_equal(d0->mm.tot_pages, 16);
    d0->mm.max_pages = 16;
    assert_int_equal(reserve(XENMEM_increase_reservation, list, 1, 0, 31), 0);
    check();
}

/* Pins go one after the other, however many one extent holds. */
static void test_decrease_of_pinned_tables(void **state)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .extent_order = 3, .domid = DOMID_SELF};
    uint64_t list[1] = {100};

    assert_int_equal(reserve(XENMEM_increase_reservation, list, 1, 3, 31), 1);
    for (unsigned int i = 0; i < 8; i++)
        assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, mfn_to_page(_mfn(list[0] + i))), 0);
    r.extent_start.p = list;
    machine_preempt_every = 1;
    for (unsigned int i = 0; i < 8; i++) {
        assert_true(mfn_to_page(_mfn(list[0] + i))->type_info & PGT_PINNED);
        assert_int_equal(machine_hypercall(hc_memory_op, XENMEM_decrease_reservation, (uint64_t)&r, 0, 0, 0),
                         -ERESTART);
        assert_false(mfn_to_page(_mfn(list[0] + i))->type_info & PGT_PINNED);
    }
    assert_int_equal(reserve(XENMEM_decrease_reservation, list, 1, 3, 0), 1);
    machine_softirqs();
    check();
}

static void test_populated_frame_given_back(void **state)
{
    uint64_t list[1] = {100};

    guess(1);
    at_m2p = true;
    assert_int_equal(reserve(XENMEM_populate_physmap, list, 1, 1, 31), 1);
    assert_false(at_m2p);
    assert_int_equal(list[0] + 1, mfn_of(guessed));
    assert_int_equal(get_gpfn_from_mfn(_mfn(list[0])), 100);
    assert_ptr_equal(stray, guessed);
    check_stray();
}

static void test_claims(void **state)
{
    uint64_t list[MACHINE_FRAMES], free = free_page_count();

    d1->mm.max_pages = 10;
    assert_int_equal(claim_frames(d1, 11), -EINVAL); /* beyond its limit */
    d1->mm.max_pages = free + 1;
    assert_int_equal(claim_frames(d1, free + 1), -ENOMEM);
    assert_int_equal(claim_frames(d1, free - 10), 0);
    assert_int_equal(claim_frames(d1, free - 10), -EINVAL);
    assert_int_equal(reserve(XENMEM_increase_reservation, list, 20, 0, 31), 10);
    assert_non_null(alloc_frames(d1, 0, ALLOC_BITS(40)));
    assert_int_equal(d1->mm.claimed, free - 11);
    assert_int_equal(claim_frames(d1, 0), 0);
    assert_int_equal(reserve(XENMEM_increase_reservation, list, 10, 0, 31), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_exchange),
        TEST(test_exchanged_frame_given_back),
        TEST(test_given_back_uncounted),
        TEST(test_exchange_fault),
        TEST(test_exchange_for_dying),
        TEST(test_reservation),
        TEST(test_decrease_of_pinned_tables),
        TEST(test_populated_frame_given_back),
        TEST(test_claims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
