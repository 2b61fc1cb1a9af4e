/*
 * The virtual I/O privilege level. Guests run with a real IOPL of 0, so IN,
 * OUT, CLI and STI trap and are emulated if the virtual level allows them.
 */
#ifndef PV_IOPL_H
#define PV_IOPL_H

#include <base/types.h>
#include <base/compiler.h>
#include <domain/domain.h>

/* PHYSDEVOP_set_iopl: 0-3, for current or a vCPU that does not run. -EINVAL. */
int pv_set_iopl(struct vcpu *v, uint32_t iopl);

/*
 * Whether current's privileged I/O instructions are allowed where it is: the
 * kernel counts as ring 1 (ring 0 with architectural IOPL), programs as ring 3.
 */
bool pv_iopl_allows(const struct vcpu *v, const struct cpu_user_regs *regs);

/*
 * With the architectural-iopl assist frames show the level (pv_visible_rflags()
 * of pv/flags.h), and HYPERVISOR_iret takes it from the flags it restores.
 */
static inline void pv_iopl_from_iret(struct vcpu *v, uint64_t rflags)
{
    if (unlikely(v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl)))
        v->pv.iopl = rflags >> 12 & 3;
}

#endif
