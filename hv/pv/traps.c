#include <base/compiler.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/desc.h>
#include <cpu/fpu.h>
#include <cpu/insn.h>
#include <cpu/softirq.h>
#include <cpu/traps.h>
#include <event/evtchn.h>
#include <mm/guest_access.h>
#include <mm/layout.h>
#include <pv/bounce.h>
#include <pv/debugreg.h>
#include <pv/descriptor.h>
#include <pv/flags.h>
#include <pv/pv.h>
#include <pv/segment.h>
#include <pv/traps.h>

#define ERROR_CODE_IDT 2u /* the selector index is an IDT vector: SDM vol 3, 6.13 */

/* Exceptions that push an error code. */
#define VECTORS_WITH_ERROR_CODE                                                                              \
    (BIT(TRAP_DF) | BIT(TRAP_TS) | BIT(TRAP_NP) | BIT(TRAP_SS) | BIT(TRAP_GP) | BIT(TRAP_PF) | BIT(TRAP_AC))

static inline bool in_vmm_range(uint64_t va)
{
    return va - VMM_VIRT_START < VMM_VIRT_END - VMM_VIRT_START;
}

/*
 * A fault on a descriptor: those of the LDT are mapped when first used. True: it is there now. Else *cr2 is
 * where the guest has it, if it is one of the LDT's.
 */
static bool descriptor_fault(struct vcpu *v, uint64_t *cr2)
{
    uint64_t offset = *cr2 - v->pv.desc_window - DESC_WINDOW_LDT;

    if (offset >= DESC_WINDOW_SIZE - DESC_WINDOW_LDT)
        return false;
    if (pv_map_ldt_page(v, offset))
        return true;
    *cr2 = v->pv.ldt_base + offset;
    return false;
}

static noinline void page_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t cr2)
{
    uint32_t error = regs->error_code;

    if (unlikely(in_vmm_range(cr2))) {
        /* Descriptors are read with the VMM's rights. */
        if (!(error & PFEC_USER) && descriptor_fault(v, &cr2))
            return;
    } else if ((error & (PFEC_PRESENT | PFEC_WRITE | PFEC_RESERVED)) == (PFEC_PRESENT | PFEC_WRITE) &&
               v->pv.kernel_mode && pv_emulate_pt_write(v, cr2, regs)) {
        return;
    }
    pv_inject_page_fault(cr2, error);
}

/* The gate's DPL, as a guest kernel (virtual ring 0, given as ring 1) or program sees it. */
static bool soft_interrupt_allowed(const struct vcpu *v, const struct trap_info *t)
{
    return t->address && (t->flags & 3) >= (v->pv.kernel_mode ? 1 : 3);
}

/*
 * INT n through a gate that ring 3 may not use: a #GP that names the vector.
 * The instruction itself is asked for the number, as the error code of some
 * emulators is wrong. True if it was one and is done.
 */
static bool soft_interrupt(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint8_t insn[2];

    if (!(regs->error_code & ERROR_CODE_IDT) || copy_from_guest(insn, regs->rip, sizeof(insn)) ||
        insn[0] != 0xcd)
        return false;
    if (!soft_interrupt_allowed(v, &v->pv.trap_table[insn[1]])) {
        regs->error_code = insn[1] * 8u + ERROR_CODE_IDT;
        return false;
    }
    regs->rip += 2;
    pv_inject_exception(insn[1], 0, PV_EVENT_SOFT);
    return true;
}

static void general_protection(struct vcpu *v, struct cpu_user_regs *regs)
{
    if (soft_interrupt(v, regs))
        return;
    if (!regs->error_code && pv_emulate_privileged(regs))
        return;
    pv_inject_gp(regs->error_code);
}

/* INT 0x80 has a gate of its own that ring 3 may use: its DPL is not looked at, as for INT3 and INTO. */
static void legacy_syscall(struct vcpu *v, struct cpu_user_regs *regs)
{
    if (v->pv.trap_table[0x80].address) {
        pv_inject_exception(0x80, 0, PV_EVENT_SOFT);
        return;
    }
    regs->rip -= 2;
    pv_inject_gp(0x80 * 8 + ERROR_CODE_IDT);
}

static noinline void other_exception(struct vcpu *v, struct cpu_user_regs *regs, uint32_t vector)
{
    local_irq_enable();
    switch (vector) {
    case TRAP_GP:
        general_protection(v, regs);
        break;
    case TRAP_UD:
        if (!pv_emulate_forced_cpuid(regs))
            pv_inject_exception(vector, 0, 0);
        break;
    case TRAP_DB:
        pv_debug_exception(v);
        pv_inject_exception(vector, 0, 0);
        break;
    case TRAP_NM:
        if (fpu_device_not_available(v))
            pv_inject_exception(vector, 0, 0);
        break;
    case 0x80:
        legacy_syscall(v, regs);
        break;
    default:
        pv_inject_exception(vector, regs->error_code,
                            VECTORS_WITH_ERROR_CODE >> vector & 1 ? PV_EVENT_ERROR_CODE : 0);
    }
}

