/*
 * Emulation of the instructions that a PV guest cannot execute at its
 * privilege level. Everything that 4.17 does not emulate (HLT, INVLPG, LGDT,
 * MOV to CR8, SWAPGS ...) stays a #GP: guests rely on hypercalls for these.
 */
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/control.h>
#include <cpu/cpuid_policy.h>
#include <cpu/desc.h>
#include <cpu/fpu.h>
#include <cpu/insn.h>
#include <cpu/msr_policy.h>
#include <cpu/port_io.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/iomem.h>
#include <mm/pt_update.h>
#include <pv/debugreg.h>
#include <pv/decode.h>
#include <pv/descriptor.h>
#include <pv/emulate_io.h>
#include <pv/emulate_mem.h>
#include <pv/flags.h>
#include <pv/iopl.h>
#include <pv/pv.h>
#include <time/tsc.h>

enum outcome {
    EMULATED, /* RIP goes on behind it */
    REPEAT,   /* not finished: the guest comes again */
    INJECTED, /* an exception was injected */
    REFUSED,  /* the #GP stands */
};

struct context {
    struct vcpu *v;
    struct cpu_user_regs *regs;
    struct code_segment cs;
    struct insn insn;
};

/* Elements of a string instruction between two looks at whether something more urgent waits. */
#define STRING_BATCH 32

static void set_edx_eax(struct cpu_user_regs *regs, uint64_t value)
{
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
}

/* IN, OUT: a byte or word leaves the rest of RAX, a doubleword clears its upper half. */
static enum outcome emulate_in_out(struct context *c)
{
    const struct insn *i = &c->insn;
    uint16_t port = i->port_is_imm ? i->port : (uint16_t)c->regs->rdx;
    uint32_t value;

    if (!pv_io_allowed(c->v, c->regs, port, i->operand_size))
        return REFUSED;
    if (i->kind == INSN_OUT) {
        pv_io_write(c->v, port, i->operand_size, (uint32_t)truncate_to(c->regs->rax, i->operand_size));
    } else {
        value = pv_io_read(c->v, port, i->operand_size);
        if (i->operand_size == 4)
            c->regs->rax = value;
        else
            memcpy(&c->regs->rax, &value, i->operand_size);
    }
    pv_debug_io(c->v, port, i->operand_size);
    return EMULATED;
}

/* Adds to the low 2, 4 or 8 bytes of a register as a string instruction does. */
static void advance(uint64_t *reg, int64_t by, unsigned int address_size)
{
    uint64_t sum = *reg + (uint64_t)by;

    if (address_size == 2)
        *reg = (*reg & ~0xffffUL) | (sum & 0xffff);
    else
        *reg = truncate_to(sum, address_size);
}

static enum outcome one_element(struct context *c, uint16_t port)
{
    const struct insn *i = &c->insn;
    bool in = i->kind == INSN_INS;
    uint64_t *pointer = in ? &c->regs->rdi : &c->regs->rsi, linear;
    enum insn_seg seg = in ? SEG_ES : i->seg == SEG_DEFAULT ? SEG_DS : i->seg;
    unsigned int size = i->operand_size;
    uint32_t value = 0;

    if (!pv_linear_address(c->v, c->regs, c->cs.bits, seg, truncate_to(*pointer, i->address_size), size,
                           &linear))
        return REFUSED;
    if (in) {
        value = pv_io_read(c->v, port, size);
        if (copy_to_guest(linear, &value, size)) {
            pv_inject_copy_fault(linear, size, true);
            return INJECTED;
        }
    } else {
        if (copy_from_guest(&value, linear, size)) {
            pv_inject_copy_fault(linear, size, false);
            return INJECTED;
        }
        pv_io_write(c->v, port, size, value);
    }
    advance(pointer, c->regs->rflags & RFLAGS_DF ? -(int64_t)size : (int64_t)size, i->address_size);
    return EMULATED;
}

static enum outcome emulate_string_io(struct context *c)
{
    const struct insn *i = &c->insn;
    uint16_t port = (uint16_t)c->regs->rdx;
    enum outcome result = EMULATED;

