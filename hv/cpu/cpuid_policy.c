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
#include <base/errno.h>
#include <base/nospec.h>
#include <cpu/control.h>
#include <cpu/fpu.h>
#include <cpu/msr_policy.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/page_alloc.h>
#include <time/tsc.h>
#include <xen/arch-x86/cpuid.h>

#define LAST_XEN_LEAF    ((uint32_t)XEN_CPUID_MAX_NUM_LEAVES)
#define XEN_VERSION_WORD (4u << 16 | 17)
#define NR_WORDS         POLICY_FEATURE_WORDS

static struct cpu_policy host_policy __ro_after_init;
static struct cpu_policy pv_default __ro_after_init;
/* The most a PV guest may be given: pv_default, and what the toolstack has to ask for. */
static struct cpu_policy pv_max __ro_after_init;

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

/* Words of feature bits as they lie in the leaves: the order of XEN_CPU_FEATURESET_*. */
#define AT(field) offsetof(struct cpu_policy, field)
static const uint16_t word_offset[NR_WORDS] = {
    AT(basic[1].d),   AT(basic[1].c),    AT(ext[1].d),       AT(ext[1].c),     AT(xstate[1].a),
    AT(feature[0].b), AT(feature[0].c),  AT(ext[7].d),       AT(ext[8].b),     AT(feature[0].d),
    AT(feature[1].a), AT(ext[0x21].a),   AT(feature[1].b),   AT(feature[2].d), AT(feature[1].c),
    AT(feature[1].d), AT(arch_caps_low), AT(arch_caps_high), AT(ext[0x21].c),
};
#undef AT

uint32_t *cpu_policy_word(struct cpu_policy *p, uint32_t i)
{
    return (uint32_t *)((char *)p + word_offset[i]);
}

uint32_t cpu_policy_features(const struct cpu_policy *p, uint32_t i)
{
    return *(const uint32_t *)((const char *)p + word_offset[i]);
}

bool cpu_policy_has(const struct cpu_policy *p, enum cpu_feature feature)
{
    return cpu_policy_features(p, feature / 32) & bit_of(feature);
}

bool pv_guest_has(const struct vcpu *v, enum cpu_feature feature)
{
    return cpu_policy_has(v->domain->cpu_policy, feature);
}

uint64_t cpu_policy_arch_caps(const struct cpu_policy *p)
{
    return (uint64_t)p->arch_caps_high << 32 | p->arch_caps_low;
}

static void __init read_leaves(struct cpu_policy *p)
{
    uint32_t max = MIN(host_cpu.max_leaf, POLICY_BASIC_LEAVES - 1);
    uint32_t max_ext = MIN(host_cpu.max_ext_leaf, 0x80000000u + POLICY_EXT_LEAVES - 1);

    memset(p, 0, sizeof(*p));
    for (uint32_t i = 0; i <= max; i++)
        p->basic[i] = cpuid_count(i, 0);
    for (uint32_t i = 0; max >= 4 && i < POLICY_CACHE_LEAVES; i++)
        p->cache[i] = cpuid_count(4, i);
    for (uint32_t i = 0; max >= 7 && i < POLICY_FEATURE_LEAVES; i++)
        p->feature[i] = cpuid_count(7, i);
    for (uint32_t i = 0; max >= 0xb && i < POLICY_TOPOLOGY_LEAVES; i++)
        p->topology[i] = cpuid_count(0xb, i);
    for (uint32_t i = 0; max >= 0xd && i < POLICY_XSTATE_LEAVES; i++)
        p->xstate[i] = cpuid_count(0xd, i);
    for (uint32_t i = 0x80000000; i <= max_ext; i++)
        p->ext[i & 0xff] = cpuid_count(i, 0);
    p->basic[0].a = max;
    p->ext[0].a = max_ext;
    for (uint32_t i = 0; i < NR_WORDS; i++)
        *cpu_policy_word(p, i) = host_cpu.words[i];
    p->cpuid_faulting = cpuid_faulting;
}

static void __init add_feature(struct cpu_policy *p, uint32_t feature)
{
    *cpu_policy_word(p, feature / 32) |= bit_of(feature);
}

static void __init remove_feature(struct cpu_policy *p, uint32_t feature)
{
    *cpu_policy_word(p, feature / 32) &= ~bit_of(feature);
}

