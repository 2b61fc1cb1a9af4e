/* Where the VMM enters a guest: the trap table, callbacks and the kernel stack. */
#ifndef PV_CALLBACK_H
#define PV_CALLBACK_H

#include <base/types.h>
#include <xen/xen.h>

struct vcpu;

/* An entry as it is kept: cs usable at CPL 3. */
void pv_set_trap(struct vcpu *v, const struct trap_info *t);
/* A selector for guest-kernel code or stack, with RPL 3: one of the VMM's own then faults when it is loaded.
 */
uint16_t pv_kernel_selector(uint16_t sel);

#endif
