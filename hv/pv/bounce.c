#include <base/compiler.h>
#include <cpu/desc.h>
#include <cpu/traps.h>
#include <mm/guest_access.h>
#include <pv/bounce.h>
#include <pv/flags.h>
#include <pv/mode.h>
#include <pv/pv.h>
#include <pv/traps.h>
#include <sched/sched.h>

static noinline void no_stack(struct vcpu *v, uint64_t eip, uint64_t sp)
{
    domain_crash(v->domain, "vCPU %u: no stack to deliver an event to RIP %#lx: RSP %#lx", v->id, eip, sp);
}

/*
 * Stores the frame at sp, words of 8 bytes from the lowest address: RCX, R11,
 * [DS, ES, FS, GS], [error code], RIP, CS, RFLAGS, RSP, SS. False: a fault.
 */
static __always_inline bool store_frame(const struct vcpu *v, const struct cpu_user_regs *regs,
                                        const struct bounce *b, bool from_kernel, uint64_t sp)
{
    uint8_t mask = v->vcpu_info->evtchn_upcall_mask;

    if (unlikely(!guest_address_ok(sp)))
        return false;
    sp = guest_address_nospec(sp);
    guest_stores_begin();
    guest_put64(sp, regs->rcx, fault);
    guest_put64(sp + 8, regs->r11, fault);
    sp += 16;
    if (b->failsafe) {
        guest_put64(sp, regs->ds, fault);
        guest_put64(sp + 8, regs->es, fault);
        guest_put64(sp + 16, regs->fs, fault);
        guest_put64(sp + 24, regs->gs, fault);
        sp += 32;
    }
    if (b->has_error_code) {
        guest_put64(sp, b->error_code, fault);
        sp += 8;
    }
    guest_put64(sp, regs->rip, fault);
    /* The kernel must see where it was interrupted: RPL 0 stands for guest-kernel mode. */
    guest_put64(sp + 8, (from_kernel ? regs->cs & ~3u : regs->cs) | (uint64_t)mask << 32, fault);
    guest_put64(sp + 16, pv_visible_rflags(v, regs->rflags, mask), fault);
    guest_put64(sp + 24, regs->rsp, fault);
    guest_put64(sp + 32, regs->ss, fault);
    guest_stores_end();
    return true;
fault:
    guest_stores_end();
    return false;
}

/* Inline, so that each caller has its own with what it knows folded in. from_kernel: v->pv.kernel_mode. */
static __always_inline void bounce(struct vcpu *v, struct cpu_user_regs *regs, const struct bounce *b,
                                   bool from_kernel)
{
    unsigned int words = 7 + (b->failsafe ? 4 : 0) + (b->has_error_code ? 1 : 0);
    uint64_t sp;

    if (from_kernel) {
        sp = regs->rsp;
    } else {
        pv_enter_kernel(v);
        sp = v->pv.kernel_sp;
    }
    sp = (sp & ~15UL) - words * 8;
    if (unlikely(!store_frame(v, regs, b, from_kernel, sp))) {
        no_stack(v, b->eip, sp);
        return;
    }
    if (b->mask_events)
        v->vcpu_info->evtchn_upcall_mask = 1;
    /* RCX and R11 are in the frame: SYSRET may clobber them. */
    regs->entry_vector = likely((b->cs | 3) == GUEST_CS64) ? VECTOR_SYSCALL : 0;
    regs->rip = b->eip;
    regs->cs = b->cs | 3;
    regs->rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM);
    regs->rsp = sp;
    regs->ss = GUEST_DS;
    if (!from_kernel)
        sched_entered_guest_kernel(v);
}

void pv_bounce(struct vcpu *v, struct cpu_user_regs *regs, const struct bounce *b)
{
    bounce(v, regs, b, v->pv.kernel_mode);
}

void pv_handle_syscall(struct cpu_user_regs *regs, struct vcpu *v)
{
    struct bounce b = {.eip = v->pv.syscall.eip, .cs = GUEST_CS64, .mask_events = v->pv.syscall.mask_events};

    if (likely(b.eip)) {
        bounce(v, regs, &b, false);
    } else {
        regs->rip -= 2;
        pv_inject_exception(TRAP_UD, 0, 0);
    }
}

static __always_inline void inject(struct vcpu *v, uint32_t vector, uint32_t error_code, uint32_t flags)
{
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
    bounce(v, regs, &b, v->pv.kernel_mode);
}

void pv_inject_exception(uint32_t vector, uint32_t error_code, uint32_t flags)
{
    inject(current, vector, error_code, flags);
}

void pv_inject_page_fault(uint64_t cr2, uint32_t error_code)
{
    struct vcpu *v = current;

    v->vcpu_info->arch.cr2 = cr2;
    v->pv.cr2 = cr2;
    error_code &= ~PFEC_USER;
    if (!v->pv.kernel_mode)
        error_code |= PFEC_USER;
    inject(v, TRAP_PF, error_code, PV_EVENT_ERROR_CODE);
}
