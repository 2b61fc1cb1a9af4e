#include <base/compiler.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/guest_access.h>
#include <pv/flags.h>
#include <pv/iopl.h>
#include <pv/pv.h>
#include <pv/traps.h>

/*
 * HYPERVISOR_iret: the frame on the guest's stack is struct iret_context
 * (<xen/arch-x86/xen-x86_64.h>). A frame that the CPU refuses shows when the
 * exit path executes IRETQ, and ends in the failsafe callback.
 */
void pv_iret(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    struct iret_context c;

    if (unlikely(copy_from_guest(&c, regs->rsp, sizeof(c)))) {
        domain_crash(v->domain, "vCPU %u: no iret frame at RSP %#lx", v->id, regs->rsp);
        return;
    }
    if ((c.cs & 3) == 3) { /* to the guest's user mode; RPL 0 stands for its kernel */
        if (unlikely(!v->pv.user_table)) {
            domain_crash(v->domain, "vCPU %u: iret to user mode without user page tables", v->id);
            return;
        }
        pv_toggle_mode(v);
    }
    regs->rip = c.rip;
    regs->cs = (uint16_t)(c.cs | 3);
    regs->rflags = pv_real_rflags(c.rflags);
    regs->rsp = c.rsp;
    regs->ss = (uint16_t)(c.ss | 3);
    if (c.flags & VGCF_in_syscall) { /* what SYSRET leaves, whichever way out is taken */
        regs->rcx = c.rip;
        regs->r11 = regs->rflags;
    } else {
        regs->entry_vector = 0;
        regs->rcx = c.rcx;
        regs->r11 = c.r11;
    }
    regs->rax = c.rax;
    v->vcpu_info->evtchn_upcall_mask = !(c.rflags & RFLAGS_IF);
    pv_iopl_from_iret(v, c.rflags);
    v->pv.in_nmi = false;
}

/* Only the entry path may restore registers: inside a multicall there is no frame for it. */
long hc_iret(struct hypercall_args *args)
{
    return -ENOSYS;
}
