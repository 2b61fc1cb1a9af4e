/*
 * Model-specific registers of a PV guest. Registers with a meaning for the
 * guest are in the two switches; the rest is a table of what is read as zero
 * or as on the host, and whose writes are accepted without effect. Everything
 * else is a #GP. Recorded from Xen 4.17 over the whole architectural and AMD
 * ranges, on an AMD and an Intel CPU model.
 */
#include <cpu/msr_policy.h>
#include <base/errno.h>
#include <console/printk.h>
#include <cpu/control.h>
#include <cpu/cpuid_policy.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/msr.h>
#include <domain/domain.h>
#include <mm/page_type.h>
#include <pv/segment.h>
#include <pv/traps.h>
#include <time/tsc.h>

#define NR_MC_BANKS  2u /* shown to guests */
#define MC_BANK(msr) (((msr)-MSR_MC0_CTL) / 4)
#define MC_REG(msr)  (((msr)-MSR_MC0_CTL) % 4)
#define MCG_COUNT    0xffUL
#define MCG_SER_P    BIT(24)
#define MCG_TES_P    BIT(11)
#define MCG_CMCI_P   BIT(10)

static DEFINE_PER_CPU(uint32_t, loaded_tsc_aux);

enum msr_read { READ_GP, READ_ZERO, READ_HOST };
enum msr_write { WRITE_GP, WRITE_IGNORE };

static const struct msr_range {
    uint32_t first, last;
    uint8_t vendor; /* VENDOR_UNKNOWN: any */
    bool hardware;  /* for the hardware domain; others: reads as zero if this could be read, no writes */
    uint8_t read, write;
} ranges[] = {
    {MSR_P5_MC_ADDR, MSR_P5_MC_TYPE, VENDOR_UNKNOWN, false, READ_ZERO, WRITE_GP},
    {MSR_PLATFORM_ID, MSR_PLATFORM_ID, VENDOR_INTEL, true, READ_HOST, WRITE_GP},
    {MSR_UCODE_REV, MSR_UCODE_REV, VENDOR_UNKNOWN, true, READ_HOST, WRITE_GP},
    {0xc1, 0xc8, VENDOR_INTEL, false, READ_ZERO, WRITE_IGNORE}, /* performance counters */
    {0xe7, 0xe8, VENDOR_UNKNOWN, true, READ_GP, WRITE_IGNORE},  /* MPERF, APERF */
    {MSR_MCG_STATUS, MSR_MCG_CTL, VENDOR_UNKNOWN, false, READ_ZERO, WRITE_IGNORE},
    {0x186, 0x189, VENDOR_INTEL, false, READ_ZERO, WRITE_IGNORE}, /* performance event selection */
    {MSR_PERF_STATUS, MSR_PERF_STATUS, VENDOR_INTEL, true, READ_HOST, WRITE_GP},
    {0x199, 0x199, VENDOR_INTEL, true, READ_ZERO, WRITE_IGNORE}, /* PERF_CTL */
    {0x19a, 0x19a, VENDOR_INTEL, true, READ_GP, WRITE_IGNORE},   /* clock modulation */
    {MSR_THERM_STATUS, MSR_THERM_STATUS, VENDOR_INTEL, true, READ_HOST, WRITE_GP},
    {0x1b0, 0x1b0, VENDOR_INTEL, true, READ_GP, WRITE_IGNORE}, /* energy bias */
    {MSR_MC0_CTL2, MSR_MC31_CTL2, VENDOR_UNKNOWN, false, READ_ZERO, WRITE_IGNORE},
    {0x309, 0x30b, VENDOR_INTEL, false, READ_ZERO, WRITE_IGNORE},         /* fixed performance counters */
    {0x345, 0x345, VENDOR_UNKNOWN, false, READ_ZERO, WRITE_GP},           /* performance capabilities */
    {0x38d, 0x390, VENDOR_INTEL, false, READ_ZERO, WRITE_IGNORE},         /* performance control */
    {0xc0010000, 0xc0010007, VENDOR_AMD, false, READ_ZERO, WRITE_IGNORE}, /* performance counters */
    {MSR_K8_SYSCFG, MSR_K8_SYSCFG, VENDOR_AMD, true, READ_HOST, WRITE_GP},
    {MSR_K8_IORR_FIRST, 0xc001001a, VENDOR_AMD, true, READ_HOST, WRITE_GP},
    {MSR_K8_TOP_MEM2, MSR_K8_TOP_MEM2, VENDOR_AMD, true, READ_HOST, WRITE_GP},
    {MSR_AMD64_NB_CFG, MSR_AMD64_NB_CFG, VENDOR_UNKNOWN, true, READ_ZERO, WRITE_IGNORE},
    {0xc0010041, 0xc0010042, VENDOR_AMD, true, READ_ZERO, WRITE_IGNORE}, /* FID and VID */
    {MSR_K8_PSTATE_LIMIT, MSR_K8_PSTATE7, VENDOR_AMD, true, READ_ZERO, WRITE_IGNORE},
    {0xc0010112, 0xc0010113, VENDOR_AMD, true, READ_ZERO, WRITE_GP},      /* system management mode */
    {0xc0010200, 0xc001020b, VENDOR_AMD, false, READ_ZERO, WRITE_IGNORE}, /* performance counters */
};

