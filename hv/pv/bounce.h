/*
 * Bounce frames: what the guest kernel finds on its stack when the VMM enters
 * it, as if a CPU had delivered an interrupt to ring 0 of it.
 */
#ifndef PV_BOUNCE_H
#define PV_BOUNCE_H

#include <base/types.h>
#include <domain/domain.h>

struct bounce {
    uint64_t eip;
    uint16_t cs;
    bool mask_events;
    bool has_error_code;
    bool failsafe; /* with the data selectors */
    uint32_t error_code;
};

/*
 * Switches current to guest-kernel mode, pushes the frame on its kernel stack
 * and makes regs enter b->eip. Crashes the domain if its stack cannot be
 * written. Interrupts may be off.
 */
void pv_bounce(struct vcpu *v, struct cpu_user_regs *regs, const struct bounce *b);

#endif
