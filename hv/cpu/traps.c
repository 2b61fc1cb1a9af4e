#include <base/bug.h>
#include <console/printk.h>
#include <cpu/cpu_info.h>
#include <cpu/extable.h>
#include <efi/runtime.h>
#include <cpu/insn.h>
#include <cpu/stack.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <lib/printf.h>
#include <lib/symbols.h>
#include <pv/debugreg.h>
#include <pv/pv.h>
#include <pv/traps.h>
#include <sched/sched.h>
#include <time/lockup.h>

DEFINE_PER_CPU(struct fixed_up, fixed_up);

static const char *const trap_names[] = {
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "no device",
    "double fault",
    "coprocessor overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "spurious",
    "FPU error",
    "alignment check",
    "machine check",
    "SIMD error",
};

const char *trap_name(uint32_t vector)
{
    return vector < ARRAY_SIZE(trap_names) ? trap_names[vector] : "reserved exception";
}

static struct cpu_info *stack_owner(const void *stack)
{
    return stack_block_info((uint64_t)stack & ~(uint64_t)(STACK_BLOCK_SIZE - 1));
}

static void show_state(const struct cpu_info *info, const struct cpu_snapshot *s)
{
    const struct cpu_user_regs *regs = s->regs;
    const struct vcpu *v = info->current_vcpu;
    char where[SYMBOL_TEXT_MAX] = "", who[24] = "";

    if (!regs_in_guest(regs))
        symbol_format(where, sizeof(where), regs->rip);
    if (v && !is_idle_vcpu(v))
        snprintf(who, sizeof(who), " d%uv%u", v->domain->id, v->id);
    printk("CPU %u, vector %u, error code %#x, %s%s\n", info->cpu, regs->entry_vector, regs->error_code,
           regs_in_guest(regs) ? "guest" : "VMM", who);
    printk("RIP %04x:%016lx %s\n", regs->cs, regs->rip, where);
    printk("RSP %04x:%016lx RFLAGS %08lx CR2 %016lx CR3 %lx\n", regs->ss, regs->rsp, regs->rflags, s->cr2,
           s->cr3);
    printk("RAX %016lx RBX %016lx RCX %016lx\n", regs->rax, regs->rbx, regs->rcx);
    printk("RDX %016lx RSI %016lx RDI %016lx\n", regs->rdx, regs->rsi, regs->rdi);
    printk("RBP %016lx R8  %016lx R9  %016lx\n", regs->rbp, regs->r8, regs->r9);
    printk("R10 %016lx R11 %016lx R12 %016lx\n", regs->r10, regs->r11, regs->r12);
    printk("R13 %016lx R14 %016lx R15 %016lx\n", regs->r13, regs->r14, regs->r15);
    if (!regs_in_guest(regs))
        show_backtrace(regs->rip, regs->rbp, regs);
}

void show_cpu(const struct cpu_snapshot *s)
{
    show_state(stack_owner(s->regs), s);
}

void show_registers(const struct cpu_user_regs *regs)
{
    struct cpu_snapshot s = {regs, read_cr2(), read_cr3()};

    show_state(get_cpu_info(), &s);
}

/*
 * Frame pointers are trusted only within the stack block. A return address may
 * lie behind its function's last instruction (a call that does not return), so
 * it is looked up one byte earlier.
 */
void show_backtrace(uint64_t rip, uint64_t rbp, const void *stack)
{
    uint64_t block = (uint64_t)stack & ~(uint64_t)(STACK_BLOCK_SIZE - 1);
    char text[SYMBOL_TEXT_MAX];

    printk("Call trace:\n");
    for (unsigned int depth = 0; depth < 32; depth++) {
        printk("  %016lx %s\n", rip, symbol_format(text, sizeof(text), rip - (depth > 0)));
        if (rbp < block || rbp > block + STACK_BLOCK_SIZE - 16 || (rbp & 7))
            break;

        uint64_t next = ((const uint64_t *)rbp)[0];

        rip = ((const uint64_t *)rbp)[1];
        if (!rip || next <= rbp)
            break;
        rbp = next;
    }
}

/*
 * A guest's page tables may change under our access to its memory, which raced
 * with nothing of ours: the fixup answers it.
 */
void handle_vmm_exception(struct cpu_user_regs *regs)
{
    uint64_t fixup;

    /* A breakpoint the guest set may be hit by our access to its memory: not an error of ours. */
    if (regs->entry_vector == TRAP_DB) {
        regs->rflags &= ~0x100UL;
        pv_debug_exception_in_vmm(current);
        return;
    }
    fixup = extable_find(regs->rip);
    if (fixup) {
        this_cpu(fixed_up) = (struct fixed_up){regs->entry_vector, regs->error_code};
        regs->rip = fixup;
        return;
    }
    if (efi_fixup_fault(regs))
        return;
    panic_at(regs, "%s in the VMM, error code %#x", trap_name(regs->entry_vector), regs->error_code);
}

void handle_nmi(struct cpu_user_regs *regs)
{
    if (panic_nmi_check(regs) || lockup_nmi(regs))
        return;
    pv_handle_nmi(regs);
}

void handle_double_fault(struct cpu_user_regs *regs)
{
    panic_at(regs, "double fault: most likely the stack of CPU %u ran into its guard page",
             smp_processor_id());
}
