/* Keeps the clock on the platform timer where the TSC's rate cannot be trusted. Pure arithmetic. */
#ifndef TIME_DISCIPLINE_H
#define TIME_DISCIPLINE_H

#include <base/types.h>
#include <time/calibrate.h>

struct discipline {
    uint64_t hz; /* the TSC's rate as measured lately */
    struct time_sample last;
    uint64_t count;    /* platform timer's counts since the start */
    uint64_t start_ns; /* system time at the start */
};

struct discipline_result {
    uint64_t hz;   /* slope to go on with; 0: leave the clock as it is */
    uint64_t step; /* ns to jump ahead */
};

/* ns: system time at the sample. */
void discipline_init(struct discipline *d, const struct platform_timer *pt, const struct time_sample *s,
                     uint64_t ns, uint64_t hz);
/* At least twice in a period of the platform timer. */
struct discipline_result discipline_update(struct discipline *d, const struct platform_timer *pt,
                                           const struct time_sample *s, uint64_t ns);

#endif
