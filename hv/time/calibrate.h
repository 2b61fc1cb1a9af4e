/* Measuring the TSC's frequency against the platform timer. */
#ifndef TIME_CALIBRATE_H
#define TIME_CALIBRATE_H

#include <base/types.h>
#include <time/platform_timer.h>

/* One simultaneous reading of both. */
struct time_sample {
    uint64_t tsc;
    uint64_t count; /* of the platform timer, as it reads (not extended) */
    uint64_t width; /* TSC ticks between which the platform timer was read */
};

/* The best of a few attempts: the one least disturbed (by SMIs, by the host of an emulator). */
struct time_sample time_take_sample(const struct platform_timer *pt);

#define CALIBRATION_SAMPLES 9
/*
 * Frequency of the TSC in Hz from samples in order of time, neighbours less
 * than half a period of the platform timer apart; 0 if they make no sense.
 */
uint64_t time_estimate_tsc_hz(const struct platform_timer *pt, const struct time_sample *samples,
                              unsigned int n);

/* About 45 ms, at boot. 0 if the platform timer stands still. */
uint64_t time_measure_tsc_hz(const struct platform_timer *pt);

#endif
