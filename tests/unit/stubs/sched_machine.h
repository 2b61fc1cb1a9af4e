/*
 * The simulated machine of test_sched.c: included by it alone, so all is static.
 */
#ifndef UNIT_SCHED_MACHINE_H
#define UNIT_SCHED_MACHINE_H

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

#endif
