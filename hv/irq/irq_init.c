#include <base/compiler.h>
#include <irq/apic.h>
#include <irq/ioapic.h>
#include <irq/irq.h>
#include <irq/irq_desc.h>
#include <irq/pci.h>
#include <irq/pic.h>

void __init irq_init(void)
{
    pic_disable();
    apic_init();
    ioapic_init();
    pci_protect_config_space();
    irq_dump_init();
}

void irq_init_cpu(void)
{
    apic_init_cpu();
    apic_timer_init_cpu();
}
