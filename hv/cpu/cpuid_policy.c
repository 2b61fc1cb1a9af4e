/*
 * CPUID as a PV guest sees it. Everything is built up from what is known to be
 * safe and working; a leaf or bit that is not mentioned reads as zero.
 *
 * Checked against Xen 4.17 with several CPU models. Hidden on purpose: what
 * needs ring 0 or the VMM's page tables (SMEP, SMAP, UMIP, PKU, PCID, large
 * and global pages), virtualization, MONITOR, the x2APIC, debug and
 * performance facilities, and speculation controls, whose registers are not
 * switched between vCPUs.
 */
#include <cpu/cpuid_policy.h>
#include <cpu/control.h>
#include <cpu/fpu.h>
#include <cpu/msr_policy.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/page.h>
#include <time/time.h>
#include <xen/arch-x86/cpuid.h>

#define MAX_BASIC_LEAF    0xdu
#define MAX_EXTENDED_LEAF 0x80000021u
#define PV_LINEAR_BITS    48u /* four levels of page tables */
#define XEN_VERSION_WORD  (4u << 16 | 17)
#define TIME_RDTSCP       4u /* XEN_CPUID_LEAF(3), EAX: RDTSCP is available */
#define TIME_TSC_RELIABLE 2u
#define NR_WORDS          (NR_CPU_FEATURE_BITS / 32)

static uint32_t pv_words[NR_WORDS] __ro_after_init;

/* What any PV guest may have if the CPU has it. */
static const uint16_t pv_features[] __initconst = {
    X86_FEATURE_FPU,
    X86_FEATURE_DE,
    X86_FEATURE_TSC,
    X86_FEATURE_MSR,
    X86_FEATURE_PAE,
    X86_FEATURE_MCE,
    X86_FEATURE_CX8,
    X86_FEATURE_APIC,
    X86_FEATURE_SEP,
    X86_FEATURE_MCA,
    X86_FEATURE_CMOV,
    X86_FEATURE_PAT,
    X86_FEATURE_CLFLUSH,
    X86_FEATURE_ACPI,
    X86_FEATURE_MMX,
    X86_FEATURE_FXSR,
    X86_FEATURE_SSE,
    X86_FEATURE_SSE2,
    X86_FEATURE_SS,
    X86_FEATURE_HTT,
    /* 1 ECX */
    X86_FEATURE_SSE3,
    X86_FEATURE_PCLMULQDQ,
    X86_FEATURE_SSSE3,
    X86_FEATURE_FMA,
    X86_FEATURE_CX16,
    X86_FEATURE_SSE4_1,
    X86_FEATURE_SSE4_2,
    X86_FEATURE_MOVBE,
    X86_FEATURE_POPCNT,
    X86_FEATURE_AESNI,
    X86_FEATURE_XSAVE,
    X86_FEATURE_AVX,
    X86_FEATURE_F16C,
    X86_FEATURE_RDRAND,
    /* 80000001 EDX, ECX */
    X86_FEATURE_SYSCALL,
    X86_FEATURE_NX,
    X86_FEATURE_MMXEXT,
    X86_FEATURE_RDTSCP,
    X86_FEATURE_LM,
    X86_FEATURE_3DNOWEXT,
    X86_FEATURE_3DNOW,
    X86_FEATURE_LAHF_LM,
    X86_FEATURE_CMP_LEGACY,
    X86_FEATURE_ABM,
    X86_FEATURE_SSE4A,
    X86_FEATURE_MISALIGNSSE,
    X86_FEATURE_3DNOWPREFETCH,
    X86_FEATURE_XOP,
    X86_FEATURE_FMA4,
    X86_FEATURE_TBM,
    /* D/1 EAX */
    X86_FEATURE_XSAVEOPT,
    X86_FEATURE_XSAVEC,
    X86_FEATURE_XGETBV1,
    /* 7 EBX, ECX, EDX and further subleaves */
    X86_FEATURE_FSGSBASE,
    X86_FEATURE_BMI1,
    X86_FEATURE_AVX2,
    X86_FEATURE_BMI2,
    X86_FEATURE_ERMS,
    X86_FEATURE_FDP_EXCP_ONLY,
    X86_FEATURE_NO_FPU_SEL,
    X86_FEATURE_AVX512F,
    X86_FEATURE_AVX512DQ,
    X86_FEATURE_RDSEED,
    X86_FEATURE_ADX,
    X86_FEATURE_AVX512_IFMA,
    X86_FEATURE_CLFLUSHOPT,
    X86_FEATURE_CLWB,
    X86_FEATURE_AVX512PF,
    X86_FEATURE_AVX512ER,
    X86_FEATURE_AVX512CD,
    X86_FEATURE_SHA,
    X86_FEATURE_AVX512BW,
    X86_FEATURE_AVX512VL,
    X86_FEATURE_PREFETCHWT1,
    X86_FEATURE_AVX512_VBMI,
    X86_FEATURE_AVX512_VBMI2,
    X86_FEATURE_GFNI,
    X86_FEATURE_VAES,
    X86_FEATURE_VPCLMULQDQ,
    X86_FEATURE_AVX512_VNNI,
    X86_FEATURE_AVX512_BITALG,
    X86_FEATURE_AVX512_VPOPCNTDQ,
    X86_FEATURE_RDPID,
    X86_FEATURE_CLDEMOTE,
    X86_FEATURE_AVX512_4VNNIW,
    X86_FEATURE_AVX512_4FMAPS,
    X86_FEATURE_FSRM,
    X86_FEATURE_MD_CLEAR,
    X86_FEATURE_SERIALIZE,
    X86_FEATURE_ARCH_CAPS,
    X86_FEATURE_AVX_VNNI,
    X86_FEATURE_AVX512_BF16,
    X86_FEATURE_FZRM,
    X86_FEATURE_FSRS,
    X86_FEATURE_FSRCS,
    X86_FEATURE_MCDT_NO,
    /* 80000008 EBX, 80000021 */
    X86_FEATURE_CLZERO,
    X86_FEATURE_RSTR_FP_ERR_PTRS,
    X86_FEATURE_SSB_NO,
    X86_FEATURE_BTC_NO,
    X86_FEATURE_LFENCE_DISPATCH,
    X86_FEATURE_VERW_CLEAR,
    X86_FEATURE_NSCB,
    X86_FEATURE_SRSO_NO,
    X86_FEATURE_SRSO_US_NO,
    X86_FEATURE_TSA_SQ_NO,
    X86_FEATURE_TSA_L1_NO,
    /* MSR_ARCH_CAPABILITIES: what the CPU is not vulnerable to */
    X86_FEATURE_RDCL_NO,
    X86_FEATURE_RSBA,
    X86_FEATURE_INTEL_SSB_NO,
    X86_FEATURE_MDS_NO,
    X86_FEATURE_IF_PSCHANGE_MC_NO,
    X86_FEATURE_TAA_NO,
    X86_FEATURE_SBDR_SSDP_NO,
    X86_FEATURE_FBSDP_NO,
    X86_FEATURE_PSDP_NO,
    X86_FEATURE_FB_CLEAR,
    X86_FEATURE_RRSBA,
    X86_FEATURE_BHI_NO,
    X86_FEATURE_PBRSB_NO,
    X86_FEATURE_GDS_NO,
    X86_FEATURE_RFDS_NO,
    X86_FEATURE_RFDS_CLEAR,
    X86_FEATURE_ITS_NO,
};

