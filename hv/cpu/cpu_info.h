/*
 * What one physical CPU knows about itself. It lies at the top of that CPU's
 * stack block, so that it is found from the stack pointer alone: no segment
 * base is needed, and NMI and machine-check handlers find it as well, because
 * their stacks lie in the same block (see cpu/stack.h).
 */
#ifndef CPU_CPU_INFO_H
#define CPU_CPU_INFO_H

/* Block of one CPU: guard pages, #DF, NMI, #MC stacks and the primary stack. */
#define STACK_BLOCK_ORDER 4
#define STACK_BLOCK_SIZE  (4096 << STACK_BLOCK_ORDER)

#ifndef __ASSEMBLER__

#include <base/types.h>
#include <base/compiler.h>
#include <xen/xen.h>

struct vcpu;

/* SDM vol 3, 8.7 */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap_base;
} __packed;

struct cpu_info {
    /* The guest's registers while the VMM runs for it; TSS.RSP0 points to &guest_regs.es. */
    struct cpu_user_regs guest_regs;
    uint64_t syscall_scratch; /* guest's RSP during the first instructions of a SYSCALL */
    uint64_t syscall_stack;   /* value of RSP to begin with: &guest_regs.es */
    uint64_t percpu_offset;   /* added to the address of a per-CPU variable */
    struct vcpu *current_vcpu;
    uint32_t cpu;       /* index of this CPU, 0 is the boot CPU */
    uint32_t irq_depth; /* interrupt handlers nested on this CPU */
    uint64_t pad;       /* the CPU pushes at &guest_regs.es, which must be a multiple of 16 */
    uint64_t vmm_cr3;   /* see cpu/mitigate.S */
    uint64_t guest_cr3; /* of the level-4 table for guest mode, if the guest has one of its own */
    uint64_t guest_l4;  /* and that table's address */
    struct tss tss;     /* here because this page is mapped in guest mode as well */
};

#ifndef HOSPES_UNIT_TEST

static __always_inline struct cpu_info *get_cpu_info(void)
{
    uint64_t sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct cpu_info *)((sp | (STACK_BLOCK_SIZE - 1)) + 1) - 1;
}

#else

struct cpu_info *get_cpu_info(void); /* a test supplies it */

#endif

#define current            (get_cpu_info()->current_vcpu)
#define guest_regs()       (&get_cpu_info()->guest_regs)
#define smp_processor_id() (get_cpu_info()->cpu)

#endif
#endif