static const struct msr_range *find_range(uint32_t msr)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++)
        if (msr >= ranges[i].first && msr <= ranges[i].last &&
            (ranges[i].vendor == VENDOR_UNKNOWN || ranges[i].vendor == host_cpu.vendor))
            return &ranges[i];
    return NULL;
}

static int refuse_read(const struct vcpu *v, uint32_t msr)
{
    guest_printk_debug(v->domain->id, "vCPU %u: RDMSR of %#x refused\n", v->id, msr);
    return -EPERM;
}

static int refuse_write(const struct vcpu *v, uint32_t msr, uint64_t value)
{
    guest_printk_debug(v->domain->id, "vCPU %u: WRMSR of %#lx to %#x refused\n", v->id, value, msr);
    return -EPERM;
}

static int range_read(const struct vcpu *v, uint32_t msr, uint64_t *value)
{
    const struct msr_range *r = find_range(msr);

    *value = 0;
    if (!r || r->read == READ_GP)
        return refuse_read(v, msr);
    if (r->read == READ_HOST && v->domain->is_hardware && !rdmsr_safe(msr, value))
        *value = 0;
    return 0;
}

static int range_write(const struct vcpu *v, uint32_t msr, uint64_t value)
{
    const struct msr_range *r = find_range(msr);

    if (!r || r->write == WRITE_GP || (r->hardware && !v->domain->is_hardware))
        return refuse_write(v, msr, value);
    return 0;
}

/* Machine checks are the VMM's: a guest sees banks that never report anything. */
static uint64_t mc_bank_read(uint32_t msr)
{
    return MC_BANK(msr) < NR_MC_BANKS && MC_REG(msr) == 0 ? ~0UL : 0;
}

static int mc_bank_write(const struct vcpu *v, uint32_t msr, uint64_t value)
{
    /* Status, address and miscellaneous registers can only be cleared (SDM vol 3, 16.3.2). */
    if (MC_BANK(msr) < NR_MC_BANKS && MC_REG(msr) != 0 && value)
        return refuse_write(v, msr, value);
    return 0;
}

uint64_t guest_mcg_cap_default(void)
{
    return NR_MC_BANKS | (host_cpu.vendor == VENDOR_INTEL ? MCG_SER_P | MCG_TES_P | MCG_CMCI_P : 0);
}

bool guest_mcg_cap_valid(uint64_t cap)
{
    return !(cap & ~(guest_mcg_cap_default() | MCG_COUNT));
}

