#include <sched/runqueue.h>
#include <sched/sched.h>

DEFINE_PER_CPU(struct runqueue, runqueues);

struct runqueue *lock_vcpu_runqueue(const struct vcpu *v, unsigned long *flags)
{
    for (;;) {
        uint32_t cpu = READ_ONCE(v->processor);
        struct runqueue *rq = cpu_runqueue(cpu);

        *flags = spin_lock_irqsave(&rq->lock);
        if (v->processor == cpu)
            return rq;
        spin_unlock_irqrestore(&rq->lock, *flags);
    }
}

unsigned long lock_runqueues(struct runqueue *a, struct runqueue *b)
{
    struct runqueue *first = a < b ? a : b, *second = a < b ? b : a;
    unsigned long flags = spin_lock_irqsave(&first->lock);

    if (first != second)
        spin_lock_nested(&second->lock);
    return flags;
}

void unlock_runqueues(struct runqueue *a, struct runqueue *b, unsigned long flags)
{
    if (a != b)
        spin_unlock(&b->lock);
    spin_unlock_irqrestore(&a->lock, flags);
}

int64_t weighted_time(const struct vcpu *v, int64_t ns)
{
    return ns * 256 / v->sched.weight;
}

void runqueue_insert(struct runqueue *rq, struct vcpu *v)
{
    struct vcpu *after = rq->last;

    while (after && after->sched.vruntime > v->sched.vruntime)
        after = after->sched.prev;
    v->sched.prev = after;
    v->sched.next = after ? after->sched.next : rq->first;
    if (v->sched.next)
        v->sched.next->sched.prev = v;
    else
        rq->last = v;
    if (after)
        after->sched.next = v;
    else
        rq->first = v;
    v->sched.queued = true;
    WRITE_ONCE(rq->nr_queued, rq->nr_queued + 1);
}

void runqueue_remove(struct runqueue *rq, struct vcpu *v)
{
    if (v->sched.prev)
        v->sched.prev->sched.next = v->sched.next;
    else
        rq->first = v->sched.next;
    if (v->sched.next)
        v->sched.next->sched.prev = v->sched.prev;
    else
        rq->last = v->sched.prev;
    v->sched.next = v->sched.prev = NULL;
    v->sched.queued = false;
    WRITE_ONCE(rq->nr_queued, rq->nr_queued - 1);
}

void runqueue_add_load(struct runqueue *rq, const struct vcpu *v)
{
    WRITE_ONCE(rq->load, rq->load + v->sched.weight);
}

void runqueue_sub_load(struct runqueue *rq, const struct vcpu *v)
{
    WRITE_ONCE(rq->load, rq->load - v->sched.weight);
}

/* Follows the least vruntime of all that want to run. */
static void advance_min(struct runqueue *rq)
{
    int64_t least;

    if (is_idle_vcpu(rq->curr)) {
        if (!rq->first)
            return;
        least = rq->first->sched.vruntime;
    } else {
        least = rq->curr->sched.vruntime;
        if (rq->first)
            least = MIN(least, rq->first->sched.vruntime);
    }
    rq->min_vruntime = MAX(rq->min_vruntime, least);
}

void runqueue_account(struct runqueue *rq, s_time_t t)
{
    struct vcpu *v = rq->curr;
    int64_t ran = t - v->sched.ran_since;

    if (!is_idle_vcpu(v) && ran > 0) {
        v->sched.ran_since = t;
        v->sched.vruntime += weighted_time(v, ran);
        cap_charge(v, ran);
    }
    advance_min(rq);
}

void runqueue_place(const struct runqueue *rq, struct vcpu *v)
{
    v->sched.vruntime = MAX(v->sched.vruntime, rq->min_vruntime - WAKE_CREDIT);
}

void runqueue_change_cpu(const struct runqueue *from, const struct runqueue *to, struct vcpu *v)
{
    v->sched.vruntime += to->min_vruntime - from->min_vruntime;
    WRITE_ONCE(v->processor, to->cpu);
}
