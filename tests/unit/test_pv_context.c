/* unit: hv/pv/vcpu.c hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/mmu_update.c
 * hv/mm/update_va.c hv/mm/mmuext.c hv/mm/retire.c hv/mm/page_alloc.c hv/mm/teardown.c hv/mm/audit.c
 * hv/mm/guest_access.c hv/mm/memory_op.c hv/mm/reservation.c hv/mm/exchange.c hv/mm/memory_maps.c
 * tests/unit/stubs/mm_machine.c tests/unit/fixtures/page_tables.c */
#include <unit.h>
#include <base/errno.h>
#include <cpu/cpuid_policy.h>
#include <cpu/fpu.h>
#include <mm/page_alloc.h>
#include <pv/debugreg.h>
#include <pv/descriptor.h>
#include <pv/pv.h>
#include <stubs/mm_machine.h>
#include "fixtures/page_tables.h"

/* What a context has besides page tables. */

int pv_set_gdt(struct vcpu *v, const uint64_t *frames, uint32_t entries)
{
    return 0;
}

int pv_set_debugreg(struct vcpu *v, uint32_t reg, uint64_t value)
{
    return 0;
}

uint64_t pv_guest_cr4_mask(const struct vcpu *v)
{
    return 0;
}

void fpu_import(struct vcpu *v, const void *fxsave)
{
}

void fpu_context_set(struct vcpu *v)
{
}

/* The second vCPU gets this kernel table, and a user table that is none if `spoiled`. */
static int set_context(const struct page_info *l4, bool spoiled)
{
    struct vcpu_guest_context c = {.flags = VGCF_in_kernel};

    c.ctrlreg[3] = mfn_of(l4) << PAGE_SHIFT;
    c.ctrlreg[1] = spoiled ? mfn_of(space.data) << PAGE_SHIFT : 0;
    return pv_set_context(d0->vcpu[1], &c);
}

/* Refused ones leave their trees to be released: the next begins with that, so that never many are left. */
static void test_refused_contexts(void **state)
{
    int rc;

    run_on_space();
    machine_preempt_every = 1;
    for (unsigned int i = 0; i < 6; i++) {
        make_space(d0);
        entries(space.l2)[1] = pte(page_of(d0), RW); /* so that its release may be preempted */
        do {
            rc = set_context(space.l4, true);
            assert_true(current->mm.nr_pending <= 1);
        } while (rc == -ERESTART);
        assert_int_equal(rc, -EINVAL);
        check();
    }
    assert_false(d0->vcpu[1]->is_initialised);
    make_space(d0);
    while ((rc = set_context(space.l4, false)) == -ERESTART)
        ;
    assert_int_equal(rc, 0);
    assert_int_equal(current->mm.nr_pending, 0);
    assert_true(d0->vcpu[1]->is_initialised);
    check();
}

/* A domain that dies has given up its tables already: nothing would take these away. */
static void test_context_of_dead(void **state)
{
    int rc;

    run_on_space();
    make_space(d0);
    d0->vcpu[1]->is_initialised = false;
    d0->vcpu[1]->memory_dropped = true;
    while ((rc = set_context(space.l4, false)) == -ERESTART)
        ;
    assert_int_equal(rc, -EINVAL);
    assert_null(d0->vcpu[1]->pv.kernel_table);
    assert_false(d0->vcpu[1]->is_initialised);
    d0->vcpu[1]->memory_dropped = false;
    check();
}

/* Another vCPU initialises it while the tools reset it, which is preempted while it drops the tables. */
static void test_context_during_reset(void **state)
{
    const struct page_info *table;
    int rc;

    run_on_space();
    make_space(d0);
    while ((rc = set_context(space.l4, false)) == -ERESTART)
        ;
    assert_int_equal(rc, 0);
    table = d0->vcpu[1]->pv.kernel_table;
    d0->vcpu[1]->is_initialised = false; /* the first step of vcpu_reset() */
    make_space(d0);
    while ((rc = set_context(space.l4, false)) == -ERESTART)
        ;
    assert_int_equal(rc, -EINVAL);
    assert_ptr_equal(d0->vcpu[1]->pv.kernel_table, table);
    check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_refused_contexts), TEST(test_context_of_dead),
                                       TEST(test_context_during_reset)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
