/* unit: hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/mmu_update.c hv/mm/update_va.c
 * hv/mm/mmuext.c hv/mm/memory_op.c hv/mm/reservation.c hv/mm/exchange.c hv/mm/memory_maps.c hv/mm/retire.c
 * hv/mm/page_alloc.c hv/mm/teardown.c hv/mm/audit.c hv/mm/guest_access.c tests/unit/stubs/mm_machine.c
 * tests/unit/fixtures/page_tables.c */
/* unit-ldflags: -Wl,--wrap=get_page_type_if_valid,--wrap=put_page_type_preemptible */
#include <string.h>
#include <unistd.h>

#include <unit.h>
#include <base/errno.h>
#include <mm/audit.h>
#include <mm/page_alloc.h>
#include <mm/validate.h>
#include <mm/vmm_paging.h>
#include <stubs/mm_machine.h>
#include <xen/memory.h>
#include "fixtures/page_tables.h"

static void test_references(void **state)
{
    struct page_info *page = page_of(d1);

    assert_false(get_page(page, d0));
    assert_true(get_page(page, d1));
    assert_null(get_page_from_mfn(page_to_mfn(page), d0));
    assert_null(get_page_from_mfn(_mfn(MACHINE_FRAMES), d0));
    assert_null(get_page_from_mfn(_mfn(1), d0)); /* the VMM's own */
    page->count_info |= PGC_COUNT_MASK;
    assert_false(get_page(page, d1));
    assert_false(get_page_again(page));
    page->count_info = (page->count_info & ~PGC_COUNT_MASK) | 2;
    assert_true(page_release_allocation(page));
    assert_false(page_release_allocation(page));
    assert_int_equal(page->count_info & PGC_STATE_MASK, PGC_STATE_INUSE);
    put_page(page);
    assert_false(get_page(page, d1));
    assert_int_equal(d1->mm.tot_pages, 1); /* until no TLB can hold it */
    machine_softirqs();
    assert_int_equal(page->count_info & PGC_STATE_MASK, PGC_STATE_FREE);
    assert_int_equal(d1->mm.tot_pages, 0);
}

static void test_one_type_at_a_time(void **state)
{
    static const uint64_t types[] = {PGT_L1, PGT_L2, PGT_L3, PGT_L4, PGT_DESC, PGT_WRITABLE};
    struct page_info *page = page_of(d0);

    for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
        assert_true(get_page_and_type(page, d0, types[i]));
        for (unsigned int j = 0; j < ARRAY_SIZE(types); j++) {
            bool same = i == j;

            assert_int_equal(get_page_and_type(page, d0, types[j]), same);
            if (same)
                put_page_and_type(page);
        }
        put_page_and_type(page);
    }
    machine_descriptor_bad = "yes";
    assert_int_equal(get_page_type(page, PGT_DESC), -EINVAL);
    check();
}

static void test_type_count_overflow(void **state)
{
    struct page_info *page = page_of(d0);

    assert_true(get_page_and_type(page, d0, PGT_WRITABLE));
    page->type_info |= PGT_COUNT_MASK;
    assert_int_equal(get_page_type(page, PGT_WRITABLE), -EINVAL);
    page->type_info = (page->type_info & ~PGT_COUNT_MASK) | 1;
    put_page_and_type(page);
}

static void test_tables_hold_references(void **state)
{
    make_space(d0);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), 0);
    check();
    assert_int_equal(space.l1->type_info, PGT_L1 | PGT_VALIDATED | 1);
    assert_int_equal(space.data->type_info & PGT_COUNT_MASK, 1);
    assert_int_equal(get_page_type(space.l1, PGT_WRITABLE), -EINVAL);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, space.l4), 0);
    check();
    assert_int_equal(space.l1->type_info & PGT_COUNT_MASK, 0);
    assert_int_equal(space.data->count_info & PGC_COUNT_MASK, 1);
    assert_true(get_page_and_type(space.l1, d0, PGT_WRITABLE));
    put_page_and_type(space.l1);
}