void pv_handle_exception(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    uint32_t vector = regs->entry_vector;
    uint64_t cr2;

    if (vector != TRAP_PF) {
        other_exception(v, regs, vector);
        return;
    }
    cr2 = read_cr2();
    if (likely(!v->pv.kernel_mode && !in_vmm_range(cr2))) {
        pv_inject_page_fault(cr2, regs->error_code);
        return;
    }
    local_irq_enable();
    page_fault(v, regs, cr2);
}

static void callback(struct vcpu *v, struct cpu_user_regs *regs, const struct pv_callback *c)
{
    struct bounce b = {.eip = c->eip, .cs = GUEST_CS64, .mask_events = c->mask_events};

    pv_bounce(v, regs, &b);
}

__no_stack_protector void pv_handle_hypercall(struct cpu_user_regs *regs)
{
    struct hypercall_args args = {{regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9}};
    hypercall_fn *handler = hypercall_handler(regs->rax);
    long rc = likely(handler) ? handler(&args) : hypercall_call(regs->rax, &args);

    if (likely(rc != -ERESTART)) {
        regs->rax = (uint64_t)rc;
        return;
    }
    /* The guest executes its two-byte SYSCALL again, with what is left to do. */
    regs->rdi = args.a[0];
    regs->rsi = args.a[1];
    regs->rdx = args.a[2];
    regs->r10 = args.a[3];
    regs->r8 = args.a[4];
    regs->r9 = args.a[5];
    regs->rip -= 2;
}

void pv_handle_syscall32(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;

    if (v->pv.syscall32.eip && !v->pv.kernel_mode) {
        callback(v, regs, &v->pv.syscall32);
        return;
    }
    regs->rip -= 2;
    pv_inject_exception(TRAP_UD, 0, 0);
}

void pv_handle_sysenter(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;

    regs->rflags |= RFLAGS_IF;
    if (v->pv.sysenter.eip && !v->pv.kernel_mode) {
        callback(v, regs, &v->pv.sysenter);
        return;
    }
    pv_inject_gp(0);
}

void pv_bad_iret(void)
{
    struct fixed_up fault = this_cpu(fixed_up);
    uint64_t cr2 = read_cr2();

    local_irq_enable();
    if (fault.vector == TRAP_PF) { /* nothing but a descriptor can be missing */
        if (!descriptor_fault(current, &cr2))
            pv_inject_page_fault(cr2, fault.error_code);
        return;
    }
    pv_inject_exception(fault.vector, fault.error_code,
                        VECTORS_WITH_ERROR_CODE >> fault.vector & 1 ? PV_EVENT_ERROR_CODE : 0);
}

void pv_failsafe(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    struct bounce b = {.eip = v->pv.failsafe.eip,
                       .cs = GUEST_CS64,
                       .mask_events = v->pv.failsafe.mask_events,
                       .failsafe = true};

    if (!b.eip) {
        domain_crash(
            v->domain,
            "vCPU %u: cannot return to %04x:%#lx (SS %04x RSP %#lx) and there is no failsafe callback", v->id,
            regs->cs, regs->rip, regs->ss, regs->rsp);
        return;
    }
    pv_bounce(v, regs, &b);
}

static void deliver_nmi(struct vcpu *v)
{
    v->pv.nmi_pending = false;
    if (!v->pv.trap_table[TRAP_NMI].address)
        return;
    v->pv.in_nmi = true;
    pv_inject_exception(TRAP_NMI, 0, 0);
}

void pv_exit_work(struct vcpu *v)
{
    do {
        local_irq_disable();
        while (unlikely(softirqs_pending())) {
            local_irq_enable();
            do_softirq();
            local_irq_disable();
        }
        if (unlikely(v->pv.nmi_pending && !v->pv.in_nmi))
            deliver_nmi(v);
        if (events_need_delivery(v->vcpu_info) && v->pv.event.eip) {
            struct bounce b = {.eip = v->pv.event.eip, .cs = GUEST_CS64, .mask_events = true};

            pv_bounce(v, guest_regs(), &b);
        }
        /* Building a frame may have crashed the domain, which wants another vCPU. */
    } while (unlikely(softirqs_pending()));
}
