/* What a PV kernel may read and write of the model-specific registers. */
#ifndef CPU_MSR_POLICY_H
#define CPU_MSR_POLICY_H

#include <base/types.h>

struct vcpu;

/* For current, in kernel mode. 0, or -EPERM: the instruction gets a #GP. */
int guest_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value);
int guest_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value);

#endif
