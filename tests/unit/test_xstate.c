/* unit: hv/cpu/xstate.c */
#include "unit.h"
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <base/compiler.h>
#include <cpu/features.h>
#include <cpu/xstate.h>

/* Leaf 0DH of a CPU with AVX and AVX-512 (size, offset, flags); hardware: those of the CPU that runs this. */
static const struct cpuid_regs skylake[] = {
    [2] = {.a = 256, .b = 576},
    [5] = {.a = 64, .b = 1088},
    [6] = {.a = 512, .b = 1152, .c = 2},
    [7] = {.a = 1024, .b = 1664},
};
static bool hardware;

struct cpuid_regs cpuid_count(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = {0};

    assert_int_equal(leaf, 0xd);
    if (hardware)
        __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
    else if (subleaf < ARRAY_SIZE(skylake))
        r = skylake[subleaf];
    return r;
}

#define ALL   (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512)
#define AREA  4096
#define TOUCH 0x55 /* what was there before */

static uint8_t areas[3][AREA] __aligned(XSAVE_ALIGN);

static struct xsave *area(unsigned int i, int fill)
{
    memset(areas[i], fill, AREA);
    return (struct xsave *)areas[i];
}

static void fill(struct xsave *a, uint32_t offset, uint32_t size, uint8_t value)
{
    memset((uint8_t *)a + offset, value, size);
}

static void expect(const struct xsave *a, uint32_t offset, uint32_t size, uint8_t value)
{
    for (uint32_t i = 0; i < size; i++)
        if (((const uint8_t *)a)[offset + i] != value)
            fail_msg("byte %u is %#x, not %#x", offset + i, ((const uint8_t *)a)[offset + i], value);
}

/* A standard image with all components, each of its own byte. */
static struct xsave *standard(uint64_t in_use)
{
    struct xsave *a = area(0, 0);

    a->legacy.fcw = 0x27f;
    a->legacy.mxcsr = MXCSR_DEFAULT;
    memset(a->legacy.registers, 0x11, 128);
    memset(a->legacy.registers + 128, 0x22, 256);
    a->xstate_bv = in_use;
    fill(a, 576, 256, 0x33);
    fill(a, 1088, 64, 0x44);
    fill(a, 1152, 512, 0x66);
    fill(a, 1664, 1024, 0x77);
    return a;
}

static void test_compact_and_expand(void **state)
{
    struct xsave *from = standard(ALL), *to = area(1, 0), *back = area(2, 0);

    (void)state;
    assert_int_equal(xstate_size(ALL, false), 2688);
    assert_int_equal(xstate_size(ALL, true), 576 + 256 + 64 + 512 + 1024);
    xstate_compact(to, from, ALL);
    assert_int_equal(to->xcomp_bv, XCOMP_COMPACTED | ALL);
    assert_int_equal(to->xstate_bv, ALL);
    expect(to, 576, 256, 0x33);
    expect(to, 832, 64, 0x44);
    expect(to, 896, 512, 0x66);
    expect(to, 1408, 1024, 0x77);
    expect(to, 2432, AREA - 2432, 0);
    xstate_expand(back, to, ALL);
    assert_memory_equal(back, from, AREA);
}

/* A component of 64 bytes' alignment behind one that does not end there. */
static void test_alignment(void **state)
{
    struct xsave *from = standard(XCR0_X87 | XCR0_SSE | BIT(5) | BIT(6)), *to = area(1, 0);

    (void)state;
    xstate_compact(to, from, XCR0_X87 | XCR0_SSE | BIT(5) | BIT(6));
    expect(to, 576, 64, 0x44);
    expect(to, 640, 512, 0x66);
    expect(to, 1152, AREA - 1152, 0);
}

/* What is in its initial state is not copied: the CPU did not write it, old content lies there. */
static void test_initial(void **state)
{
    struct xsave *from = area(0, TOUCH), *to = area(1, 0);

    (void)state;
    from->xstate_bv = XCR0_AVX;
    from->xcomp_bv = XCOMP_COMPACTED | ALL;
    xstate_expand(to, from, ALL);
    assert_int_equal(to->xstate_bv, XCR0_AVX);
    assert_int_equal(to->xcomp_bv, 0);
    assert_int_equal(to->legacy.fcw, FCW_DEFAULT);
    assert_int_equal(to->legacy.mxcsr, MXCSR_DEFAULT);
    expect(to, 2, 22, 0);
    expect(to, 32, 384, 0);
    expect(to, 576, 256, TOUCH);
    expect(to, 832, AREA - 832, 0);
}

/* XRSTOR of a standard image loads MXCSR even if the registers are in their initial state. */
static void test_mxcsr(void **state)
{
    struct xsave *from = standard(XCR0_AVX), *to = area(1, 0);

    (void)state;
    from->legacy.mxcsr = 0x1fa0;
    xstate_compact(to, from, ALL);
    assert_int_equal(to->xstate_bv, XCR0_AVX | XCR0_SSE);
    assert_int_equal(to->legacy.mxcsr, 0x1fa0);
    expect(to, 160, 256, 0);
    from->legacy.mxcsr = MXCSR_DEFAULT;
    to = area(1, 0);
    xstate_compact(to, from, ALL);
    assert_int_equal(to->xstate_bv, XCR0_AVX);
}

static uint64_t xcr0_of_host(void)
{
    uint32_t a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !__get_cpuid_count(0xd, 1, &a, &b, &c, &d) ||
        !(a & bit_XSAVEC))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return ((uint64_t)d << 32 | a) & ALL;
}

/* XSAVEC writes the same as XSAVES where there are no supervisor components. */
static void test_against_the_cpu(void **state)
{
    struct xsave *from = area(0, 0), *compacted = area(1, 0), *to = area(2, 0);
    static const uint64_t value[4] __aligned(32) = {1, 2, 3, 4};
    uint64_t components = xcr0_of_host();

    (void)state;
    if (!(components & XCR0_AVX))
        skip();
    hardware = true;
    __asm__ volatile("fld1\n\tvmovaps %5, %%ymm7\n\txsave64 %0\n\txsavec64 %1\n\tfstp %%st"
                     : "+m"(*from), "+m"(*compacted)
                     : "a"((uint32_t)components), "d"(0), "m"(*from), "m"(value)
                     : "xmm7", "memory");
    assert_int_equal(compacted->xstate_bv & 7, XCR0_X87 | XCR0_SSE | XCR0_AVX);
    from->legacy.mxcsr_mask = compacted->legacy.mxcsr_mask = 0;
    xstate_expand(to, compacted, components);
    assert_int_equal(to->xstate_bv, compacted->xstate_bv);
    if (compacted->xstate_bv == from->xstate_bv)
        assert_memory_equal(to, from, xstate_size(components, false));
    expect(to, 576 + 7 * 16, 1, 3);
    to = area(2, 0);
    from->xstate_bv = compacted->xstate_bv;
    xstate_compact(to, from, components);
    assert_memory_equal(to, compacted, xstate_size(components, true));
    hardware = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compact_and_expand),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_initial),
        cmocka_unit_test(test_mxcsr),
        cmocka_unit_test(test_against_the_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
