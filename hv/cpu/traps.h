/* Exceptions: from the entry stubs to their handlers. */
#ifndef CPU_TRAPS_H
#define CPU_TRAPS_H

#include <base/compiler.h>
#include <base/types.h>
#include <cpu/percpu.h>

struct cpu_user_regs;

enum trap {
    TRAP_DE = 0,
    TRAP_DB = 1,
    TRAP_NMI = 2,
    TRAP_BP = 3,
    TRAP_OF = 4,
    TRAP_BR = 5,
    TRAP_UD = 6,
    TRAP_NM = 7,
    TRAP_DF = 8,
    TRAP_TS = 10,
    TRAP_NP = 11,
    TRAP_SS = 12,
    TRAP_GP = 13,
    TRAP_PF = 14,
    TRAP_MF = 16,
    TRAP_AC = 17,
    TRAP_MC = 18,
    TRAP_XM = 19,
};

/* The last exception that a fixup answered, for the code it went on at: read it with interrupts still off. */
struct fixed_up {
    uint32_t vector, error_code;
};
DECLARE_PER_CPU(struct fixed_up, fixed_up);

#define PFEC_PRESENT  0x01u
#define PFEC_WRITE    0x02u
#define PFEC_USER     0x04u
#define PFEC_RESERVED 0x08u
#define PFEC_INSN     0x10u

/* System control port B: bit 7 memory parity, bit 6 I/O channel check. */
#define PORT_NMI_REASON 0x61

/* Entry points, cpu/entry.S. */
extern const char trap_stubs[]; /* 16 bytes per vector */
extern const char entry_syscall64[], entry_syscall32[], entry_sysenter[];

/* Called by the stubs with interrupts off. Exceptions of guests: pv/traps.h. */
void handle_vmm_exception(struct cpu_user_regs *regs);
void handle_nmi(struct cpu_user_regs *regs);
void handle_double_fault(struct cpu_user_regs *regs);
void handle_machine_check(struct cpu_user_regs *regs);

/* On an NMI: stops this CPU if another one has panicked. True: the machine ends, and the NMI means nothing.
 */
bool panic_nmi_check(const struct cpu_user_regs *regs);

/* As panic(), for an exception in the VMM: shows its registers and where they came from. */
void panic_at(const struct cpu_user_regs *regs, const char *fmt, ...) __printf(2, 3) __noreturn;

/* What a CPU was interrupted in; regs lie on one of its own stacks, or are a guest's. */
struct cpu_snapshot {
    const struct cpu_user_regs *regs;
    uint64_t cr2, cr3;
};

/* Prints a stopped CPU's registers and, if they are the VMM's, a backtrace. */
void show_cpu(const struct cpu_snapshot *s);
/* The same of this CPU. */
void show_registers(const struct cpu_user_regs *regs);
/* @stack: any place on the stack block in which frames may lie. */
void show_backtrace(uint64_t rip, uint64_t rbp, const void *stack);

/* In words; any vector. */
const char *trap_name(uint32_t vector);

#endif