static void __init choose_features(struct cpu_policy *p)
{
    for (uint32_t i = 0; i < NR_WORDS; i++)
        *cpu_policy_word(p, i) = 0;
    for (unsigned int i = 0; i < ARRAY_SIZE(pv_features); i++)
        if (cpu_feature(pv_features[i]))
            add_feature(p, pv_features[i]);
    for (unsigned int i = 0; i < ARRAY_SIZE(vector_features); i++)
        if ((fpu_xcr0_mask() & vector_features[i].xcr0) != vector_features[i].xcr0)
            remove_feature(p, vector_features[i].feature);
    add_feature(p, X86_FEATURE_HYPERVISOR);
    /* AMD has no SYSENTER in long mode (APM vol 3, SYSENTER). */
    if (host_cpu.vendor == VENDOR_AMD)
        remove_feature(p, X86_FEATURE_SEP);
}

static uint32_t __init last_feature_leaf(const struct cpu_policy *p)
{
    const struct cpuid_regs *one = &p->feature[1];

    if (cpu_policy_features(p, 13))
        return 2;
    return one->a | one->b | one->c | one->d ? 1 : 0;
}

void __init cpuid_policy_init(void)
{
    read_leaves(&host_policy);
    pv_default = host_policy;
    choose_features(&pv_default);
    /* Leaf 80000021 tells of features that the VMM may have set up on CPUs without the leaf. */
    if (cpu_policy_features(&pv_default, 11) | cpu_policy_features(&pv_default, 18))
        pv_default.ext[0].a = 0x80000000u + POLICY_EXT_LEAVES - 1;
    /* No counts of threads, cores and caches of the machine. */
    pv_default.basic[1].b &= 0xff00;
    pv_default.feature[0].a = last_feature_leaf(&pv_default);
    pv_default.ext[1].b = 0;
    pv_default.ext[8].c = 0;
    pv_max = pv_default;
    pv_max.feature[0].a = POLICY_FEATURE_LEAVES - 1;
    add_feature(&pv_max, X86_FEATURE_HTT);
    add_feature(&pv_max, X86_FEATURE_CMP_LEGACY);
    add_feature(&pv_max, X86_FEATURE_X2APIC);
    if (host_cpu.vendor == VENDOR_AMD)
        add_feature(&pv_max, X86_FEATURE_VERW_CLEAR);
    if (cpu_has(ITSC))
        add_feature(&pv_max, X86_FEATURE_ITSC);
    cpu_policy_recalculate(&pv_default, &pv_max);
    cpu_policy_recalculate(&pv_max, &pv_max);
}

int cpu_policy_init_domain(struct domain *d)
{
    d->cpu_policy = xzalloc(struct cpu_policy);
    if (!d->cpu_policy)
        return -ENOMEM;
    *d->cpu_policy = pv_default;
    if (!d->is_hardware)
        return 0;
    /* The hardware domain also sees what it may use of the machine. */
    if (cpu_has(MTRR))
        *cpu_policy_word(d->cpu_policy, X86_FEATURE_MTRR / 32) |= bit_of(X86_FEATURE_MTRR);
    if (cpu_has(ITSC))
        *cpu_policy_word(d->cpu_policy, X86_FEATURE_ITSC / 32) |= bit_of(X86_FEATURE_ITSC);
    cpu_policy_recalculate(d->cpu_policy, d->cpu_policy);
    return 0;
}

void cpu_policy_free_domain(struct domain *d)
{
    xfree(d->cpu_policy);
    d->cpu_policy = NULL;
}