static void test_refused_tables_leave_nothing(void **state)
{
    make_space(d0);
    entries(space.l1)[511] = pte(space.l2, RW); /* would map a table writable */
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), -EBUSY);
    entries(space.l1)[511] = pte(page_of(d1), RO);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), -EBUSY);
    entries(space.l1)[511] = pte_make(_mfn(DENIED_FRAME), RW);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), -EPERM);
    entries(space.l1)[511] = 0;
    entries(space.l2)[511] = pte(space.data, RW); /* mapped writable: no table */
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), -EINVAL);
    entries(space.l2)[511] = pte(space.l1, RW | PTE_PSE);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), -EINVAL);
    entries(space.l2)[511] = pte(space.l1, RW | PTE_PCD | PTE_PWT);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), -EINVAL);
    entries(space.l2)[511] = pte(space.l3, RW);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), -EINVAL);
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_LOCAL, NULL), 0);
    check();
    assert_int_equal(space.data->type_info & PGT_COUNT_MASK, 0);
    assert_int_equal(space.l3->type_info & PGT_COUNT_MASK, 0);
    entries(space.l2)[511] = 0;
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), 0);
    check();
}

static void test_vmm_slots(void **state)
{
    run_on_space();
    for (unsigned int i = VMM_L4_FIRST; i <= VMM_L4_LAST; i++)
        assert_int_equal(update(space.l4, i, pte(space.l3, RW)), -EINVAL);
    assert_int_equal(entries(space.l4)[257], vmm_l4[257]);
    assert_int_equal(entries(space.l4)[256], 0); /* the table is not visible until it is used as a kernel's */
    l4_set_m2p(space.l4, true);
    check();
    assert_int_equal(update(space.l4, 255, pte(space.l3, RW)), 0);
    assert_int_equal(update(space.l4, 272, pte(space.l3, RW)), 0);
    check();
}

static void test_stale_tlb_before_new_type(void **state)
{
    run_on_space();
    assert_true(machine_touch(SPACE_VA, true));
    assert_true(machine_tlb_maps(page_to_mfn(space.data), true));
    assert_int_equal(update(space.l1, 0, 0), 0);
    assert_true(machine_tlb_maps(page_to_mfn(space.data), true)); /* allowed: it still is writable */
    memset(entries(space.data), 0, PAGE_SIZE);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, space.data), 0);
    assert_false(machine_tlb_maps(page_to_mfn(space.data), true));
    check();
}

static struct page_info *uncached;
static unsigned int cache_flushes;

/* The guest wrote to memory past the cache, which had other contents. */
static void show_memory(void *start, size_t length)
{
    assert_ptr_equal(start, entries(uncached));
    assert_int_equal(length, PAGE_SIZE);
    assert_false(machine_tlb_maps(page_to_mfn(uncached), true));
    entries(uncached)[511] = pte(space.l2, RW);
    cache_flushes++;
}

/* What is checked is what the CPU will read when the lines have left the caches. */
static void test_memory_past_cache_is_checked(void **state)
{
    run_on_space();
    uncached = page_of(d0);
    cache_flushes = 0;
    machine_cache_flushed = show_memory;
    assert_int_equal(update(space.l1, 0, pte(uncached, RO | PTE_PAT)), 0);
    assert_int_equal(update(space.l1, 0, pte(uncached, RW | PTE_PAT)), 0);
    assert_true(machine_touch(SPACE_VA, true));
    assert_int_equal(update(space.l1, 0, pte(uncached, RW)), 0);
    assert_int_equal(cache_flushes, 0);
    assert_int_equal(update(space.l1, 0, 0), 0);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, uncached), -EBUSY);
    assert_int_equal(cache_flushes, 1);
    check();
    /* Also by who gets it with its contents. */
    assert_ptr_equal(page_steal(page_to_mfn(uncached), d0), uncached);
    disown_frame(d0, uncached);
    assert_int_equal(cache_flushes, 2);
    free_frames(uncached, 0);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, page_of(d0)), 0);
    assert_int_equal(cache_flushes, 2);
}

