/* The local APIC's timer: one interrupt at a time, by count-down or, where the CPU has it, TSC deadline. */
#include <base/bug.h>
#include <base/compiler.h>
#include <console/printk.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/softirq.h>
#include <irq/apic.h>
#include <irq/irq.h>
#include <time/time.h>

#define MSR_TSC_DEADLINE 0x6e0
#define DIVIDE_BY_1      0xbu
#define CALIBRATION_TIME MILLISECS(10)
/* A later deadline is reached in steps: the timer code sets it again. */
#define LONGEST_STEP SECONDS(1)

static bool use_tsc_deadline __ro_after_init;
static uint64_t ticks_per_ns __ro_after_init; /* of the counter in use, in units of 2^-32 */

static uint64_t ns_to_ticks(s_time_t ns)
{
    return (uint64_t)((unsigned __int128)(uint64_t)ns * ticks_per_ns >> 32);
}

void apic_timer_set(s_time_t deadline)
{
    s_time_t delta;
    uint64_t ticks;

    if (unlikely(!ticks_per_ns)) /* early boot */
        return;
    if (deadline == 0) {
        if (use_tsc_deadline)
            wrmsr(MSR_TSC_DEADLINE, 0);
        else
            apic_write(APIC_TIMER_INIT, 0);
        return;
    }
    delta = deadline - now();
    if (delta <= 0) {
        raise_softirq(SOFTIRQ_TIMER);
        return;
    }
    /* Rounded up: an interrupt before the deadline would only be followed by another. */
    ticks = ns_to_ticks(MIN(delta, LONGEST_STEP)) + 1;
    if (use_tsc_deadline)
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + ticks);
    else
        apic_write(APIC_TIMER_INIT, (uint32_t)MIN(ticks, 0xffffffffUL));
}

static void timer_interrupt(struct cpu_user_regs *regs)
{
    apic_eoi();
    raise_softirq(SOFTIRQ_TIMER);
}

void apic_timer_init_cpu(void)
{
    if (use_tsc_deadline) {
        apic_write(APIC_LVT_TIMER, APIC_TIMER_TSC_DEADLINE | VECTOR_LOCAL_TIMER);
        /* The mode must have changed before the first deadline is written: SDM vol 3, 10.5.4.1. */
        __asm__ __volatile__("mfence" ::: "memory");
    } else {
        apic_write(APIC_TIMER_DIV, DIVIDE_BY_1);
        apic_write(APIC_LVT_TIMER, VECTOR_LOCAL_TIMER);
    }
    apic_timer_set(0);
}

static void __init calibrate_counter(void)
{
    s_time_t start, elapsed;
    uint32_t counted;

    apic_write(APIC_TIMER_DIV, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_LOCAL_TIMER);
    start = now();
    apic_write(APIC_TIMER_INIT, 0xffffffff);
    do {
        elapsed = now() - start;
    } while (elapsed < CALIBRATION_TIME);
    counted = 0xffffffff - apic_read(APIC_TIMER_NOW);
    apic_write(APIC_TIMER_INIT, 0);
    if (counted == 0)
        panic("The local APIC's timer does not count");
    ticks_per_ns = ((uint64_t)counted << 32) / (uint64_t)elapsed;
}

void __init apic_timer_init(void)
{
    use_tsc_deadline = cpu_has(TSC_DEADLINE);
    if (use_tsc_deadline)
        ticks_per_ns = (tsc_khz << 32) / 1000000;
    else
        calibrate_counter();
    set_direct_vector(VECTOR_LOCAL_TIMER, timer_interrupt);
    apic_timer_init_cpu();
    raise_softirq(SOFTIRQ_TIMER);
    printk_info("Local APIC timer: %s, %lu kHz\n", use_tsc_deadline ? "TSC deadline" : "one-shot",
                (unsigned long)((ticks_per_ns * 1000000) >> 32));
}
