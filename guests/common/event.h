/* Event channels and time as a guest sees them. */
#ifndef GUEST_EVENT_H
#define GUEST_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

long event_op(unsigned int cmd, void *arg);
long event_send(unsigned int port);
long event_close(unsigned int port);
long event_unmask(unsigned int port);
/* A loopback connection: sending on *sender makes *receiver pending. */
void event_pair(unsigned int *sender, unsigned int *receiver);
unsigned int event_bind_virq(unsigned int virq, unsigned int vcpu);
unsigned int event_bind_ipi(unsigned int vcpu);

/* Bits of the 2-level ABI. */
bool event_pending(unsigned int port);
void event_clear(unsigned int port);
void event_mask_bit(unsigned int port);
void event_unmask_bit(unsigned int port);
/* Any hypercall: pending events are delivered on the way out. */
void event_force(void);

/* ns since boot, by vcpu_info of vCPU 0. */
uint64_t system_time(void);
/* Spins, with hypercalls, until system_time() has passed by so much. */
void delay_ns(uint64_t ns);

#endif