/* Features that use vector registers, by the XCR0 components they need. */
static const struct {
    uint64_t xcr0;
    uint16_t feature;
} vector_features[] __initconst = {
    {XCR0_AVX, X86_FEATURE_AVX},
    {XCR0_AVX, X86_FEATURE_FMA},
    {XCR0_AVX, X86_FEATURE_F16C},
    {XCR0_AVX, X86_FEATURE_XOP},
    {XCR0_AVX, X86_FEATURE_FMA4},
    {XCR0_AVX, X86_FEATURE_AVX2},
    {XCR0_AVX, X86_FEATURE_VAES},
    {XCR0_AVX, X86_FEATURE_VPCLMULQDQ},
    {XCR0_AVX, X86_FEATURE_AVX_VNNI},
    {XCR0_AVX512, X86_FEATURE_AVX512F},
    {XCR0_AVX512, X86_FEATURE_AVX512DQ},
    {XCR0_AVX512, X86_FEATURE_AVX512_IFMA},
    {XCR0_AVX512, X86_FEATURE_AVX512PF},
    {XCR0_AVX512, X86_FEATURE_AVX512ER},
    {XCR0_AVX512, X86_FEATURE_AVX512CD},
    {XCR0_AVX512, X86_FEATURE_AVX512BW},
    {XCR0_AVX512, X86_FEATURE_AVX512VL},
    {XCR0_AVX512, X86_FEATURE_AVX512_VBMI},
    {XCR0_AVX512, X86_FEATURE_AVX512_VBMI2},
    {XCR0_AVX512, X86_FEATURE_AVX512_VNNI},
    {XCR0_AVX512, X86_FEATURE_AVX512_BITALG},
    {XCR0_AVX512, X86_FEATURE_AVX512_VPOPCNTDQ},
    {XCR0_AVX512, X86_FEATURE_AVX512_4VNNIW},
    {XCR0_AVX512, X86_FEATURE_AVX512_4FMAPS},
    {XCR0_AVX512, X86_FEATURE_AVX512_BF16},
};

