/* Idle vCPUs, the scheduler's part in a vCPU's life, and its parameters. */
#include <base/atomic.h>
#include <base/bug.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <cpu/softirq.h>
#include <domain/vcpu.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <sched/dump.h>
#include <sched/runqueue.h>
#include <sched/sched.h>

static uint32_t opt_ratelimit_us = 1000;
BOOT_OPTION_UINT("sched_ratelimit_us", opt_ratelimit_us);

static bool opt_dom0_vcpus_pin;
BOOT_OPTION_BOOL("dom0_vcpus_pin", opt_dom0_vcpus_pin);

static struct vcpu *idle_vcpus[MAX_CPUS];
static struct domain idle_domain = {
    .id = DOMID_IDLE,
    .refcount = 1,
    .max_vcpus = MAX_CPUS,
    .vcpu = idle_vcpus,
    .is_idle = true,
    .sched = {.weight = 256},
};

struct vcpu *idle_vcpu(uint32_t cpu)
{
    return idle_vcpus[cpu];
}

/* A vCPU that is neither running nor queued, and may run anywhere. */
static void init_state(struct vcpu *v)
{
    v->sched.weight = v->domain->sched.weight;
    v->sched.runstate.state = RUNSTATE_offline;
    v->sched.runstate.state_entry_time = (uint64_t)now();
    memset(&v->sched.hard_affinity, 0xff, sizeof(cpumask_t));
    memset(&v->sched.soft_affinity, 0xff, sizeof(cpumask_t));
}

/* Fewest vCPUs so far; the balancing does the rest once it runs. */
static uint32_t first_cpu(void)
{
    static uint32_t last;
    uint32_t cpu;

    do
        cpu = atomic_add_return(&last, 1) % nr_cpus;
    while (!cpumask_test(&cpu_online_map, cpu) && !cpumask_empty(&cpu_online_map));
    return cpu;
}

int sched_init_vcpu(struct vcpu *v)
{
    init_state(v);
    v->processor = first_cpu();
    if (v->domain->is_hardware && opt_dom0_vcpus_pin) {
        memset(&v->sched.hard_affinity, 0, sizeof(cpumask_t));
        cpumask_set(&v->sched.hard_affinity, v->id % nr_cpus);
        v->processor = v->id % nr_cpus;
    }
    v->sched.vruntime = cpu_runqueue(v->processor)->min_vruntime;
    return 0;
}

void sched_destroy_vcpu(struct vcpu *v)
{
    vcpu_sleep_sync(v);
    BUG_ON(v->sched.queued || v->sched.is_running);
}

int __init sched_init_cpu(uint32_t cpu)
{
    struct vcpu *v = xzalloc(struct vcpu);

    if (!v)
        return -ENOMEM;
    v->domain = &idle_domain;
    v->id = cpu;
    v->vcpu_info = &v->own_info;
    v->is_initialised = true;
    init_state(v);
    v->processor = cpu;
    v->sched.runstate.state = RUNSTATE_running;
    v->sched.is_running = true;
    if (cpu) /* the boot CPU's is in use already */
        timers_init_cpu(cpu);
    idle_vcpus[cpu] = v;
    sched_runqueue_init(cpu, v);
    return 0;
}

void __init sched_init(void)
{
    if (sched_init_cpu(0))
        panic("No memory for the idle vCPU");
    get_cpu_info()->current_vcpu = idle_vcpus[0];
    if (opt_ratelimit_us != sched_get_ratelimit() && sched_set_ratelimit(opt_ratelimit_us))
        printk_warn("sched_ratelimit_us=%u is out of range: %u\n", opt_ratelimit_us, sched_get_ratelimit());
    sched_dump_init();
}

int sched_set_weight(struct domain *d, uint32_t weight)
{
    struct vcpu *v;

    if (weight < SCHED_WEIGHT_MIN || weight > SCHED_WEIGHT_MAX)
        return -EINVAL;
    WRITE_ONCE(d->sched.weight, weight);
    for_each_vcpu (d, v) {
        unsigned long flags;
        struct runqueue *rq = lock_vcpu_runqueue(v, &flags);
        bool counted = v->sched.queued || v == rq->curr;

        if (v == rq->curr)
            runqueue_account(rq, now());
        if (counted)
            runqueue_sub_load(rq, v);
        v->sched.weight = weight;
        if (counted)
            runqueue_add_load(rq, v);
        spin_unlock_irqrestore(&rq->lock, flags);
    }
    return 0;
}

static bool any_online(const cpumask_t *mask)
{
    for (unsigned int i = 0; i < MAX_CPUS / 64; i++)
        if (mask->bits[i] & cpu_online_map.bits[i])
            return true;
    return false;
}

/*
 * One that runs where it may not any more is stopped and moves in
 * sched_context_saved(); one that sleeps moves when it is woken; one that waits
 * is woken again elsewhere, or may now be wanted by an idle CPU.
 */
static void apply_affinity(struct vcpu *v)
{
    unsigned long flags;
    struct runqueue *rq = lock_vcpu_runqueue(v, &flags);
    bool wake = false;

    if (!vcpu_allowed_on(v, rq->cpu)) {
        if (v == rq->curr) {
            cpu_raise_softirq(rq->cpu, SOFTIRQ_SCHEDULE);
        } else if (v->sched.queued) {
            runqueue_remove(rq, v);
            runqueue_sub_load(rq, v);
            /* Not saved yet: sched_context_saved() finds it a place. */
            v->sched.homeless = v->sched.is_running;
            wake = !v->sched.is_running;
        }
    }
    spin_unlock_irqrestore(&rq->lock, flags);
    if (wake)
        vcpu_wake(v);
    else if (v->sched.queued)
        sched_kick_idle(v);
}

static void write_affinity(struct vcpu *v, cpumask_t *field, const cpumask_t *mask)
{
    unsigned long flags;
    struct runqueue *rq = lock_vcpu_runqueue(v, &flags);

    *field = *mask;
    spin_unlock_irqrestore(&rq->lock, flags);
}

int sched_set_hard_affinity(struct vcpu *v, const cpumask_t *mask)
{
    if (!any_online(mask))
        return -EINVAL;
    if (v->sched.overridden)
        return -EBUSY;
    write_affinity(v, &v->sched.hard_affinity, mask);
    apply_affinity(v);
    return 0;
}

void sched_set_soft_affinity(struct vcpu *v, const cpumask_t *mask)
{
    write_affinity(v, &v->sched.soft_affinity, mask);
}

int sched_pin_override(struct vcpu *v, int32_t cpu)
{
    cpumask_t mask = {0};

    if (cpu < 0) {
        if (!v->sched.overridden)
            return -EINVAL;
        mask = v->sched.saved_affinity;
    } else {
        if ((uint32_t)cpu >= nr_cpus || !cpumask_test(&cpu_online_map, (uint32_t)cpu))
            return -EINVAL;
        if (v->sched.overridden)
            return -EBUSY;
        v->sched.saved_affinity = v->sched.hard_affinity;
        cpumask_set(&mask, (uint32_t)cpu);
    }
    v->sched.overridden = cpu >= 0;
    write_affinity(v, &v->sched.hard_affinity, &mask);
    apply_affinity(v);
    return 0;
}
