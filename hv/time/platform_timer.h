/* The machine's free-running counter of known frequency, against which the TSC is measured. */
#ifndef TIME_PLATFORM_TIMER_H
#define TIME_PLATFORM_TIMER_H

#include <base/types.h>

struct platform_timer {
    const char *name;
    uint64_t hz;
    uint64_t mask;          /* the counter wraps to 0 after it */
    uint64_t (*read)(void); /* any context, one caller at a time; at least once in half a period */
    bool long_term;         /* may be read for ever: nobody else uses or stops it */
};

/* The best that there is, started: HPET, ACPI PM timer, PIT channel 2. */
const struct platform_timer *platform_timer_init(void);

/* The PIT's channel 0, which nobody else uses, raises ISA interrupt 0 at this rate from now on. */
#define PIT_CHANNEL0_HZ 18
void pit_start_channel0(void);

#endif
