/*
 * Debug registers of guests. A vCPU's values are in pv.debugreg; they are in
 * the CPU only while it runs and has a breakpoint enabled (pv.debug_active).
 * Breakpoints in the VMM's range are refused; one on guest memory may still
 * fire while the VMM copies from it, at CPL 0.
 */
#ifndef PV_DEBUGREG_H
#define PV_DEBUGREG_H

#include <base/types.h>

struct vcpu;
struct cpu_user_regs;

/* DR6 and DR7 with nothing set: SDM vol 3, 17.2. */
#define DR6_DEFAULT 0xffff0ff0UL
#define DR7_DEFAULT 0x400UL
#define DR6_STEP    (1UL << 14)

void pv_debug_init_vcpu(struct vcpu *v);

/*
 * Changes a register of v: current, or not running. Numbers 4 and 5 stand for
 * 6 and 7 unless CR4.DE. -ENODEV: no such register; -EPERM: an address of the
 * VMM or something a guest may not use; -EINVAL: a reserved bit.
 */
int pv_set_debugreg(struct vcpu *v, uint32_t reg, uint64_t value);
/* 0, or -ENODEV. */
int pv_get_debugreg(struct vcpu *v, uint32_t reg, uint64_t *value);

/* Context switch, interrupts off. */
void pv_save_debugregs(struct vcpu *v);
void pv_load_debugregs(struct vcpu *v);

/* #DB raised by current's own code: DR6 is handed to the guest, and #DB is due. */
void pv_debug_exception(struct vcpu *v);
/* #DB inside the VMM: a breakpoint of current's on memory that the VMM touched for it. Nothing else to do. */
void pv_debug_exception_in_vmm(struct vcpu *v);
/* An emulated port access: sets DR6 bits of I/O breakpoints (CR4.DE) that it hits. */
void pv_debug_io(struct vcpu *v, uint16_t port, unsigned int bytes);
/* Whether such a hit has to become a #DB now; once. */
bool pv_debug_take_pending(struct vcpu *v);
/* Single step after an instruction was emulated for current. */
void pv_debug_single_step(struct vcpu *v);

#endif
