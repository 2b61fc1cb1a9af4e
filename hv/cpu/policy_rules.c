/*
 * From what a toolstack asked for to what a domain gets: which features need
 * which, and what a vendor's leaves look like. Seen from Xen 4.17 by taking
 * each feature away alone (guests/policy.c); where the emulator has a feature
 * not, from the manuals: an instruction set needs the registers it works on.
 */
#include <cpu/cpuid_policy.h>
#include <cpu/fpu.h>
#include <lib/string.h>

#define LEAF_1_EAX         0x0fff0fffu /* family, model, stepping */
#define LEAF_1_EBX         0x00ff00ffu /* brand, number of logical CPUs; the rest is computed */
#define LEAF_EXT_1_EBX     0xff00ffffu /* package type, brand */
#define LEAF_EXT_8_ECX     0x0003f0ffu /* number of cores, APIC ID size, TSC size */
#define AMD_COMMON_1D      0x0183f3ffu /* bits of leaf 1 that AMD repeats (APM vol 3, Fn8000_0001) */
#define INTEL_MAX_EXT_LEAF 0x80000008u
#define LONG_MODE_BITS     48u /* four levels of page tables */
#define LEGACY_BITS        32u
#define XSAVE_LEGACY_BYTES 576u /* FXSAVE image and header */

static const struct {
    uint16_t feature, needs;
} dependencies[] = {
    {X86_FEATURE_MMX, X86_FEATURE_FPU},
    {X86_FEATURE_MMXEXT, X86_FEATURE_MMX},
    {X86_FEATURE_3DNOW, X86_FEATURE_MMX},
    {X86_FEATURE_3DNOWEXT, X86_FEATURE_3DNOW},
    {X86_FEATURE_RDTSCP, X86_FEATURE_TSC},
    {X86_FEATURE_X2APIC, X86_FEATURE_APIC},
    {X86_FEATURE_NX, X86_FEATURE_PAE},
    {X86_FEATURE_SSE, X86_FEATURE_FXSR},
    {X86_FEATURE_SSE2, X86_FEATURE_SSE},
    {X86_FEATURE_MISALIGNSSE, X86_FEATURE_SSE},
    {X86_FEATURE_LM, X86_FEATURE_PAE},
    {X86_FEATURE_LM, X86_FEATURE_SSE2},
    {X86_FEATURE_CX16, X86_FEATURE_LM},
    {X86_FEATURE_LAHF_LM, X86_FEATURE_LM},
    {X86_FEATURE_SSE3, X86_FEATURE_SSE2},
    {X86_FEATURE_PCLMULQDQ, X86_FEATURE_SSE2},
    {X86_FEATURE_AESNI, X86_FEATURE_SSE2},
    {X86_FEATURE_SHA, X86_FEATURE_SSE2},
    {X86_FEATURE_GFNI, X86_FEATURE_SSE2},
    {X86_FEATURE_SSSE3, X86_FEATURE_SSE3},
    {X86_FEATURE_SSE4A, X86_FEATURE_SSE3},
    {X86_FEATURE_SSE4_1, X86_FEATURE_SSSE3},
    {X86_FEATURE_SSE4_2, X86_FEATURE_SSE4_1},
    {X86_FEATURE_XSAVEOPT, X86_FEATURE_XSAVE},
    {X86_FEATURE_XSAVEC, X86_FEATURE_XSAVE},
    {X86_FEATURE_XGETBV1, X86_FEATURE_XSAVE},
    {X86_FEATURE_AVX, X86_FEATURE_XSAVE},
    {X86_FEATURE_FMA, X86_FEATURE_AVX},
    {X86_FEATURE_F16C, X86_FEATURE_AVX},
    {X86_FEATURE_FMA4, X86_FEATURE_AVX},
    {X86_FEATURE_XOP, X86_FEATURE_AVX},
    {X86_FEATURE_AVX2, X86_FEATURE_AVX},
    {X86_FEATURE_VAES, X86_FEATURE_AVX2},
    {X86_FEATURE_VAES, X86_FEATURE_AESNI},
    {X86_FEATURE_VPCLMULQDQ, X86_FEATURE_AVX2},
    {X86_FEATURE_VPCLMULQDQ, X86_FEATURE_PCLMULQDQ},
    {X86_FEATURE_AVX_VNNI, X86_FEATURE_AVX2},
    {X86_FEATURE_AVX512F, X86_FEATURE_AVX2},
    {X86_FEATURE_AVX512DQ, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_IFMA, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512PF, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512ER, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512CD, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512BW, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512VL, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_VNNI, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_VPOPCNTDQ, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_4VNNIW, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_4FMAPS, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_VBMI, X86_FEATURE_AVX512BW},
    {X86_FEATURE_AVX512_VBMI2, X86_FEATURE_AVX512BW},
    {X86_FEATURE_AVX512_BITALG, X86_FEATURE_AVX512BW},
    {X86_FEATURE_AVX512_BF16, X86_FEATURE_AVX512BW},
};

