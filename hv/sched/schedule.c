/* Choosing what runs, and the changes between running, waiting and sleeping. */
#include <base/atomic.h>
#include <base/bug.h>
#include <base/errno.h>
#include <cpu/insn.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <event/evtchn.h>
#include <sched/runqueue.h>
#include <sched/sched.h>
#include <time/vcpu_time.h>

#define RATELIMIT_MIN_US 100
#define RATELIMIT_MAX_US 500000
static s_time_t ratelimit = MILLISECS(1);

int sched_set_ratelimit(uint32_t us)
{
    if (us && (us < RATELIMIT_MIN_US || us > RATELIMIT_MAX_US))
        return -EINVAL;
    WRITE_ONCE(ratelimit, MICROSECS(us));
    return 0;
}

uint32_t sched_get_ratelimit(void)
{
    return (uint32_t)(READ_ONCE(ratelimit) / MICROSECS(1));
}

bool vcpu_runnable(const struct vcpu *v)
{
    return !READ_ONCE(v->sched.pause_flags) && !READ_ONCE(v->sched.pause_count) &&
           !READ_ONCE(v->domain->pause_count);
}

/* curr shall be looked at again at t, or earlier if that is planned already. */
static void end_slice_by(struct runqueue *rq, s_time_t t)
{
    if (rq->slice_end && rq->slice_end <= t)
        return;
    rq->slice_end = t;
    timer_set(&rq->slice, t);
}

/*
 * Whether v, just queued, takes the CPU from curr: if it is behind by more than
 * the granularity, and curr had its minimum. Otherwise plans for the moment when
 * that will be so: a waking vCPU does not wait for the end of a slice.
 */
static void check_preempt(struct runqueue *rq, const struct vcpu *v, s_time_t t)
{
    const struct vcpu *curr = rq->curr;
    s_time_t when = rq->curr_since + READ_ONCE(ratelimit);
    int64_t lead;

    if (is_idle_vcpu(curr)) {
        cpumask_clear(&sched_idle_map, rq->cpu);
        cpu_raise_softirq(rq->cpu, SOFTIRQ_SCHEDULE);
        return;
    }
    lead = curr->sched.vruntime - v->sched.vruntime - weighted_time(v, WAKE_GRANULARITY);
    if (lead < 0)
        when = MAX(when, t + -lead * curr->sched.weight / 256);
    if (when <= t)
        cpu_raise_softirq(rq->cpu, SOFTIRQ_SCHEDULE);
    else
        end_slice_by(rq, when);
}

void sched_enqueue_woken(struct runqueue *rq, struct vcpu *v, s_time_t t)
{
    runstate_change(v, RUNSTATE_runnable, t);
    runqueue_account(rq, t);
    runqueue_place(rq, v);
    runqueue_insert(rq, v);
    runqueue_add_load(rq, v);
    check_preempt(rq, v, t);
}

/* Runnable, but on no queue, and nobody else is about to see to it. */
static bool needs_queueing(const struct runqueue *rq, const struct vcpu *v)
{
    return vcpu_runnable(v) && v != rq->curr && !v->sched.queued && !v->sched.homeless && !v->sched.throttled;
}

/* Wakes v on another CPU's queue; false if something changed while no lock was held. */
static bool wake_on(struct runqueue *from, struct runqueue *to, struct vcpu *v)
{
    unsigned long flags = lock_runqueues(from, to);
    bool same = v->processor == from->cpu && !v->sched.is_running && needs_queueing(from, v);

    if (same) {
        runqueue_change_cpu(from, to, v);
        sched_enqueue_woken(to, v, now());
    }
    unlock_runqueues(from, to, flags);
    return same;
}

/* v was queued on rq, lock released since: unless rq's CPU was idle and runs it now, an idle one may. */
static void kick_if_waiting(const struct runqueue *rq, const struct vcpu *v)
{
    smp_mb();
    if (!cpumask_empty(&sched_idle_map) &&
        (!is_idle_vcpu(READ_ONCE(rq->curr)) || READ_ONCE(rq->nr_queued) > 1))
        sched_kick_idle(v);
}

void vcpu_wake(struct vcpu *v)
{
    for (;;) {
        unsigned long flags;
        struct runqueue *rq = lock_vcpu_runqueue(v, &flags);
        uint32_t target = rq->cpu;
        bool queue = needs_queueing(rq, v);

        if (queue && !v->sched.is_running) {
            target = sched_choose_cpu(v);
        } else if (queue && !vcpu_allowed_on(v, rq->cpu)) {
            /* Its affinity changed between stopping and saving: sched_context_saved() finds it a place. */
            v->sched.homeless = true;
            runstate_change(v, RUNSTATE_runnable, now());
            queue = false;
        }
        if (target == rq->cpu) {
            if (queue)
                sched_enqueue_woken(rq, v, now());
            else if (!vcpu_runnable(v) && v != rq->curr)
                runstate_change(v, runstate_of_sleeper(v), now());
            spin_unlock_irqrestore(&rq->lock, flags);
        } else {
            spin_unlock_irqrestore(&rq->lock, flags);
            if (!wake_on(rq, cpu_runqueue(target), v))
                continue;
        }
        if (queue)
            kick_if_waiting(cpu_runqueue(target), v);
        return;
    }
}

