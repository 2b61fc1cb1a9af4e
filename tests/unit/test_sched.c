/* unit: hv/sched/runqueue.c hv/sched/schedule.c hv/sched/balance.c hv/sched/cap.c hv/sched/vcpu.c
 * hv/sched/runstate.c hv/sched/sched_op.c hv/time/timer.c hv/time/timer_heap.c */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/softirq.h>
#include <domain/domain.h>
#include <domain/vcpu.h>
#include <event/evtchn.h>
#include <irq/irq.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <sched/runqueue.h>
#include <sched/sched.h>
#include <sched/watchdog.h>
#include <time/time.h>
#include <time/vcpu_time.h>
#include <xen/sched.h>
#include <unit.h>

/*
 * A simulated machine: the scheduler and the timers are the real ones; the
 * CPUs, their clock and what the guests do are ours.
 */

static struct cpu_info cpus[TEST_CPUS];
static uint32_t this;
static s_time_t clock_ns, deadline[TEST_CPUS];
static void (*handler[NR_SOFTIRQS])(void);
static struct vcpu *unsaved[TEST_CPUS]; /* switched away from, sched_context_saved() still to come */
static bool delay_saving;
static void (*hook)(void); /* called once, in the middle of something */
DEFINE_PER_CPU(uint32_t, softirq_pending);
cpumask_t cpu_online_map;
unsigned int nr_cpus;
vcpu_info_t dummy_vcpu_info;
static jmp_buf after_switch;

struct cpu_info *get_cpu_info(void)
{
    return &cpus[this];
}

s_time_t now(void)
{
    return clock_ns;
}

void apic_timer_set(s_time_t t)
{
    deadline[this] = t;
}

void open_softirq(enum softirq nr, void (*fn)(void))
{
    handler[nr] = fn;
}

static void run_hook(void)
{
    void (*fn)(void) = hook;

    hook = NULL;
    if (fn)
        fn();
}

void raise_softirq(enum softirq nr)
{
    percpu_softirq_pending[this] |= 1u << nr;
    run_hook();
}

void cpu_raise_softirq(unsigned int cpu, enum softirq nr)
{
    percpu_softirq_pending[cpu] |= 1u << nr;
}

void do_softirq(void)
{
}

void smp_send_event_check(unsigned int cpu)
{
}

void panic(const char *fmt, ...)
{
    print_error("panic: %s\n", fmt);
    abort();
}

void *xzalloc_bytes(size_t size)
{
    return calloc(1, size);
}

static bool guest_faults;

int copy_to_guest(uint64_t gva, const void *src, size_t len)
{
    if (guest_faults)
        return -EFAULT;
    memcpy((void *)gva, src, len);
    return 0;
}

int copy_from_guest(void *dst, uint64_t gva, size_t len)
{
    if (guest_faults)
        return -EFAULT;
    memcpy(dst, (void *)gva, len);
    return 0;
}

void time_vcpu_in(struct vcpu *v)
{
}

void time_vcpu_out(struct vcpu *v)
{
}

void time_write_stale_area(struct vcpu *v)
{
}

static uint32_t shut_down_reason;

void domain_shutdown(struct domain *d, uint32_t reason)
{
    shut_down_reason = reason;
}

struct domain *domain_find(domid_t id)
{
    return NULL;
}

void domain_put(struct domain *d)
{
}

long domain_watchdog(struct domain *d, uint32_t id, uint32_t timeout)
{
    return 0;
}

/* Guests. */

#define MAX_GUESTS 24
#define MAX_V      4

struct guest {
    struct domain d;
    struct vcpu v[MAX_V], *table[MAX_V];
    vcpu_info_t info[MAX_V];
    s_time_t burst, sleep;    /* runs for burst, then blocks for sleep; burst 0: runs for ever */
    s_time_t left[MAX_V];     /* of the burst */
    s_time_t wake_at[MAX_V];  /* when blocked */
    s_time_t woken_at[MAX_V]; /* until it runs */
    s_time_t received[MAX_V];
    s_time_t worst_latency;
};

static struct guest guests[MAX_GUESTS];
static uint32_t nr_guests;

