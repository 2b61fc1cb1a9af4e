/*
 * A CPU's run queue. Time is shared by weighted virtual time: a vCPU's vruntime
 * grows by the time it runs, times 256 / weight, and the one with the least
 * runs next. So over time every runnable vCPU receives in proportion to its
 * weight. vruntimes of different run queues are not comparable; a vCPU that
 * moves keeps its distance from the queue's min_vruntime.
 *
 * Under the queue's lock:
 *  - a vCPU is queued on the queue of v->processor, or curr there, or neither,
 *    never both; on at most one queue.
 *  - it is queued only if it was runnable when last looked at under the lock.
 *    Whoever changes that (pause flags and counts are changed without the lock)
 *    takes the lock afterwards, by vcpu_wake() or vcpu_sleep_nosync(); the last
 *    one to take the lock sees all changes and leaves the right state.
 *  - one that is_running is not moved to another queue: only its own CPU can
 *    run it before its registers are saved.
 */
#ifndef SCHED_RUNQUEUE_H
#define SCHED_RUNQUEUE_H

#include <base/spinlock.h>
#include <cpu/percpu.h>
#include <domain/domain.h>
#include <time/time.h>
#include <time/timer.h>

/* A vCPU that was not runnable gets at most this advantage (weighted ns) over the others when it wakes. */
#define WAKE_CREDIT MILLISECS(5)
/* A waking vCPU takes the CPU from one that is ahead of it by more than this. */
#define WAKE_GRANULARITY MILLISECS(1)
/* All vCPUs of a queue shall have run once in this time, within the limits of a slice. */
#define ROUND_TIME MILLISECS(20)
#define SLICE_MAX  MILLISECS(10)
#define SLICE_MIN  MILLISECS(1)

struct runqueue {
    spinlock_t lock; /* LOCK_SCHED */
    uint32_t cpu;
    struct vcpu *idle;
    struct vcpu *curr;         /* chosen to run */
    struct vcpu *first, *last; /* queued, by rising vruntime */
    uint32_t nr_queued;        /* also read without the lock, as a hint */
    uint64_t load;             /* weights of the queued vCPUs and of curr; also a hint */
    int64_t min_vruntime;      /* never falls */
    s_time_t curr_since;       /* when curr was chosen, be it once more */
    s_time_t slice_end;        /* when slice fires; 0: not armed */
    struct timer slice;        /* raises SCHEDULE */
    struct timer balance;
};

DECLARE_PER_CPU(struct runqueue, runqueues);
static inline struct runqueue *cpu_runqueue(uint32_t cpu)
{
    return &per_cpu(runqueues, cpu);
}

/* CPUs that found nothing to run; a bit is set before its CPU looks at the other queues. */
extern cpumask_t sched_idle_map;

/* Locks the queue of v->processor, which cannot change until it is unlocked. */
struct runqueue *lock_vcpu_runqueue(const struct vcpu *v, unsigned long *flags);
/* Both, with interrupts off; a == b is taken once. */
unsigned long lock_runqueues(struct runqueue *a, struct runqueue *b);
void unlock_runqueues(struct runqueue *a, struct runqueue *b, unsigned long flags);

/* Time times 256 / weight. */
int64_t weighted_time(const struct vcpu *v, int64_t ns);
void runqueue_add_load(struct runqueue *rq, const struct vcpu *v);
void runqueue_sub_load(struct runqueue *rq, const struct vcpu *v);

/* In order of vruntime, behind equals. The load is the caller's business. */
void runqueue_insert(struct runqueue *rq, struct vcpu *v);
void runqueue_remove(struct runqueue *rq, struct vcpu *v);
/* Adds the time since the last call to curr's account. */
void runqueue_account(struct runqueue *rq, s_time_t t);
/* A vCPU that wakes: bounds how far it is behind the others. */
void runqueue_place(const struct runqueue *rq, struct vcpu *v);
/* Not queued, not running: moves it. Both locks held. */
void runqueue_change_cpu(const struct runqueue *from, const struct runqueue *to, struct vcpu *v);

/* sched/balance.c */
bool vcpu_allowed_on(const struct vcpu *v, uint32_t cpu);
/* Best CPU to wake v on; no lock needed, a hint only, but always an allowed one. */
uint32_t sched_choose_cpu(const struct vcpu *v);
/* Fetches a queued vCPU from another queue to this empty one; no lock held. True if it got one. */
bool sched_pull(struct runqueue *rq);
/* A vCPU is waiting on rq: makes an idle CPU that may run it look for it. No matter which locks are held. */
void sched_kick_idle(const struct vcpu *v);
/* The same for the first of those that wait on rq that an idle CPU may take; lock held. */
void sched_offer_waiting(const struct runqueue *rq);
/*
 * The same for all queues; no lock held. By a CPU that was idle and is not any
 * more: what it took may not be what it had been told to look for.
 */
void sched_offer_all(void);
void sched_balance_init(struct runqueue *rq);
/* Keeps the balance timer going while the CPU is busy. */
void sched_balance_arm(struct runqueue *rq, s_time_t t);

/* sched/runstate.c; queue's lock held. */
void runstate_change(struct vcpu *v, int state, s_time_t t);
/* The state of a vCPU that is not running and not queued. */
int runstate_of_sleeper(const struct vcpu *v);
/* The guest's copy; v is current. */
void runstate_write_guest(struct vcpu *v);

/* sched/schedule.c */
void sched_runqueue_init(uint32_t cpu, struct vcpu *idle);
/* Wakes v on rq: queues it and preempts if it should; lock held. */
void sched_enqueue_woken(struct runqueue *rq, struct vcpu *v, s_time_t t);
/* Accounts for curr, chooses what runs next and makes it curr; lock held. */
struct vcpu *sched_pick(struct runqueue *rq, s_time_t t);

/* sched/cap.c; queue's lock held. */
/* Whether v may run now: takes a quota from its domain's budget if it has none left; else puts it on hold. */
bool cap_may_run(struct vcpu *v, s_time_t t);
void cap_charge(struct vcpu *v, int64_t ns);
/* ns it may run until it needs another quota; INT64_MAX without cap. */
int64_t cap_time_left(const struct vcpu *v);
/* It stops running: gives back what is left. */
void cap_return(struct vcpu *v);

#endif
