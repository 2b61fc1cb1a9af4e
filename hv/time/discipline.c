/*
 * The slope is the TSC's measured rate, a little less or more, so that the
 * error against the platform timer would be gone after CORRECTION_S seconds.
 * The clock is never set back: one that is ahead runs slower; only one that
 * fell far behind (the TSC stood still in a sleep state) jumps.
 */
#include <base/compiler.h>
#include <time/discipline.h>
#include <time/scale.h>

#define NS_PER_S       1000000000LL
#define CORRECTION_S   4
#define MAX_SLEW_PPB   500000 /* what NTP clients in guests can follow */
#define STEP_ABOVE_NS  100000000LL
#define FILTER         4   /* a measured rate counts for a quarter */
#define SUDDEN_DIVISOR 100 /* a change of 1 % is no noise */

void discipline_init(struct discipline *d, const struct platform_timer *pt, const struct time_sample *s,
                     uint64_t ns, uint64_t hz)
{
    *d = (struct discipline){.hz = hz, .last = *s, .start_ns = ns};
}

static void filter_rate(struct discipline *d, uint64_t measured)
{
    int64_t difference = (int64_t)(measured - d->hz);
    uint64_t size = difference < 0 ? -(uint64_t)difference : (uint64_t)difference;

    if (size > d->hz / SUDDEN_DIVISOR)
        d->hz = measured;
    else
        d->hz += (uint64_t)(difference / FILTER);
}

/*
 * Counts between two samples. If this CPU did not come here for whole periods
 * of the platform timer (a debugger, a sleeping host), the TSC tells how many.
 */
static uint64_t counts_between(const struct discipline *d, const struct platform_timer *pt,
                               const struct time_sample *s)
{
    uint64_t counts = (s->count - d->last.count) & pt->mask, period = pt->mask + 1;
    uint64_t expected = mul_div(s->tsc - d->last.tsc, pt->hz, d->hz);

    if (expected > counts + period / 2)
        counts += (expected - counts + period / 2) / period * period;
    return counts;
}

static int64_t clamp(int64_t v, int64_t limit)
{
    return v > limit ? limit : v < -limit ? -limit : v;
}

struct discipline_result discipline_update(struct discipline *d, const struct platform_timer *pt,
                                           const struct time_sample *s, uint64_t ns)
{
    uint64_t ticks = s->tsc - d->last.tsc, counts;
    struct discipline_result r = {.hz = 0};
    int64_t error, slew;

    if ((int64_t)ticks <= 0)
        return r;
    counts = counts_between(d, pt, s);
    if (!counts)
        return r;
    d->count += counts;
    d->last = *s;
    filter_rate(d, mul_div(ticks, pt->hz, counts));
    error = (int64_t)(d->start_ns + mul_div(d->count, NS_PER_S, pt->hz) - ns);
    if (error > STEP_ABOVE_NS) {
        r.step = (uint64_t)error;
        error = 0;
    }
    slew = clamp(error / CORRECTION_S, MAX_SLEW_PPB);
    /* A clock that shall run faster takes the TSC for slower than it is. */
    r.hz = d->hz - (uint64_t)((int64_t)(d->hz / 1000) * slew / (NS_PER_S / 1000));
    return r;
}
