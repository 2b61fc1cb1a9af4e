/*
 * From TSC ticks to nanoseconds, in the very arithmetic that the interface
 * gives to guests (<xen/xen.h>, struct vcpu_time_info), so that a guest
 * computes the same time as now():
 *
 *   ns = ((ticks << shift) * mul) >> 32     (a negative shift shifts right)
 *
 * mul lies in [2^31, 2^32), so its rounding is below 0.5e-9.
 */
#ifndef TIME_SCALE_H
#define TIME_SCALE_H

#include <base/types.h>

struct time_scale {
    uint32_t mul;
    int8_t shift;
};

/* a * b / c, rounded down, with a 128-bit product; saturates where the result needs more than 64 bits. c > 0.
 */
static inline uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t lo = (uint64_t)product, hi = (uint64_t)(product >> 64);

    if (hi >= c)
        return UINT64_MAX;
    __asm__("divq %2" : "+a"(lo), "+d"(hi) : "r"(c) : "cc");
    return lo;
}

/* For a counter of hz, 1 kHz to 2^60 Hz. */
struct time_scale time_scale_for_hz(uint64_t hz);

/* Exact for all ticks of a counter above 1 GHz; below, for 2^64 >> shift ticks (300 years at 900 MHz). */
static inline uint64_t time_scale_ticks(struct time_scale s, uint64_t ticks)
{
    if (s.shift >= 0)
        ticks <<= s.shift;
    else
        ticks >>= -s.shift;
    return (uint64_t)((unsigned __int128)ticks * s.mul >> 32);
}

#endif