    if (!pv_io_allowed(c->v, c->regs, port, i->operand_size))
        return REFUSED;
    if (!i->rep) {
        result = one_element(c, port);
    } else {
        for (unsigned int done = 0; truncate_to(c->regs->rcx, i->address_size); done++) {
            if (done && done % STRING_BATCH == 0 && hypercall_preempt_check())
                return REPEAT;
            result = one_element(c, port);
            if (result != EMULATED)
                return result;
            advance(&c->regs->rcx, -1, i->address_size);
        }
    }
    if (result == EMULATED)
        pv_debug_io(c->v, port, i->operand_size);
    return result;
}

/*
 * The guest's interrupt flag is evtchn_upcall_mask, which it writes itself.
 * The instructions are allowed by IOPL and change nothing, as on 4.17.
 */
static enum outcome emulate_cli_sti(struct context *c)
{
    return pv_iopl_allows(c->v, c->regs) ? EMULATED : REFUSED;
}

static enum outcome mov_from_cr(struct context *c)
{
    uint64_t *reg = pv_register(c->regs, c->insn.reg);
    struct vcpu *v = c->v;

    switch (c->insn.cr) {
    case 0:
        *reg = HOST_CR0 | (v->pv.cr0_guest & CR0_TS);
        return EMULATED;
    case 2:
        *reg = v->vcpu_info->arch.cr2;
        return EMULATED;
    case 3:
        *reg = mfn_x(page_to_mfn(v->pv.kernel_table)) << PAGE_SHIFT;
        return EMULATED;
    case 4:
        *reg = CR4_VISIBLE | v->pv.cr4_guest;
        return EMULATED;
    default:
        return REFUSED;
    }
}

static void write_guest_cr4(struct vcpu *v, uint64_t value)
{
    v->pv.cr4_guest = value & pv_guest_cr4_mask(v); /* other changes are ignored */
    fpu_cr4_changed(v);
}

static enum outcome mov_to_cr(struct context *c)
{
    uint64_t value = *pv_register(c->regs, c->insn.reg);
    struct vcpu *v = c->v;
    int rc;

    switch (c->insn.cr) {
    case 0:
        if ((value ^ HOST_CR0) & ~CR0_TS)
            return REFUSED;
        fpu_set_ts(v, value & CR0_TS);
        return EMULATED;
    case 2:
        v->vcpu_info->arch.cr2 = v->pv.cr2 = value;
        return EMULATED;
    case 3:
        rc = load_guest_cr3(pte_mfn(value));
        return rc == 0 ? EMULATED : rc == -ERESTART ? REPEAT : REFUSED;
    case 4:
        write_guest_cr4(v, value);
        return EMULATED;
    default:
        return REFUSED;
    }
}

/* DR4 and DR5 with CR4.DE set are #UD (SDM vol 3, 17.2.2). */
static enum outcome mov_dr(struct context *c)
{
    uint64_t *reg = pv_register(c->regs, c->insn.reg);
    int rc = c->insn.kind == INSN_MOV_TO_DR ? pv_set_debugreg(c->v, c->insn.cr, *reg)
                                            : pv_get_debugreg(c->v, c->insn.cr, reg);

    if (rc != -ENODEV)
        return rc ? REFUSED : EMULATED;
    pv_inject_exception(TRAP_UD, 0, 0);
    return INJECTED;
}

/*
 * Kernels read some registers before they have a #GP handler; an unknown one
 * reads as zero then (<xen/arch-x86/xen.h>, set_trap_table).
 */
static enum outcome emulate_rdmsr(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t value;

    if (guest_rdmsr(v, (uint32_t)regs->rcx, &value)) {
        if (v->pv.trap_table[TRAP_GP].address)
            return REFUSED;
        value = 0;
    }
    set_edx_eax(regs, value);
    return EMULATED;
}

static enum outcome emulate_wrmsr(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t value = regs->rdx << 32 | (uint32_t)regs->rax;

    return guest_wrmsr(v, (uint32_t)regs->rcx, value) ? REFUSED : EMULATED;
}

/* Trapped by CR4.TSD: the VMM's, where it emulates the counter, or the guest's against its programs. */
static enum outcome emulate_rdtsc(struct context *c)
{
    const struct vcpu *v = c->v;

    if (!v->pv.kernel_mode && (!v->domain->time.tsc.emulated || (v->pv.cr4_guest & CR4_TSD)))
        return REFUSED;
    set_edx_eax(c->regs, guest_tsc(v));
    if (c->insn.kind == INSN_RDTSCP)
        c->regs->rcx = v->pv.tsc_aux;
    return EMULATED;
}

