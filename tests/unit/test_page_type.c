/* unit: hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/mmu_update.c hv/mm/update_va.c
 * hv/mm/mmuext.c hv/mm/memory_op.c hv/mm/reservation.c hv/mm/exchange.c hv/mm/memory_maps.c hv/mm/retire.c
 * hv/mm/page_alloc.c hv/mm/teardown.c hv/mm/audit.c hv/mm/guest_access.c tests/unit/stubs/mm_machine.c */
#include <unit.h>
#include <string.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/audit.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <mm/validate.h>
#include <mm/vmm_paging.h>
#include <stubs/mm_machine.h>
#include <xen/memory.h>

#define RW (PTE_P | PTE_RW | PTE_US)
#define RO (PTE_P | PTE_US)

static struct domain *d0, *d1;

static struct page_info *page_of(struct domain *d)
{
    struct page_info *page = alloc_frames(d, 0, ALLOC_BITS(40));

    assert_non_null(page);
    memset(page_to_virt(page), 0, PAGE_SIZE);
    return page;
}

static uint64_t mfn_of(const struct page_info *page)
{
    return mfn_x(page_to_mfn(page));
}

static uint64_t pte(const struct page_info *page, uint64_t flags)
{
    return pte_make(page_to_mfn(page), flags);
}

static pte_t *entries(const struct page_info *page)
{
    return page_to_virt(page);
}

static long ext(unsigned int cmd, const struct page_info *page)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = page ? mfn_of(page) : 0};

    return machine_hypercall(hc_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF, 1000000);
}

static long update_fd(const struct page_info *table, unsigned int i, uint64_t val, unsigned int cmd,
                      uint32_t fd)
{
    struct mmu_update u = {.ptr = mfn_of(table) << PAGE_SHIFT | i * 8 | cmd, .val = val};

    return machine_hypercall(hc_mmu_update, (uint64_t)&u, 1, 0, fd, 1000000);
}

static long update(const struct page_info *table, unsigned int i, uint64_t val)
{
    return update_fd(table, i, val, MMU_NORMAL_PT_UPDATE, DOMID_SELF);
}

/* One table of each level above a data page; the L4 is pinned. */
static struct space {
    struct page_info *l4, *l3, *l2, *l1, *data;
} space;

#define SPACE_VA 0x0UL

static void make_space(struct domain *d)
{
    space = (struct space){page_of(d), page_of(d), page_of(d), page_of(d), page_of(d)};
    entries(space.l4)[0] = pte(space.l3, RW);
    entries(space.l3)[0] = pte(space.l2, RW);
    entries(space.l2)[0] = pte(space.l1, RW);
    entries(space.l1)[0] = pte(space.data, RW);
}

static void run_on_space(void)
{
    make_space(current->domain);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, space.l4), 0);
    assert_true(get_page_and_type(space.l4, current->domain, PGT_L4));
    current->pv.kernel_table = space.l4;
    current->cr3 = mfn_of(space.l4) << PAGE_SHIFT;
}

static void check(void)
{
    assert_int_equal(audit_machine(), 0);
    machine_check_tlbs();
}

static int setup(void **state)
{
    machine_reset();
    d0 = machine_domain[0];
    d1 = machine_domain[1];
    return 0;
}

static int teardown(void **state)
{
    machine_end();
    return 0;
}

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

