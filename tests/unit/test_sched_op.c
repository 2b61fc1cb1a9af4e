/* unit: hv/sched/runqueue.c hv/sched/schedule.c hv/sched/balance.c hv/sched/cap.c hv/sched/vcpu.c
 * hv/sched/runstate.c hv/time/timer.c hv/time/timer_heap.c tests/unit/fixtures/sched_machine.c
 * hv/sched/sched_op.c */
#include <unit.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <event/evtchn.h>
#include <xen/sched.h>
#include "fixtures/sched_machine.h"

/* Blocking and waking at the same time. */
static struct vcpu *sleeper;
static uint32_t pending_port, checked_ports;
static void (*at_check)(uint32_t port);

bool evtchn_port_pending(struct domain *d, uint32_t port)
{
    bool pending = pending_port == port;

    checked_ports++;
    if (at_check)
        at_check(port);
    return pending;
}

/* What the event code does: pending bit, then pollers; upcall pending, then kick. */
static void send(uint32_t port)
{
    struct domain *d = sleeper->domain;

    pending_port = port;
    if (d->events.nr_pollers && sleeper->sched.pause_flags & VPF_POLL &&
        (!sleeper->sched.poll_port || sleeper->sched.poll_port == port))
        vcpu_unblock(sleeper);
}

static void upcall(void)
{
    sleeper->vcpu_info->evtchn_upcall_pending = 1;
    vcpu_kick(sleeper);
}

static struct guest *one_sleeper(void)
{
    struct guest *g;

    machine(2);
    g = guest(1, 256, 0, 0);
    start(g);
    sleeper = &g->v[0];
    this = sleeper->processor;
    assert_ptr_equal(current, sleeper);
    pending_port = checked_ports = 0;
    at_check = NULL;
    return g;
}

static bool runs(const struct vcpu *v)
{
    return cpus[v->processor].current_vcpu == v;
}

static void test_block_races(void **state)
{
    /* 0: event before; 1: after the look; 2: between the switch and the saving; 3: later. */
    for (int when = 0; when < 4; when++)
        for (int late = 0; late < 2; late++) {
            one_sleeper();
            delay_saving = late;
            sleeper->vcpu_info->evtchn_upcall_mask = 1;
            if (when == 0)
                upcall();
            if (when == 1)
                hook = upcall;
            vcpu_block_enable_events();
            assert_int_equal(sleeper->vcpu_info->evtchn_upcall_mask, 0);
            if (when == 2)
                hook = upcall;
            settle();
            if (when == 3) {
                assert_false(runs(sleeper));
                assert_int_equal(sleeper->sched.runstate.state, RUNSTATE_blocked);
                upcall();
                settle();
            }
            assert_true(runs(sleeper));
            assert_int_equal(sleeper->sched.pause_flags, 0);
            check_invariants(true);
            free_idle();
        }
}

static evtchn_port_t ports[3] = {5, 6, 7};
static long poll_for(uint32_t nr, s_time_t timeout)
{
    struct sched_poll p = {.nr_ports = nr, .timeout = (uint64_t)timeout};
    struct hypercall_args args = {{SCHEDOP_poll, (uint64_t)&p}};

    p.ports.p = ports;
    this = sleeper->processor;
    return hc_sched_op(&args);
}

static void send_behind_the_check(uint32_t port)
{
    if (port == 7) {
        at_check = NULL;
        send(5); /* looked at already */
    }
}

static void send_six(void)
{
    send(6);
}

static void expect_awake(void)
{
    settle();
    assert_true(runs(sleeper));
    assert_int_equal(sleeper->domain->events.nr_pollers, 0);
}

static void test_poll_races(void **state)
{
    struct guest *g = one_sleeper();

    /* Pending before: does not sleep. */
    pending_port = 6;
    assert_int_equal(poll_for(3, 0), 0);
    expect_awake();

    /* A port that was looked at becomes pending while the others are looked at. */
    pending_port = 0;
    at_check = send_behind_the_check;
    assert_int_equal(poll_for(3, 0), 0);
    expect_awake();

    /* Right after the last look. */
    pending_port = 0;
    hook = send_six;
    assert_int_equal(poll_for(3, 0), 0);
    expect_awake();

    /* Later: another port does not wake a poll for one. */
    pending_port = 0;
    assert_int_equal(poll_for(1, 0), 0);
    settle();
    assert_false(runs(sleeper));
    assert_int_equal(g->d.events.nr_pollers, 1);
    send(6);
    settle();
    assert_false(runs(sleeper));
    send(5);
    expect_awake();

    /* An upcall that is due ends it as well, and one that is pending unmasked prevents it. */
    pending_port = 0;
    assert_int_equal(poll_for(1, 0), 0);
    settle();
    upcall();
    settle();
    assert_true(runs(sleeper));
    assert_int_equal(poll_for(1, 0), 0);
    expect_awake();
    check_invariants(true);
    free_idle();
}

static void poll_timer(void *data)
{
    vcpu_unblock(data);
}

static void move_and_wake(void)
{
    cpumask_t other = {.bits = {1u << (1 - sleeper->processor)}};

    assert_int_equal(sched_set_hard_affinity(sleeper, &other), 0);
    upcall();
}

/* Between being switched away from and being saved, it is sent elsewhere and woken. */
static void test_wake_with_new_affinity_before_it_is_saved(void **state)
{
    for (int late = 0; late < 2; late++) {
        uint32_t before;

        one_sleeper();
        before = sleeper->processor;
        delay_saving = late;
        vcpu_block_enable_events();
        hook = move_and_wake;
        settle();
        assert_true(runs(sleeper));
        assert_int_equal(sleeper->processor, 1 - before);
        check_invariants(true);
        free_idle();
    }
}

static void test_poll_timeout_and_bad_arguments(void **state)
{
    one_sleeper();
    timer_init(&sleeper->time.poll, poll_timer, sleeper, sleeper->processor);
    assert_int_equal(poll_for(1, clock_ns + MILLISECS(3)), 0);
    settle();
    assert_false(runs(sleeper));
    run(MILLISECS(2));
    assert_false(runs(sleeper));
    run(MILLISECS(2));
    assert_true(runs(sleeper));
    assert_int_equal(poll_for(129, 0), -EINVAL);
    ports[0] = 1001;
    assert_int_equal(poll_for(1, 0), -EINVAL);
    ports[0] = 5;
    guest_faults = true;
    assert_int_equal(poll_for(1, 0), -EFAULT);
    guest_faults = false;
    settle();
    assert_true(runs(sleeper));
    free_idle();
}

static void test_yield_lets_the_other_run(void **state)
{
    struct guest *a, *b;
    struct hypercall_args args = {{SCHEDOP_yield}};

    machine(1);
    a = guest(1, 256, 0, 0);
    b = guest(1, 256, 0, 0);
    start(a);
    start(b);
    run(MILLISECS(1));
    for (int i = 0; i < 10; i++) {
        struct vcpu *before = cpus[0].current_vcpu;

        assert_int_equal(hc_sched_op(&args), 0);
        settle();
        assert_ptr_not_equal(cpus[0].current_vcpu, before);
    }
    free_idle();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_races),
        cmocka_unit_test(test_poll_races),
        cmocka_unit_test(test_wake_with_new_affinity_before_it_is_saved),
        cmocka_unit_test(test_poll_timeout_and_bad_arguments),
        cmocka_unit_test(test_yield_lets_the_other_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
