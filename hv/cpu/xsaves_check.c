/*
 * Whether XSAVES does what it should. Bochs 2.7 writes the first component over the header, and AMD's family
 * 17H can lose XMM registers ("Revision Guide for AMD Family 17h Models 00h-0Fh Processors", erratum 1386).
 */
#include <cpu/xstate.h>
#include <base/compiler.h>
#include <cpu/features.h>
#include <lib/string.h>

#define YMM_REGISTERS 16

static const uint64_t pattern[4] __aligned(32) __initconst = {
    0x0123456789abcdef,
    0xfedcba9876543210,
    0x5555aaaa3333cccc,
    0x0f0ff0f000ffff00,
};

/* What lies in a compacted area with x87, SSE and AVX after YMM15, the last register, was loaded with the
 * pattern. */
static bool __init saved_in_place(const struct xsave *area)
{
    const uint8_t *low = area->legacy.registers + 128 + (YMM_REGISTERS - 1) * 16;
    const uint8_t *high = area->components + (YMM_REGISTERS - 1) * 16;

    return area->xcomp_bv == (XCOMP_COMPACTED | XCR0_X87 | XCR0_SSE | XCR0_AVX) &&
           (area->xstate_bv & (XCR0_SSE | XCR0_AVX)) == (XCR0_SSE | XCR0_AVX) && !memcmp(low, pattern, 16) &&
           !memcmp(high, pattern + 2, 16);
}

bool __init xsaves_works(void)
{
    static uint8_t space[sizeof(struct xsave) + YMM_REGISTERS * 16] __aligned(XSAVE_ALIGN) __initdata;
    static uint64_t restored[4] __aligned(32) __initdata;
    struct xsave *area = (struct xsave *)space;

    if (host_cpu.vendor == VENDOR_AMD && host_cpu.family == 0x17)
        return false;
    __asm__ __volatile__("vmovaps %1, %%ymm15\n\txsaves64 %0\n\tvzeroall"
                         : "+m"(*area)
                         : "m"(pattern), "a"(~0u), "d"(~0u)
                         : "memory");
    if (!saved_in_place(area))
        return false;
    __asm__ __volatile__("xrstors64 %1\n\tvmovaps %%ymm15, %0\n\tvzeroall"
                         : "=m"(restored)
                         : "m"(*area), "a"(~0u), "d"(~0u)
                         : "memory");
    return !memcmp(restored, pattern, sizeof(pattern));
}