static uint32_t bit_of(uint32_t feature)
{
    return 1u << (feature % 32);
}

void __init cpuid_policy_init(void)
{
    memset(pv_words, 0, sizeof(pv_words));
    for (unsigned int i = 0; i < ARRAY_SIZE(pv_features); i++)
        pv_words[pv_features[i] / 32] |= host_cpu.words[pv_features[i] / 32] & bit_of(pv_features[i]);
    for (unsigned int i = 0; i < ARRAY_SIZE(vector_features); i++)
        if ((fpu_xcr0_mask() & vector_features[i].xcr0) != vector_features[i].xcr0)
            pv_words[vector_features[i].feature / 32] &= ~bit_of(vector_features[i].feature);
    pv_words[X86_FEATURE_HYPERVISOR / 32] |= bit_of(X86_FEATURE_HYPERVISOR);
    /* AMD has no SYSENTER in long mode (APM vol 3, SYSENTER). */
    if (host_cpu.vendor == VENDOR_AMD)
        pv_words[X86_FEATURE_SEP / 32] &= ~bit_of(X86_FEATURE_SEP);
}

/* The word for v's domain: the hardware domain also sees what it may use of the machine. */
static uint32_t word(const struct vcpu *v, unsigned int i)
{
    uint32_t w = pv_words[i];

    if (!v->domain->is_hardware)
        return w;
    if (i == X86_FEATURE_MTRR / 32)
        w |= host_cpu.words[i] & bit_of(X86_FEATURE_MTRR);
    if (i == X86_FEATURE_ITSC / 32)
        w |= host_cpu.words[i] & bit_of(X86_FEATURE_ITSC);
    return w;
}

bool pv_guest_has(const struct vcpu *v, enum cpu_feature feature)
{
    return word(v, feature / 32) & bit_of(feature);
}

uint64_t cpuid_policy_arch_caps(void)
{
    return (uint64_t)pv_words[X86_FEATURE_ITS_NO / 32] << 32 | pv_words[X86_FEATURE_RDCL_NO / 32];
}

/*
 * OSXSAVE: a program sees the real bit. A kernel asks by forced emulation
 * before it sets CR4.OSXSAVE, and older ones take a clear bit for "the
 * hypervisor cannot do XSAVE"; so it reads as set wherever XSAVE works.
 */
static bool osxsave(const struct vcpu *v)
{
    return pv_guest_has(v, X86_FEATURE_XSAVE) && (v->pv.kernel_mode || (v->pv.cr4_guest & CR4_OSXSAVE));
}

static void leaf_1(const struct vcpu *v, struct cpuid_regs *out)
{
    out->b &= 0xff00;                   /* CLFLUSH line; no brand, no count of siblings */
    out->b |= (v->id * 2 & 0xff) << 24; /* local APIC id of this vCPU */
    out->c = word(v, 1);
    out->d = word(v, 0);
    if (osxsave(v))
        out->c |= bit_of(X86_FEATURE_OSXSAVE);
}

static void leaf_7(const struct vcpu *v, uint32_t sub, struct cpuid_regs *out)
{
    *out = (struct cpuid_regs){0};
    switch (sub) {
    case 0:
        out->a = word(v, 13) ? 2 : (word(v, 10) | word(v, 12) | word(v, 14) | word(v, 15)) ? 1 : 0;
        out->b = word(v, 5);
        out->c = word(v, 6);
        out->d = word(v, 9);
        break;
    case 1:
        *out = (struct cpuid_regs){word(v, 10), word(v, 12), word(v, 14), word(v, 15)};
        break;
    case 2:
        out->d = word(v, 13);
        break;
    }
}

/* XSAVE: SDM vol 2, CPUID, leaf 0DH. */
static void leaf_d(const struct vcpu *v, uint32_t sub, struct cpuid_regs *out)
{
    struct cpuid_regs host = *out;
    uint64_t mask = fpu_xcr0_mask();

    *out = (struct cpuid_regs){0};
    if (!pv_guest_has(v, X86_FEATURE_XSAVE))
        return;
    if (sub == 0) {
        *out = (struct cpuid_regs){(uint32_t)mask, fpu_xsave_size(v->pv.xcr0), fpu_xsave_size(mask),
                                   (uint32_t)(mask >> 32)};
    } else if (sub == 1) {
        out->a = word(v, 4);
        /* With XSAVEC: the compacted size for the XCR0 in force, which the CPU itself knows. */
        out->b = pv_guest_has(v, X86_FEATURE_XSAVEC) ? host.b : 0;
    } else if (sub < 63 && (mask >> sub & 1)) {
        *out = host;
        out->d = 0;
    }
}

