/*
 * The switch between the two address spaces and GS bases of a vCPU, inline in
 * the entry paths: each system call of a guest's program makes it twice.
 */
#ifndef PV_MODE_H
#define PV_MODE_H

#include <base/compiler.h>
#include <cpu/control.h>
#include <cpu/insn.h>
#include <cpu/msr.h>
#include <domain/domain.h>

/* By current; returns what was loaded. CR4 is loaded as the guest has it. */
static __always_inline uint64_t exchange_gs_base(const struct vcpu *v, uint64_t base)
{
    uint64_t old;

    if (likely(v->pv.cr4_guest & CR4_FSGSBASE)) {
        __asm__ __volatile__("rdgsbase %0; wrgsbase %1" : "=&r"(old) : "r"(base));
        return old;
    }
    old = rdmsr(MSR_GS_BASE);
    wrmsr(MSR_GS_BASE, base);
    return old;
}

/*
 * Not load_cr3(): noting the flush is only an optimization of later
 * shootdowns, and this is the hot path of every system call.
 */
static __always_inline void pv_load_mode(struct vcpu *v, bool kernel_mode)
{
    v->pv.kernel_mode = kernel_mode;
    write_cr3(v->tag.cr3[kernel_mode]);
    if (unlikely(v->tag.stale))
        tlb_tag_loaded(&v->tag, kernel_mode);
}

/* Current, from guest-user to guest-kernel mode; sched_entered_guest_kernel() is due before it runs. */
static __always_inline void pv_enter_kernel(struct vcpu *v)
{
    v->pv.gs_base_user = exchange_gs_base(v, v->pv.gs_base_kernel);
    pv_load_mode(v, true);
}

/* And back. */
static __always_inline void pv_leave_kernel(struct vcpu *v)
{
    v->pv.gs_base_kernel = exchange_gs_base(v, v->pv.gs_base_user);
    pv_load_mode(v, false);
}

#endif
