#include <cpu/extable.h>
#include <cpu/insn.h>

bool rdmsr_safe(uint32_t msr, uint64_t *v)
{
    uint32_t lo, hi, ok = 1;

    __asm__ __volatile__("1: rdmsr\n\t"
                         "jmp 3f\n\t"
                         "2: xor %2, %2; xor %0, %0; xor %1, %1\n\t"
                         "3:\n\t" EXTABLE(1b, 2b)
                         : "=&a"(lo), "=&d"(hi), "+r"(ok)
                         : "c"(msr));
    *v = (uint64_t)hi << 32 | lo;
    return ok;
}

bool wrmsr_safe(uint32_t msr, uint64_t v)
{
    uint32_t ok = 1;

    __asm__ __volatile__("1: wrmsr\n\t"
                         "jmp 3f\n\t"
                         "2: xor %0, %0\n\t"
                         "3:\n\t" EXTABLE(1b, 2b)
                         : "+r"(ok)
                         : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
                         : "memory");
    return ok;
}
