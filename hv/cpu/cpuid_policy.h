/*
 * What CPUID tells a guest: the forced-emulation sequence of PV kernels and,
 * where the CPU can make CPUID fault, every CPUID of a PV guest.
 */
#ifndef CPU_CPUID_POLICY_H
#define CPU_CPUID_POLICY_H

#include <base/types.h>
#include <cpu/features.h>

struct vcpu;

/* Boot CPU, after cpu_features_init() and fpu_init(): the feature sets of guests. */
void cpuid_policy_init(void);

/* Any leaf and subleaf, for v = current (the result depends on its CR4 and XCR0). */
void cpuid_for_guest(struct vcpu *v, uint32_t leaf, uint32_t sub, struct cpuid_regs *out);

/* A feature of PV guests, by the policy alone. */
bool pv_guest_has(const struct vcpu *v, enum cpu_feature feature);

/* MSR_ARCH_CAPABILITIES of a guest that has it. */
uint64_t cpuid_policy_arch_caps(void);

#endif
