#include <time/scale.h>

#define NS_PER_S 1000000000ULL

/* mul = 2^32 * 1e9 / (hz * 2^shift): it lies in [2^31, 2^32) when hz * 2^shift lies in (1e9, 2e9]. */
struct time_scale time_scale_for_hz(uint64_t hz)
{
    struct time_scale s = {.shift = 0};

    while (hz > 2 * NS_PER_S << -s.shift)
        s.shift--;
    if (s.shift < 0) {
        s.mul = (uint32_t)mul_div(NS_PER_S, 1ULL << (32 - s.shift), hz);
        return s;
    }
    while (hz <= NS_PER_S) {
        hz <<= 1;
        s.shift++;
    }
    s.mul = (uint32_t)mul_div(NS_PER_S, 1ULL << 32, hz);
    return s;
}
