/*
 * Entering and leaving paravirtual guests: the only place that knows in which
 * ring a guest kernel runs.
 */
#ifndef PV_PV_H
#define PV_PV_H

#include <base/types.h>
#include <domain/domain.h>

#define PV_KERNEL_CS FLAT_KERNEL_CS64
#define PV_KERNEL_SS FLAT_KERNEL_SS

/* Exception or soft interrupt to be delivered to current when it is entered next. */
#define PV_EVENT_ERROR_CODE BIT(0) /* push error_code */
#define PV_EVENT_SOFT       BIT(1) /* int n: the gate's DPL was checked */

/* Queues a bounce frame for current: vector 0-31 or n of int n. Crashes the domain if it has no stack for it.
 */
void pv_inject_exception(uint32_t vector, uint32_t error_code, uint32_t flags);
void pv_inject_page_fault(uint64_t cr2, uint32_t error_code);
static inline void pv_inject_gp(uint32_t error_code)
{
    pv_inject_exception(13, error_code, PV_EVENT_ERROR_CODE);
}

/* Whether the registers are those of guest-kernel (not guest-user) mode, or of any guest at all. */
bool pv_in_kernel_mode(const struct vcpu *v, const struct cpu_user_regs *regs);
static inline bool regs_in_guest(const struct cpu_user_regs *regs)
{
    return (regs->cs & 3) != 0;
}

/* Switches current between guest-kernel and guest-user: GS base and page tables. */
void pv_toggle_mode(struct vcpu *v);
/*
 * After kernel_table or user_table changed: the values for CR3. If v is current it is in guest-kernel mode,
 * and the former's is loaded, which drops all of v's translations.
 */
void pv_update_kernel_cr3(struct vcpu *v);
void pv_update_user_cr3(struct vcpu *v);

/*
 * A #GP in guest-kernel mode: emulates the privileged instruction at regs->rip,
 * if it is one. True: done, regs advanced (or an exception injected). False:
 * not ours, give the #GP to the guest. In pv/emulate_priv.c.
 */
bool pv_emulate_privileged(struct cpu_user_regs *regs);
/* A #UD: the forced-emulation prefix and CPUID. Same result. */
bool pv_emulate_forced_cpuid(struct cpu_user_regs *regs);

/* A write fault on a page-table page mapped read-only: mm/pt_write_fault.c. Same result. */
bool pv_emulate_pt_write(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs);
/* A fault in the LDT's window: maps the page. True: retry. */
bool pv_map_ldt_page(struct vcpu *v, uint64_t offset);

int pv_vcpu_init(struct vcpu *v);
void pv_vcpu_destroy(struct vcpu *v);
/* As pv_vcpu_init() left it; without page tables, not running. */
void pv_vcpu_reset(struct vcpu *v);
/* Context for VCPUOP_initialise and XEN_DOMCTL_setvcpucontext; all checked first. -EINVAL, -EBUSY, -ERESTART.
 */
int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *c);
/* The reverse, for a vCPU that does not run. */
void pv_get_context(struct vcpu *v, struct vcpu_guest_context *c);

#endif
