/*
 * Caps: a domain with a cap has a budget of CPU time that is filled up once in
 * a period. Its vCPUs take quotas from it before they run, and give back what
 * they did not use. One that finds the budget empty is put on hold until the
 * next replenishment. What a vCPU ran over its quota stays as a debt, so that
 * the cap holds exactly over time.
 */
#include <base/atomic.h>
#include <base/errno.h>
#include <cpu/softirq.h>
#include <sched/runqueue.h>
#include <sched/sched.h>

#define PERIOD MILLISECS(10)
#define QUOTA  MILLISECS(1)

static int64_t budget_per_period(const struct domain *d)
{
    return READ_ONCE(d->sched.cap) * (PERIOD / 100);
}

/* What is left of the budget, at most QUOTA above the vCPU's debt. */
static void take_quota(struct vcpu *v, s_time_t t)
{
    struct sched_domain *s = &v->domain->sched;
    int64_t budget, amount, want = QUOTA - v->sched.quota;

    do {
        budget = READ_ONCE(s->budget);
        amount = MIN(budget, want);
        if (amount <= 0)
            return;
    } while (cmpxchg(&s->budget, budget, budget - amount) != budget);
    v->sched.quota += amount;
    if (!timer_is_pending(&s->replenish))
        timer_set(&s->replenish, t + PERIOD);
}

/*
 * The replenishing timer adds to the budget, then looks for vCPUs on hold; this
 * puts the vCPU on hold, then looks at the budget again. So it cannot be left
 * on hold with a budget to take from.
 */
bool cap_may_run(struct vcpu *v, s_time_t t)
{
    struct sched_domain *s = &v->domain->sched;

    if (likely(!READ_ONCE(s->cap)) || v->sched.quota > 0)
        return true;
    take_quota(v, t);
    if (v->sched.quota > 0)
        return true;
    v->sched.throttled = true;
    smp_mb();
    if (READ_ONCE(s->budget) > 0)
        take_quota(v, t);
    if (v->sched.quota > 0)
        v->sched.throttled = false;
    else if (!timer_is_pending(&s->replenish))
        timer_set(&s->replenish, t + PERIOD);
    return !v->sched.throttled;
}

void cap_charge(struct vcpu *v, int64_t ns)
{
    if (unlikely(READ_ONCE(v->domain->sched.cap)))
        v->sched.quota -= ns;
}

int64_t cap_time_left(const struct vcpu *v)
{
    return likely(!READ_ONCE(v->domain->sched.cap)) ? INT64_MAX : MAX(v->sched.quota, (int64_t)1);
}

void cap_return(struct vcpu *v)
{
    if (likely(!v->sched.quota))
        return;
    atomic_add(&v->domain->sched.budget, v->sched.quota);
    v->sched.quota = 0;
}

static void release_throttled(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu (d, v) {
        unsigned long flags;
        struct runqueue *rq;
        bool was;

        if (!READ_ONCE(v->sched.throttled))
            continue;
        rq = lock_vcpu_runqueue(v, &flags);
        was = v->sched.throttled;
        v->sched.throttled = false;
        spin_unlock_irqrestore(&rq->lock, flags);
        if (was)
            vcpu_wake(v);
    }
}

/*
 * Goes on until the budget is full: then nobody took from it for a period. Releases once more after the cap
 * was taken away: a vCPU may have been on its way to hold when sched_set_cap() looked for those on hold.
 */
static void replenish(void *data)
{
    struct domain *d = data;
    int64_t full = budget_per_period(d), budget, new;

    do {
        budget = READ_ONCE(d->sched.budget);
        new = MIN(budget + full, full);
    } while (cmpxchg(&d->sched.budget, budget, new) != budget);
    if (full && (new < full || budget < full))
        timer_set(&d->sched.replenish, now() + PERIOD);
    release_throttled(d);
}

int sched_set_cap(struct domain *d, uint32_t cap)
{
    struct vcpu *v;

    if (cap > 100 * d->max_vcpus) /* more it cannot use */
        return -EINVAL;
    spin_lock(&d->lock);
    if (!d->sched.replenish.fn)
        timer_init(&d->sched.replenish, replenish, d, 0);
    WRITE_ONCE(d->sched.cap, cap);
    WRITE_ONCE(d->sched.budget, budget_per_period(d));
    spin_unlock(&d->lock);
    release_throttled(d);
    /* Those that run have no quota yet. */
    for_each_vcpu (d, v)
        cpu_raise_softirq(READ_ONCE(v->processor), SOFTIRQ_SCHEDULE);
    return 0;
}

void sched_destroy_domain(struct domain *d)
{
    timer_kill(&d->sched.replenish);
    for (int i = 0; i < NR_WATCHDOGS; i++)
        timer_kill(&d->sched.watchdog[i]);
}