static void test_no_needless_flush(void **state)
{
    struct page_info *page;
    unsigned int before;

    run_on_space();
    page = page_of(d0);
    assert_int_equal(update(space.l1, 1, pte(page, RW)), 0);
    assert_int_equal(update(space.l1, 1, pte(page, RO)), 0);
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_ALL, NULL), 0);
    before = machine_flushes;
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, page), 0);
    assert_int_equal(machine_flushes,
                     before); /* the guest's own flush is younger than the last writable use */
}

static void test_freed_frame_leaves_tlbs(void **state)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    uint64_t mfn;

    run_on_space();
    assert_int_equal(update(space.l1, 0, pte(space.data, RO)), 0);
    assert_true(machine_touch(SPACE_VA, false));
    mfn = mfn_of(space.data);
    r.extent_start.p = &mfn;
    assert_int_equal(machine_hypercall(hc_memory_op, XENMEM_decrease_reservation, (uint64_t)&r, 0, 0, 0), 1);
    check(); /* mapped still: not freed */
    assert_int_equal(update(space.l1, 0, 0), 0);
    assert_true(machine_tlb_maps(_mfn(mfn), false));
    machine_softirqs();
    assert_int_equal(mfn_to_page(_mfn(mfn))->count_info & PGC_STATE_MASK, PGC_STATE_FREE);
    assert_false(machine_tlb_maps(_mfn(mfn), false));
    check();
}

/* Preempted after each entry: the work goes on where it stopped, whatever happens in between. */
static void test_preemption(void **state)
{
    struct page_info *l1s[8];

    make_space(d0);
    for (unsigned int i = 0; i < ARRAY_SIZE(l1s); i++) {
        l1s[i] = page_of(d0);
        entries(space.l2)[i + 1] = pte(l1s[i], RW);
    }
    machine_preempt_every = 1;
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), 0);
    check();
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, space.l4), 0);
    check();
    assert_int_equal(space.l1->type_info & PGT_COUNT_MASK, 0);

    /* Given up half-way; then other uses are refused, until somebody finishes. */
    for (unsigned int steps = 0; steps < 5; steps++) {
        struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfn_of(space.l4)};

        assert_int_equal(machine_hypercall(hc_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF, 0), -ERESTART);
        check();
    }
    assert_true(space.l2->type_info & PGT_PARTIAL);
    assert_true(space.l2->type_info & PGT_PARTIAL_OWNED);
    assert_int_equal(get_page_type(space.l2, PGT_WRITABLE), -EINVAL);
    assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, space.l2), 0);
    check();
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), 0);
    check();
}

/* A refusal deep in a half-validated tree takes all of it back, however often that is preempted. */
static void test_preempted_refusal(void **state)
{
    make_space(d0);
    for (unsigned int i = 1; i < 6; i++)
        entries(space.l2)[i] = pte(page_of(d0), RW);
    entries(space.l2)[6] = pte(space.data, RW); /* is mapped writable */
    machine_preempt_every = 1;
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), -EINVAL);
    check();
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_LOCAL, NULL), 0);
    assert_int_equal(current->mm.nr_pending, 0);
    check();
    assert_int_equal(space.l2->type_info & PGT_COUNT_MASK, 0);
    assert_int_equal(space.l1->type_info & PGT_COUNT_MASK, 0);
}

/* Somebody takes a table as valid while its release is half done. */
/* A pin that the control tools began comes too late: nothing would release what it left to be taken up. */
static void test_preempted_for_dying(void **state)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE};

    make_space(d1);
    assert_true(get_page(space.l4, d1)); /* as mappings by dom0 keep them */
    assert_true(get_page(space.l3, d1));
    assert_true(get_page(space.l2, d1));
    d1->dying = DOMAIN_DYING;
    while (domain_relinquish_memory(d1) == -ERESTART)
        ;
    entries(space.l3)[1] = pte(space.l2, RW);
    entries(space.l2)[0] = 0;
    op.arg1.mfn = mfn_of(space.l4);
    machine_preempt_every = 1;
    (void)machine_hypercall(hc_mmuext_op, (uint64_t)&op, 1, 0, 1, 1);
    put_page(space.l4);
    put_page(space.l3);
    put_page(space.l2);
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_LOCAL, NULL), 0);
    machine_softirqs();
    assert_int_equal(d1->mm.tot_pages, 0);
    check();
}

