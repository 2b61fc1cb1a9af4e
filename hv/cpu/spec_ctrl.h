/* Which measures against speculation this machine needs, and those at boot and at context switches. */
#ifndef CPU_SPEC_CTRL_H
#define CPU_SPEC_CTRL_H

#include <base/types.h>
#include <base/compiler.h>

struct domain;

/*
 * Boot CPU, after cpu_features_init() and before cpu_control_init(): decides by CPU flags and options,
 * changes host_cr4, patches the entry code.
 */
void spec_ctrl_init(void);
/* Each CPU, by cpu_control_init(). */
void spec_ctrl_init_cpu(void);
/* The line that sums up what is in force, in the console ring. */
void spec_ctrl_report(void);

extern bool spec_ibpb; /* a barrier between guests of different domains */
void spec_ctrl_barrier(const struct domain *next);

/* This CPU is about to run a guest of next; interrupts off. */
static inline void spec_ctrl_switch(const struct domain *next)
{
    if (unlikely(spec_ibpb))
        spec_ctrl_barrier(next);
}

#endif
