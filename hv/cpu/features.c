/* What the CPU can do, and the control registers that follow from it. */
#include <cpu/features.h>
#include <base/bug.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <cpu/control.h>
#include <cpu/insn.h>
#include <cpu/msr.h>
#include <cpu/spec_ctrl.h>
#include <domain/domain.h>
#include <lib/string.h>

struct cpu_features host_cpu __ro_after_init;
uint64_t host_cr4 __ro_after_init;
uint64_t cr4_guest_bits __ro_after_init;
bool cpuid_faulting __ro_after_init;
DEFINE_PER_CPU(uint64_t, loaded_cr4);

static __initdata bool opt_smep = true, opt_smap = true, opt_xsave = true, opt_umip = true,
                       opt_fsgsbase = true;
BOOT_OPTION_BOOL("smep", opt_smep);
BOOT_OPTION_BOOL("smap", opt_smap);
BOOT_OPTION_BOOL("xsave", opt_xsave);
BOOT_OPTION_BOOL("umip", opt_umip);
BOOT_OPTION_BOOL("fsgsbase", opt_fsgsbase);

/* A bit that <xen/arch-x86/cpufeatureset.h> of 4.17 has no name for. */
#define FEATURE_WORD_E21A   (X86_FEATURE_LFENCE_DISPATCH / 32)
#define E21A_CPUID_USER_DIS BIT(17)

/* Where the CPU reports each word of the interface's feature set. */
enum cpuid_reg { REG_A, REG_B, REG_C, REG_D, REG_MSR_LOW, REG_MSR_HIGH };
static const struct feature_word {
    uint32_t leaf, subleaf;
    enum cpuid_reg reg;
} feature_words[] = {
    {1, 0, REG_D}, {1, 0, REG_C},          {0x80000001, 0, REG_D}, {0x80000001, 0, REG_C}, {0xd, 1, REG_A},
    {7, 0, REG_B}, {7, 0, REG_C},          {0x80000007, 0, REG_D}, {0x80000008, 0, REG_B}, {7, 0, REG_D},
    {7, 1, REG_A}, {0x80000021, 0, REG_A}, {7, 1, REG_B},          {7, 2, REG_D},          {7, 1, REG_C},
    {7, 1, REG_D}, {0, 0, REG_MSR_LOW},    {0, 0, REG_MSR_HIGH},   {0x80000021, 0, REG_C},
};
_Static_assert(ARRAY_SIZE(feature_words) == NR_CPU_FEATURE_BITS / 32, "a source for each word");

static const struct feature_name {
    uint16_t feature;
    const char *name;
} feature_names[] = {
#define XEN_CPUFEATURE(name, value) {value, #name},
#include <xen/arch-x86/cpufeatureset.h>
#undef XEN_CPUFEATURE
};

const char *cpu_feature_name(enum cpu_feature f)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(feature_names); i++)
        if (feature_names[i].feature == f)
            return feature_names[i].name;
    return "?";
}

static const enum cpu_feature required[] = {
    X86_FEATURE_FPU,  X86_FEATURE_TSC,     X86_FEATURE_MSR,  X86_FEATURE_PAE,  X86_FEATURE_MCE,
    X86_FEATURE_CX8,  X86_FEATURE_APIC,    X86_FEATURE_PGE,  X86_FEATURE_CMOV, X86_FEATURE_PAT,
    X86_FEATURE_FXSR, X86_FEATURE_SSE,     X86_FEATURE_SSE2, X86_FEATURE_CX16, X86_FEATURE_LM,
    X86_FEATURE_NX,   X86_FEATURE_SYSCALL,
};

static enum cpu_vendor vendor_of(const struct cpuid_regs *r)
{
    static const struct {
        char name[13];
        enum cpu_vendor vendor;
    } vendors[] = {
        {"GenuineIntel", VENDOR_INTEL},
        {"AuthenticAMD", VENDOR_AMD},
        {"HygonGenuine", VENDOR_AMD},
    };
    uint32_t text[3] = {r->b, r->d, r->c};

    for (unsigned int i = 0; i < ARRAY_SIZE(vendors); i++)
        if (memcmp(text, vendors[i].name, sizeof(text)) == 0)
            return vendors[i].vendor;
    return VENDOR_UNKNOWN;
}

