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

struct frame {
    uint64_t flags, rip, cs, rflags, rsp, ss;
};

/*
 * Reads struct iret_context in one go: what does not depend on the rest right into regs, where a frame that
 * cannot be read leaves a part of it, for the crash to show. 0 or -EFAULT.
 */
static __always_inline int load_frame(struct frame *f, struct cpu_user_regs *regs)
{
    int err = 0;
    uint64_t word;

    __asm__ __volatile__(
        STAC "1: movq (%[va]), %[word]\n\t"
             "movq %[word], %[rax]\n\t"
             "4: movq 8(%[va]), %[word]\n\t"
             "movq %[word], %[r11]\n\t"
             "5: movq 16(%[va]), %[word]\n\t"
             "movq %[word], %[rcx]\n\t"
             "6: movq 24(%[va]), %[flags]\n\t"
             "7: movq 32(%[va]), %[rip]\n\t"
             "8: movq 40(%[va]), %[cs]\n\t"
             "9: movq 48(%[va]), %[rflags]\n\t"
             "10: movq 56(%[va]), %[rsp]\n\t"
             "11: movq 64(%[va]), %[ss]\n\t" GUEST_ACCESS_END EXTABLE(1b, 3b) EXTABLE(4b, 3b) EXTABLE(5b, 3b)
                 EXTABLE(6b, 3b) EXTABLE(7b, 3b) EXTABLE(8b, 3b) EXTABLE(9b, 3b) EXTABLE(10b, 3b)
                     EXTABLE(11b, 3b)
        : [err] "+r"(err), [word] "=&r"(word), [rax] "=m"(regs->rax), [r11] "=m"(regs->r11),
          [rcx] "=m"(regs->rcx), [flags] "=&r"(f->flags), [rip] "=&r"(f->rip), [cs] "=&r"(f->cs),
          [rflags] "=&r"(f->rflags), [rsp] "=&r"(f->rsp), [ss] "=&r"(f->ss)
        : [va] "r"(guest_address_nospec(regs->rsp)), [efault] "i"(-EFAULT)
        : "memory");
    return err;
}

/*
 * HYPERVISOR_iret: the frame on the guest's stack is struct iret_context
 * (<xen/arch-x86/xen-x86_64.h>). A frame that the CPU refuses shows when the
 * exit path executes IRETQ, and ends in the failsafe callback.
 */
void pv_iret(struct cpu_user_regs *regs, struct vcpu *v)
{
    struct frame f;

    if (unlikely(!guest_address_ok(regs->rsp) || load_frame(&f, regs))) {
        domain_crash(v->domain, "vCPU %u: no iret frame at RSP %#lx", v->id, regs->rsp);
        return;
    }
    if ((f.cs & 3) == 3) { /* to the guest's user mode; RPL 0 stands for its kernel */
        if (unlikely(!v->pv.user_table)) {
            domain_crash(v->domain, "vCPU %u: iret to user mode without user page tables", v->id);
            return;
        }
        pv_leave_kernel(v);
    }
    regs->rip = f.rip;
    regs->cs = (uint16_t)(f.cs | 3);
    regs->rflags = pv_real_rflags(f.rflags);
    regs->rsp = f.rsp;
    regs->ss = (uint16_t)(f.ss | 3);
    if (!(f.flags & VGCF_in_syscall)) {
        regs->entry_vector = 0;
    } else { /* what SYSRET leaves, whichever way out is taken */
        regs->rcx = f.rip;
        regs->r11 = regs->rflags;
        if (unlikely(regs->cs != GUEST_CS64 || regs->ss != GUEST_DS))
            regs->entry_vector = 0;
    }
    v->vcpu_info->evtchn_upcall_mask = !(f.rflags & RFLAGS_IF);
    pv_iopl_from_iret(v, f.rflags);
    v->pv.in_nmi = false;
}

BUILD_BUG_ON(offsetof(struct iret_context, flags) != 24 || offsetof(struct iret_context, rflags) != 48);

/* Only the entry path may restore registers: inside a multicall there is no frame for it. */
long hc_iret(struct hypercall_args *args)
{
    return -ENOSYS;
}
