#include <acpi/power.h>
#include <console/console.h>
#include <console/printk.h>
#include <cpu/insn.h>
#include <cpu/machine.h>

void machine_restart(void)
{
    local_irq_disable();
    stop_other_cpus();
    console_force_unlock();
    acpi_reset();
}

void machine_halt(void)
{
    local_irq_disable();
    stop_other_cpus();
    console_force_unlock();
    printk("The machine is halted\n");
    for (;;)
        __asm__ __volatile__("hlt");
}
