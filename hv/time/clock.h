/* The one clock behind now(), and what a guest needs to compute it itself. */
#ifndef TIME_CLOCK_H
#define TIME_CLOCK_H

#include <base/types.h>
#include <time/scale.h>

struct clock {
    uint64_t tsc; /* of the boot CPU */
    uint64_t ns;  /* system time at that tick */
    struct time_scale scale;
};

/* A consistent copy for this CPU: tsc is by this CPU's counter. Returns its generation. */
uint32_t clock_read(struct clock *c);
/* Changes whenever clock_read() would tell something new. */
uint32_t clock_generation(void);

/* What the clock goes by, for people: prints lines by key_printk(). */
void clock_show(void);

/* Whether all CPUs' counters are in step and never change their rate (XEN_PVCLOCK_TSC_STABLE_BIT). */
bool tsc_is_stable(void);
/* Whether some CPUs' counters are out of step. */
bool tsc_offsets_differ(void);

#endif