static uint32_t read_word(const struct cpu_features *f, const struct feature_word *w)
{
    struct cpuid_regs r;
    uint64_t caps = 0;

    if (w->reg >= REG_MSR_LOW) {
        if (!(f->words[X86_FEATURE_ARCH_CAPS / 32] >> (X86_FEATURE_ARCH_CAPS % 32) & 1) ||
            !rdmsr_safe(MSR_ARCH_CAPABILITIES, &caps))
            return 0;
        return w->reg == REG_MSR_LOW ? (uint32_t)caps : (uint32_t)(caps >> 32);
    }
    if (w->leaf > (w->leaf >> 31 ? f->max_ext_leaf : f->max_leaf))
        return 0;
    /* Leaf 7 tells in EAX how many subleaves it has. */
    if (w->leaf == 7 && w->subleaf > cpuid_count(7, 0).a)
        return 0;
    r = cpuid_count(w->leaf, w->subleaf);
    switch (w->reg) {
    case REG_A:
        return r.a;
    case REG_B:
        return r.b;
    case REG_C:
        return r.c;
    default:
        return r.d;
    }
}

/* Family, model, stepping: SDM vol 2, CPUID, figure 3-6. */
static void read_signature(struct cpu_features *f, uint32_t eax)
{
    f->family = eax >> 8 & 0xf;
    f->model = eax >> 4 & 0xf;
    f->stepping = eax & 0xf;
    if (f->family == 0xf)
        f->family = (uint8_t)(f->family + (eax >> 20 & 0xff));
    if (f->family >= 6)
        f->model |= (eax >> 16 & 0xf) << 4;
}

static void read_features(struct cpu_features *f)
{
    struct cpuid_regs r = cpuid_count(0, 0);

    f->max_leaf = r.a;
    f->vendor = vendor_of(&r);
    r = cpuid_count(0x80000000, 0);
    f->max_ext_leaf = r.a >= 0x80000000 ? r.a : 0;
    read_signature(f, cpuid_count(1, 0).a);
    for (unsigned int i = 0; i < ARRAY_SIZE(feature_words); i++)
        f->words[i] = read_word(f, &feature_words[i]);
    f->phys_bits = 36;
    f->virt_bits = 48;
    if (f->max_ext_leaf >= 0x80000008) {
        r = cpuid_count(0x80000008, 0);
        f->phys_bits = r.a & 0xff;
        f->virt_bits = r.a >> 8 & 0xff;
    }
}

static void clear_feature(struct cpu_features *f, enum cpu_feature feature)
{
    f->words[feature / 32] &= ~(1u << (feature % 32));
}

/* Features that exist only as part of XSAVE state. */
static void clear_xsave(struct cpu_features *f)
{
    static const enum cpu_feature with_xsave[] = {
        X86_FEATURE_XSAVE, X86_FEATURE_AVX,        X86_FEATURE_AVX2,     X86_FEATURE_FMA,
        X86_FEATURE_FMA4,  X86_FEATURE_XOP,        X86_FEATURE_F16C,     X86_FEATURE_MPX,
        X86_FEATURE_PKU,   X86_FEATURE_LWP,        X86_FEATURE_VAES,     X86_FEATURE_AVX512F,
        X86_FEATURE_GFNI,  X86_FEATURE_VPCLMULQDQ, X86_FEATURE_AVX_VNNI,
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(with_xsave); i++)
        clear_feature(f, with_xsave[i]);
    f->words[X86_FEATURE_XSAVEOPT / 32] = 0;
}

static bool has(const struct cpu_features *f, enum cpu_feature feature)
{
    return f->words[feature / 32] >> (feature % 32) & 1;
}

/*
 * Whether LFENCE waits for all earlier instructions. On AMD a bit decides,
 * which cpu_control_init() sets; families 0FH and 11H have no such bit and
 * always wait (AMD, "Software techniques for managing speculation", G-2).
 */
static bool lfence_serializes(const struct cpu_features *f)
{
    uint64_t cfg;

    if (f->vendor != VENDOR_AMD)
        return false;
    if (f->family == 0xf || f->family == 0x11)
        return true;
    return f->family >= 0x10 && rdmsr_safe(MSR_AMD64_DE_CFG, &cfg) &&
           wrmsr_safe(MSR_AMD64_DE_CFG, cfg | DE_CFG_LFENCE_SERIALIZE) &&
           rdmsr_safe(MSR_AMD64_DE_CFG, &cfg) && (cfg & DE_CFG_LFENCE_SERIALIZE);
}

/* SDM vol 4, CEH; APM vol 3, Fn8000_0021 EAX, CpuidUserDis. */
static bool can_fault_cpuid(const struct cpu_features *f)
{
    uint64_t info;

    if (f->vendor == VENDOR_AMD)
        return f->words[FEATURE_WORD_E21A] & E21A_CPUID_USER_DIS;
    return f->vendor == VENDOR_INTEL && rdmsr_safe(MSR_PLATFORM_INFO, &info) &&
           (info & PLATFORM_INFO_CPUID_FAULTING);
}

