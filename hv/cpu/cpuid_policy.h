/*
 * What a guest sees of the CPU: CPUID by the forced-emulation sequence of PV
 * kernels and, where the CPU can make CPUID fault, by every CPUID of a PV guest;
 * and with it which registers and control bits it may use. Each domain has its
 * policy, which the toolstack may change before the domain runs.
 */
#ifndef CPU_CPUID_POLICY_H
#define CPU_CPUID_POLICY_H

#include <base/types.h>
#include <base/compiler.h>
#include <cpu/features.h>

struct vcpu;
struct domain;

/* Leaves that a policy has: the numbers of the control interface (4.17: 120 in the end). */
#define POLICY_BASIC_LEAVES    0xeu
#define POLICY_CACHE_LEAVES    6u
#define POLICY_FEATURE_LEAVES  3u
#define POLICY_TOPOLOGY_LEAVES 2u
#define POLICY_XSTATE_LEAVES   63u
#define POLICY_EXT_LEAVES      0x22u
#define POLICY_FEATURE_WORDS   (NR_CPU_FEATURE_BITS / 32u)

/* Plain data. Leaves with subleaves are in their own array; basic[] does not count for them. */
struct cpu_policy {
    struct cpuid_regs basic[POLICY_BASIC_LEAVES];
    struct cpuid_regs cache[POLICY_CACHE_LEAVES];       /* 4 */
    struct cpuid_regs feature[POLICY_FEATURE_LEAVES];   /* 7 */
    struct cpuid_regs topology[POLICY_TOPOLOGY_LEAVES]; /* 0BH */
    struct cpuid_regs xstate[POLICY_XSTATE_LEAVES];     /* 0DH */
    struct cpuid_regs ext[POLICY_EXT_LEAVES];           /* 80000000H.. */
    uint32_t hv_limit, hv2_limit;                       /* of 40000000H and 40000100H; 0: none */
    uint32_t arch_caps_low, arch_caps_high;             /* MSR_ARCH_CAPABILITIES */
    bool cpuid_faulting;                                /* MSR_PLATFORM_INFO: offered to the guest's kernel */
};

enum cpu_policy_kind { CPU_POLICY_HOST, CPU_POLICY_PV_MAX, CPU_POLICY_PV_DEFAULT };

/* Boot CPU, after cpu_features_init() and fpu_init(): the policies of the machine and of PV guests. */
void cpuid_policy_init(void);
const struct cpu_policy *cpu_policy_system(enum cpu_policy_kind kind);

/* At creation, is_hardware being set: the default policy. -ENOMEM. */
int cpu_policy_init_domain(struct domain *d);
void cpu_policy_free_domain(struct domain *d);

/* Word i of the feature bits (XEN_CPU_FEATURESET_*), i < POLICY_FEATURE_WORDS. */
uint32_t *cpu_policy_word(struct cpu_policy *p, uint32_t i);
uint32_t cpu_policy_features(const struct cpu_policy *p, uint32_t i);
bool cpu_policy_has(const struct cpu_policy *p, enum cpu_feature feature);
uint64_t cpu_policy_arch_caps(const struct cpu_policy *p);

/*
 * Makes what a toolstack asked for into what there can be: features of @max only,
 * without those that need an absent one; what follows from them or from the
 * vendor computed anew; what guests do not see zero. In cpu/policy_rules.c.
 */
void cpu_policy_recalculate(struct cpu_policy *p, const struct cpu_policy *max);

/* Any leaf and subleaf, for v = current (the result depends on its CR4 and XCR0). */
void cpuid_for_guest(struct vcpu *v, uint32_t leaf, uint32_t sub, struct cpuid_regs *out);

/* A feature of the guest, by the policy alone. */
bool pv_guest_has(const struct vcpu *v, enum cpu_feature feature);

/* What the guest may have in XCR0: XCR0_X87 | XCR0_SSE where it has no XSAVE. */
uint64_t pv_guest_xcr0_mask(const struct vcpu *v);
/* What it may choose in CR4. */
uint64_t pv_guest_cr4_mask(const struct vcpu *v);

#endif
