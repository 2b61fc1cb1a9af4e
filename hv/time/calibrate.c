/*
 * Samples are taken a few milliseconds apart, and the slope of each pair of
 * samples that lie at least half the whole run apart is one estimate of the
 * frequency; their median is the result. A sample that was disturbed spoils
 * only the pairs that it is in.
 */
#include <base/atomic.h>
#include <base/compiler.h>
#include <cpu/insn.h>
#include <time/calibrate.h>
#include <time/scale.h>

#define ATTEMPTS           8
#define SAMPLE_DISTANCE_US 5000
#define MAX_SLOPES         (CALIBRATION_SAMPLES * CALIBRATION_SAMPLES / 2)

struct time_sample time_take_sample(const struct platform_timer *pt)
{
    struct time_sample best = {.width = UINT64_MAX};

    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t before = rdtsc_ordered(), count = pt->read(), after = rdtsc_ordered();

        if (after - before < best.width)
            best = (struct time_sample){before + (after - before) / 2, count, after - before};
    }
    return best;
}

static void sort(uint64_t *a, unsigned int n)
{
    for (unsigned int i = 1; i < n; i++) {
        uint64_t v = a[i];
        unsigned int j = i;

        for (; j > 0 && a[j - 1] > v; j--)
            a[j] = a[j - 1];
        a[j] = v;
    }
}

uint64_t time_estimate_tsc_hz(const struct platform_timer *pt, const struct time_sample *samples,
                              unsigned int n)
{
    uint64_t slopes[MAX_SLOPES], count[CALIBRATION_SAMPLES];
    unsigned int nr = 0;

    count[0] = 0;
    for (unsigned int i = 1; i < n; i++)
        count[i] = count[i - 1] + ((samples[i].count - samples[i - 1].count) & pt->mask);
    for (unsigned int i = 0; i < n; i++)
        for (unsigned int j = i + (n - 1) / 2; j > i && j < n && nr < MAX_SLOPES; j++)
            if (count[j] > count[i])
                slopes[nr++] = mul_div(samples[j].tsc - samples[i].tsc, pt->hz, count[j] - count[i]);
    if (!nr)
        return 0;
    sort(slopes, nr);
    return slopes[nr / 2];
}

/* Waits by the platform timer. A timer that stands still must not hang the machine: bounded by the reads. */
static void wait_counts(const struct platform_timer *pt, uint64_t counts)
{
    uint64_t start = pt->read();

    for (uint32_t reads = 0; reads < 300000 && ((pt->read() - start) & pt->mask) < counts; reads++)
        cpu_relax();
}

uint64_t __init time_measure_tsc_hz(const struct platform_timer *pt)
{
    struct time_sample samples[CALIBRATION_SAMPLES];

    for (unsigned int i = 0; i < CALIBRATION_SAMPLES; i++) {
        if (i)
            wait_counts(pt, mul_div(SAMPLE_DISTANCE_US, pt->hz, 1000000));
        samples[i] = time_take_sample(pt);
    }
    return time_estimate_tsc_hz(pt, samples, CALIBRATION_SAMPLES);
}
