/* unit: hv/sched/runqueue.c hv/sched/schedule.c hv/sched/balance.c hv/sched/cap.c hv/sched/vcpu.c
 * hv/sched/runstate.c hv/time/timer.c hv/time/timer_heap.c tests/unit/fixtures/sched_machine.c */
#include <stdlib.h>
#include <string.h>

#include <unit.h>
#include <base/atomic.h>
#include <base/errno.h>
#include <cpu/softirq.h>
#include <domain/vcpu.h>
#include "fixtures/sched_machine.h"

static void test_weights(void **state)
{
    struct guest *a, *b;

    machine(1);
    a = guest(1, 256, 0, 0);
    b = guest(1, 512, 0, 0);
    start(a);
    start(b);
    run(SECONDS(5));
    assert_within(share(a, SECONDS(5)), 333, 10);
    assert_within(share(b, SECONDS(5)), 667, 10);
    forget_received();
    assert_int_equal(sched_set_weight(&a->d, 1024), 0);
    run(SECONDS(5));
    assert_within(share(a, SECONDS(5)), 667, 10);
    assert_int_equal(sched_set_weight(&a->d, 0), -EINVAL);
    assert_int_equal(sched_set_weight(&a->d, 65536), -EINVAL);
    free_idle();
}

static void test_late_comer_and_sleeper_get_their_share(void **state)
{
    struct guest *a, *b, *c;

    machine(1);
    a = guest(1, 256, 0, 0);
    b = guest(1, 256, 0, 0);
    c = guest(1, 256, MILLISECS(3), MILLISECS(1)); /* wants 75 % */
    start(a);
    run(SECONDS(10));
    forget_received();
    start(b);
    run(SECONDS(1));
    /* Neither starves: the new one has no claim to the past. */
    assert_within(share(a, SECONDS(1)), 500, 25);
    start(c);
    forget_received();
    run(SECONDS(5));
    assert_within(share(a, SECONDS(5)), 333, 25);
    assert_within(share(b, SECONDS(5)), 333, 25);
    assert_within(share(c, SECONDS(5)), 333, 25);
    free_idle();
}

static void test_caps(void **state)
{
    struct guest *a, *b, *c;

    machine(2);
    a = guest(1, 256, 0, 0);
    b = guest(2, 256, 0, 0);
    c = guest(2, 256, 0, 0);
    assert_int_equal(sched_set_cap(&a->d, 25), 0);
    start(a);
    run(SECONDS(4));
    assert_within(share(a, SECONDS(4)), 250, 10);
    forget_received();
    /* Two vCPUs under one cap, beside another that takes the rest. */
    assert_int_equal(sched_set_cap(&b->d, 60), 0);
    start(b);
    start(c);
    run(SECONDS(4));
    assert_within(share(a, SECONDS(4)), 250, 10);
    assert_within(share(b, SECONDS(4)), 600, 15);
    assert_within(share(c, SECONDS(4)), 1150, 25);
    /* Taken away again, and set while it runs. */
    forget_received();
    assert_int_equal(sched_set_cap(&a->d, 0), 0);
    assert_int_equal(sched_set_cap(&b->d, 0), 0);
    assert_int_equal(sched_set_cap(&c->d, 20), 0);
    run(SECONDS(4));
    assert_within(share(c, SECONDS(4)), 200, 15);
    assert_true(share(a, SECONDS(4)) + share(b, SECONDS(4)) > 1780);
    assert_int_equal(sched_set_cap(&c->d, 201), -EINVAL);
    sched_destroy_domain(&a->d);
    free_idle();
}

static void take_cap_away(void)
{
    assert_int_equal(sched_set_cap(&guests[0].d, 0), 0);
}

/* On another CPU, while one of the vCPUs is put on hold because the budget is less than its debt. */
static void test_cap_removed_while_put_on_hold(void **state)
{
    struct guest *a;

    machine(1);
    a = guest(1, 256, 0, 0);
    assert_int_equal(sched_set_cap(&a->d, 10), 0);
    a->v[0].sched.quota = -MILLISECS(2);
    timer_hook = take_cap_away;
    start(a);
    assert_null(timer_hook);
    assert_int_equal(a->d.sched.cap, 0);
    run(MILLISECS(50));
    assert_false(a->v[0].sched.throttled);
    assert_ptr_equal(cpus[0].current_vcpu, &a->v[0]);
    sched_destroy_domain(&a->d);
    free_idle();
}