void vcpu_sleep_nosync(struct vcpu *v)
{
    unsigned long flags;
    struct runqueue *rq = lock_vcpu_runqueue(v, &flags);

    if (!vcpu_runnable(v)) {
        if (v == rq->curr) {
            cpu_raise_softirq(rq->cpu, SOFTIRQ_SCHEDULE);
        } else {
            if (v->sched.queued) {
                runqueue_remove(rq, v);
                runqueue_sub_load(rq, v);
            }
            v->sched.throttled = false;
            runstate_change(v, runstate_of_sleeper(v), now());
        }
    }
    spin_unlock_irqrestore(&rq->lock, flags);
}

void vcpu_sleep_sync(struct vcpu *v)
{
    vcpu_sleep_nosync(v);
    while (load_acquire(&v->sched.is_running) && !vcpu_runnable(v))
        cpu_relax();
}

/*
 * A sender makes an event pending (a locked write), then comes here; a vCPU that
 * blocks sets the flag (a locked write), then looks for events. One of them sees
 * the other, so no wake-up is lost.
 */
void vcpu_unblock(struct vcpu *v)
{
    uint64_t blocking = VPF_BLOCKED | VPF_POLL, old;

    if (!(READ_ONCE(v->sched.pause_flags) & blocking))
        return;
    old = __atomic_fetch_and(&v->sched.pause_flags, ~blocking, __ATOMIC_SEQ_CST);
    if (old & VPF_POLL)
        atomic_dec(&v->domain->events.nr_pollers);
    if (old & blocking)
        vcpu_wake(v);
}

/*
 * One that is being switched to has is_running set and looks for events on its
 * way into the guest, with interrupts off: so either it sees the event, or this
 * sees is_running, and the interrupt arrives when it is in the guest. A stale
 * processor means that it was switched in between, and then it looked.
 */
void vcpu_kick(struct vcpu *v)
{
    vcpu_unblock(v);
    smp_mb();
    if (v != current && READ_ONCE(v->sched.is_running))
        smp_send_event_check(READ_ONCE(v->processor));
}

void vcpu_block_enable_events(void)
{
    struct vcpu *v = current;

    WRITE_ONCE(v->vcpu_info->evtchn_upcall_mask, 0);
    atomic_or(&v->sched.pause_flags, VPF_BLOCKED);
    if (events_need_delivery(v->vcpu_info))
        atomic_and(&v->sched.pause_flags, ~VPF_BLOCKED);
    else
        raise_softirq(SOFTIRQ_SCHEDULE);
}

/* curr stops running, at least for now: where it goes. Returns its runstate if it stops. */
static int put_curr(struct runqueue *rq, s_time_t t)
{
    struct vcpu *v = rq->curr;
    bool runnable = vcpu_runnable(v);

    if (is_idle_vcpu(v))
        return RUNSTATE_runnable;
    if (runnable && !vcpu_allowed_on(v, rq->cpu)) {
        v->sched.homeless = true;
    } else if (runnable && cap_may_run(v, t)) {
        runqueue_insert(rq, v);
        return RUNSTATE_runnable;
    }
    cap_return(v);
    runqueue_sub_load(rq, v);
    return runnable ? RUNSTATE_runnable : runstate_of_sleeper(v);
}

/* Takes the vCPU to run off the queue. */
static struct vcpu *take_next(struct runqueue *rq, s_time_t t)
{
    struct vcpu *v = rq->first;

    if (v == rq->curr && v && v->sched.yielded && v->sched.next)
        v = v->sched.next;
    rq->curr->sched.yielded = false;
    while (v && !cap_may_run(v, t)) {
        runqueue_remove(rq, v);
        runqueue_sub_load(rq, v);
        v = rq->first;
    }
    if (!v)
        return rq->idle;
    runqueue_remove(rq, v);
    return v;
}

static void arm_slice(struct runqueue *rq, s_time_t t)
{
    int64_t slice = INT64_MAX;

    if (!is_idle_vcpu(rq->curr)) {
        slice = cap_time_left(rq->curr);
        if (rq->nr_queued) {
            int64_t share = ROUND_TIME / (rq->nr_queued + 1);

            share = share < SLICE_MIN ? SLICE_MIN : share > SLICE_MAX ? SLICE_MAX : share;
            slice = MIN(slice, share);
        }
    }
    if (slice == INT64_MAX) {
        rq->slice_end = 0;
        timer_stop(&rq->slice);
    } else {
        rq->slice_end = t + slice;
        timer_set(&rq->slice, rq->slice_end);
    }
}

