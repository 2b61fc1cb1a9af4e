/* Exceptions and system calls of paravirtual guests. */
#ifndef PV_TRAPS_H
#define PV_TRAPS_H

#include <base/types.h>

struct cpu_user_regs;
struct vcpu;

/*
 * entry_vector of a frame that SYSRET may restore (but for what its RIP and
 * RFLAGS may forbid): its selectors are the flat ones that SYSRET gives, and RCX
 * and R11 hold RIP and RFLAGS, or nothing of value. So are those that came by
 * SYSCALL. Who loads other selectors changes entry_vector as well.
 */
#define VECTOR_SYSCALL   0x100
#define VECTOR_SYSENTER  0x101
#define VECTOR_SYSCALL32 0x102 /* from 32-bit code */

/* Called from cpu/entry.S; regs is guest_regs(). Exceptions: interrupts off, at return on or off. */
void pv_handle_exception(struct cpu_user_regs *regs);
/* A system call of a guest's program; v is current. Interrupts off. */
void pv_handle_syscall(struct cpu_user_regs *regs, struct vcpu *v);
void pv_handle_hypercall(struct cpu_user_regs *regs);
void pv_handle_syscall32(struct cpu_user_regs *regs);
void pv_handle_sysenter(struct cpu_user_regs *regs);
/*
 * HYPERVISOR_iret: loads regs from the frame on the guest's stack; crashes the
 * domain if there is none. v is current; interrupts off.
 */
void pv_iret(struct cpu_user_regs *regs, struct vcpu *v);
/* IRETQ to the guest faulted: guest_regs() hold what it wanted. Interrupts off at entry, on at return. */
void pv_bad_iret(void);
/* A data selector of regs cannot be loaded any more: enters the guest's failsafe callback. */
void pv_failsafe(struct cpu_user_regs *regs);
/* Before current is entered: softirqs, then a pending NMI or event. Interrupts off, before and after. */
void pv_exit_work(struct vcpu *v);

/* An NMI, on the NMI stack: gives it to dom0 if that has a handler. */
void pv_handle_nmi(struct cpu_user_regs *regs);
void pv_nmi_init(void);
/* Fills the guest's hypercall page (<xen/arch-x86/xen-x86_64.h>): 32 bytes per hypercall. */
void pv_fill_hypercall_page(void *page);

#endif
