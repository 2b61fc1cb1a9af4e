/* unit: hv/sched/runqueue.c hv/sched/schedule.c hv/sched/balance.c hv/sched/cap.c hv/sched/vcpu.c
 * hv/sched/runstate.c hv/sched/sched_op.c hv/time/timer.c hv/time/timer_heap.c */
#include <stubs/sched_machine.h>

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

/* Structure of the queues, and that every vCPU is where it should be. */
static void check_invariants(bool quiet)
{
    for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
        struct runqueue *rq = cpu_runqueue(cpu);
        struct vcpu *prev = NULL;
        uint64_t load = is_idle_vcpu(rq->curr) ? 0 : rq->curr->sched.weight;
        uint32_t n = 0;

        assert_false(spin_is_locked(&rq->lock));
        for (struct vcpu *v = rq->first; v; prev = v, v = v->sched.next) {
            assert_ptr_equal(v->sched.prev, prev);
            assert_true(v->sched.queued);
            assert_int_equal(v->processor, cpu);
            assert_ptr_not_equal(v, rq->curr);
            assert_true(!prev || prev->sched.vruntime <= v->sched.vruntime);
            load += v->sched.weight;
            n++;
        }
        assert_ptr_equal(rq->last, prev);
        assert_int_equal(rq->nr_queued, n);
        assert_int_equal(rq->load, load);
        if (quiet) {
            assert_ptr_equal(rq->curr, cpus[cpu].current_vcpu);
            assert_int_equal(cpumask_test(&sched_idle_map, cpu), is_idle_vcpu(rq->curr));
        }
    }
    for (uint32_t i = 0; i < nr_guests; i++)
        for (uint32_t j = 0; j < guests[i].d.max_vcpus; j++) {
            struct vcpu *v = &guests[i].v[j];
            bool curr = cpu_runqueue(v->processor)->curr == v;

            assert_false(v->sched.queued && (v->sched.throttled || v->sched.homeless));
            if (!quiet)
                continue;
            assert_false(v->sched.homeless);
            assert_int_equal(v->sched.is_running, curr);
            if (vcpu_runnable(v)) {
                assert_true(v->sched.queued || curr || v->sched.throttled);
                assert_true(v->sched.throttled || vcpu_allowed_on(v, v->processor));
                assert_int_equal(v->sched.runstate.state, curr ? RUNSTATE_running : RUNSTATE_runnable);
            } else {
                assert_false(v->sched.queued || curr || v->sched.throttled);
                assert_int_equal(v->sched.runstate.state, runstate_of_sleeper(v));
            }
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

static void test_poll_races(void **state)
{
    struct guest *g = one_sleeper();

    /* Pending before: does not sleep. */
    pending_port = 6;
    assert_int_equal(poll_for(3, 0), 0);
    settle();
    assert_true(runs(sleeper));
    assert_int_equal(g->d.events.nr_pollers, 0);

    /* A port that was looked at becomes pending while the others are looked at. */
    pending_port = 0;
    at_check = send_behind_the_check;
    assert_int_equal(poll_for(3, 0), 0);
    settle();
    assert_true(runs(sleeper));
    assert_int_equal(g->d.events.nr_pollers, 0);

    /* Right after the last look. */
    pending_port = 0;
    hook = send_six;
    assert_int_equal(poll_for(3, 0), 0);
    settle();
    assert_true(runs(sleeper));
    assert_int_equal(g->d.events.nr_pollers, 0);

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
    settle();
    assert_true(runs(sleeper));
    assert_int_equal(g->d.events.nr_pollers, 0);

    /* An upcall that is due ends it as well, and one that is pending unmasked prevents it. */
    pending_port = 0;
    assert_int_equal(poll_for(1, 0), 0);
    settle();
    upcall();
    settle();
    assert_true(runs(sleeper));
    assert_int_equal(poll_for(1, 0), 0);
    settle();
    assert_true(runs(sleeper));
    assert_int_equal(g->d.events.nr_pollers, 0);
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
        cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_soft_affinity),
        cmocka_unit_test(test_equal_hogs_on_four_cpus),
        cmocka_unit_test(test_surplus_is_shared),
        cmocka_unit_test(test_wake_latency_beside_hogs),
        cmocka_unit_test(test_random_sequences),
        cmocka_unit_test(test_block_races),
        cmocka_unit_test(test_poll_races),
        cmocka_unit_test(test_wake_with_new_affinity_before_it_is_saved),
        cmocka_unit_test(test_poll_timeout_and_bad_arguments),
        cmocka_unit_test(test_yield_lets_the_other_run),
        cmocka_unit_test(test_runstate_adds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