static uint64_t misc_enable(void)
{
    uint64_t value;

    if (!rdmsr_safe(MSR_MISC_ENABLE, &value))
        value = 0;
    return value | MISC_ENABLE_BTS_UNAVAIL | MISC_ENABLE_PEBS_UNAVAIL | MISC_ENABLE_XTPR_DISABLE;
}

/* Of HWCR and DE_CFG a guest needs two bits each of which tells how an instruction behaves. */
static uint64_t host_bits(uint32_t msr, uint64_t mask)
{
    uint64_t value;

    return rdmsr_safe(msr, &value) ? value & mask : 0;
}

static int amd_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    if (host_cpu.vendor != VENDOR_AMD)
        return range_read(v, msr, value);
    if (msr == MSR_K8_HWCR)
        *value = host_bits(msr, HWCR_TSC_FREQ_SEL);
    else
        *value = cpu_has(LFENCE_DISPATCH) ? DE_CFG_LFENCE_SERIALIZE : 0;
    return 0;
}

static int intel_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    if (host_cpu.vendor != VENDOR_INTEL)
        return range_read(v, msr, value);
    *value = 1; /* IA32_FEATURE_CONTROL: locked, with nothing enabled */
    return 0;
}

/* What the guest may see depends on its CPU policy. */
static int policy_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_PLATFORM_INFO:
        *value = v->domain->cpu_policy->cpuid_faulting ? PLATFORM_INFO_CPUID_FAULTING : 0;
        return 0;
    case MSR_ARCH_CAPABILITIES:
        if (!pv_guest_has(v, X86_FEATURE_ARCH_CAPS))
            return refuse_read(v, msr);
        *value = cpu_policy_arch_caps(v->domain->cpu_policy);
        return 0;
    case MSR_TSC_AUX:
        if (!pv_guest_has(v, X86_FEATURE_RDTSCP))
            return refuse_read(v, msr);
        *value = v->pv.tsc_aux;
        return 0;
    case MSR_K8_HWCR:
    case MSR_AMD64_DE_CFG:
        return amd_read(v, msr, value);
    case MSR_FEATURE_CONTROL:
        return intel_read(v, msr, value);
    default:
        return range_read(v, msr, value);
    }
}

int guest_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    if (likely(msr == MSR_KERNEL_GS_BASE)) { /* of each task that a kernel switches from */
        *value = pv_get_segment_base(v, SEGBASE_GS_USER);
        return 0;
    }
    switch (msr) {
    case MSR_TSC:
        *value = guest_tsc(v);
        return 0;
    case MSR_FS_BASE:
        *value = pv_get_segment_base(v, SEGBASE_FS);
        return 0;
    case MSR_GS_BASE:
        *value = pv_get_segment_base(v, SEGBASE_GS_KERNEL);
        return 0;
    case MSR_EFER:
        *value = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
        return 0;
    case MSR_APIC_BASE:
        *value = 0xfee00000 | APIC_BASE_ENABLE | (v->id == 0 ? APIC_BASE_BSP : 0);
        return 0;
    case MSR_PAT:
        *value = HOST_PAT;
        return 0;
    case MSR_MISC_ENABLE:
        *value = misc_enable();
        return 0;
    case MSR_MISC_FEATURES_ENABLES:
        *value = v->pv.cpuid_faulting ? MISC_FEATURES_CPUID_FAULTING : 0;
        return 0;
    case MSR_MCG_CAP:
        *value = v->pv.mcg_cap;
        return 0;
    case MSR_MC0_CTL ... MSR_MC31_MISC:
        *value = mc_bank_read(msr);
        return 0;
    case MSR_XEN_HYPERCALL_PAGE:
        *value = 0;
        return 0;
    default:
        return policy_read(v, msr, value);
    }
}

static int write_base(struct vcpu *v, uint32_t which, uint64_t value)
{
    return pv_set_segment_base(v, which, value) ? -EPERM : 0;
}

