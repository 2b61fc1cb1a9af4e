/*
 * Work that interrupt handlers leave for a safe place: run with interrupts on
 * and an empty stack, just before a CPU returns to a guest or idles.
 */
#ifndef CPU_SOFTIRQ_H
#define CPU_SOFTIRQ_H

#include <base/types.h>
#include <cpu/percpu.h>

enum softirq {
    SOFTIRQ_TIMER,   /* expired timers: time/timer.c */
    SOFTIRQ_TASKLET, /* deferred functions */
    SOFTIRQ_CONSOLE, /* debug keys; news for readers of the console */
    SOFTIRQ_NMI,     /* pv/nmi.c */
    SOFTIRQ_MACHINE_CHECK,
    SOFTIRQ_TLB_EPOCH, /* mm/tlb.c */
    SOFTIRQ_RETIRE,    /* mm/retire.c: runs soon anyway, so nothing is preempted for it */
    SOFTIRQ_TIME,      /* clock calibration */
    SOFTIRQ_SCHEDULE,  /* last: it may switch to another vCPU and not return */
    NR_SOFTIRQS,
};

DECLARE_PER_CPU(uint32_t, softirq_pending); /* bit n: softirq n wants to run */

/* At boot, before interrupts are enabled. */
void open_softirq(enum softirq nr, void (*fn)(void));
/* On this CPU; any context. */
void raise_softirq(enum softirq nr);
/* On any CPU, by IPI if it is another one. */
void cpu_raise_softirq(unsigned int cpu, enum softirq nr);
/* Runs all that is pending on this CPU; interrupts on, no locks held. */
void do_softirq(void);

static inline bool softirqs_pending(void)
{
    return READ_ONCE(this_cpu(softirq_pending)) != 0;
}

#endif
