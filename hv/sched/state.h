/* Scheduling state embedded in struct domain and struct vcpu. */
#ifndef SCHED_STATE_H
#define SCHED_STATE_H

#include <base/types.h>
#include <cpu/smp.h>
#include <time/timer.h>
#include <xen/vcpu.h>

struct vcpu;

/* Reasons why a vCPU must not run: sched.pause_flags; it is runnable when none is set and no pause count. */
#define VPF_DOWN    BIT(0) /* VCPUOP_down, or not yet brought up */
#define VPF_BLOCKED BIT(1) /* SCHEDOP_block: wakes on an event */
#define VPF_POLL    BIT(2) /* SCHEDOP_poll: wakes on given ports or a timeout */

struct sched_vcpu {
    uint64_t pause_flags; /* VPF_*; atomic bit operations */
    uint32_t pause_count; /* atomic */
    uint32_t poll_port;   /* port polled (0: several); written before VPF_POLL is set */

    /* Lock of the run queue of v->processor. */
    bool is_running; /* on a CPU now, or its context not yet saved */
    bool queued;     /* on a run queue */
    bool homeless;   /* runnable, stopped because its CPU is not allowed any more: moves once saved */
    bool yielded;    /* lets others go first once */
    bool throttled;  /* runnable, stopped by its domain's cap until the next replenishment */
    uint32_t weight; /* its domain's */
    struct vcpu *next, *prev;      /* run queue links */
    int64_t vruntime;              /* weighted ns received, see sched/runqueue.h */
    int64_t ran_since;             /* system time up to which its running is accounted, ns */
    int64_t moved_at;              /* when balancing moved it, ns: it stays for a while */
    int64_t quota;                 /* ns left of what it took from its domain's budget */
    vcpu_runstate_info_t runstate; /* accounting; the guest gets copies */
    cpumask_t hard_affinity, soft_affinity;
    cpumask_t saved_affinity; /* hard affinity while overridden */
    bool overridden;          /* by SCHEDOP_pin_override */

    uint64_t runstate_guest; /* guest address of its copy, 0 if none; written by the vCPU itself */
    bool runstate_stale;     /* the copy could not be written: wait for guest-kernel mode */
};

#define NR_WATCHDOGS 2

struct sched_domain {
    uint32_t weight; /* 256 is normal */
    uint32_t cap;    /* percent of one CPU for all its vCPUs together, 0 none */

    int64_t budget; /* ns of CPU time left until the next replenishment; atomic */
    struct timer replenish;

    struct timer watchdog[NR_WATCHDOGS]; /* domain->lock */
    uint32_t watchdogs_in_use;           /* bit n: watchdog id n+1 */
};

#endif
