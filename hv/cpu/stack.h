/*
 * A CPU's stack block, 16 pages, mapped in the stacks area:
 *
 *   page 0  guard    1 #DF     2 guard    3 NMI    4 guard
 *        5  #MC      6 guard   7 #DB      8 guard    9-15 primary stack, struct cpu_info at its top
 */
#ifndef CPU_STACK_H
#define CPU_STACK_H

#include <cpu/cpu_info.h>
#include <mm/layout.h>

#define STACK_PAGE_DF      1
#define STACK_PAGE_NMI     3
#define STACK_PAGE_MCE     5
#define STACK_PAGE_DB      7
#define STACK_PAGE_PRIMARY 9

static inline uint64_t stack_block_va(uint32_t cpu)
{
    return STACKS_START + (uint64_t)cpu * STACK_BLOCK_SIZE;
}

static inline struct cpu_info *stack_block_info(uint64_t block)
{
    return (struct cpu_info *)(block + STACK_BLOCK_SIZE) - 1;
}

/* Maps frames for all but the guard pages of the CPU's block and fills its cpu_info. 0 or -ENOMEM. */
int stack_block_create(uint32_t cpu);

/* Continues at fn on an empty primary stack. */
#define reset_stack_and_jump(fn)                                                                             \
    do {                                                                                                     \
        __asm__ __volatile__("mov %0, %%rsp; xor %%ebp, %%ebp; jmp *%1"                                      \
                             :                                                                               \
                             : "r"(get_cpu_info()), "r"(fn)                                                  \
                             : "memory");                                                                    \
        __builtin_unreachable();                                                                             \
    } while (0)

#endif
