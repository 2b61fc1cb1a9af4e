/* Time of day; what others may use is in time/time.h. */
#ifndef TIME_WALLCLOCK_H
#define TIME_WALLCLOCK_H

#include <base/types.h>

/* At boot: reads the CMOS clock. */
void wallclock_init(void);

/* What a CMOS clock (MC146818 data sheet) shows: registers 0 to 9, the century's (or 0), and register B. */
struct cmos_time {
    uint8_t second, minute, hour, day, month, year, century, status_b;
};
/* Seconds since 1970 UTC; 0 if it shows no possible time. */
uint64_t cmos_to_seconds(const struct cmos_time *t);

#endif