static void test_release_taken_over(void **state)
{
    struct mmuext_op op = {.cmd = MMUEXT_UNPIN_TABLE};

    make_space(d0);
    for (unsigned int i = 1; i < 6; i++)
        entries(space.l2)[i] = pte(page_of(d0), RW);
    assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, space.l2), 0);
    machine_preempt_every = 1;
    op.arg1.mfn = mfn_of(space.l2);
    assert_int_equal(machine_hypercall(hc_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF, 1), -ERESTART);
    assert_int_equal(current->mm.nr_pending, 1);
    check();
    machine_run(0, d0->vcpu[1]);
    assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, space.l2), 0);
    check();
    machine_run(0, d0->vcpu[0]);
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_LOCAL, NULL), 0);
    assert_int_equal(current->mm.nr_pending, 0);
    assert_int_equal(space.l2->type_info, PGT_L2 | PGT_PINNED | PGT_VALIDATED | 1);
    check();
}

/* The same where the release stopped in a table below, which lost a part of its entries: it must be whole
 * again. */
static void test_release_of_tree_taken_over(void **state)
{
    struct mmuext_op op = {.cmd = MMUEXT_UNPIN_TABLE};

    make_space(d0);
    for (unsigned int i = 1; i < 6; i++)
        entries(space.l2)[i] = pte(page_of(d0), RW);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), 0);
    machine_preempt_every = 1;
    op.arg1.mfn = mfn_of(space.l4);
    assert_int_equal(machine_hypercall(hc_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF, 1), -ERESTART);
    assert_true(space.l2->type_info & PGT_PARTIAL);
    check();
    machine_run(0, d0->vcpu[1]);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), 0);
    assert_int_equal(space.l4->type_info, PGT_L4 | PGT_PINNED | PGT_VALIDATED | 2);
    assert_int_equal(space.l3->type_info, PGT_L3 | PGT_VALIDATED | 1);
    assert_int_equal(space.l2->type_info, PGT_L2 | PGT_VALIDATED | 1);
    check();
    machine_run(0, d0->vcpu[0]);
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_LOCAL, NULL), 0);
    assert_int_equal(current->mm.nr_pending, 0);
    assert_int_equal(space.l4->type_info, PGT_L4 | PGT_PINNED | PGT_VALIDATED | 1);
    check();
}

/* What another CPU does just after a function of the VMM's returned, once. */
static void (*meanwhile)(void);

static void let_others_run(void)
{
    void (*fn)(void) = meanwhile;

    meanwhile = NULL;
    if (!fn)
        return;
    machine_run(1, d0->vcpu[1]);
    fn();
    machine_run(0, d0->vcpu[0]);
}

bool __real_get_page_type_if_valid(struct page_info *page, uint64_t type);
bool __wrap_get_page_type_if_valid(struct page_info *page, uint64_t type);
bool __wrap_get_page_type_if_valid(struct page_info *page, uint64_t type)
{
    bool valid = __real_get_page_type_if_valid(page, type);

    let_others_run();
    return valid;
}

int __real_put_page_type_preemptible(struct page_info *page);
int __wrap_put_page_type_preemptible(struct page_info *page);
int __wrap_put_page_type_preemptible(struct page_info *page)
{
    int rc = __real_put_page_type_preemptible(page);

    if (rc)
        let_others_run();
    return rc;
}

static struct page_info *upper_l3;

static void unpin_upper(void)
{
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, upper_l3), 0);
}

/*
 * A linear entry alone keeps a table valid, which has to refuse one in the other direction just when that
 * other table loses its last reference: its release, and with it that of the lower one, must wait for the
 * lock.
 */
