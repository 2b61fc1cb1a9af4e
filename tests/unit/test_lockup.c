/* unit: hv/time/lockup.c hv/boot/cmdline.c hv/boot/xen_options.c hv/lib/parse.c hv/lib/string.c
 * tests/unit/stubs/printk.c */
#include <unit.h>
#include <string.h>
#include <acpi/acpi.h>
#include <base/bug.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <console/keyhandler.h>
#include <cpu/smp.h>
#include <cpu/traps.h>
#include <irq/ioapic.h>
#include <stubs/printk.h>
#include <time/lockup.h>
#include <time/platform_timer.h>
#include <time/time.h>
#include <time/timer.h>

/* A machine of three CPUs whose timer gives no NMI: they look at each other when they tick, twice a second.
 */
#define CPUS 3

static struct cpu_info info;
static struct timer *timers[CPUS];

cpumask_t cpu_online_map = {{(1u << CPUS) - 1}};
unsigned int nr_cpus = CPUS;

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

s_time_t now(void)
{
    return 0;
}

void udelay(uint32_t us)
{
}

uint32_t acpi_isa_irq_to_gsi(uint32_t irq)
{
    return irq;
}

int ioapic_route_nmi(uint32_t gsi)
{
    return -EBUSY;
}

void pit_start_channel0(void)
{
}

void panic_at(const struct cpu_user_regs *regs, const char *fmt, ...)
{
    panic("with registers");
}

void timer_init(struct timer *t, void (*fn)(void *), void *data, uint32_t cpu)
{
    *t = (struct timer){.fn = fn, .data = data, .cpu = cpu};
}

void timer_set(struct timer *t, s_time_t expires)
{
    timers[t->cpu] = t;
}

static void tick(uint32_t cpu)
{
    info.cpu = cpu;
    timers[cpu]->fn(timers[cpu]->data);
    info.cpu = 0;
}

static void test_off(void **state)
{
    cmdline_parse("watchdog=off watchdog_timeout=2", false);
    lockup_init();
    assert_null(timers[0]);
    cmdline_parse("watchdog watchdog_timeout=0", false);
    lockup_init();
    assert_null(timers[0]);
    cmdline_parse("watchdog=sometimes", false);
    assert_non_null(strstr(messages, "watchdog"));
}

/* Each CPU is looked at by the one before it; only silence for the whole time is a fault. */
static void test_peers(void **state)
{
    cmdline_parse("watchdog=force watchdog_timeout=2", false);
    lockup_init();
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        assert_non_null(timers[cpu]);
    for (int round = 0; round < 100; round++)
        for (uint32_t cpu = 0; cpu < CPUS; cpu++)
            tick(cpu);
    for (int round = 0; round < 3; round++) {
        tick(0);
        tick(1);
    }
    tick(2);
    for (int round = 0; round < 4; round++) {
        tick(0);
        tick(1);
    }
    lockup_pause();
    for (int round = 0; round < 50; round++)
        tick(1);
    lockup_resume();
    for (int round = 0; round < 3; round++)
        tick(1);
    clear_messages();
    expect_assert_failure(tick(1));
    assert_non_null(strstr(messages, "CPU 2 has taken no timer tick for 2 s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_peers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