static struct guest *guest_of(const struct vcpu *v)
{
    return container_of(v->domain, struct guest, d);
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    assert_true(is_idle_vcpu(next) || vcpu_allowed_on(next, this));
    assert_true(next->sched.is_running);
    assert_int_equal(next->processor, this);
    for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
        assert_ptr_not_equal(cpus[cpu].current_vcpu, next);
        assert_ptr_not_equal(unsaved[cpu], next);
    }
    cpus[this].current_vcpu = next;
    run_hook();
    if (delay_saving && !is_idle_vcpu(prev))
        unsaved[this] = prev;
    else
        sched_context_saved(prev);
    sched_context_loaded(next);
    if (!is_idle_vcpu(next)) {
        struct guest *g = guest_of(next);

        if (g->woken_at[next->id]) {
            s_time_t latency = clock_ns - g->woken_at[next->id];

            g->worst_latency = latency > g->worst_latency ? latency : g->worst_latency;
            g->woken_at[next->id] = 0;
        }
    }
    longjmp(after_switch, 1);
}

/* One step of one CPU: what it did not do yet of a context switch, or a softirq. False if there is nothing.
 */
static bool run_softirqs(uint32_t cpu)
{
    struct vcpu *v = unsaved[cpu];

    this = cpu;
    if (v) {
        unsaved[cpu] = NULL;
        sched_context_saved(v);
        return true;
    }
    for (uint32_t nr = 0; nr < NR_SOFTIRQS; nr++) {
        if (!(percpu_softirq_pending[cpu] >> nr & 1))
            continue;
        percpu_softirq_pending[cpu] &= ~(1u << nr);
        if (!setjmp(after_switch))
            handler[nr]();
        return true;
    }
    return false;
}

static void settle(void)
{
    bool again;

    do {
        again = false;
        for (uint32_t cpu = 0; cpu < nr_cpus; cpu++)
            again |= run_softirqs(cpu);
    } while (again);
    this = 0;
}

static void free_idle(void)
{
    for (uint32_t cpu = 0; cpu < nr_cpus; cpu++)
        free(cpus[cpu].current_vcpu && idle_vcpu(cpu) ? idle_vcpu(cpu) : NULL);
}

static void machine(uint32_t n)
{
    nr_cpus = n;
    nr_guests = 0;
    clock_ns = 1000000;
    delay_saving = false;
    hook = NULL;
    memset(&cpu_online_map, 0, sizeof(cpu_online_map));
    memset(&sched_idle_map, 0, sizeof(sched_idle_map));
    memset(percpu_softirq_pending, 0, sizeof(percpu_softirq_pending));
    memset(guests, 0, sizeof(guests));
    memset(deadline, 0, sizeof(deadline));
    memset(unsaved, 0, sizeof(unsaved));
    memset(percpu_runqueues, 0, sizeof(percpu_runqueues));
    for (uint32_t cpu = 0; cpu < n; cpu++) {
        cpus[cpu].cpu = this = cpu;
        cpu_online_map.bits[0] |= 1u << cpu;
        if (cpu == 0)
            timers_init();
        assert_int_equal(sched_init_cpu(cpu), 0);
        cpus[cpu].current_vcpu = idle_vcpu(cpu);
        raise_softirq(SOFTIRQ_SCHEDULE);
    }
    settle();
}

static struct guest *guest(uint32_t vcpus, uint32_t weight, s_time_t burst, s_time_t sleep)
{
    struct guest *g = &guests[nr_guests++];

    g->d.id = (domid_t)nr_guests;
    g->d.max_vcpus = vcpus;
    g->d.vcpu = g->table;
    g->d.sched.weight = weight;
    g->d.events.max_port = 1000;
    spin_lock_init(&g->d.lock, LOCK_DOMAIN);
    g->burst = burst;
    g->sleep = sleep;
    for (uint32_t i = 0; i < vcpus; i++) {
        struct vcpu *v = &g->v[i];

        v->domain = &g->d;
        v->id = i;
        v->vcpu_info = &g->info[i];
        v->sched.pause_flags = VPF_DOWN;
        v->pv.kernel_mode = true;
        timer_init(&v->time.poll, NULL, v, 0);
        assert_int_equal(sched_init_vcpu(v), 0);
        g->left[i] = burst;
        g->table[i] = v;
    }
    return g;
}