static void test_refused_linear_entry(void **state)
{
    make_space(d0);
    upper_l3 = page_of(d0);
    entries(upper_l3)[7] = pte(space.l3, RO);
    assert_int_equal(ext(MMUEXT_PIN_L3_TABLE, space.l3), 0);
    assert_int_equal(ext(MMUEXT_PIN_L3_TABLE, upper_l3), 0);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, space.l3), 0);
    check();
    meanwhile = unpin_upper;
    alarm(10); /* a CPU that waits for its own lock waits for ever */
    assert_int_equal(update(space.l3, 8, pte(upper_l3, RO)), -EINVAL);
    alarm(0);
    assert_null(meanwhile);
    check();
    assert_int_equal(ext(MMUEXT_TLB_FLUSH_LOCAL, NULL), 0);
    assert_int_equal(current->mm.nr_pending, 0);
    assert_int_equal(upper_l3->type_info & PGT_COUNT_MASK, 0);
    assert_int_equal(space.l3->type_info & PGT_COUNT_MASK, 0);
    check();
}

static void extend_chain(void)
{
    struct page_info *third = page_of(d0);

    assert_int_equal(ext(MMUEXT_PIN_L3_TABLE, space.l3), 0);
    assert_int_equal(ext(MMUEXT_PIN_L3_TABLE, third), 0);
    (void)update(space.l3, 8, pte(third, RO));
}

/* Linear entries make no chains, also not while the release of one is preempted and its target taken again.
 */
static void test_no_linear_chain(void **state)
{
    struct mmuext_op op = {.cmd = MMUEXT_UNPIN_TABLE};

    make_space(d0);
    upper_l3 = page_of(d0);
    entries(upper_l3)[7] = pte(space.l3, RO);
    for (unsigned int i = 1; i < 6; i++)
        entries(space.l3)[i] = pte(page_of(d0), RW);
    assert_int_equal(ext(MMUEXT_PIN_L3_TABLE, space.l3), 0);
    assert_int_equal(ext(MMUEXT_PIN_L3_TABLE, upper_l3), 0);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, space.l3), 0);
    machine_preempt_every = 1;
    meanwhile = extend_chain;
    op.arg1.mfn = mfn_of(upper_l3);
    assert_int_equal(machine_hypercall(hc_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF, 0), -ERESTART);
    let_others_run();
    assert_true(upper_l3->nr_validated <= 7 || !entries(space.l3)[8]);
    check();
}

/* Without a context the audit must see what is wrong. */
static void test_audit_finds(void **state)
{
    unsigned int before = machine_messages;

    run_on_space();
    check();
    entries(space.l1)[9] = pte(space.l2, RW);
    assert_true(audit_machine() > 0);
    entries(space.l1)[9] = 0;
    entries(space.l1)[0] &= ~PTE_RW;
    assert_int_equal(audit_machine(), 1);
    entries(space.l1)[0] |= PTE_RW;
    space.data->count_info++;
    assert_int_equal(audit_machine(), 1);
    space.data->count_info--;
    space.l4->linear_count++;
    assert_int_equal(audit_machine(), 1);
    space.l4->linear_count--;
    entries(space.l4)[270] ^= PTE_RW;
    assert_int_equal(audit_machine(), 1);
    entries(space.l4)[270] ^= PTE_RW;
    d0->mm.tot_pages++;
    assert_int_equal(audit_machine(), 1);
    d0->mm.tot_pages--;
    assert_true(machine_messages > before);
    check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_references),
        TEST(test_one_type_at_a_time),
        TEST(test_type_count_overflow),
        TEST(test_tables_hold_references),
        TEST(test_refused_tables_leave_nothing),
        TEST(test_vmm_slots),
        TEST(test_stale_tlb_before_new_type),
        TEST(test_memory_past_cache_is_checked),
        TEST(test_no_needless_flush),
        TEST(test_freed_frame_leaves_tlbs),
        TEST(test_preemption),
        TEST(test_preempted_refusal),
        TEST(test_preempted_for_dying),
        TEST(test_release_taken_over),
        TEST(test_release_of_tree_taken_over),
        TEST(test_refused_linear_entry),
        TEST(test_no_linear_chain),
        TEST(test_audit_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
