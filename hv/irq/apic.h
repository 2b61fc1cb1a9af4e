/*
 * The local APIC (SDM vol 3, chapter 10). Registers are named by their xAPIC
 * offset; in x2APIC mode the same register is MSR 0x800 + offset / 16.
 */
#ifndef IRQ_APIC_H
#define IRQ_APIC_H

#include <base/types.h>

#define APIC_ID          0x020
#define APIC_VERSION     0x030
#define APIC_TPR         0x080
#define APIC_EOI         0x0b0
#define APIC_LDR         0x0d0
#define APIC_DFR         0x0e0
#define APIC_SVR         0x0f0
#define APIC_ISR         0x100
#define APIC_IRR         0x200
#define APIC_ESR         0x280
#define APIC_LVT_CMCI    0x2f0
#define APIC_ICR         0x300
#define APIC_ICR_HIGH    0x310
#define APIC_LVT_TIMER   0x320
#define APIC_LVT_THERMAL 0x330
#define APIC_LVT_PERF    0x340
#define APIC_LVT_LINT0   0x350
#define APIC_LVT_LINT1   0x360
#define APIC_LVT_ERROR   0x370
#define APIC_TIMER_INIT  0x380
#define APIC_TIMER_NOW   0x390
#define APIC_TIMER_DIV   0x3e0

#define APIC_LVT_MASKED         0x10000u
#define APIC_LVT_NMI            0x00400u
#define APIC_TIMER_TSC_DEADLINE 0x40000u

/* Boot CPU: finds and maps it, keeps its frame from guests, enables it. */
void apic_init(void);
/* The CPU that calls: enables its APIC in the mode the boot CPU chose, all local sources masked but NMI. */
void apic_init_cpu(void);

uint32_t apic_read(uint32_t reg);
void apic_write(uint32_t reg, uint32_t value);

/* Whether the vector is being serviced, i.e. wants an EOI. */
bool apic_in_service(uint8_t vector);

/* Any other CPU: the timer as the boot CPU chose, stopped. */
void apic_timer_init_cpu(void);

#endif
