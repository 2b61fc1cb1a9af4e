#include <base/compiler.h>
#include <cpu/desc.h>
#include <cpu/traps.h>
#include <mm/guest_access.h>
#include <pv/bounce.h>
#include <pv/flags.h>
#include <pv/pv.h>
#include <pv/traps.h>

/* Frame words, lowest address first: RCX, R11, [DS, ES, FS, GS], [error code], RIP, CS, RFLAGS, RSP, SS. */
#define MAX_FRAME_WORDS 12

static unsigned int build_frame(const struct vcpu *v, const struct cpu_user_regs *regs,
                                const struct bounce *b, bool from_kernel, uint64_t *frame)
{
    uint8_t mask = v->vcpu_info->evtchn_upcall_mask;
    unsigned int n = 0;

    frame[n++] = regs->rcx;
    frame[n++] = regs->r11;
    if (b->failsafe) {
        frame[n++] = regs->ds;
        frame[n++] = regs->es;
        frame[n++] = regs->fs;
        frame[n++] = regs->gs;
    }
    if (b->has_error_code)
        frame[n++] = b->error_code;
    frame[n++] = regs->rip;
    /* The kernel must see where it was interrupted: RPL 0 stands for guest-kernel mode. */
    frame[n++] = (from_kernel ? regs->cs & ~3u : regs->cs) | (uint64_t)mask << 32;
    frame[n++] = pv_visible_rflags(v, regs->rflags, mask);
    frame[n++] = regs->rsp;
    frame[n++] = regs->ss;
    return n;
}

void pv_bounce(struct vcpu *v, struct cpu_user_regs *regs, const struct bounce *b)
{
    uint64_t frame[MAX_FRAME_WORDS], sp;
    bool from_kernel = v->pv.kernel_mode;
    unsigned int words = build_frame(v, regs, b, from_kernel, frame);

    if (from_kernel) {
        sp = regs->rsp;
    } else {
        pv_toggle_mode(v);
        sp = v->pv.kernel_sp;
    }
    sp = (sp & ~15UL) - words * sizeof(frame[0]);
    if (unlikely(copy_to_guest(sp, frame, words * sizeof(frame[0])))) {
        domain_crash(v->domain, "vCPU %u: no stack to deliver an event to RIP %#lx: RSP %#lx", v->id, b->eip,
                     sp);
        return;
    }
    if (b->mask_events)
        v->vcpu_info->evtchn_upcall_mask = 1;
    regs->entry_vector = VECTOR_SYSCALL; /* RCX and R11 are in the frame: SYSRET may clobber them */
    regs->rip = b->eip;
    regs->cs = b->cs | 3;
    regs->rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM);
    regs->rsp = sp;
    regs->ss = GUEST_DS;
}

void pv_inject_exception(uint32_t vector, uint32_t error_code, uint32_t flags)
{
    struct vcpu *v = current;
    struct cpu_user_regs *regs = guest_regs();
    const struct trap_info *t = &v->pv.trap_table[vector];
    struct bounce b = {.eip = t->address,
                       .cs = t->cs,
                       .mask_events = t->flags & 4,
                       .has_error_code = flags & PV_EVENT_ERROR_CODE,
                       .error_code = error_code};

    if (unlikely(!t->address)) {
        domain_crash(v->domain, "vCPU %u: no handler for vector %u, error code %#x, at RIP %#lx", v->id,
                     vector, error_code, regs->rip);
        return;
    }
    pv_bounce(v, regs, &b);
}

void pv_inject_page_fault(uint64_t cr2, uint32_t error_code)
{
    struct vcpu *v = current;

    v->vcpu_info->arch.cr2 = cr2;
    v->pv.cr2 = cr2;
    error_code &= ~PFEC_USER;
    if (!v->pv.kernel_mode)
        error_code |= PFEC_USER;
    pv_inject_exception(TRAP_PF, error_code, PV_EVENT_ERROR_CODE);
}