/* A frame's address, its low bits the number of the page: there is only page 0. */
static int install_hypercall_page(struct vcpu *v, uint64_t value)
{
    struct page_info *page;

    if (value & ~PAGE_MASK)
        return -EPERM;
    page = get_page_from_mfn(paddr_to_mfn(_paddr(value)), v->domain);
    if (!page)
        return -EPERM;
    if (get_page_type(page, PGT_WRITABLE) != 0) {
        put_page(page);
        return -EPERM;
    }
    pv_fill_hypercall_page(page_to_virt(page));
    put_page_and_type(page);
    return 0;
}

static int write_tsc_aux(struct vcpu *v, uint64_t value)
{
    if (!pv_guest_has(v, X86_FEATURE_RDTSCP) || value >> 32)
        return -EPERM;
    v->pv.tsc_aux = (uint32_t)value;
    guest_load_msrs(v);
    return 0;
}

static int write_misc_features(struct vcpu *v, uint64_t value)
{
    if (value & ~(v->domain->cpu_policy->cpuid_faulting ? MISC_FEATURES_CPUID_FAULTING : 0))
        return -EPERM;
    v->pv.cpuid_faulting = value & MISC_FEATURES_CPUID_FAULTING;
    return 0;
}

int guest_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t now;

    switch (msr) {
    case MSR_FS_BASE:
        return write_base(v, SEGBASE_FS, value);
    case MSR_GS_BASE:
        return write_base(v, SEGBASE_GS_KERNEL, value);
    case MSR_KERNEL_GS_BASE:
        return write_base(v, SEGBASE_GS_USER, value);
    case MSR_EFER:
        return guest_rdmsr(v, msr, &now) || value != now ? refuse_write(v, msr, value) : 0;
    case MSR_MISC_FEATURES_ENABLES:
        return write_misc_features(v, value);
    case MSR_TSC_AUX:
        return write_tsc_aux(v, value);
    case MSR_MC0_CTL ... MSR_MC31_MISC:
        return mc_bank_write(v, msr, value);
    case MSR_MISC_ENABLE:
    case MSR_MCG_CAP:
        return 0;
    case MSR_K8_HWCR:
    case MSR_AMD64_DE_CFG:
        return host_cpu.vendor == VENDOR_AMD ? 0 : refuse_write(v, msr, value);
    case MSR_XEN_HYPERCALL_PAGE:
        return install_hypercall_page(v, value);
    default:
        return range_write(v, msr, value);
    }
}

const uint32_t migrated_msrs[NR_MIGRATED_MSRS] = {MSR_MISC_FEATURES_ENABLES, MSR_TSC_AUX};

int migrated_msr_get(const struct vcpu *v, uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_MISC_FEATURES_ENABLES:
        *value = v->pv.cpuid_faulting ? MISC_FEATURES_CPUID_FAULTING : 0;
        return 0;
    case MSR_TSC_AUX:
        *value = v->pv.tsc_aux;
        return pv_guest_has(v, X86_FEATURE_RDTSCP) ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

int migrated_msr_set(struct vcpu *v, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_MISC_FEATURES_ENABLES:
        return write_misc_features(v, value) ? -EINVAL : 0;
    case MSR_TSC_AUX:
        if (!pv_guest_has(v, X86_FEATURE_RDTSCP) || value >> 32)
            return -EINVAL;
        v->pv.tsc_aux = (uint32_t)value; /* loaded when the vCPU next runs */
        return 0;
    default:
        return -EINVAL;
    }
}

void guest_load_msrs(struct vcpu *v)
{
    if (!cpu_has(RDTSCP) || this_cpu(loaded_tsc_aux) == v->pv.tsc_aux)
        return;
    this_cpu(loaded_tsc_aux) = v->pv.tsc_aux;
    wrmsr(MSR_TSC_AUX, v->pv.tsc_aux);
}