/* A guest whose one vCPU brings another up and down without end does not take the time of who runs there. */
static void test_flood_of_wake_ups(void **state)
{
    struct guest *hog, *flooder;
    cpumask_t first = {.bits = {1}}, second = {.bits = {2}};
    uint32_t interrupts = 0;

    machine(2);
    hog = guest(1, 256, 0, 0);
    flooder = guest(2, 256, 0, 0);
    sched_set_hard_affinity(&hog->v[0], &first);
    sched_set_hard_affinity(&flooder->v[0], &second);
    sched_set_hard_affinity(&flooder->v[1], &first);
    start(hog);
    run(MILLISECS(100));
    for (int i = 0; i < 10000; i++) {
        struct vcpu *v = &flooder->v[1];

        pass_time(clock_ns + MICROSECS(2));
        this = 1;
        atomic_and(&v->sched.pause_flags, ~VPF_DOWN);
        vcpu_wake(v);
        atomic_or(&v->sched.pause_flags, VPF_DOWN);
        vcpu_sleep_nosync(v);
        if (deadline[0] && deadline[0] <= clock_ns) {
            deadline[0] = 0;
            cpu_raise_softirq(0, SOFTIRQ_TIMER);
        }
        interrupts += percpu_softirq_pending[0] != 0;
        settle();
    }
    /* 20 ms: by each planned preemption one at its planning, one when its time has come, one for the next. */
    assert_in_range(interrupts, 1, 20 * 3);
    free_idle();
}

static void test_affinity(void **state)
{
    struct guest *a, *b;
    cpumask_t one = {.bits = {1u << 2}}, none = {0}, offline = {.bits = {1u << 6}};

    machine(4);
    a = guest(2, 256, 0, 0);
    b = guest(4, 256, 0, 0);
    start(a);
    start(b);
    run(MILLISECS(100));
    assert_int_equal(sched_set_hard_affinity(&a->v[0], &one), 0);
    assert_int_equal(sched_set_hard_affinity(&a->v[1], &one), 0);
    settle();
    forget_received();
    run(SECONDS(4));
    /* Both on CPU 2 (context_switch() checks where), while the others share the rest. */
    assert_int_equal(a->v[0].processor, 2);
    assert_int_equal(a->v[1].processor, 2);
    assert_true(share(a, SECONDS(4)) <= 1001);
    assert_true(share(a, SECONDS(4)) + share(b, SECONDS(4)) > 3990);
    assert_int_equal(sched_set_hard_affinity(&a->v[0], &none), -EINVAL);
    assert_int_equal(sched_set_hard_affinity(&a->v[0], &offline), -EINVAL);

    /* SCHEDOP_pin_override */
    assert_int_equal(sched_pin_override(&b->v[0], -1), -EINVAL);
    assert_int_equal(sched_pin_override(&b->v[0], 4), -EINVAL);
    assert_int_equal(sched_pin_override(&b->v[0], 3), 0);
    assert_int_equal(sched_pin_override(&b->v[0], 2), -EBUSY);
    assert_int_equal(sched_set_hard_affinity(&b->v[0], &one), -EBUSY);
    settle();
    run(MILLISECS(50));
    assert_int_equal(b->v[0].processor, 3);
    assert_int_equal(sched_pin_override(&b->v[0], -1), 0);
    free_idle();
}

static void test_soft_affinity(void **state)
{
    struct guest *a;
    cpumask_t two = {.bits = {3}};

    machine(4);
    a = guest(4, 256, MILLISECS(1), MILLISECS(3));
    sched_set_soft_affinity(&a->v[0], &two);
    start(a);
    run(MILLISECS(200));
    /* With idle CPUs among the preferred ones it runs there. */
    for (int i = 0; i < 50; i++) {
        run(MILLISECS(1));
        if (cpus[a->v[0].processor].current_vcpu == &a->v[0])
            assert_in_range(a->v[0].processor, 0, 1);
    }
    free_idle();
}

static void test_equal_hogs_on_four_cpus(void **state)
{
    machine(4);
    for (int i = 0; i < 8; i++)
        start(guest(1, 256, 0, 0));
    run(SECONDS(4));
    for (int i = 0; i < 8; i++)
        assert_within(share(&guests[i], SECONDS(4)), 500, 15);
    free_idle();
}

static void test_surplus_is_shared(void **state)
{
    machine(2);
    for (int i = 0; i < 3; i++)
        start(guest(1, 256, 0, 0));
    run(SECONDS(20));
    for (int i = 0; i < 3; i++)
        assert_within(share(&guests[i], SECONDS(20)), 667, 60);
    free_idle();
}

static void test_wake_latency_beside_hogs(void **state)
{
    for (uint32_t n = 1; n <= 4; n *= 4) {
        struct guest *idler;

        machine(n);
        for (uint32_t i = 0; i < 4 * n; i++)
            start(guest(1, 256, 0, 0));
        idler = guest(1, 256, MICROSECS(200), MICROSECS(17300));
        start(idler);
        run(MILLISECS(100)); /* at first it is one of five */
        idler->worst_latency = 0;
        run(SECONDS(5));
        assert_true(idler->worst_latency <= MILLISECS(1) + MICROSECS(10));
        assert_true(share(idler, SECONDS(5)) >= 10);
        free_idle();
    }
}