static const struct cpuid_regs no_leaf;

/* The table is in order: what needs something comes behind the rows that may take that away. */
static void limit_features(struct cpu_policy *p, const struct cpu_policy *max)
{
    for (uint32_t i = 0; i < POLICY_FEATURE_WORDS; i++)
        *cpu_policy_word(p, i) &= cpu_policy_features(max, i);
    for (unsigned int i = 0; i < ARRAY_SIZE(dependencies); i++) {
        uint32_t feature = dependencies[i].feature;

        if (!cpu_policy_has(p, dependencies[i].needs))
            *cpu_policy_word(p, feature / 32) &= ~(1u << feature % 32);
    }
}

static enum cpu_vendor vendor_of(const struct cpu_policy *p)
{
    static const uint32_t intel[3] = {0x756e6547, 0x6c65746e, 0x49656e69}; /* EBX, ECX, EDX */
    static const uint32_t amd[3] = {0x68747541, 0x444d4163, 0x69746e65};

    if (memcmp(&p->basic[0].b, intel, sizeof(intel)) == 0)
        return VENDOR_INTEL;
    return memcmp(&p->basic[0].b, amd, sizeof(amd)) == 0 ? VENDOR_AMD : VENDOR_UNKNOWN;
}

static void basic_leaves(struct cpu_policy *p, const struct cpu_policy *max, enum cpu_vendor vendor)
{
    p->basic[1].a &= LEAF_1_EAX;
    p->basic[1].b = (p->basic[1].b & LEAF_1_EBX) | (max->basic[1].b & 0xff00); /* line of CLFLUSH */
    if (vendor == VENDOR_INTEL)
        p->basic[2].a = (p->basic[2].a & ~0xffu) | 1; /* "one call is enough" */
    else
        p->basic[2] = no_leaf;
    if (vendor != VENDOR_INTEL)
        memset(p->cache, 0, sizeof(p->cache));
    p->basic[3] = no_leaf;
    /* MONITOR, power, caches, performance counters, topology, processor trace: not for guests. */
    for (uint32_t i = 5; i < POLICY_BASIC_LEAVES; i++)
        p->basic[i] = no_leaf;
    memset(p->topology, 0, sizeof(p->topology));
}

