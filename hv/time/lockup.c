/*
 * Each CPU counts ticks of a timer of its own, in softirq context: so a CPU that loops, with interrupts on
 * or off, or waits for a lock that nobody releases, ticks no more. The boot CPU compares all counts at each
 * NMI, which the PIT gives it by way of the IO-APIC; where that does not work each CPU looks at the next
 * one when it ticks itself. Times are counted in looks, so that an emulator that stands still harms nobody.
 */
#include <acpi/acpi.h>
#include <base/atomic.h>
#include <base/bug.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <console/keyhandler.h>
#include <console/printk.h>
#include <cpu/insn.h>
#include <cpu/percpu.h>
#include <cpu/smp.h>
#include <cpu/traps.h>
#include <irq/ioapic.h>
#include <lib/string.h>
#include <time/lockup.h>
#include <time/platform_timer.h>
#include <time/time.h>
#include <time/timer.h>

#define TICK_PERIOD     MILLISECS(500)
#define NMI_WAIT_US     200000
#define MAX_TIMEOUT     3600u
#define NMI_REASON_MASK 0xc0 /* port 61h: memory parity, I/O channel check */

static bool opt_watchdog;
static uint32_t opt_watchdog_timeout = 5; /* seconds */
BOOT_OPTION_UINT("watchdog_timeout", opt_watchdog_timeout);

/* As Xen has it: "force" is a way to say yes. */
static __init int parse_watchdog(const char *value)
{
    int on = strcmp(value, "force") ? parse_bool(value) : 1;

    if (on < 0)
        return -EINVAL;
    opt_watchdog = on;
    return 0;
}
BOOT_OPTION_CUSTOM("watchdog", parse_watchdog);

struct lockup {
    uint32_t ticks;        /* written by the CPU itself */
    uint32_t seen, silent; /* by who looks at it: ticks at the last look, looks since they changed */
    struct timer timer;
};
static DEFINE_PER_CPU(struct lockup, lockup);

static uint32_t paused, nmis;
static bool nmi_wanted, nmi_works;
static uint32_t limit; /* looks */

void lockup_pause(void)
{
    atomic_inc(&paused);
}

void lockup_resume(void)
{
    atomic_dec(&paused);
}

/* regs: of the CPU that looks, in an NMI; else NULL. */
static void look_at(uint32_t cpu, const struct cpu_user_regs *regs)
{
    struct lockup *l = &per_cpu(lockup, cpu);
    uint32_t ticks = READ_ONCE(l->ticks);

    if (ticks != l->seen || READ_ONCE(paused)) {
        l->seen = ticks;
        l->silent = 0;
        return;
    }
    if (++l->silent < limit)
        return;
    if (regs)
        panic_at(regs, "watchdog: CPU %u has taken no timer tick for %u s", cpu, opt_watchdog_timeout);
    panic("watchdog: CPU %u has taken no timer tick for %u s", cpu, opt_watchdog_timeout);
}

static void tick(void *data)
{
    struct lockup *l = data;
    uint32_t self = smp_processor_id();

    WRITE_ONCE(l->ticks, l->ticks + 1);
    if (!nmi_works && nr_cpus > 1)
        look_at((self + 1) % nr_cpus, NULL);
    timer_set(&l->timer, now() + TICK_PERIOD);
}

bool lockup_nmi(const struct cpu_user_regs *regs)
{
    uint32_t cpu;

    if (!READ_ONCE(nmi_wanted) || smp_processor_id())
        return false;
    WRITE_ONCE(nmis, nmis + 1);
    if (READ_ONCE(nmi_works))
        for_each_online_cpu (cpu)
            look_at(cpu, regs);
    /* No device but the machine's own faults has another reason. */
    return !(inb(PORT_NMI_REASON) & NMI_REASON_MASK);
}

/* Whether NMIs come. */
static bool __init start_nmi(void)
{
    uint32_t us = 0;

    nmi_wanted = true;
    pit_start_channel0();
    if (!ioapic_route_nmi(acpi_isa_irq_to_gsi(0)))
        for (; us < NMI_WAIT_US && !READ_ONCE(nmis); us += 100)
            udelay(100);
    return READ_ONCE(nmis);
}

#ifdef HOSPES_DEBUG
static struct timer hang_timer;

static void hang(void *unused)
{
    local_irq_disable();
    for (;;)
        cpu_relax();
}

static void hang_key(char key)
{
    timer_set(&hang_timer, now());
}

static void __init hang_init(void)
{
    timer_init(&hang_timer, hang, NULL, nr_cpus - 1);
    register_keyhandler('L', hang_key, "hang the last CPU, to see what the watchdog does");
}
#endif

void __init lockup_init(void)
{
    uint32_t cpu;

    if (!opt_watchdog || !opt_watchdog_timeout)
        return;
    opt_watchdog_timeout = MIN(opt_watchdog_timeout, MAX_TIMEOUT);
    if (start_nmi())
        limit = opt_watchdog_timeout * PIT_CHANNEL0_HZ;
    else
        limit = (uint32_t)(SECONDS(opt_watchdog_timeout) / TICK_PERIOD);
    for_each_online_cpu (cpu) {
        struct lockup *l = &per_cpu(lockup, cpu);

        timer_init(&l->timer, tick, l, cpu);
        timer_set(&l->timer, now());
    }
    WRITE_ONCE(nmi_works, nmis != 0);
    if (nmi_works || nr_cpus > 1)
        printk_info("Watchdog: %u s, by %s\n", opt_watchdog_timeout,
                    nmi_works ? "NMI" : "the CPUs of each other");
    else
        printk_warn("Watchdog: this machine has no NMI from its timer, and no other CPU to look\n");
#ifdef HOSPES_DEBUG
    hang_init();
#endif
}
