/* unit: hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/mmu_update.c hv/mm/update_va.c
 * hv/mm/mmuext.c hv/mm/memory_op.c hv/mm/reservation.c hv/mm/exchange.c hv/mm/memory_maps.c hv/mm/retire.c
 * hv/mm/page_alloc.c hv/mm/teardown.c hv/mm/audit.c hv/mm/guest_access.c tests/unit/stubs/mm_machine.c
 * tests/unit/fixtures/page_tables.c */
/* unit-ldflags: -Wl,--wrap=copy_from_guest */
#include <string.h>

#include <unit.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/page_alloc.h>
#include <mm/pt_update.h>
#include <mm/validate.h>
#include <mm/xpti.h>
#include <mm/vmm_paging.h>
#include <stubs/mm_machine.h>
#include "fixtures/page_tables.h"

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
    /* The CPU would read the table below past its cache, where the VMM writes. */
    assert_int_equal(update(space.l2, 1, pte(l1, RW | PTE_PCD)), -EINVAL);
    assert_int_equal(update(space.l2, 2, pte(page_of(d0), RW | PTE_PWT)), -EINVAL);
    assert_int_equal(update(space.l3, 5, pte(space.l3, RO | PTE_PCD)), -EINVAL);
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
    /* On split page tables they would lead to the VMM's part of the full table. */
    xpti_dom0 = xpti_domu = true;
    assert_int_equal(update(space.l4, 301, pte(third, RO)), -EINVAL);
    assert_int_equal(update(space.l4, 301, pte(space.l4, RO)), -EINVAL);
    assert_int_equal(update(space.l3, 301, pte(space.l3, RO)), 0);
    assert_int_equal(update(space.l3, 301, 0), 0);
    xpti_dom0 = xpti_domu = false;
    assert_int_equal(other->type_info & PGT_COUNT_MASK, 0);
    check();
}

static void test_l1tf(void **state)
{
    machine_run(1, d1->vcpu[0]);
    run_on_space();
    l1tf_domu = true;
    assert_int_equal(update(space.l1, 1, pte(space.data, 0)), -EINVAL);
    assert_int_equal(update(space.l2, 1, pte(space.data, 0)), -EINVAL);
    assert_int_equal(update(space.l1, 1, 1UL << 45), 0);
    mfn_to_page(_mfn(5))->count_info = PGC_STATE_NONE; /* a hole */
    assert_int_equal(update(space.l2, 1, pte_make(_mfn(5), PTE_PSE)), -EINVAL);
    mfn_to_page(_mfn(5))->count_info = PGC_STATE_INUSE;
    assert_int_equal(update(space.l3, 1, pte_make(_mfn(MACHINE_FRAMES + 1), PTE_PSE)), -EINVAL);
    assert_int_equal(update(space.l3, 1, PTE_PSE), -EINVAL);
    assert_int_equal(update(space.l3, 1, PTE_RW), 0);
    space.l1 = page_of(d1);
    entries(space.l1)[511] = pte(space.data, 0);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, space.l1), -EINVAL);
    assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, space.l1), -EINVAL);
    l1tf_domu = false;
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, space.l1), 0);
    assert_int_equal(update(space.l1, 1, pte(space.data, 0)), 0);
    check();
    machine_run(0, d0->vcpu[0]);
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

/* MOV to CR3: each leaves a tree behind, which must be gone before the next; else they would be released in
 * one go. */
static void test_cr3_loads(void **state)
{
    run_on_space();
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, space.l4), 0);
    machine_preempt_every = 1;
    for (unsigned int i = 0; i < 6; i++) {
        int rc;

        make_space(d0);
        entries(space.l2)[1] = pte(page_of(d0), RW); /* so that its release may be preempted */
        do {
            rc = load_guest_cr3(page_to_mfn(space.l4));
            assert_true(current->mm.nr_pending <= 1);
        } while (rc == -ERESTART);
        assert_int_equal(rc, 0);
        assert_ptr_equal(current->pv.kernel_table, space.l4);
        check();
    }
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

static unsigned int locked_fetches, longest_hold;

int __real_copy_from_guest(void *dst, uint64_t gva, size_t len);
int __wrap_copy_from_guest(void *dst, uint64_t gva, size_t len);
int __wrap_copy_from_guest(void *dst, uint64_t gva, size_t len)
{
    locked_fetches = space.l1 && (space.l1->type_info & PGT_LOCKED) ? locked_fetches + 1 : 0;
    longest_hold = MAX(longest_hold, locked_fetches);
    return __real_copy_from_guest(dst, gva, len);
}

/* Another vCPU that wants the same table has it soon, however long the batch. */
static void test_long_batch(void **state)
{
    static struct mmu_update u[4096];

    run_on_space();
    for (unsigned int i = 0; i < ARRAY_SIZE(u); i++)
        u[i] = (struct mmu_update){.ptr = (mfn_of(space.l1) << PAGE_SHIFT) + i % 512 * 8,
                                   .val = pte(space.data, RO)};
    longest_hold = 0;
    assert_int_equal(machine_hypercall(hc_mmu_update, (uint64_t)u, ARRAY_SIZE(u), 0, DOMID_SELF, 0), 0);
    assert_in_range(longest_hold, 1, 16);
    check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_l1_updates),    TEST(test_modes),
        TEST(test_foreign),       TEST(test_foreign_mapping_is_flushed),
        TEST(test_upper_updates), TEST(test_linear_tables),
        TEST(test_l1tf),          TEST(test_baseptr),
        TEST(test_cr3_loads),     TEST(test_shared_pages),
        TEST(test_long_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