static struct vcpu *random_vcpu(void)
{
    struct guest *g = &guests[(uint32_t)rand() % nr_guests];

    return &g->v[(uint32_t)rand() % g->d.max_vcpus];
}

static uint32_t paused[MAX_GUESTS][MAX_V];

static void random_pause(struct vcpu *v)
{
    uint32_t *count = &paused[guest_of(v) - guests][v->id];

    if (*count && rand() % 3) {
        (*count)--;
        if (!--v->sched.pause_count)
            vcpu_wake(v);
    } else if (*count < 3) {
        (*count)++;
        v->sched.pause_count++;
        vcpu_sleep_nosync(v);
    }
}

static void random_operation(void)
{
    struct vcpu *v = random_vcpu();
    cpumask_t mask = {.bits = {(uint64_t)(rand() % ((1 << nr_cpus) - 1)) + 1}};

    this = (uint32_t)rand() % nr_cpus;
    switch (rand() % 12) {
    case 0:
    case 1:
        random_pause(v);
        break;
    case 2:
        (void)sched_set_hard_affinity(v, &mask);
        break;
    case 3:
        sched_set_soft_affinity(v, &mask);
        break;
    case 4:
        assert_int_equal(sched_set_weight(v->domain, (uint32_t)rand() % 1000 + 1), 0);
        break;
    case 5:
        assert_int_equal(sched_set_cap(v->domain, rand() % 2 ? 0 : (uint32_t)rand() % 100 + 1), 0);
        break;
    case 6:
        if (!is_idle_vcpu(current))
            vcpu_block_enable_events();
        break;
    case 7:
        vcpu_unblock(v);
        break;
    case 8:
        vcpu_kick(v);
        break;
    case 9:
        current->sched.yielded = true;
        raise_softirq(SOFTIRQ_SCHEDULE);
        break;
    case 10:
        (void)run_softirqs(this);
        break;
    default:
        pass_time(next_event(clock_ns + MILLISECS(rand() % 8)));
        for (uint32_t cpu = 0; cpu < nr_cpus; cpu++)
            if (deadline[cpu] && deadline[cpu] <= clock_ns) {
                deadline[cpu] = 0;
                cpu_raise_softirq(cpu, SOFTIRQ_TIMER);
            }
    }
}

/*
 * Random operations and random progress of the CPUs, registers saved late:
 * nothing is lost, nothing is in two places, and once all is quiet every
 * vCPU is where its flags say.
 */
static void test_random_sequences(void **state)
{
    for (unsigned int seed = 1; seed <= 40; seed++) {
        srand(seed);
        machine(1 + seed % 4);
        memset(paused, 0, sizeof(paused));
        for (int i = 0; i < 6; i++)
            start(guest(1 + (uint32_t)rand() % MAX_V, 256, 0, 0));
        delay_saving = true;
        for (int step = 0; step < 3000; step++) {
            random_operation();
            check_invariants(false);
            if (rand() % 20 == 0) {
                settle();
                check_invariants(true);
                check_work_conserving();
            }
        }
        for (uint32_t i = 0; i < nr_guests; i++)
            sched_destroy_domain(&guests[i].d);
        free_idle();
    }
}

static void test_runstate_adds_up(void **state)
{
    struct guest *a, *b;
    vcpu_runstate_info_t copy, r;
    s_time_t begin;

    machine(1);
    begin = clock_ns;
    a = guest(1, 256, MILLISECS(2), MILLISECS(5));
    b = guest(1, 256, 0, 0);
    a->v[0].sched.runstate_guest = (uint64_t)&copy;
    a->d.vm_assist = 1u << VMASST_TYPE_runstate_update_flag;
    start(a);
    start(b);
    run(SECONDS(1));
    vcpu_runstate_get(&a->v[0], &r);
    assert_int_equal(r.time[0] + r.time[1] + r.time[2] + r.time[3], clock_ns - begin);
    assert_int_equal(r.time[RUNSTATE_running], a->received[0]);
    assert_true(r.time[RUNSTATE_blocked] > (uint64_t)MILLISECS(500));
    assert_false(copy.state_entry_time >> 63);
    assert_true(copy.time[RUNSTATE_running] > 0);
    assert_int_equal(sched_cpu_idle_ns(0) + (uint64_t)a->received[0] + (uint64_t)b->received[0],
                     clock_ns - begin + 0);
    free_idle();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_late_comer_and_sleeper_get_their_share),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_cap_removed_while_put_on_hold),
        cmocka_unit_test(test_flood_of_wake_ups),
        cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_soft_affinity),
        cmocka_unit_test(test_equal_hogs_on_four_cpus),
        cmocka_unit_test(test_surplus_is_shared),
        cmocka_unit_test(test_wake_latency_beside_hogs),
        cmocka_unit_test(test_random_sequences),
        cmocka_unit_test(test_runstate_adds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
