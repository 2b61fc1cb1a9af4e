/* Hypercalls of a 64-bit PV guest: by `syscall`, or through the hypercall page. */
#ifndef GUEST_HYPERCALL_H
#define GUEST_HYPERCALL_H

#include <stdint.h>
#include <xen/xen.h>

#ifdef GUEST_HYPERCALL_PAGE
extern char hypercall_page[];
#define GUEST_HYPERCALL_INSN                                                                                 \
    "leaq hypercall_page(%%rip), %%r11; shlq $5, %%rax; addq %%r11, %%rax; call *%%rax"
#else
#define GUEST_HYPERCALL_INSN "syscall"
#endif

static inline long hypercall5(unsigned long nr, unsigned long a1, unsigned long a2, unsigned long a3,
                              unsigned long a4, unsigned long a5)
{
    register unsigned long r10 __asm__("r10") = a4;
    register unsigned long r8 __asm__("r8") = a5;
    unsigned long ret = nr;

    __asm__ volatile(GUEST_HYPERCALL_INSN
                     : "+a"(ret), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                     :
                     : "rcx", "r11", "r9", "memory", "cc");
    return (long)ret;
}

#define HC5(nr, a, b, c, d, e)                                                                               \
    hypercall5((nr), (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), (unsigned long)(d),         \
               (unsigned long)(e))
#define HC4(nr, a, b, c, d) HC5(nr, a, b, c, d, 0)
#define HC3(nr, a, b, c)    HC5(nr, a, b, c, 0, 0)
#define HC2(nr, a, b)       HC5(nr, a, b, 0, 0, 0)
#define HC1(nr, a)          HC5(nr, a, 0, 0, 0, 0)

static inline long hc_update_va_mapping(unsigned long va, uint64_t pte, unsigned long flags)
{
    return HC3(__HYPERVISOR_update_va_mapping, va, pte, flags);
}

#endif
