/* unit: hv/control/multicall.c tests/unit/stubs/machine.c */
#include <string.h>

#include <base/errno.h>
#include <control/hypercall.h>
#include <xen/xen.h>
#include "stubs/machine.h"
#include <unit.h>

#define CALL_SUM   1 /* sum of the six arguments */
#define CALL_COUNT 2 /* counts a[0] down, one a time, preempted in between */
#define CALL_ERROR 3

static unsigned int calls;

long hypercall_call(uint64_t nr, struct hypercall_args *args)
{
    long sum = 0;

    calls++;
    switch (nr) {
    case CALL_SUM:
        for (unsigned int i = 0; i < 6; i++)
            sum += (long)args->a[i];
        return sum;
    case CALL_COUNT:
        if (args->a[0] == 0)
            return 100 + (long)args->a[1];
        args->a[0]--;
        args->a[1]++;
        return -ERESTART;
    case __HYPERVISOR_iret:
        return 77;
    default:
        return -ENOENT;
    }
}

static int setup(void **state)
{
    calls = 0;
    preempt_now = bad_guest_pointer = false;
    preempt_after = 0;
    return 0;
}

static void test_results(void **state)
{
    struct multicall_entry list[3] = {
        {CALL_SUM, 0, {1, 2, 3, 4, 5, 6}}, {CALL_ERROR, 0, {0}}, {CALL_SUM, 0, {~0ul}}};
    struct hypercall_args args = {{(uint64_t)list, 3}};

    assert_int_equal(hc_multicall(&args), 0);
    assert_int_equal(list[0].result, 21);
    assert_int_equal((long)list[1].result, -ENOENT);
    assert_int_equal((long)list[2].result, -1);
    assert_int_equal(list[0].args[5], 6);
}

static void test_nothing(void **state)
{
    struct hypercall_args args = {{0, 0}};

    assert_int_equal(hc_multicall(&args), 0);
    args.a[1] = 1; /* an address that faults */
    assert_int_equal(hc_multicall(&args), -EFAULT);
    bad_guest_pointer = true; /* one that is not the guest's */
    assert_int_equal(hc_multicall(&args), -EFAULT);
    assert_int_equal(calls, 0);
}

static void test_no_nesting(void **state)
{
    struct multicall_entry list[2] = {{__HYPERVISOR_multicall, 0, {0}}, {CALL_SUM, 0, {4}}};
    struct hypercall_args args = {{(uint64_t)list, 2}};

    assert_int_equal(hc_multicall(&args), 0);
    assert_int_equal((long)list[0].result, -EINVAL);
    assert_int_equal(list[1].result, 4);
    assert_int_equal(calls, 1);
}

static void test_iret_ends_it(void **state)
{
    struct multicall_entry list[2] = {{__HYPERVISOR_iret, 0, {0}}, {CALL_SUM, 0, {4}}};
    struct hypercall_args args = {{(uint64_t)list, 2}};

    assert_int_equal(hc_multicall(&args), 77);
    assert_int_equal(calls, 1);
    assert_int_equal(list[0].result, 0);
}

/* The guest issues it again with the registers it was left; each entry runs once. */
static void test_preempted_between(void **state)
{
    struct multicall_entry list[5];
    struct hypercall_args args = {{(uint64_t)list, 5}};
    unsigned int tries = 0;
    long rc;

    for (unsigned int i = 0; i < 5; i++)
        list[i] = (struct multicall_entry){CALL_SUM, 0, {i}};
    preempt_now = true;
    do {
        rc = hc_multicall(&args);
        tries++;
    } while (rc == -ERESTART);
    assert_int_equal(rc, 0);
    assert_int_equal(tries, 5); /* always one entry at least: it makes progress */
    assert_int_equal(calls, 5);
    for (unsigned int i = 0; i < 5; i++)
        assert_int_equal(list[i].result, i);
}

static void test_preempted_entry(void **state)
{
    struct multicall_entry list[3] = {{CALL_SUM, 0, {9}}, {CALL_COUNT, 0, {3, 0}}, {CALL_SUM, 0, {8}}};
    struct hypercall_args args = {{(uint64_t)list, 3}};

    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(hc_multicall(&args), -ERESTART);
        assert_int_equal(args.a[1], 2);
        assert_int_equal(list[1].args[0], 2 - i); /* what is left is in the guest's entry */
        assert_int_equal(list[1].result, 0);
    }
    assert_int_equal(hc_multicall(&args), 0);
    assert_int_equal(list[0].result, 9);
    assert_int_equal(list[1].result, 103);
    assert_int_equal(list[2].result, 8);
    assert_int_equal(calls, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_results, setup),
        cmocka_unit_test_setup(test_nothing, setup),
        cmocka_unit_test_setup(test_no_nesting, setup),
        cmocka_unit_test_setup(test_iret_ends_it, setup),
        cmocka_unit_test_setup(test_preempted_between, setup),
        cmocka_unit_test_setup(test_preempted_entry, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
