/* Debug keys: armed timers, and the clocks of the machine and of domains. */
#include <base/compiler.h>
#include <console/keyhandler.h>
#include <cpu/smp.h>
#include <domain/domain.h>
#include <lib/symbols.h>
#include <time/clock.h>
#include <time/dump.h>
#include <time/time.h>
#include <time/timer.h>
#include <time/tsc.h>

static void show_timers(char key)
{
    struct timer copies[KEY_ITEMS];
    char text[SYMBOL_TEXT_MAX];
    uint32_t cpu;

    key_printk("System time %ld ns\n", now());
    for_each_online_cpu (cpu) {
        uint32_t count = timer_snapshot(cpu, copies, KEY_ITEMS);
        s_time_t t = now();

        key_printk("CPU%u: %u timers\n", cpu, count);
        for (uint32_t i = 0; i < MIN(count, (uint32_t)KEY_ITEMS); i++)
            key_printk("  in %9ld us: %s(%p)\n", (copies[i].expires - t) / 1000,
                       symbol_format(text, sizeof(text), (uint64_t)copies[i].fn), copies[i].data);
        if (count > KEY_ITEMS)
            key_printk("  ... and %u more\n", count - KEY_ITEMS);
    }
}

static void show_clocks(char key)
{
    struct domain *d;

    clock_show();
    for (uint32_t next = 0; (d = domain_find_next((domid_t)next)) != NULL; next = d->id + 1U, domain_put(d)) {
        const struct tsc_domain *tsc = &d->time.tsc;

        key_printk("d%u: TSC mode %u, %s, %u kHz, incarnation %u; wall clock %+ld s\n", d->id, tsc->mode,
                   tsc->emulated ? "emulated" : "the machine's", tsc->khz, tsc->incarnation,
                   d->time.time_offset_seconds);
    }
}

void __init time_dump_init(void)
{
    register_keyhandler('a', show_timers, "timers");
    register_keyhandler('t', show_clocks, "clocks and time-stamp counters");
}
