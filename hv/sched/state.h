/* Scheduling state embedded in struct domain and struct vcpu. */
#ifndef SCHED_STATE_H
#define SCHED_STATE_H

#include <base/types.h>
#include <cpu/smp.h>
#include <xen/vcpu.h>

struct vcpu;

/* Reasons why a vCPU must not run: sched.pause_flags; it is runnable when none is set and no pause count. */
#define VPF_DOWN    BIT(0) /* VCPUOP_down, or not yet brought up */
#define VPF_BLOCKED BIT(1) /* SCHEDOP_block: wakes on an event */
#define VPF_POLL    BIT(2) /* SCHEDOP_poll: wakes on given ports or a timeout */

struct sched_vcpu {
    uint64_t pause_flags;   /* VPF_*; atomic bit operations */
    uint32_t pause_count;   /* atomic */
    bool is_running;        /* on a CPU now, context not yet saved; run queue's lock */
    bool queued;            /* on a run queue */
    uint32_t poll_port;     /* port polled (0: several, see poll code) */
    struct vcpu *next, *prev; /* run queue links */
    int64_t vruntime;       /* weighted ns received, see sched/runqueue.c */
    int64_t ran_since;      /* system time at which it began to run, ns */
    vcpu_runstate_info_t runstate; /* accounting; the guest gets copies */
    uint64_t runstate_guest;/* guest address of its copy, 0 if none */
    cpumask_t hard_affinity, soft_affinity;
};

struct sched_domain {
    uint32_t weight; /* 256 is normal */
    uint32_t cap;    /* percent of one CPU, 0 none */
};

#endif
