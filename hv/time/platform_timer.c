#include <acpi/acpi.h>
#include <base/compiler.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <cpu/insn.h>
#include <lib/string.h>
#include <mm/iomem.h>
#include <mm/ioremap.h>
#include <pv/ioport.h>
#include <time/platform_timer.h>

/* HPET (IA-PC HPET specification 1.0a, 2.3). */
#define HPET_CAPABILITIES  0x00 /* upper half: period in femtoseconds */
#define HPET_CONFIGURATION 0x10
#define HPET_COUNTER       0xf0
#define HPET_LENGTH        0x400
#define HPET_ENABLE        1
#define HPET_MAX_PERIOD_FS 100000000
#define FS_PER_S           1000000000000000ULL

/*
 * The PIT's channel 2 (8254 data sheet): its gate and output are bits 0 and 5
 * of port 0x61, bit 1 would sound the speaker. Mode 2 counts down from 65536
 * and begins again; a latch command freezes what is read.
 */
#define PIT_HZ   1193182
#define PIT_CH0  0x40
#define PIT_CH2  0x42
#define PIT_MODE 0x43
#define PIT_GATE 0x61

#define PM_TIMER_HZ 3579545 /* ACPI specification 6.4, 4.8.2.1 */

static volatile uint8_t *hpet_base;
static uint16_t pm_timer_port;
static struct platform_timer timer;

/* The lower half is enough, and one access cannot be torn. */
static uint64_t hpet_read(void)
{
    return mmio_read32(hpet_base + HPET_COUNTER);
}

static bool __init hpet_start(void)
{
    uint32_t period;

    if (!acpi_hpet.present)
        return false;
    hpet_base = ioremap(_paddr(acpi_hpet.address), HPET_LENGTH);
    if (!hpet_base)
        return false;
    period = mmio_read32(hpet_base + HPET_CAPABILITIES + 4);
    if (!period || period > HPET_MAX_PERIOD_FS) {
        vunmap_range(hpet_base, HPET_LENGTH);
        return false;
    }
    iomem_set_read_only(paddr_to_mfn(_paddr(acpi_hpet.address)), 1);
    mmio_write32(hpet_base + HPET_CONFIGURATION, mmio_read32(hpet_base + HPET_CONFIGURATION) | HPET_ENABLE);
    timer = (struct platform_timer){
        .name = "HPET", .hz = FS_PER_S / period, .mask = UINT32_MAX, .read = hpet_read, .long_term = true};
    return true;
}

static uint64_t pm_timer_read(void)
{
    return inl(pm_timer_port);
}

static bool __init pm_timer_start(void)
{
    if (!acpi_fadt.pm_timer_bits || acpi_fadt.pm_timer.space != ACPI_SPACE_IO ||
        !acpi_fadt.pm_timer.address || acpi_fadt.pm_timer.address > UINT16_MAX)
        return false;
    pm_timer_port = (uint16_t)acpi_fadt.pm_timer.address;
    ioport_deny(pm_timer_port, (uint16_t)(pm_timer_port + 3));
    timer = (struct platform_timer){.name = "ACPI PM timer",
                                    .hz = PM_TIMER_HZ,
                                    .mask = (1ULL << acpi_fadt.pm_timer_bits) - 1,
                                    .read = pm_timer_read,
                                    .long_term = true};
    return true;
}

static uint64_t pit_read(void)
{
    uint32_t v;

    outb(PIT_MODE, 0x80); /* latch channel 2 */
    v = inb(PIT_CH2);
    v |= (uint32_t)inb(PIT_CH2) << 8;
    return (uint16_t)-v; /* counts down: make it rise */
}

/* It wraps every 55 ms and dom0 may play tunes on it: for calibration at boot only. */
static void __init pit_start(void)
{
    outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~2) | 1));
    outb(PIT_MODE, 0xb4); /* channel 2, low then high byte, mode 2, binary */
    outb(PIT_CH2, 0);
    outb(PIT_CH2, 0);
    timer = (struct platform_timer){.name = "PIT", .hz = PIT_HZ, .mask = 0xffff, .read = pit_read};
}

void __init pit_start_channel0(void)
{
    outb(PIT_MODE, 0x34); /* channel 0, low then high byte, mode 2, binary */
    outb(PIT_CH0, 0);     /* 65536: 18.2 Hz */
    outb(PIT_CH0, 0);
}

/* A timer that firmware names but that stands still is no timer. */
static bool __init counts(void)
{
    uint64_t start = timer.read();

    for (int i = 0; i < 10000; i++)
        if (timer.read() != start)
            return true;
    return false;
}

static char opt_clocksource[8];
BOOT_OPTION_STRING("clocksource", opt_clocksource);

/* Whether the boot option leaves the choice to us, or names this one. */
static bool __init wanted(const char *name)
{
    return !opt_clocksource[0] || !strcmp(opt_clocksource, name);
}

const struct platform_timer *__init platform_timer_init(void)
{
    ioport_deny(PIT_CH0, PIT_MODE); /* but for channel 2: see pv/emulate_io.c */
    if (wanted("hpet") && hpet_start() && counts())
        return &timer;
    if (wanted("acpi") && pm_timer_start() && counts())
        return &timer;
    if (!wanted("pit"))
        printk_warn("clocksource=%s: there is no such timer\n", opt_clocksource);
    pit_start();
    return &timer;
}
