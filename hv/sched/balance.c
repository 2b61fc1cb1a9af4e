/*
 * Which CPU runs a vCPU.
 *
 * No CPU idles while a vCPU that it may run waits elsewhere. An idle CPU sets
 * its bit in sched_idle_map and then looks at the other queues; whoever queues a
 * vCPU then looks at the map. Both sides are separated by full barriers (locked
 * instructions), so one of them sees the other:
 *
 *   CPU X finds nothing to run      CPU Y
 *   idle_map |= X                   queue v, nr_queued++
 *   reads Y's nr_queued             reads idle_map, sends X the SCHEDULE softirq
 *
 * A vCPU that was just descheduled cannot be taken before its registers are
 * saved; sched_context_saved() then does Y's part again. So does a CPU that
 * has chosen what to run, for those that it leaves waiting.
 */
#include <base/atomic.h>
#include <cpu/softirq.h>
#include <sched/runqueue.h>
#include <sched/sched.h>

#define BALANCE_PERIOD MILLISECS(50)
/* One that was moved stays that long, so that those that wait with it have their turn. */
#define STAY_TIME MILLISECS(50)

cpumask_t sched_idle_map;

bool vcpu_allowed_on(const struct vcpu *v, uint32_t cpu)
{
    return cpumask_test(&v->sched.hard_affinity, cpu) && cpumask_test(&cpu_online_map, cpu);
}

static bool prefers(const struct vcpu *v, uint32_t cpu)
{
    return cpumask_test(&v->sched.soft_affinity, cpu);
}

/* An idle CPU for v, one that it prefers if there is such; MAX_CPUS if none. Begins after `start`. */
static uint32_t find_idle(const struct vcpu *v, uint32_t start)
{
    uint32_t cpu, other = MAX_CPUS;

    if (cpumask_empty(&sched_idle_map))
        return MAX_CPUS;
    if (cpumask_test(&sched_idle_map, start) && vcpu_allowed_on(v, start) && prefers(v, start))
        return start;
    for_each_cpu(cpu, &sched_idle_map)
    {
        if (!vcpu_allowed_on(v, cpu))
            continue;
        if (prefers(v, cpu))
            return cpu;
        if (other == MAX_CPUS || cpu == start)
            other = cpu;
    }
    return other;
}

static uint32_t find_least_loaded(const struct vcpu *v)
{
    uint32_t cpu, best = MAX_CPUS;
    bool best_preferred = false;
    uint64_t best_load = 0;

    for_each_online_cpu (cpu) {
        uint64_t load = READ_ONCE(cpu_runqueue(cpu)->load);
        bool preferred = prefers(v, cpu);

        if (!vcpu_allowed_on(v, cpu) || (best_preferred && !preferred))
            continue;
        if (best == MAX_CPUS || (preferred && !best_preferred) || load < best_load) {
            best = cpu;
            best_load = load;
            best_preferred = preferred;
        }
    }
    /* Affinities always leave a CPU that is online; a CPU coming up may not be in the map yet. */
    return best == MAX_CPUS ? v->processor : best;
}

uint32_t sched_choose_cpu(const struct vcpu *v)
{
    uint32_t here = READ_ONCE(v->processor), idle = find_idle(v, here);

    if (idle != MAX_CPUS)
        return idle;
    if (vcpu_allowed_on(v, here) && prefers(v, here))
        return here;
    return find_least_loaded(v);
}

void sched_kick_idle(const struct vcpu *v)
{
    uint32_t cpu = find_idle(v, READ_ONCE(v->processor));

    if (cpu != MAX_CPUS)
        cpu_raise_softirq(cpu, SOFTIRQ_SCHEDULE);
}

void sched_offer_waiting(const struct runqueue *rq)
{
    smp_mb();
    if (!rq->first || cpumask_empty(&sched_idle_map))
        return;
    for (const struct vcpu *v = rq->first; v; v = v->sched.next) {
        uint32_t cpu = v->sched.is_running ? MAX_CPUS : find_idle(v, rq->cpu);

        if (cpu != MAX_CPUS) {
            cpu_raise_softirq(cpu, SOFTIRQ_SCHEDULE);
            return;
        }
    }
}

/* The first vCPU queued on `from` that `to` may take, in the order in which they would run. */
static struct vcpu *find_candidate(const struct runqueue *from, const struct runqueue *to, bool preferred)
{
    for (struct vcpu *v = from->first; v; v = v->sched.next)
        if (!v->sched.is_running && vcpu_allowed_on(v, to->cpu) && (!preferred || prefers(v, to->cpu)))
            return v;
    return NULL;
}

