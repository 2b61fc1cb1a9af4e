/* The watchdog of the VMM itself: a CPU that takes no timer tick for long ends the machine (watchdog=). */
#ifndef TIME_LOCKUP_H
#define TIME_LOCKUP_H

#include <base/types.h>

struct cpu_user_regs;

/* Boot CPU, with the others up and nothing long to be done any more; no effect unless watchdog= is given. */
void lockup_init(void);

/* On an NMI, on its stack: true if it was the watchdog's. Does not return if a CPU is stuck. */
bool lockup_nmi(const struct cpu_user_regs *regs);

/* Around what may hold a CPU for long because a person asked for it (debug keys). Nested; any CPU. */
void lockup_pause(void);
void lockup_resume(void);

#endif
