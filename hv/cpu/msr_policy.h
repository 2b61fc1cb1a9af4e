/* What a PV kernel may read and write of the model-specific registers. */
#ifndef CPU_MSR_POLICY_H
#define CPU_MSR_POLICY_H

#include <base/types.h>

struct vcpu;

/* Named by XEN_CPUID_LEAF(2): a write of a frame's address installs the hypercall page there. */
#define MSR_XEN_HYPERCALL_PAGE 0x40000000

/* For current, in kernel mode. 0, or -EPERM: the instruction gets a #GP. */
int guest_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value);
int guest_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value);

/* MSR_MCG_CAP: of a new vCPU, and whether one that is restored may have it. */
uint64_t guest_mcg_cap_default(void);
bool guest_mcg_cap_valid(uint64_t cap);

/*
 * Registers that XEN_DOMCTL_get_vcpu_msrs saves, of a vCPU that does not run. -EINVAL: none of these, or not
 * for this domain.
 */
#define NR_MIGRATED_MSRS 2u
extern const uint32_t migrated_msrs[NR_MIGRATED_MSRS];
int migrated_msr_get(const struct vcpu *v, uint32_t msr, uint64_t *value);
int migrated_msr_set(struct vcpu *v, uint32_t msr, uint64_t value);

/* Context switch: the registers that belong to the guest that runs (TSC_AUX). */
void guest_load_msrs(struct vcpu *v);

#endif