static void start(struct guest *g)
{
    for (uint32_t i = 0; i < g->d.max_vcpus; i++) {
        g->v[i].sched.pause_flags = 0;
        g->woken_at[i] = clock_ns;
        vcpu_wake(&g->v[i]);
    }
    settle();
}

/* The next moment at which something happens, at most `limit`. */
static s_time_t next_event(s_time_t limit)
{
    s_time_t t = limit;

    for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
        struct vcpu *v = cpus[cpu].current_vcpu;

        if (deadline[cpu])
            t = MIN(t, MAX(deadline[cpu], clock_ns));
        if (!is_idle_vcpu(v) && guest_of(v)->burst)
            t = MIN(t, clock_ns + guest_of(v)->left[v->id]);
    }
    for (uint32_t i = 0; i < nr_guests; i++)
        for (uint32_t j = 0; j < guests[i].d.max_vcpus; j++)
            if (guests[i].wake_at[j])
                t = MIN(t, guests[i].wake_at[j]);
    return t;
}

static void pass_time(s_time_t t)
{
    for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
        struct vcpu *v = cpus[cpu].current_vcpu;

        if (is_idle_vcpu(v))
            continue;
        guest_of(v)->received[v->id] += t - clock_ns;
        if (guest_of(v)->burst)
            guest_of(v)->left[v->id] -= t - clock_ns;
    }
    clock_ns = t;
}

static void do_events(void)
{
    for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
        struct vcpu *v = cpus[cpu].current_vcpu;

        if (deadline[cpu] && deadline[cpu] <= clock_ns) {
            deadline[cpu] = 0;
            cpu_raise_softirq(cpu, SOFTIRQ_TIMER);
        }
        if (!is_idle_vcpu(v) && guest_of(v)->burst && guest_of(v)->left[v->id] <= 0) {
            struct guest *g = guest_of(v);

            g->left[v->id] = g->burst;
            g->wake_at[v->id] = clock_ns + g->sleep;
            this = cpu;
            vcpu_block_enable_events();
        }
    }
    this = 0;
    for (uint32_t i = 0; i < nr_guests; i++)
        for (uint32_t j = 0; j < guests[i].d.max_vcpus; j++) {
            struct guest *g = &guests[i];

            if (g->wake_at[j] && g->wake_at[j] <= clock_ns) {
                g->wake_at[j] = 0;
                g->woken_at[j] = clock_ns;
                vcpu_unblock(&g->v[j]);
            }
        }
}

/* No CPU idles while a vCPU that it could run waits. */
static void check_work_conserving(void)
{
    for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
        if (!is_idle_vcpu(cpus[cpu].current_vcpu))
            continue;
        for (uint32_t other = 0; other < nr_cpus; other++)
            for (struct vcpu *v = cpu_runqueue(other)->first; v; v = v->sched.next)
                assert_false(vcpu_allowed_on(v, cpu));
    }
}

static void run(s_time_t ns)
{
    s_time_t end = clock_ns + ns;

    while (clock_ns < end) {
        pass_time(next_event(end));
        do_events();
        settle();
        check_work_conserving();
    }
}

/* Per mille of one CPU over `ns` that all vCPUs of a guest got. */
static uint32_t share(const struct guest *g, s_time_t ns)
{
    s_time_t sum = 0;

    for (uint32_t i = 0; i < g->d.max_vcpus; i++)
        sum += g->received[i];
    return (uint32_t)(sum * 1000 / ns);
}

static void forget_received(void)
{
    for (uint32_t i = 0; i < nr_guests; i++)
        memset(guests[i].received, 0, sizeof(guests[i].received));
}

static void assert_within(uint32_t value, uint32_t wanted, uint32_t tolerance)
{
    assert_in_range(value, wanted - tolerance, wanted + tolerance);
}

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