static void extended_leaves(struct cpu_policy *p, const struct cpu_policy *max, enum cpu_vendor vendor)
{
    struct cpuid_regs *ext = p->ext;
    uint32_t linear = cpu_policy_has(p, X86_FEATURE_LM) ? LONG_MODE_BITS : LEGACY_BITS;
    uint32_t physical = MIN(ext[8].a & 0xff, max->ext[8].a & 0xff);

    ext[0].a = 0x80000000 | MIN(ext[0].a & 0xffff,
                                vendor == VENDOR_AMD ? POLICY_EXT_LEAVES - 1 : INTEL_MAX_EXT_LEAF & 0xffff);
    ext[1].b &= LEAF_EXT_1_EBX;
    if (vendor == VENDOR_AMD) {
        ext[0] = (struct cpuid_regs){ext[0].a, p->basic[0].b, p->basic[0].c, p->basic[0].d};
        ext[1].a = p->basic[1].a;
        ext[1].d |= p->basic[1].d & AMD_COMMON_1D;
    } else if (vendor == VENDOR_INTEL) {
        ext[0] = (struct cpuid_regs){.a = ext[0].a};
        ext[1].a = 0;
        ext[5] = no_leaf;
        ext[6] = (struct cpuid_regs){.c = ext[6].c};
    }
    ext[7] = (struct cpuid_regs){.d = ext[7].d};
    ext[8] = (struct cpuid_regs){physical | linear << 8, ext[8].b, ext[8].c & LEAF_EXT_8_ECX, 0};
    for (uint32_t i = 9; i < 0x21; i++)
        ext[i] = no_leaf;
    ext[0x21] = (struct cpuid_regs){.a = ext[0x21].a, .c = ext[0x21].c};
}

/* SDM vol 2, CPUID, leaf 0DH: components by feature, with the machine's sizes and offsets. */
static void xstate_leaves(struct cpu_policy *p)
{
    const struct cpuid_regs *host = cpu_policy_system(CPU_POLICY_HOST)->xstate;
    uint32_t features = p->xstate[1].a;
    uint64_t mask = XCR0_X87 | XCR0_SSE;

    memset(p->xstate, 0, sizeof(p->xstate));
    if (!cpu_policy_has(p, X86_FEATURE_XSAVE))
        return;
    if (cpu_policy_has(p, X86_FEATURE_AVX))
        mask |= XCR0_AVX;
    if (cpu_policy_has(p, X86_FEATURE_AVX512F))
        mask |= XCR0_AVX512;
    p->xstate[0] = (struct cpuid_regs){(uint32_t)mask, 0, XSAVE_LEGACY_BYTES, (uint32_t)(mask >> 32)};
    p->xstate[1].a = features;
    for (uint32_t i = 2; i < POLICY_XSTATE_LEAVES; i++) {
        if (!(mask >> i & 1))
            continue;
        p->xstate[i] = (struct cpuid_regs){host[i].a, host[i].b, host[i].c, 0};
        p->xstate[0].c = MAX(p->xstate[0].c, p->xstate[i].a + p->xstate[i].b);
    }
}

/* Leaves beyond what the policy says is its last one have nothing. */
static void clear_out_of_range(struct cpu_policy *p)
{
    uint32_t max_ext = p->ext[0].a & 0xffff;

    for (uint32_t i = p->basic[0].a + 1; i < POLICY_BASIC_LEAVES; i++)
        p->basic[i] = no_leaf;
    if (p->basic[0].a < 4)
        memset(p->cache, 0, sizeof(p->cache));
    if (p->basic[0].a < 7)
        memset(p->feature, 0, sizeof(p->feature));
    if (p->basic[0].a < 0xd) {
        memset(p->xstate, 0, sizeof(p->xstate));
        p->basic[1].c &= ~(1u << X86_FEATURE_XSAVE % 32); /* nobody could find out its sizes */
    }
    for (uint32_t i = p->feature[0].a + 1; i < POLICY_FEATURE_LEAVES; i++)
        p->feature[i] = no_leaf;
    for (uint32_t i = max_ext + 1; i < POLICY_EXT_LEAVES; i++)
        p->ext[i] = no_leaf;
}

void cpu_policy_recalculate(struct cpu_policy *p, const struct cpu_policy *max)
{
    enum cpu_vendor vendor = vendor_of(p);

    p->ext[1].d &= ~AMD_COMMON_1D;
    clear_out_of_range(p);
    limit_features(p, max);
    basic_leaves(p, max, vendor);
    extended_leaves(p, max, vendor);
    xstate_leaves(p);
    p->hv_limit &= 0xff;
    p->hv2_limit &= 0xff;
    if (!cpu_policy_has(p, X86_FEATURE_ARCH_CAPS))
        p->arch_caps_low = p->arch_caps_high = 0;
}
