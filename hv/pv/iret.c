#include <base/compiler.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/desc.h>
#include <mm/guest_access.h>
#include <pv/flags.h>
#include <pv/iopl.h>
#include <pv/mode.h>
#include <pv/pv.h>
#include <pv/traps.h>

/*
 * HYPERVISOR_iret: the frame on the guest's stack is struct iret_context
 * (<xen/arch-x86/xen-x86_64.h>). A frame that the CPU refuses shows when the
 * exit path executes IRETQ, and ends in the failsafe callback.
 */
void pv_iret(struct cpu_user_regs *regs, struct vcpu *v)
{
    uint64_t sp = regs->rsp, w[3], flags, rip, cs, rflags;

    /* Words of struct iret_context, three at a time. The first do not touch what a crash would show of the
     * guest. */
    if (unlikely(!guest_address_ok(sp) || guest_load192(w, sp)))
        goto no_frame;
    regs->rax = w[0];
    regs->r11 = w[1];
    regs->rcx = w[2];
    if (unlikely(guest_load192(w, sp + 24)))
        goto no_frame;
    flags = w[0];
    rip = w[1];
    cs = w[2];
    if (unlikely(guest_load192(w, sp + 48)))
        goto no_frame;
    if ((cs & 3) == 3) { /* to the guest's user mode; RPL 0 stands for its kernel */
        if (unlikely(!v->pv.user_table)) {
            domain_crash(v->domain, "vCPU %u: iret to user mode without user page tables", v->id);
            return;
        }
        pv_leave_kernel(v);
    }
    rflags = w[0];
    regs->rip = rip;
    regs->cs = (uint16_t)(cs | 3);
    regs->rflags = pv_real_rflags(rflags);
    regs->rsp = w[1];
    regs->ss = (uint16_t)(w[2] | 3);
    if (!(flags & VGCF_in_syscall)) {
        regs->entry_vector = 0;
    } else { /* what SYSRET leaves, whichever way out is taken */
        regs->rcx = rip;
        regs->r11 = regs->rflags;
        if (unlikely(regs->cs != GUEST_CS64 || regs->ss != GUEST_DS))
            regs->entry_vector = 0;
    }
    v->vcpu_info->evtchn_upcall_mask = !(rflags & RFLAGS_IF);
    pv_iopl_from_iret(v, rflags);
    v->pv.in_nmi = false;
    return;
no_frame:
    domain_crash(v->domain, "vCPU %u: no iret frame at RSP %#lx", v->id, sp);
}

BUILD_BUG_ON(offsetof(struct iret_context, flags) != 24 || offsetof(struct iret_context, rflags) != 48);

/* Only the entry path may restore registers: inside a multicall there is no frame for it. */
long hc_iret(struct hypercall_args *args)
{
    return -ENOSYS;
}
