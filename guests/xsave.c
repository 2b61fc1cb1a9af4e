/* XSAVE: CR4.OSXSAVE and XCR0 belong to the vCPU, and so does the state they enable. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/second.h"
#include "common/trap.h"
#include <xen/sched.h>
#include <xen/vcpu.h>

#define CR4_OSXSAVE (1ul << 18)

static volatile unsigned int second_rounds, second_wrong;
static uint64_t pattern[2][4] __attribute__((aligned(32)));
static uint64_t seen[2][4] __attribute__((aligned(32)));

static void yield(void)
{
    HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

static uint64_t read_cr4(void)
{
    uint64_t v;

    __asm__ volatile("movq %%cr4, %0" : "=r"(v));
    return v;
}

static bool cpuid_osxsave(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__ volatile(XEN_CPUID : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c >> 27 & 1;
}

static void xsetbv_try(const char *name, uint32_t index, uint64_t value)
{
    TRY("xsetbv", ::"c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
    result_trap(name);
}

static uint64_t xgetbv(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void test_enable(void)
{
    result("osxsave at the start", "cr4 %d cpuid %d", !!(read_cr4() & CR4_OSXSAVE), cpuid_osxsave());
    TRY("movq %0, %%cr4", ::"r"(read_cr4() | CR4_OSXSAVE));
    result_trap("set osxsave");
    result("osxsave then", "cr4 %d cpuid %d", !!(read_cr4() & CR4_OSXSAVE), cpuid_osxsave());
    TRY("xorl %%ecx, %%ecx; xgetbv", ::: "rax", "rcx", "rdx");
    result_trap("xgetbv");
    result("xcr0 at first", "%lx", xgetbv());
    xsetbv_try("xsetbv 7", 0, 7);
    result("xcr0", "%lx", xgetbv());
    xsetbv_try("xsetbv 3", 0, 3);
    result("xcr0 then", "%lx", xgetbv());
    xsetbv_try("xsetbv 0", 0, 0);
    xsetbv_try("xsetbv 2", 0, 2);
    xsetbv_try("xsetbv 5", 0, 5);
    xsetbv_try("xsetbv, high bit", 0, 3 | 1ul << 62);
    xsetbv_try("xsetbv of register 1", 1, 1);
    result("xcr0 after refusals", "%lx", xgetbv());
    TRY("vmovaps %%ymm0, %%ymm1", ::: "memory");
    result_trap("avx with xcr0 3");
    xsetbv_try("xsetbv 7 again", 0, 7);
    TRY("vmovaps %%ymm0, %%ymm1", ::: "memory");
    result_trap("avx with xcr0 7");
}

static void load_ymm(const uint64_t *from)
{
    __asm__ volatile("vmovaps %0, %%ymm5" ::"m"(*(const uint64_t(*)[4])from));
}

static void save_ymm(uint64_t *to)
{
    __asm__ volatile("vmovaps %%ymm5, %0" : "=m"(*(uint64_t(*)[4])to));
}

void second_main(void);

void second_main(void)
{
    __asm__ volatile("movq %%cr4, %%rax; orq %0, %%rax; movq %%rax, %%cr4" ::"i"(CR4_OSXSAVE) : "rax");
    __asm__ volatile("xsetbv" ::"c"(0), "a"(7), "d"(0));
    load_ymm(pattern[1]);
    for (;;) {
        save_ymm(seen[1]);
        second_wrong += !!memcmp(seen[1], pattern[1], sizeof(seen[1]));
        second_rounds++;
        yield();
    }
}

static void start_second(void)
{
    must("second vCPU", second_up(second_context(second_main)));
}

static void test_two(void)
{
    unsigned int wrong = 0;

    for (unsigned int i = 0; i < 4; i++) {
        pattern[0][i] = 0x1111111111111111ul * (i + 1);
        pattern[1][i] = 0x0f0f0f0f0f0f0f0ful ^ (i << 8);
    }
    start_second();
    load_ymm(pattern[0]);
    while (second_rounds < 200) {
        save_ymm(seen[0]);
        wrong += !!memcmp(seen[0], pattern[0], sizeof(seen[0]));
        yield();
    }
    result("wrong states", "%u and %u", wrong, second_wrong);
    xsetbv_try("xsetbv 3 while the other has 7", 0, 3);
    for (unsigned int before = second_rounds; second_rounds < before + 20;)
        yield();
    result("xcr0 here, wrong states there", "%lx %u", xgetbv(), second_wrong);
    TRY("movq %0, %%cr4", ::"r"(read_cr4() & ~CR4_OSXSAVE));
    result_trap("clear osxsave");
    for (unsigned int before = second_rounds; second_rounds < before + 20;)
        yield();
    TRY("xorl %%ecx, %%ecx; xgetbv", ::: "rax", "rcx", "rdx");
    result_trap("xgetbv without osxsave");
    xsetbv_try("xsetbv without osxsave", 0, 7);
    result("wrong states there at last", "%u", second_wrong);
}

void guest_main(void)
{
    test_enable();
    test_two();
}