const struct cpu_policy *cpu_policy_system(enum cpu_policy_kind kind)
{
    switch (kind) {
    case CPU_POLICY_HOST:
        return &host_policy;
    case CPU_POLICY_PV_MAX:
        return &pv_max;
    default:
        return &pv_default;
    }
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

/* Sizes that depend on the XCR0 in force (SDM vol 2, CPUID, leaf 0DH). */
static void leaf_d(const struct vcpu *v, uint32_t sub, struct cpuid_regs *out)
{
    if (!pv_guest_has(v, X86_FEATURE_XSAVE))
        return;
    if (sub == 0)
        out->b = fpu_xsave_size(v->pv.xcr0);
    else if (sub == 1 && pv_guest_has(v, X86_FEATURE_XSAVEC))
        out->b = fpu_xsavec_size(v->pv.xcr0);
}

static void basic_leaf(const struct vcpu *v, uint32_t leaf, uint32_t sub, struct cpuid_regs *out)
{
    const struct cpu_policy *p = v->domain->cpu_policy;

    if (leaf > p->basic[0].a)
        return;
    switch (leaf) {
    case 1:
        *out = p->basic[1];
        out->b = (out->b & 0xffffff) | (v->id * 2 & 0xff) << 24; /* local APIC id of this vCPU */
        if (osxsave(v))
            out->c |= bit_of(X86_FEATURE_OSXSAVE);
        break;
    case 4:
        if (sub < POLICY_CACHE_LEAVES)
            *out = p->cache[index_nospec(sub, POLICY_CACHE_LEAVES)];
        break;
    case 7:
        if (sub <= p->feature[0].a)
            *out = p->feature[index_nospec(sub, POLICY_FEATURE_LEAVES)];
        break;
    case 0xb:
        if (sub < POLICY_TOPOLOGY_LEAVES)
            *out = p->topology[index_nospec(sub, POLICY_TOPOLOGY_LEAVES)];
        break;
    case 0xd:
        if (sub < POLICY_XSTATE_LEAVES)
            *out = p->xstate[index_nospec(sub, POLICY_XSTATE_LEAVES)];
        leaf_d(v, sub, out);
        break;
    default:
        *out = p->basic[index_nospec(leaf, POLICY_BASIC_LEAVES)];
    }
}

/* Bits of a machine address below the end of RAM. */
static uint32_t machine_address_width(void)
{
    return max_page > 1 ? 64 - (uint32_t)__builtin_clzl(max_page - 1) + PAGE_SHIFT : PAGE_SHIFT;
}

/* The last of Xen's leaves: by the policy, but without the first two no guest finds anything. */
static uint32_t last_xen_leaf(const struct cpu_policy *p)
{
    return p->hv_limit ? MIN(MAX(p->hv_limit, 2u), LAST_XEN_LEAF) : LAST_XEN_LEAF;
}

/* <xen/arch-x86/cpuid.h> */
static void xen_leaf(const struct vcpu *v, uint32_t index, uint32_t sub, struct cpuid_regs *out)
{
    uint32_t last = last_xen_leaf(v->domain->cpu_policy);

    *out = (struct cpuid_regs){0};
    if (index > last)
        return;
    switch (index) {
    case 0:
        *out = (struct cpuid_regs){XEN_CPUID_FIRST_LEAF + last, XEN_CPUID_SIGNATURE_EBX,
                                   XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
        break;
    case 1:
        out->a = XEN_VERSION_WORD;
        break;
    case 2:
        *out = (struct cpuid_regs){1, MSR_XEN_HYPERCALL_PAGE, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
        break;
    case 3:
        tsc_cpuid(v->domain, sub, out);
        break;
    case 5:
        if (sub == 0)
            out->b = machine_address_width();
        break;
    }
}

void cpuid_for_guest(struct vcpu *v, uint32_t leaf, uint32_t sub, struct cpuid_regs *out)
{
    const struct cpu_policy *p = v->domain->cpu_policy;

    *out = (struct cpuid_regs){0};
    if (leaf - XEN_CPUID_FIRST_LEAF <= XEN_CPUID_MAX_NUM_LEAVES)
        xen_leaf(v, leaf - XEN_CPUID_FIRST_LEAF, sub, out);
    else if (leaf >> 31)
        *out = leaf <= p->ext[0].a ? p->ext[index_nospec(leaf & 0xff, POLICY_EXT_LEAVES)] : *out;
    else
        basic_leaf(v, leaf, sub, out);
}

uint64_t pv_guest_xcr0_mask(const struct vcpu *v)
{
    const struct cpuid_regs *leaf = &v->domain->cpu_policy->xstate[0];
    uint64_t mask = (uint64_t)leaf->d << 32 | leaf->a;

    return mask ? mask & fpu_xcr0_mask() : XCR0_X87 | XCR0_SSE;
}

uint64_t pv_guest_cr4_mask(const struct vcpu *v)
{
    uint64_t mask = CR4_TSD;

    if (pv_guest_has(v, X86_FEATURE_DE))
        mask |= CR4_DE;
    if (pv_guest_has(v, X86_FEATURE_FSGSBASE))
        mask |= CR4_FSGSBASE;
    if (pv_guest_has(v, X86_FEATURE_XSAVE))
        mask |= CR4_OSXSAVE;
    return mask & cr4_guest_bits;
}