static void test_l1_updates(void **state)
{
    struct page_info *foreign = page_of(d1);

    run_on_space();
    assert_int_equal(update(space.l1, 1, pte(space.data, RO)), 0);
    assert_int_equal(space.data->type_info & PGT_COUNT_MASK, 1);
    assert_int_equal(update(space.l1, 1, pte(space.data, RW)), 0);
    assert_int_equal(space.data->type_info & PGT_COUNT_MASK, 2);
    assert_int_equal(update(space.l1, 1, pte(space.data, RW | PTE_NX | PTE_A)), 0);
    assert_int_equal(space.data->type_info & PGT_COUNT_MASK, 2);
    assert_int_equal(update(space.l1, 1, pte(space.data, RO)), 0);
    assert_int_equal(space.data->type_info & PGT_COUNT_MASK, 1);
    check();
    assert_int_equal(update(space.l1, 2, pte(foreign, RO)), -EBUSY);
    assert_int_equal(update(space.l1, 2, pte(space.l1, RW)), -EBUSY);
    assert_int_equal(update(space.l1, 2, pte(space.l1, RO)), 0);
    assert_int_equal(update(space.l1, 2, pte(space.l1, RW)), -EBUSY);
    assert_int_equal(update(space.l1, 3, pte_make(_mfn(DEVICE_FRAME), RW | PTE_PCD)), 0);
    assert_int_equal(update(space.l1, 3, pte_make(_mfn(DENIED_FRAME), RW)), -EPERM);
    assert_int_equal(update(space.l1, 3, pte_make(_mfn(READ_ONLY_FRAME), RW)), 0);
    assert_int_equal(entries(space.l1)[3] & PTE_RW, 0);
    assert_int_equal(update(space.l1, 3, pte_make(_mfn(READ_ONLY_FRAME), RW)), -EPERM);
    assert_int_equal(update(space.l1, 4, pte_make(_mfn(1UL << 39), RO)), -EPERM);
    assert_int_equal(update(space.l1, 4, pte(space.data, RW | PTE_G)), 0);
    assert_int_equal(entries(space.l1)[4] & PTE_G, 0);
    assert_int_equal(update(space.l1, 4, pte(space.data, PTE_P)), 0);
    assert_int_equal(entries(space.l1)[4] & PTE_US, PTE_US);
    check();
}

static void test_modes(void **state)
{
    run_on_space();
    entries(space.l1)[0] |= PTE_A | PTE_D;
    assert_int_equal(update_fd(space.l1, 0, pte(space.data, RW), MMU_PT_UPDATE_PRESERVE_AD, DOMID_SELF), 0);
    assert_int_equal(entries(space.l1)[0], pte(space.data, RW | PTE_A | PTE_D));
    assert_int_equal(update(space.l1, 0, pte(space.data, RW)), 0);
    assert_int_equal(entries(space.l1)[0], pte(space.data, RW));
    assert_int_equal(update_fd(space.l1, 0, 0, 4, DOMID_SELF), -ENOSYS);
    assert_int_equal(update_fd(space.data, 0, 4711, MMU_MACHPHYS_UPDATE, DOMID_SELF), 0);
    assert_int_equal(get_gpfn_from_mfn(page_to_mfn(space.data)), 4711);
    assert_int_equal(update_fd(page_of(d1), 0, 4711, MMU_MACHPHYS_UPDATE, DOMID_SELF), -EINVAL);
    assert_int_equal(update(space.data, 7, 0x1234), 0); /* a plain page: a plain store */
    assert_int_equal(entries(space.data)[7], 0x1234);
    assert_int_equal(update(page_of(d1), 7, 0x1234), -EINVAL);
    check();
}

