/* unit: hv/cpu/softirq.c */
#include <stdlib.h>
#include <string.h>

#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <unit.h>

static struct cpu_info info;
static char order[32];
static unsigned int ipis[TEST_CPUS], repeat;

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

void smp_send_event_check(unsigned int cpu)
{
    ipis[cpu]++;
}

void panic(const char *fmt, ...)
{
    abort();
}

static void note(char c)
{
    size_t n = strlen(order);

    assert_true(n < sizeof(order) - 1);
    order[n] = c;
    order[n + 1] = 0;
}

static void timer(void)
{
    note('t');
    if (repeat) {
        repeat--;
        raise_softirq(SOFTIRQ_TIMER);
    }
}

static void tasklet(void)
{
    note('k');
}

static void schedule(void)
{
    note('s');
}

static int setup(void **state)
{
    memset(order, 0, sizeof(order));
    memset(ipis, 0, sizeof(ipis));
    memset(percpu_softirq_pending, 0, sizeof(percpu_softirq_pending));
    info.cpu = 0;
    repeat = 0;
    open_softirq(SOFTIRQ_TIMER, timer);
    open_softirq(SOFTIRQ_TASKLET, tasklet);
    open_softirq(SOFTIRQ_SCHEDULE, schedule);
    return 0;
}

static void test_order(void **state)
{
    assert_false(softirqs_pending());
    raise_softirq(SOFTIRQ_SCHEDULE);
    raise_softirq(SOFTIRQ_TASKLET);
    raise_softirq(SOFTIRQ_TIMER);
    assert_true(softirqs_pending());
    do_softirq();
    assert_string_equal(order, "tks");
    assert_false(softirqs_pending());
    do_softirq();
    assert_string_equal(order, "tks");
}

static void test_one_that_raises_itself_keeps_nobody_out(void **state)
{
    repeat = 3;
    raise_softirq(SOFTIRQ_TIMER);
    raise_softirq(SOFTIRQ_SCHEDULE);
    do_softirq();
    assert_string_equal(order, "tsttt");
}

static void test_other_cpu_is_told_once(void **state)
{
    cpu_raise_softirq(3, SOFTIRQ_TIMER);
    cpu_raise_softirq(3, SOFTIRQ_TIMER);
    assert_int_equal(ipis[3], 1);
    cpu_raise_softirq(0, SOFTIRQ_TIMER);
    assert_int_equal(ipis[0], 0);
    do_softirq();
    assert_string_equal(order, "t");
    info.cpu = 3;
    assert_true(softirqs_pending());
    do_softirq();
    assert_string_equal(order, "tt");
    info.cpu = 0;
    cpu_raise_softirq(3, SOFTIRQ_TIMER);
    assert_int_equal(ipis[3], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_order, setup),
        cmocka_unit_test_setup(test_one_that_raises_itself_keeps_nobody_out, setup),
        cmocka_unit_test_setup(test_other_cpu_is_told_once, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