struct vcpu *sched_pick(struct runqueue *rq, s_time_t t)
{
    struct vcpu *prev = rq->curr, *next;
    int state;

    runqueue_account(rq, t);
    state = put_curr(rq, t);
    next = take_next(rq, t);
    if (next != prev) {
        runstate_change(prev, state, t);
        runstate_change(next, RUNSTATE_running, t);
        rq->curr = next;
        next->sched.ran_since = t;
        next->sched.is_running = true;
        if (next == rq->idle)
            cpumask_set(&sched_idle_map, rq->cpu);
        else if (cpumask_test(&sched_idle_map, rq->cpu))
            cpumask_clear(&sched_idle_map, rq->cpu);
    }
    /*
     * Also if it is the same: a vCPU that is woken, but gone again before it is chosen, as often as a sibling
     * of it likes, makes this CPU look no more often than one that stays.
     */
    rq->curr_since = t;
    arm_slice(rq, t);
    if (next != rq->idle) {
        sched_balance_arm(rq, t);
        sched_offer_waiting(rq);
    }
    return next;
}

/*
 * When this CPU would idle it looks at the others' queues, with no lock held: to
 * them it is idle already. prev is not saved yet, but is_running keeps it here;
 * if it is woken meanwhile it is simply chosen again. Returns with the lock held.
 */
static struct vcpu *pick_or_pull(struct runqueue *rq, bool *was_idle)
{
    struct vcpu *next = sched_pick(rq, now());
    bool pulled = true;

    /* What was pulled may be held by its cap: then there may be others. */
    while (next == rq->idle && pulled) {
        *was_idle = true;
        cpumask_set(&sched_idle_map, rq->cpu);
        spin_unlock(&rq->lock);
        pulled = sched_pull(rq);
        spin_lock(&rq->lock);
        next = sched_pick(rq, now());
    }
    return next;
}

static void schedule(void)
{
    struct runqueue *rq = &this_cpu(runqueues);
    struct vcpu *prev = current, *next;
    bool was_idle = is_idle_vcpu(prev);

    spin_lock_irq(&rq->lock);
    next = pick_or_pull(rq, &was_idle);
    if (next == prev) {
        spin_unlock_irq(&rq->lock);
        if (was_idle && next != rq->idle)
            sched_offer_all();
        return;
    }
    spin_unlock(&rq->lock);
    if (was_idle && next != rq->idle)
        sched_offer_all();
    if (!is_idle_vcpu(prev)) {
        time_vcpu_out(prev);
        runstate_write_guest(prev);
    }
    context_switch(prev, next);
}

/* Was stopped because its CPU is not allowed any more. The locks keep others off until it is in its new
 * place. */
static void rehome(struct runqueue *rq, struct vcpu *v)
{
    struct runqueue *to = cpu_runqueue(sched_choose_cpu(v));
    unsigned long flags = lock_runqueues(rq, to);

    v->sched.homeless = false;
    v->sched.is_running = false;
    if (!v->sched.queued) {
        if (rq != to)
            runqueue_change_cpu(rq, to, v);
        if (vcpu_runnable(v))
            sched_enqueue_woken(to, v, now());
    }
    unlock_runqueues(rq, to, flags);
}

/*
 * Once is_running is clear and the lock released, another CPU may run prev, or
 * who waited in vcpu_sleep_sync() may free it: nothing touches it afterwards.
 */
void sched_context_saved(struct vcpu *prev)
{
    struct runqueue *rq;
    unsigned long flags;

    if (is_idle_vcpu(prev))
        return;
    rq = lock_vcpu_runqueue(prev, &flags);
    if (prev->sched.homeless) {
        spin_unlock_irqrestore(&rq->lock, flags);
        rehome(rq, prev);
        return;
    }
    if (prev->sched.queued)
        sched_kick_idle(prev);
    store_release(&prev->sched.is_running, false);
    spin_unlock_irqrestore(&rq->lock, flags);
}

void sched_context_loaded(struct vcpu *next)
{
    if (is_idle_vcpu(next))
        return;
    time_vcpu_in(next);
    runstate_write_guest(next);
}

static void slice_expired(void *unused)
{
    raise_softirq(SOFTIRQ_SCHEDULE);
}

void sched_runqueue_init(uint32_t cpu, struct vcpu *idle)
{
    struct runqueue *rq = cpu_runqueue(cpu);

    spin_lock_init(&rq->lock, LOCK_SCHED);
    rq->cpu = cpu;
    rq->idle = rq->curr = idle;
    timer_init(&rq->slice, slice_expired, NULL, cpu);
    sched_balance_init(rq);
    open_softirq(SOFTIRQ_SCHEDULE, schedule);
}

void idle_loop(void)
{
    for (;;) {
        /* An interrupt between the look and the HLT would be slept through: STI only takes effect after it.
         */
        local_irq_disable();
        if (softirqs_pending())
            local_irq_enable();
        else
            safe_halt();
        do_softirq();
    }
}