static enum outcome emulate_xsetbv(struct context *c)
{
    uint64_t value = c->regs->rdx << 32 | (uint32_t)c->regs->rax;

    if (!(c->v->pv.cr4_guest & CR4_OSXSAVE)) { /* the CPU gives #UD itself, some emulators do not */
        pv_inject_exception(TRAP_UD, 0, 0);
        return INJECTED;
    }
    if ((uint32_t)c->regs->rcx != 0 || !fpu_xcr0_valid(value) || (value & ~pv_guest_xcr0_mask(c->v)))
        return REFUSED;
    fpu_set_xcr0(c->v, value);
    return EMULATED;
}

/* Only a guest that has caches of devices to care for needs it; for others it would just be slow. */
static enum outcome emulate_wbinvd(struct context *c)
{
    if (domain_drives_devices(c->v->domain))
        wbinvd();
    return EMULATED;
}

static enum outcome emulate_kernel(struct context *c)
{
    switch (c->insn.kind) {
    case INSN_RDMSR:
        return emulate_rdmsr(c->v, c->regs);
    case INSN_WRMSR:
        return emulate_wrmsr(c->v, c->regs);
    case INSN_MOV_FROM_CR:
        return mov_from_cr(c);
    case INSN_MOV_TO_CR:
        return mov_to_cr(c);
    case INSN_MOV_FROM_DR:
    case INSN_MOV_TO_DR:
        return mov_dr(c);
    case INSN_CLTS:
        fpu_set_ts(c->v, false);
        return EMULATED;
    case INSN_WBINVD:
        return emulate_wbinvd(c);
    case INSN_XSETBV:
        return emulate_xsetbv(c);
    default:
        return REFUSED;
    }
}

static void do_cpuid(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct cpuid_regs out;

    cpuid_for_guest(v, (uint32_t)regs->rax, (uint32_t)regs->rcx, &out);
    regs->rax = out.a;
    regs->rbx = out.b;
    regs->rcx = out.c;
    regs->rdx = out.d;
}

/* CPUID faults on every guest where the CPU can do that; the guest may have asked for it as well. */
static enum outcome emulate_cpuid(struct context *c)
{
    if (!cpuid_faulting || (c->v->pv.cpuid_faulting && !c->v->pv.kernel_mode))
        return REFUSED;
    do_cpuid(c->v, c->regs);
    return EMULATED;
}

static enum outcome store(struct context *c, const void *value, unsigned int bytes)
{
    uint64_t linear;

    if (!pv_operand_address(c->v, c->regs, c->cs.bits, &c->insn, bytes, &linear))
        return REFUSED;
    if (copy_to_guest(linear, value, bytes) == 0)
        return EMULATED;
    pv_inject_copy_fault(linear, bytes, true);
    return INJECTED;
}

/*
 * With UMIP these fault outside ring 0, but guests were not told of it. They
 * read what is true for the guest; addresses of the VMM's tables read as 0.
 */
static enum outcome emulate_table_store(struct context *c)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __packed table = {.limit = 0xfff, .base = 0};

    if (c->insn.kind == INSN_SGDT)
        table.limit = DESC_GDT_LIMIT;
    return store(c, &table, c->cs.bits == 64 ? 10 : 6);
}

static enum outcome emulate_word_store(struct context *c)
{
    uint32_t value = (uint32_t)(HOST_CR0 | (c->v->pv.cr0_guest & CR0_TS));
    uint64_t *reg;

    if (c->insn.kind == INSN_STR)
        value = TSS_SELECTOR;
    else if (c->insn.kind == INSN_SLDT)
        value = c->v->pv.ldt_entries ? LDT_SELECTOR : 0;
    if (c->insn.reg == NO_REG)
        return store(c, &value, 2);
    reg = pv_register(c->regs, c->insn.reg);
    *reg = c->insn.operand_size == 2 ? (*reg & ~0xffffUL) | (value & 0xffff) : value;
    return EMULATED;
}

