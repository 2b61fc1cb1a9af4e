#include <base/atomic.h>
#include <base/bug.h>
#include <console/console.h>
#include <console/printk.h>
#include <cpu/cpu_info.h>
#include <cpu/insn.h>
#include <acpi/power.h>
#include <cpu/machine.h>
#include <cpu/smp.h>
#include <cpu/traps.h>
#include <irq/irq.h>
#include <lib/printf.h>

static uint32_t panicking;
static bool stopping; /* every CPU that takes an NMI stops */

void stop_other_cpus(void)
{
    WRITE_ONCE(stopping, true);
    if (!cpumask_empty(&cpu_online_map))
        send_ipi_nmi_allbutself();
}

void panic_nmi_check(void)
{
    if (!READ_ONCE(stopping))
        return;
    local_irq_disable();
    for (;;)
        __asm__ __volatile__("hlt");
}

/* This CPU is the only one that goes on, and the console is its own. */
static void begin_end(void)
{
    local_irq_disable();
    if (xchg(&panicking, 1)) /* a second CPU, or a panic while panicking */
        for (;;)
            __asm__ __volatile__("hlt");
    console_force_unlock();
    stop_other_cpus();
}

static void __noreturn end_machine(void)
{
    console_flush();
    if (opt_noreboot)
        machine_halt();
    printk_err("Restarting the machine; boot option \"noreboot\" halts instead\n");
    console_flush();
    machine_restart();
}

void panic(const char *fmt, ...)
{
    char text[256];
    va_list args;

    begin_end();
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printk_err("PANIC on CPU %u: %s\n", smp_processor_id(), text);
    show_backtrace((uint64_t)__builtin_return_address(0) - 1, *(const uint64_t *)__builtin_frame_address(0));
    end_machine();
}

void boot_refuse(const char *fmt, ...)
{
    char text[256];
    va_list args;

    begin_end();
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printk_err("PANIC: %s\n", text);
    end_machine();
}
