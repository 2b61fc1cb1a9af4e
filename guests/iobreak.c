/*
 * A breakpoint on a port that the VMM itself reads, in the NMIs of its watchdog, while the guest keeps the
 * CPU in debug traps: an NMI comes in the middle of many.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"

#define PORT_NMI_REASON 0x61
#define SECONDS         2
#define STEPS           2000

static void step(void)
{
    trap_continue = true;
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq\n"
                     "movl %0, %%ecx\n 1: decl %%ecx; jnz 1b\n"
                     "pushfq; andl $~0x100, (%%rsp); popfq" ::"i"(STEPS)
                     : "rcx", "memory", "cc");
    trap_continue = false;
}

void guest_main(void)
{
    uint64_t cr4, end;

    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("movq %0, %%cr4" ::"r"(cr4 | 8));
    result_errno("address", HC2(__HYPERVISOR_set_debugreg, 0, PORT_NMI_REASON));
    result_errno("breakpoint", HC2(__HYPERVISOR_set_debugreg, 7, 0x400 | 2 << 16 | 1));
    end = system_time() + SECONDS * 1000000000ul;
    trap_clear();
    while (system_time() < end)
        step();
    result("steps", "%d", trap.count > STEPS);
    result("hits of accesses that were not ours", "%lx", HC1(__HYPERVISOR_get_debugreg, 6) & 0xful);
}
