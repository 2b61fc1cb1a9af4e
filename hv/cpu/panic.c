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
#include <time/time.h>

#define STOP_TIMEOUT_US 1000000
#define NOBODY          (~0u)

/* The CPU that ends the machine: any other that takes an NMI stops. */
static uint32_t survivor = NOBODY;

/* What a CPU did when it stopped: regs lie on a stack that it does not leave again. */
static DEFINE_PER_CPU(struct cpu_snapshot, stopped);

/* The first one wins; returns who that was. */
static uint32_t become_survivor(void)
{
    uint32_t nobody = NOBODY;

    __atomic_compare_exchange_n(&survivor, &nobody, smp_processor_id(), false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return nobody;
}

void stop_other_cpus(void)
{
    become_survivor();
    if (!cpumask_empty(&cpu_online_map))
        send_ipi_nmi_allbutself();
}

static void __noreturn stop_here(const struct cpu_user_regs *regs)
{
    struct cpu_snapshot *s = &this_cpu(stopped);

    local_irq_disable();
    if (regs) {
        s->cr2 = read_cr2();
        s->cr3 = read_cr3();
        store_release(&s->regs, regs);
    }
    for (;;)
        __asm__ __volatile__("hlt");
}

bool panic_nmi_check(const struct cpu_user_regs *regs)
{
    if (READ_ONCE(survivor) == NOBODY)
        return false;
    if (READ_ONCE(survivor) != smp_processor_id())
        stop_here(regs);
    return true;
}

static void wait_for_others(void)
{
    unsigned int cpu;
    uint32_t us = 0;

    for_each_online_cpu (cpu)
        while (cpu != smp_processor_id() && !load_acquire(&per_cpu(stopped, cpu).regs) &&
               us < STOP_TIMEOUT_US) {
            udelay(10);
            us += 10;
        }
}

static void __noreturn end_machine(void)
{
    console_flush();
    if (opt_noreboot)
        machine_halt();
    printk("Restarting the machine; boot option \"noreboot\" halts instead\n");
    console_flush();
    machine_restart();
}

/*
 * From here on this CPU is the only one that goes on, and the console is its own: the others have
 * stopped first, so that none of them is left in the middle of a line. Of two CPUs that panic at once,
 * the second stops as any other; regs, if it has them, as its NMI may be held back.
 */
static void begin_end(const struct cpu_user_regs *regs)
{
    uint32_t first;

    local_irq_disable();
    first = become_survivor();
    if (first == smp_processor_id()) {
        printk("A fault while the machine ends: no more can be shown\n");
        end_machine();
    }
    if (first != NOBODY)
        stop_here(regs);
    stop_other_cpus();
    wait_for_others();
    console_force_unlock();
}

static void show_others(void)
{
    unsigned int cpu;

    for_each_online_cpu (cpu) {
        const struct cpu_snapshot *s = &per_cpu(stopped, cpu);

        if (cpu == smp_processor_id())
            continue;
        if (load_acquire(&s->regs))
            show_cpu(s);
        else
            printk("CPU %u takes no NMI: what it does is not known\n", cpu);
    }
}

void panic(const char *fmt, ...)
{
    char text[256];
    va_list args;

    begin_end(NULL);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printk("PANIC on CPU %u: %s\n", smp_processor_id(), text);
    show_backtrace((uint64_t)__builtin_return_address(0) - 1, *(const uint64_t *)__builtin_frame_address(0),
                   __builtin_frame_address(0));
    show_others();
    end_machine();
}

void panic_at(const struct cpu_user_regs *regs, const char *fmt, ...)
{
    char text[256];
    va_list args;

    begin_end(regs);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printk("PANIC on CPU %u: %s\n", smp_processor_id(), text);
    show_registers(regs);
    show_others();
    end_machine();
}

void boot_refuse(const char *fmt, ...)
{
    char text[256];
    va_list args;

    begin_end(NULL);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printk("PANIC: %s\n", text);
    end_machine();
}
