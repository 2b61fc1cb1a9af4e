/*
 * A second domain, built by hand: a few pages, a piece of code that runs as its kernel and leaves its
 * answers in a page, and nothing else. Only dom0 can use it.
 */
#ifndef GUEST_CHILD_H
#define GUEST_CHILD_H

#include "domu.h"
#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/domctl.h>

#define CHILD_ID 7
/* Where it sees its code, its answers, and a page that it may map what it likes into. */
#define CHILD_CODE    0x400000ul
#define CHILD_ANSWERS 0x402000ul
#define CHILD_WINDOW  0x405000ul
#define CHILD_WORDS   512u

/* Zeroes domctl_arg. */
void domctl_clear(void);

/* Creates it with so many vCPUs, and memory; paused, without a context. Ends the guest if that fails. */
void child_create(unsigned int vcpus);
/*
 * Code that the child runs: C functions marked CHILD_FN, which may use nothing outside of it (no data of
 * ours, no library). The context of vCPU 0 is set.
 */
#define CHILD_FN __attribute__((section("child_text"), used, optimize("no-tree-loop-distribute-patterns")))
void child_load(void (*entry)(volatile uint64_t *answers));
/* The context that child_load() set. */
extern struct vcpu_guest_context child_context;
/* Word n of the answers page: set before it runs, read afterwards. */
void child_put(unsigned int n, uint64_t value);
uint64_t child_get(unsigned int n);
/* Frames of its memory that nothing uses. */
#define CHILD_SPARES 3u
xen_pfn_t child_spare(unsigned int n);
/* The machine address of the entry that maps CHILD_WINDOW. */
uint64_t child_window_entry(void);
/* Unpauses it, and waits for it to shut down (CHILD_END()): whether it did. Undone by child_rerun(). */
bool child_run(void);
/* Paused again and at the start of the code. */
void child_rerun(void);
void child_destroy(void);

/* In the child: hypercalls and instructions that may fault. */
static inline __attribute__((always_inline)) long
child_call(unsigned long nr, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4)
{
    register unsigned long r10 __asm__("r10") = a4;
    long ret = (long)nr;

    __asm__ volatile("syscall"
                     : "+a"(ret), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10)
                     :
                     : "rcx", "r11", "r8", "r9", "memory", "cc");
    return ret;
}

/* Runs an instruction, and sets vector to 0 or to what it raised (#UD, #GP, #PF). */
#define CHILD_TRY(vector, insn, output, ...)                                                                 \
    do {                                                                                                     \
        register uint64_t vector_ __asm__("r14") = 0;                                                        \
        __asm__ volatile("leaq 88f(%%rip), %%r15\n\t" insn "\n88:"                                           \
                         : "+r"(vector_)output:__VA_ARGS__                                                   \
                         : "r15", "r11", "memory");                                                          \
        (vector) = vector_;                                                                                  \
    } while (0)
#define CHILD_OUTPUT(...) , __VA_ARGS__

#define CHILD_END()                                                                                          \
    do {                                                                                                     \
        uint32_t reason_ = 0;                                                                                \
        for (;;)                                                                                             \
            child_call(__HYPERVISOR_sched_op, 2, (unsigned long)&reason_, 0, 0);                             \
    } while (0)

#endif