static void move_queued(struct runqueue *from, struct runqueue *to, struct vcpu *v)
{
    runqueue_remove(from, v);
    runqueue_sub_load(from, v);
    runqueue_change_cpu(from, to, v);
    runqueue_insert(to, v);
    runqueue_add_load(to, v);
}

static bool pull_from(struct runqueue *from, struct runqueue *to, bool preferred)
{
    unsigned long flags;
    struct vcpu *v;

    if (from == to || !READ_ONCE(from->nr_queued))
        return false;
    flags = lock_runqueues(from, to);
    v = to->first ? NULL : find_candidate(from, to, preferred);
    if (v)
        move_queued(from, to, v);
    unlock_runqueues(from, to, flags);
    return v;
}

static bool pull_any(struct runqueue *rq, bool preferred)
{
    for (uint32_t i = 1; i < nr_cpus; i++) {
        uint32_t cpu = (rq->cpu + i) % nr_cpus;

        if (cpumask_test(&cpu_online_map, cpu) && pull_from(cpu_runqueue(cpu), rq, preferred))
            return true;
    }
    return false;
}

void sched_offer_all(void)
{
    uint32_t cpu;

    for_each_online_cpu (cpu) {
        struct runqueue *rq = cpu_runqueue(cpu);
        unsigned long flags;

        if (cpumask_empty(&sched_idle_map))
            return;
        if (!READ_ONCE(rq->nr_queued))
            continue;
        flags = spin_lock_irqsave(&rq->lock);
        sched_offer_waiting(rq);
        spin_unlock_irqrestore(&rq->lock, flags);
    }
}

bool sched_pull(struct runqueue *rq)
{
    return pull_any(rq, true) || pull_any(rq, false);
}

static struct runqueue *find_busiest(const struct runqueue *rq)
{
    struct runqueue *busiest = NULL;
    uint64_t most = READ_ONCE(rq->load);
    uint32_t cpu;

    for_each_online_cpu (cpu) {
        struct runqueue *other = cpu_runqueue(cpu);

        if (READ_ONCE(other->nr_queued) && READ_ONCE(other->load) > most) {
            busiest = other;
            most = READ_ONCE(other->load);
        }
    }
    return busiest;
}

/*
 * Evens out the weights: takes a vCPU from the most loaded CPU if that leaves
 * this one no more loaded than the other was. Where the numbers cannot be made
 * equal (three equal hogs on two CPUs) that moves the surplus around, so that
 * over time all get the same.
 */
static bool move_one(struct runqueue *busiest, struct runqueue *rq, s_time_t t)
{
    unsigned long flags = lock_runqueues(busiest, rq);
    struct vcpu *v;

    for (v = busiest->first; v; v = v->sched.next)
        if (!v->sched.is_running && vcpu_allowed_on(v, rq->cpu) &&
            prefers(v, rq->cpu) >= prefers(v, busiest->cpu) && busiest->load >= rq->load + v->sched.weight &&
            t >= v->sched.moved_at + STAY_TIME)
            break;
    if (v) {
        move_queued(busiest, rq, v);
        v->sched.moved_at = t;
    }
    unlock_runqueues(busiest, rq, flags);
    return v;
}

static void balance(void *data)
{
    struct runqueue *rq = data, *busiest = find_busiest(rq);
    s_time_t t = now();
    unsigned long flags;

    if (busiest && move_one(busiest, rq, t))
        raise_softirq(SOFTIRQ_SCHEDULE);
    flags = spin_lock_irqsave(&rq->lock);
    if (!is_idle_vcpu(rq->curr))
        timer_set(&rq->balance, t + BALANCE_PERIOD);
    spin_unlock_irqrestore(&rq->lock, flags);
}

void sched_balance_init(struct runqueue *rq)
{
    timer_init(&rq->balance, balance, rq, rq->cpu);
}

void sched_balance_arm(struct runqueue *rq, s_time_t t)
{
    if (nr_cpus == 1 || timer_is_pending(&rq->balance))
        return;
    /* Not all CPUs at the same moment, or they would take from each other in turn. */
    timer_set(&rq->balance, t + BALANCE_PERIOD + BALANCE_PERIOD * rq->cpu / nr_cpus);
}