static void basic_leaf(const struct vcpu *v, uint32_t leaf, uint32_t sub, struct cpuid_regs *out)
{
    bool intel = host_cpu.vendor == VENDOR_INTEL;

    switch (leaf) {
    case 0:
        out->a = MIN(host_cpu.max_leaf, MAX_BASIC_LEAF);
        break;
    case 1:
        leaf_1(v, out);
        break;
    case 2: /* caches */
    case 4:
        if (!intel)
            *out = (struct cpuid_regs){0};
        break;
    case 7:
        leaf_7(v, sub, out);
        break;
    case 0xd:
        leaf_d(v, sub, out);
        break;
    default:
        *out = (struct cpuid_regs){0};
    }
}

static void extended_leaf(const struct vcpu *v, uint32_t leaf, struct cpuid_regs *out)
{
    bool amd = host_cpu.vendor == VENDOR_AMD;
    struct cpuid_regs host = *out;

    *out = (struct cpuid_regs){0};
    switch (leaf) {
    case 0x80000000:
        out->a = word(v, 11) | word(v, 18) ? MAX_EXTENDED_LEAF : MIN(host.a, MAX_EXTENDED_LEAF);
        if (amd)
            *out = (struct cpuid_regs){out->a, host.b, host.c, host.d};
        break;
    case 0x80000001:
        *out = (struct cpuid_regs){amd ? host.a : 0, 0, word(v, 3), word(v, 2)};
        if (amd) /* AMD repeats bits of leaf 1 (APM vol 3, Fn8000_0001) */
            out->d |= word(v, 0) & 0x0183f3ffu & host.d;
        break;
    case 0x80000002: /* name of the processor */
    case 0x80000003:
    case 0x80000004:
        *out = host;
        break;
    case 0x80000005: /* caches */
    case 0x80000006:
        if (amd)
            *out = host;
        else if (leaf == 0x80000006)
            out->c = host.c;
        break;
    case 0x80000007:
        out->d = word(v, 7);
        break;
    case 0x80000008:
        *out = (struct cpuid_regs){(host.a & 0xff) | PV_LINEAR_BITS << 8, word(v, 8), 0, 0};
        break;
    case 0x80000021:
        *out = (struct cpuid_regs){word(v, 11), 0, word(v, 18), 0};
        break;
    }
}

/* Bits of a machine address below the end of RAM. */
static uint32_t machine_address_width(void)
{
    return max_page > 1 ? 64 - (uint32_t)__builtin_clzl(max_page - 1) + PAGE_SHIFT : PAGE_SHIFT;
}

/* <xen/arch-x86/cpuid.h> */
static void xen_leaf(const struct vcpu *v, uint32_t index, uint32_t sub, struct cpuid_regs *out)
{
    *out = (struct cpuid_regs){0};
    switch (index) {
    case 0:
        *out = (struct cpuid_regs){XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES, XEN_CPUID_SIGNATURE_EBX,
                                   XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
        break;
    case 1:
        out->a = XEN_VERSION_WORD;
        break;
    case 2:
        *out = (struct cpuid_regs){1, MSR_XEN_HYPERCALL_PAGE, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
        break;
    case 3:
        if (sub == 0)
            out->a = (pv_guest_has(v, X86_FEATURE_RDTSCP) ? TIME_RDTSCP : 0) |
                     (cpu_has(ITSC) ? TIME_TSC_RELIABLE : 0);
        else if (sub == 2)
            out->a = (uint32_t)tsc_khz;
        break;
    case 5:
        if (sub == 0)
            out->b = machine_address_width();
        break;
    }
}

void cpuid_for_guest(struct vcpu *v, uint32_t leaf, uint32_t sub, struct cpuid_regs *out)
{
    uint32_t max_ext =
        word(v, 11) | word(v, 18) ? MAX_EXTENDED_LEAF : MIN(host_cpu.max_ext_leaf, MAX_EXTENDED_LEAF);

    *out = (struct cpuid_regs){0};
    if (leaf - XEN_CPUID_FIRST_LEAF <= XEN_CPUID_MAX_NUM_LEAVES) {
        xen_leaf(v, leaf - XEN_CPUID_FIRST_LEAF, sub, out);
    } else if (leaf <= MIN(host_cpu.max_leaf, MAX_BASIC_LEAF)) {
        *out = cpuid_count(leaf, sub);
        basic_leaf(v, leaf, sub, out);
    } else if (leaf >> 31 && leaf <= max_ext) {
        if (leaf <= host_cpu.max_ext_leaf)
            *out = cpuid_count(leaf, 0);
        extended_leaf(v, leaf, out);
    }
}
