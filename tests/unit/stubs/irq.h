/* What the interrupt code calls in the rest of the VMM, and models of the machine's interrupt hardware. */
#ifndef STUBS_IRQ_H
#define STUBS_IRQ_H

#include <domain/domain.h>

#define MODEL_PINS        24
#define MODEL_IOAPIC_BASE 0xfec00000u

struct model_ioapic {
    uint32_t index;
    uint64_t rte[MODEL_PINS];
    bool line[MODEL_PINS];
};
extern struct model_ioapic model_ioapic;

extern struct domain test_domains[3];
extern struct vcpu test_vcpus[3];
extern unsigned int sent[4096];     /* events by port */
extern unsigned int eois;           /* EOIs given to local APICs */
extern unsigned int unmasked_ports; /* evtchn_unmask() calls */
extern uint64_t eoi_map_page[512];
extern bool out_of_memory;
extern long mapped_bytes; /* of devices, without the IO-APIC */

void stubs_reset(void);
void set_cpu(uint32_t cpu);
/* Sets an input of the IO-APIC, then lets CPUs take interrupts until there are none. */
void model_line(uint32_t pin, bool on);
void model_pulse(uint32_t pin);
/* An MSI arrives. */
void model_message(uint64_t address, uint32_t data);
/* Everything that is pending. */
void model_run(void);

#endif
