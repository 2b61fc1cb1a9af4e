#include <base/compiler.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/guest_access.h>
#include <pv/flags.h>
#include <pv/iopl.h>
#include <pv/mode.h>
#include <pv/pv.h>
#include <pv/traps.h>

/* In moves of three words: copying in a loop takes longer. */
static __always_inline int read_frame(struct iret_context *c, uint64_t sp)
{
    uint64_t a[3], b[3], d[3];

    if (unlikely(!guest_address_ok(sp)) || guest_load192(a, sp) || guest_load192(b, sp + 24) ||
        guest_load192(d, sp + 48))
        return -EFAULT;
    *c = (struct iret_context){a[0], a[1], a[2], b[0], b[1], b[2], d[0], d[1], d[2]};
    return 0;
}

/*
 * HYPERVISOR_iret: the frame on the guest's stack is struct iret_context
 * (<xen/arch-x86/xen-x86_64.h>). A frame that the CPU refuses shows when the
 * exit path executes IRETQ, and ends in the failsafe callback.
 */
void pv_iret(struct cpu_user_regs *regs, struct vcpu *v)
{
    struct iret_context c;

    if (unlikely(read_frame(&c, regs->rsp))) {
        domain_crash(v->domain, "vCPU %u: no iret frame at RSP %#lx", v->id, regs->rsp);
        return;
    }
    if ((c.cs & 3) == 3) { /* to the guest's user mode; RPL 0 stands for its kernel */
        if (unlikely(!v->pv.user_table)) {
            domain_crash(v->domain, "vCPU %u: iret to user mode without user page tables", v->id);
            return;
        }
        pv_leave_kernel(v);
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
