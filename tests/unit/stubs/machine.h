/*
 * A stand-in for the machine, for tests of code that works on domains: one
 * CPU, a few frames of memory, guest addresses that are the test's own.
 */
#ifndef STUBS_MACHINE_H
#define STUBS_MACHINE_H

#include <domain/domain.h>

#define FAKE_FRAMES 64

extern char fake_memory[FAKE_FRAMES][PAGE_SIZE];
extern unsigned int kicks;         /* calls of vcpu_kick() */
extern unsigned int unblocks;      /* calls of vcpu_unblock() */
extern bool preempt_now;           /* answer of hypercall_preempt_check() */
extern unsigned int preempt_after; /* counts down to preempt_now when not 0 */
extern bool bad_guest_pointer;     /* guest copies fail */

/* Which vCPU is current. */
void set_current(struct vcpu *v);
/* Frame of fake_memory to a domain; its number. */
uint64_t give_frame(struct domain *d);
/* References held on frames of fake_memory beyond the owner's own. */
unsigned int frame_references(void);

#endif
