/* Interrupts of devices: vectors, the controllers behind them, and who handles them. */
#ifndef IRQ_IRQ_H
#define IRQ_IRQ_H

#include <base/types.h>

struct cpu_user_regs;
struct domain;

/* Vectors. Below 0x20: exceptions; 0x80 and 0x82 belong to guests. Higher is more urgent. */
#define VECTOR_FIRST_DYNAMIC  0x30
#define VECTOR_LAST_DYNAMIC   0xdf
#define VECTOR_LEGACY_SYSCALL 0x80
#define VECTOR_CALL_FUNCTION  0xf9
#define VECTOR_EVENT_CHECK    0xfa
#define VECTOR_INVALIDATE_TLB 0xfb
#define VECTOR_LOCAL_TIMER    0xfc
#define VECTOR_ERROR          0xfe
#define VECTOR_SPURIOUS       0xff

/* Boot CPU, after acpi_init(): masks the PICs, sets up IO-APICs and the local APIC. */
void irq_init(void);
/*
 * Boot CPU, after irq_init() and time_init(): measures the local timer against system time (which needs no
 * interrupt). What was asked of apic_timer_set() before is asked again by SOFTIRQ_TIMER.
 */
void apic_timer_init(void);
void irq_init_cpu(void); /* local APIC of a CPU that comes up */

/* Entry of every external interrupt: dispatches by vector, sends the EOI. Interrupts off. */
void do_irq(struct cpu_user_regs *regs);

/* Handler in the VMM for a GSI (serial, HPET), called with interrupts off. 0, -EBUSY, -EINVAL, -ENOSPC. */
int request_gsi(uint32_t gsi, void (*fn)(void *), void *data);

/* Handler of a fixed high vector; at boot. */
void set_direct_vector(uint8_t vector, void (*fn)(struct cpu_user_regs *));

/* Interprocessor interrupts; any context. */
void send_ipi(uint32_t cpu, uint8_t vector);
void send_ipi_nmi_allbutself(void);
void apic_eoi(void);
uint32_t apic_id_self(void);
/* INIT-SIPI-SIPI; page is the 4 KiB frame below 1 MiB where the CPU begins. */
void apic_start_cpu(uint32_t apicid, uint8_t page);
/* Local timer: one interrupt (SOFTIRQ_TIMER) at the system time; 0 stops it. */
void apic_timer_set(s_time_t deadline);

#endif