static void test_foreign(void **state)
{
    struct page_info *theirs = page_of(d1);

    run_on_space();
    assert_int_equal(update_fd(space.l1, 1, pte(theirs, RW), 0, 1), 0);
    assert_int_equal(theirs->type_info & PGT_COUNT_MASK, 1);
    assert_int_equal(update_fd(space.l1, 2, pte(space.data, RW), 0, 1), -EBUSY);
    assert_int_equal(update_fd(space.l1, 2, pte(space.data, RW), 0, 7), -ESRCH);
    assert_int_equal(update_fd(space.l1, 2, pte(space.data, RW), 0, 0), -ESRCH);
    assert_int_equal(update_fd(space.l1, 2, pte(space.data, RW), 0, DOMID_IO), -EBUSY);
    assert_int_equal(update_fd(space.l1, 2, pte_make(_mfn(DEVICE_FRAME), RW), 0, DOMID_IO), 0);
    assert_int_equal(update_fd(space.l1, 3, pte_make(_mfn(DEVICE_FRAME), RW), 0, 1), -EPERM);
    /* A foreign frame mapped read-only does not become writable by the domain's own right. */
    assert_int_equal(update_fd(space.l1, 1, pte(theirs, RO), 0, 1), 0);
    assert_int_equal(update(space.l1, 1, pte(theirs, RW)), -EBUSY);
    check();
    machine_run(1, d1->vcpu[0]);
    run_on_space();
    assert_int_equal(update_fd(space.l1, 1, pte(space.data, RW), 0, 0), -EPERM);
    assert_int_equal(update_fd(space.l1, 1, pte(space.data, RW), 0, DOMID_SELF | 1 << 16), -EPERM);
    assert_int_equal(update(space.l1, 1, pte_make(_mfn(DEVICE_FRAME), RW)), -EPERM);
    assert_int_equal(update(space.l1, 1, pte(space.data, RW | PTE_PCD)), -EINVAL);
    check();
}

/* Frames that dom0 has mapped may be in any TLB: a change of type flushes them all. */
static void test_foreign_mapping_is_flushed(void **state)
{
    struct page_info *theirs = page_of(d1);

    run_on_space();
    assert_int_equal(update_fd(space.l1, 0, pte(theirs, RW), 0, 1), 0);
    assert_true(machine_touch(SPACE_VA, true));
    assert_int_equal(update(space.l1, 0, 0), 0);
    machine_run(1, d1->vcpu[0]);
    memset(entries(theirs), 0, PAGE_SIZE);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, theirs), 0);
    assert_false(machine_tlb_maps(page_to_mfn(theirs), true));
    check();
    machine_run(0, d0->vcpu[0]);
}

static void test_upper_updates(void **state)
{
    struct page_info *l1;

    run_on_space();
    l1 = page_of(d0);
    assert_int_equal(update(space.l2, 1, pte(l1, RW)), 0);
    assert_int_equal(l1->type_info, PGT_L1 | PGT_VALIDATED | 1);
    assert_int_equal(update(space.l2, 1, pte(l1, RO | PTE_NX)), 0);
    assert_int_equal(update(space.l2, 1, pte(l1, RW | PTE_PSE)), -EINVAL);
    assert_int_equal(update(space.l2, 1, pte(l1, RW | PTE_G)), -EINVAL);
    assert_int_equal(update(space.l2, 1, pte(space.l3, RW)), -EINVAL);
    assert_int_equal(update(space.l2, 1, pte_make(_mfn(DEVICE_FRAME), RW)), -EINVAL);
    assert_int_equal(update(space.l2, 1, pte(page_of(d1), RW)), -EINVAL);
    check();
    assert_int_equal(update(space.l2, 1, 0), 0);
    assert_int_equal(l1->type_info & PGT_COUNT_MASK, 0);
    check();
}

static void test_linear_tables(void **state)
{
    struct page_info *other, *third;

    run_on_space();
    assert_int_equal(update(space.l4, 300, pte(space.l4, RW)), -EINVAL);
    assert_int_equal(update(space.l4, 300, pte(space.l4, RO)), 0);
    assert_int_equal(update(space.l4, 300, pte(space.l4, RW)), -EINVAL);
    other = page_of(d0);
    third = page_of(d0);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, other), 0);
    assert_int_equal(ext(MMUEXT_PIN_L4_TABLE, third), 0);
    assert_int_equal(update(space.l4, 301, pte(other, RW)), -EINVAL);
    assert_int_equal(update(space.l4, 301, pte(other, RO)), 0);
    check();
    /* No circles, and no chains. */
    assert_int_equal(update(other, 301, pte(space.l4, RO)), -EINVAL);
    assert_int_equal(update(other, 301, pte(third, RO)), -EINVAL);
    assert_int_equal(update(third, 301, pte(space.l4, RO)), -EINVAL);
    assert_int_equal(update(third, 301, pte(other, RO)), 0);
    check();
    /* The target lasts as long as it is pointed to. */
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, other), 0);
    assert_int_equal(get_page_type(other, PGT_WRITABLE), -EINVAL);
    assert_int_equal(update(space.l4, 301, 0), 0);
    assert_int_equal(update(third, 301, 0), 0);
    assert_int_equal(other->type_info & PGT_COUNT_MASK, 0);
    check();
}

