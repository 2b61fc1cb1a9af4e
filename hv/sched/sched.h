/* The scheduler: a run queue per CPU, sharing time in proportion to weight. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include <base/types.h>
#include <domain/domain.h>

void sched_init(void);               /* boot CPU: idle domain, softirq */
void sched_init_cpu(uint32_t cpu);   /* run queue and idle vCPU of a CPU; before it comes up */
int sched_init_vcpu(struct vcpu *v); /* chooses v->processor, starts its accounting */
void sched_destroy_vcpu(struct vcpu *v);

/* Whether no pause flag or count of the vCPU or its domain keeps it from running. */
bool vcpu_runnable(const struct vcpu *v);
/* Puts it on a run queue if it is runnable. Any context, interrupts may be off. */
void vcpu_wake(struct vcpu *v);
/* It became not runnable: takes it off; the sync form waits until its registers are saved. */
void vcpu_sleep_nosync(struct vcpu *v);
void vcpu_sleep_sync(struct vcpu *v);
/* Clears VPF_BLOCKED (and a satisfied poll) and wakes it. */
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
 * sched_context_saved(prev) as soon as another CPU may run prev.
 */
void context_switch(struct vcpu *prev, struct vcpu *next) __noreturn;
void sched_context_saved(struct vcpu *prev);

/* Waits for work on this CPU, for ever: entered by the idle vCPU. */
void idle_loop(void) __noreturn;

#endif
