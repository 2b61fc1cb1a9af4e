/*
 * System time: a linear function of the TSC, the same for all CPUs, each of
 * which adds a constant to its own counter first (zero where firmware set the
 * counters equal). With an invariant TSC the function never changes. Without,
 * it is adjusted once a second towards the platform timer, by its slope only,
 * so that it is continuous and never goes back.
 *
 * The function is read under a sequence count. A reader's RDTSC comes before
 * its second look at the count; the writer's RDTSC, from which the new function
 * goes on, comes after it made the count odd. So whoever still used the old
 * function read an earlier TSC:
 *
 *   reader                          writer
 *   seq == 2
 *   RDTSC: t1, old function
 *   seq == 2: done                  seq = 3
 *                                   RDTSC: t2 > t1, new function from t2 on
 *                                   seq = 4
 */
#include <acpi/acpi.h>
#include <base/atomic.h>
#include <base/bug.h>
#include <console/keyhandler.h>
#include <console/printk.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/percpu.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <time/calibrate.h>
#include <time/clock.h>
#include <time/discipline.h>
#include <time/platform_timer.h>
#include <time/time.h>
#include <time/timer.h>
#include <time/tsc_sync.h>
#include <time/vcpu_time.h>
#include <time/wallclock.h>

#define ADJUST_PERIOD SECONDS(1)
/* A sample that took longer was disturbed: worse than none, as the next makes up for it. */
#define MAX_SAMPLE_US 50

static struct clock clock; /* written by the boot CPU only, seq odd meanwhile */
static uint32_t seq;

/* Added to a CPU's TSC to give the boot CPU's. */
static DEFINE_PER_CPU(int64_t, tsc_offset);
static bool offsets_differ;

static const struct platform_timer *platform;
static struct discipline discipline;
static struct timer adjust_timer;

uint64_t tsc_khz;

static bool tsc_is_invariant(void)
{
    return cpu_has(ITSC);
}

bool tsc_is_stable(void)
{
    return tsc_is_invariant() && !offsets_differ;
}

bool tsc_offsets_differ(void)
{
    return offsets_differ;
}

static uint64_t evaluate(const struct clock *c, uint64_t tsc)
{
    /* A CPU a few ticks behind must not see the time before the last adjustment. */
    return (int64_t)(tsc - c->tsc) < 0 ? c->ns : c->ns + time_scale_ticks(c->scale, tsc - c->tsc);
}

/* An even count. Only an NMI handler that interrupted the writer on its own CPU can wait long: it must go on.
 */
static uint32_t begin_read(void)
{
    uint32_t s;

    for (uint32_t spins = 0; ((s = load_acquire(&seq)) & 1) && spins < 100000; spins++)
        cpu_relax();
    return s;
}

s_time_t now(void)
{
    uint64_t ns;
    uint32_t s;

    do {
        s = begin_read();
        ns = evaluate(&clock, rdtsc_ordered() + (uint64_t)this_cpu(tsc_offset));
        smp_rmb();
    } while (READ_ONCE(seq) != s);
    return (s_time_t)ns;
}

uint32_t clock_read(struct clock *c)
{
    uint32_t s;

    do {
        s = begin_read();
        *c = clock;
        smp_rmb();
    } while (READ_ONCE(seq) != s);
    c->tsc -= (uint64_t)this_cpu(tsc_offset);
    return s;
}

uint32_t clock_generation(void)
{
    return READ_ONCE(seq);
}

/* From now on with another slope, and `step` (>= 0) nanoseconds later. Boot CPU, interrupts off. */
static void clock_change(uint64_t hz, uint64_t step)
{
    struct clock new = {.scale = time_scale_for_hz(hz)};

    WRITE_ONCE(seq, seq + 1);
    smp_mb();
    new.tsc = rdtsc_ordered();
    new.ns = evaluate(&clock, new.tsc) + step;
    clock = new;
    store_release(&seq, seq + 1);
}

static void adjust(void *unused)
{
    uint64_t flags = local_irq_save();
    struct time_sample sample = time_take_sample(platform);
    struct discipline_result r = {.hz = 0};

    if (sample.width < tsc_khz * MAX_SAMPLE_US / 1000)
        r = discipline_update(&discipline, platform, &sample, evaluate(&clock, sample.tsc));
    if (r.hz)
        clock_change(r.hz, r.step);
    local_irq_restore(flags);
    if (r.hz)
        time_refresh_vcpus();
    timer_set(&adjust_timer, now() + ADJUST_PERIOD);
}

static void __init start_adjusting(void)
{
    struct time_sample sample;

    if (tsc_is_invariant())
        return;
    if (!platform->long_term) {
        printk_warn("TSC may change its rate, and no timer to correct it: system time may drift\n");
        return;
    }
    sample = time_take_sample(platform);
    discipline_init(&discipline, platform, &sample, evaluate(&clock, sample.tsc), tsc_khz * 1000);
    timer_init(&adjust_timer, adjust, NULL, 0);
    timer_set(&adjust_timer, now() + ADJUST_PERIOD);
}

void __init time_init(void)
{
    uint64_t hz;

    timers_init();
    platform = platform_timer_init();
    hz = time_measure_tsc_hz(platform);
    if (hz < 1000000)
        panic("Cannot calibrate the TSC against the %s: %lu Hz", platform->name, hz);
    tsc_khz = (hz + 500) / 1000;
    clock = (struct clock){.tsc = rdtsc_ordered(), .scale = time_scale_for_hz(hz)};
    printk_info("TSC: %lu.%03lu MHz%s by the %s\n", tsc_khz / 1000, tsc_khz % 1000,
                tsc_is_invariant() ? ", invariant," : "", platform->name);
    wallclock_init();
    vcpu_time_init();
    start_adjusting();
    /* A stamp other than zero: to a guest, zero means a record that nobody has filled yet. */
    clock_change(hz, 0);
}

void time_sync_cpu(uint32_t cpu)
{
    tsc_sync_serve(cpu);
}

void time_init_cpu(void)
{
    int64_t offset;

    if (!smp_processor_id())
        return;
    offset = tsc_sync_ask(smp_processor_id(), tsc_khz);

    this_cpu(tsc_offset) = offset;
    if (offset) {
        offsets_differ = true;
        printk_info("CPU%u: TSC is %ld ticks off, corrected\n", smp_processor_id(), -offset);
    }
}

void clock_show(void)
{
    uint32_t cpu;

    key_printk("System time %ld ns, wall clock %lu s, TSC %lu kHz%s, %s at %lu Hz%s, %u adjustments\n", now(),
               wallclock_seconds(), tsc_khz, tsc_is_invariant() ? " (invariant)" : "", platform->name,
               platform->hz, platform->long_term ? "" : " (at boot only)", READ_ONCE(seq) / 2);
    for_each_online_cpu (cpu)
        if (per_cpu(tsc_offset, cpu))
            key_printk("CPU%u: TSC is %ld ticks off, corrected\n", cpu, -per_cpu(tsc_offset, cpu));
}

void udelay(uint32_t us)
{
    uint64_t start = rdtsc_ordered(), ticks = (uint64_t)us * tsc_khz / 1000 + 1;

    BUG_ON(!tsc_khz);
    while (rdtsc_ordered() - start < ticks)
        cpu_relax();
}