/* What programs may be allowed, too. */
static enum outcome emulate_any(struct context *c)
{
    switch (c->insn.kind) {
    case INSN_IN:
    case INSN_OUT:
        return emulate_in_out(c);
    case INSN_INS:
    case INSN_OUTS:
        return emulate_string_io(c);
    case INSN_CLI:
    case INSN_STI:
        return emulate_cli_sti(c);
    case INSN_CPUID:
        return emulate_cpuid(c);
    case INSN_RDTSC:
    case INSN_RDTSCP:
        return emulate_rdtsc(c);
    case INSN_SGDT:
    case INSN_SIDT:
        return emulate_table_store(c);
    case INSN_SLDT:
    case INSN_STR:
    case INSN_SMSW:
        return emulate_word_store(c);
    default:
        return pv_in_kernel_mode(c->v, c->regs) ? emulate_kernel(c) : REFUSED;
    }
}

static noinline void debug_trap(struct vcpu *v, const struct cpu_user_regs *regs)
{
    if (regs->rflags & RFLAGS_TF)
        pv_debug_single_step(v);
    if ((regs->rflags & RFLAGS_TF) || pv_debug_take_pending(v))
        pv_inject_exception(TRAP_DB, 0, 0);
}

/* Behind an instruction of len bytes, with the trap that its TF or breakpoint makes due. */
static __always_inline void finish(struct vcpu *v, struct cpu_user_regs *regs, unsigned int len,
                                   unsigned int code_bits)
{
    regs->rip = code_bits == 64 ? regs->rip + len : (uint32_t)(regs->rip + len);
    regs->rflags &= ~RFLAGS_RF;
    if (unlikely((regs->rflags & RFLAGS_TF) || v->pv.debug_pending))
        debug_trap(v, regs);
}

#define OPCODE_WRMSR 0x300f
#define OPCODE_RDMSR 0x320f

/*
 * A 64-bit kernel reads an MSR each time it switches between its tasks: two
 * bytes, for which nothing need be decoded. True: that was it, and is done.
 */
static bool emulate_plain_msr(struct vcpu *v, struct cpu_user_regs *regs)
{
    enum outcome outcome;
    uint64_t bytes;

    /* Eight of them, the shortest read. If they do not lie in one page, the other way may do. */
    if (!v->pv.kernel_mode || regs->cs != GUEST_CS64 || copy_from_guest(&bytes, regs->rip, sizeof(bytes)))
        return false;
    if ((uint16_t)bytes == OPCODE_RDMSR)
        outcome = emulate_rdmsr(v, regs);
    else if ((uint16_t)bytes == OPCODE_WRMSR)
        outcome = emulate_wrmsr(v, regs);
    else
        return false;
    if (outcome != EMULATED)
        return false;
    finish(v, regs, 2, 64);
    return true;
}

static noinline bool emulate_decoded(struct cpu_user_regs *regs)
{
    struct context c = {.v = current, .regs = regs};
    uint8_t bytes[MAX_INSN_LEN];
    unsigned int count;

    if (!pv_code_segment(c.v, regs, &c.cs))
        return false;
    count = pv_fetch(regs, &c.cs, bytes);
    if (decode_insn(bytes, count, c.cs.bits, &c.insn) != DECODE_OK)
        return false; /* cut off by a page that went away meanwhile: the guest sees the #GP first */
    switch (emulate_any(&c)) {
    case EMULATED:
        finish(c.v, regs, c.insn.len, c.cs.bits);
        return true;
    case REPEAT:
    case INJECTED:
        return true;
    default:
        return false;
    }
}

bool pv_emulate_privileged(struct cpu_user_regs *regs)
{
    return emulate_plain_msr(current, regs) || emulate_decoded(regs);
}

/* UD2, the letters "xen", CPUID: <xen/arch-x86/xen.h>, XEN_EMULATE_PREFIX. */
bool pv_emulate_forced_cpuid(struct cpu_user_regs *regs)
{
    static const uint8_t sequence[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};
    struct vcpu *v = current;
    uint8_t bytes[sizeof(sequence)];
    struct code_segment cs;
    uint64_t va;

    if (!pv_code_segment(v, regs, &cs))
        return false;
    va = cs.bits == 64 ? regs->rip : (uint32_t)(regs->rip + cs.base);
    if (copy_from_guest(bytes, va, sizeof(bytes)) || memcmp(bytes, sequence, sizeof(bytes)) != 0)
        return false;
    if (v->pv.cpuid_faulting && !v->pv.kernel_mode) {
        regs->rip += 5; /* the CPUID itself faults */
        pv_inject_gp(0);
        return true;
    }
    do_cpuid(v, regs);
    finish(v, regs, sizeof(sequence), cs.bits);
    return true;
}