static void enable_cpuid_faulting(void)
{
    uint64_t value;

    if (host_cpu.vendor == VENDOR_AMD)
        wrmsr(MSR_K8_HWCR, rdmsr(MSR_K8_HWCR) | HWCR_CPUID_USER_DIS);
    else if (rdmsr_safe(MSR_MISC_FEATURES_ENABLES, &value))
        wrmsr_safe(MSR_MISC_FEATURES_ENABLES, value | MISC_FEATURES_CPUID_FAULTING);
}

void __init cpu_features_init(void)
{
    struct cpu_features *f = &host_cpu;

    read_features(f);
    if (lfence_serializes(f))
        f->words[X86_FEATURE_LFENCE_DISPATCH / 32] |= 1u << (X86_FEATURE_LFENCE_DISPATCH % 32);
    cpuid_faulting = can_fault_cpuid(f);
    for (unsigned int i = 0; i < ARRAY_SIZE(required); i++)
        if (!has(f, required[i]))
            boot_refuse("This CPU lacks a feature that is needed: %s", cpu_feature_name(required[i]));
    if (!opt_smep)
        clear_feature(f, X86_FEATURE_SMEP);
    if (!opt_smap)
        clear_feature(f, X86_FEATURE_SMAP);
    if (!opt_umip)
        clear_feature(f, X86_FEATURE_UMIP);
    if (!opt_fsgsbase)
        clear_feature(f, X86_FEATURE_FSGSBASE);
    if (!opt_xsave || !has(f, X86_FEATURE_XSAVE))
        clear_xsave(f);
    cr4_guest_bits =
        CR4_TSD | CR4_DE | (cpu_has(FSGSBASE) ? CR4_FSGSBASE : 0) | (cpu_has(XSAVE) ? CR4_OSXSAVE : 0);
    host_cr4 = CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    if (cpu_has(SMEP))
        host_cr4 |= CR4_SMEP;
    if (cpu_has(SMAP))
        host_cr4 |= CR4_SMAP;
    if (cpu_has(UMIP))
        host_cr4 |= CR4_UMIP;
}

bool cpu_features_match(void)
{
    static const enum cpu_feature used[] = {
        X86_FEATURE_SMEP,   X86_FEATURE_SMAP,   X86_FEATURE_UMIP,    X86_FEATURE_FSGSBASE,
        X86_FEATURE_XSAVE,  X86_FEATURE_AVX,    X86_FEATURE_AVX512F, X86_FEATURE_XSAVEOPT,
        X86_FEATURE_XSAVES, X86_FEATURE_RDTSCP, X86_FEATURE_PCID,    X86_FEATURE_INVPCID,
    };
    struct cpu_features mine = {0};

    read_features(&mine);
    for (unsigned int i = 0; i < ARRAY_SIZE(required) + ARRAY_SIZE(used); i++) {
        enum cpu_feature feature = i < ARRAY_SIZE(required) ? required[i] : used[i - ARRAY_SIZE(required)];

        if (cpu_feature(feature) && !has(&mine, feature)) {
            printk_warn("CPU %u lacks %s, which CPU 0 has: not used\n", smp_processor_id(),
                        cpu_feature_name(feature));
            return false;
        }
    }
    return true;
}

void cpu_load_cr4(uint64_t cr4)
{
    if (this_cpu(loaded_cr4) == cr4)
        return;
    this_cpu(loaded_cr4) = cr4;
    write_cr4(cr4);
}

uint64_t vcpu_cr4(const struct vcpu *v)
{
    return host_cr4 | (v->pv.cr4_guest & cr4_guest_bits) | (v->domain->time.tsc.emulated ? CR4_TSD : 0);
}

void cpu_control_init(void)
{
    uint64_t value;

    write_cr0(HOST_CR0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NX);
    wrmsr(MSR_PAT, HOST_PAT);
    this_cpu(loaded_cr4) = host_cr4;
    write_cr4(host_cr4);
    if (cpu_has(RDTSCP))
        wrmsr(MSR_TSC_AUX, 0); /* what guest_load_msrs() takes for loaded */
    if (cpuid_faulting)
        enable_cpuid_faulting();
    if (host_cpu.vendor == VENDOR_AMD && cpu_has(LFENCE_DISPATCH) && rdmsr_safe(MSR_AMD64_DE_CFG, &value))
        wrmsr_safe(MSR_AMD64_DE_CFG, value | DE_CFG_LFENCE_SERIALIZE);
    spec_ctrl_init_cpu();
}