static void test_l1tf(void **state)
{
    machine_run(1, d1->vcpu[0]);
    run_on_space();
    l1tf_vulnerable = true;
    assert_int_equal(update(space.l1, 1, pte(space.data, 0)), -EINVAL);
    assert_int_equal(update(space.l2, 1, pte(space.data, 0)), -EINVAL);
    assert_int_equal(update(space.l1, 1, 1UL << 45), 0);
    space.l1 = page_of(d1);
    entries(space.l1)[511] = pte(space.data, 0);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, space.l1), -EINVAL);
    assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, space.l1), -EINVAL);
    l1tf_vulnerable = false;
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, space.l1), 0);
    assert_int_equal(update(space.l1, 1, pte(space.data, 0)), 0);
    check();
    machine_run(0, d0->vcpu[0]);
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

static void test_baseptr(void **state)
{
    struct page_info *first, *second;

    run_on_space();
    first = space.l4;
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, first), 0);
    make_space(d0);
    second = space.l4;
    machine_preempt_every = 1;
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, second), 0);
    assert_ptr_equal(current->pv.kernel_table, second);
    assert_int_equal(entries(second)[256], vmm_l4[256]);
    assert_int_equal(first->type_info & PGT_COUNT_MASK, 0);
    check();
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, second), 0);
    check();
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, space.l3), -EINVAL);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, NULL), 0);
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, space.data), -EINVAL);
    check();
}

static void test_shared_pages(void **state)
{
    struct page_info *writable = alloc_frames(NULL, 0, 0), *fixed = alloc_frames(NULL, 0, 0);

    run_on_space();
    share_vmm_page(writable, d0, true);
    share_vmm_page_with_tools(fixed, false);
    assert_int_equal(update(space.l1, 1, pte(writable, RW)), 0);
    assert_int_equal(update(space.l1, 2, pte(fixed, RO)), -EBUSY);
    assert_int_equal(update_fd(space.l1, 2, pte(fixed, RW), 0, DOMID_XEN), -EBUSY);
    assert_int_equal(update_fd(space.l1, 2, pte(fixed, RO), 0, DOMID_XEN), 0);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, writable), -EINVAL);
    check();
    unshare_vmm_page(writable);
    unshare_vmm_page(fixed);
    check(); /* mapped still */
    assert_int_equal(update(space.l1, 1, 0), 0);
    assert_int_equal(update(space.l1, 2, 0), 0);
    machine_softirqs();
    assert_int_equal(writable->count_info & PGC_STATE_MASK, PGC_STATE_FREE);
    assert_int_equal(fixed->count_info & PGC_STATE_MASK, PGC_STATE_FREE);
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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_references),
        T(test_one_type_at_a_time),
        T(test_type_count_overflow),
        T(test_tables_hold_references),
        T(test_refused_tables_leave_nothing),
        T(test_vmm_slots),
        T(test_stale_tlb_before_new_type),
        T(test_no_needless_flush),
        T(test_freed_frame_leaves_tlbs),
        T(test_l1_updates),
        T(test_modes),
        T(test_foreign),
        T(test_foreign_mapping_is_flushed),
        T(test_upper_updates),
        T(test_linear_tables),
        T(test_l1tf),
        T(test_preemption),
        T(test_preempted_refusal),
        T(test_release_taken_over),
        T(test_baseptr),
        T(test_shared_pages),
        T(test_exchange),
        T(test_reservation),
        T(test_claims),
        T(test_audit_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
