/* The scheduler: a run queue per CPU, sharing time in proportion to weight. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include <base/types.h>
#include <domain/domain.h>

void sched_init(void); /* boot CPU, after the heap and time_init(): idle domain, softirq; sets current */
int sched_init_cpu(uint32_t cpu);    /* run queue and idle vCPU of a CPU; before it comes up. -ENOMEM */
int sched_init_vcpu(struct vcpu *v); /* chooses v->processor, starts its accounting. 0 */
void sched_destroy_vcpu(struct vcpu *v);
void sched_destroy_domain(struct domain *d); /* its timers; before its memory is freed, no vCPU of it runs */

/* Whether no pause flag or count of the vCPU or its domain keeps it from running. */
bool vcpu_runnable(const struct vcpu *v);
/* Puts it on a run queue if it is runnable. Any context, interrupts may be off. */
void vcpu_wake(struct vcpu *v);
/* It became not runnable: takes it off; the sync form waits until its registers are saved. */
void vcpu_sleep_nosync(struct vcpu *v);
void vcpu_sleep_sync(struct vcpu *v);
/* Clears VPF_BLOCKED and VPF_POLL and wakes it. After a locked write that the vCPU looks at when it blocks.
 */
void vcpu_unblock(struct vcpu *v);
/* Like vcpu_unblock, and if it runs on another CPU makes it enter the VMM so that it sees its events. */
void vcpu_kick(struct vcpu *v);
/* current gives up the CPU until an event is pending and unmasked: SCHEDOP_block. Enables its upcalls. */
void vcpu_block_enable_events(void);

/* The vCPU that never runs guest code on this CPU. */
struct vcpu *idle_vcpu(uint32_t cpu);
static inline bool is_idle_vcpu(const struct vcpu *v)
{
    return v->domain->is_idle;
}

/*
 * Provided by cpu/context.c: saves prev's state, loads next's. Called by the
 * SCHEDULE softirq with interrupts off and the run queue's lock released; does
 * not return: continues next at its exit path on an empty stack. It calls
 * sched_context_saved(prev) as soon as another CPU may run prev, and
 * sched_context_loaded(next) when current is next and its page tables are
 * loaded, both with interrupts off.
 */
void context_switch(struct vcpu *prev, struct vcpu *next) __noreturn;
void sched_context_saved(struct vcpu *prev);
void sched_context_loaded(struct vcpu *next);

/*
 * Writes time and runstate areas that could not be reached in guest-user mode.
 * To be called when current has entered guest-kernel mode; cheap if there are none.
 */
void sched_write_stale_areas(struct vcpu *v);
static inline void sched_entered_guest_kernel(struct vcpu *v)
{
    if (v->sched.runstate_stale || v->time.time_area_stale)
        sched_write_stale_areas(v);
}

/* Waits for work on this CPU, for ever: entered by the idle vCPU. */
void idle_loop(void) __noreturn;

/* Consistent copy with the time of the present state added up to now. */
void vcpu_runstate_get(struct vcpu *v, vcpu_runstate_info_t *info);
/* ns that the CPU has idled since it came up. */
uint64_t sched_cpu_idle_ns(uint32_t cpu);

#define SCHED_WEIGHT_MIN 1
#define SCHED_WEIGHT_MAX 65535
/* -EINVAL if out of range. cap: percent of one CPU, 0 none, at most 100 * vCPUs. */
int sched_set_weight(struct domain *d, uint32_t weight);
int sched_set_cap(struct domain *d, uint32_t cap);
/* Time a vCPU may run before another preempts it, us: 100 to 500000, or 0. -EINVAL. */
int sched_set_ratelimit(uint32_t us);
uint32_t sched_get_ratelimit(void);
/*
 * -EINVAL if no CPU that is online would be left, -EBUSY while overridden by
 * SCHEDOP_pin_override. The vCPU may run where it is for a moment longer.
 */
int sched_set_hard_affinity(struct vcpu *v, const cpumask_t *mask);
void sched_set_soft_affinity(struct vcpu *v, const cpumask_t *mask);
/* SCHEDOP_pin_override: to one CPU, or back to the former mask if negative. -EINVAL, -EBUSY (is already). */
int sched_pin_override(struct vcpu *v, int32_t cpu);

#endif
