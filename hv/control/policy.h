/*
 * CPU policies in the form of the control interfaces: lists of CPUID leaves and
 * MSRs (<xen/arch-x86/xen.h>), and feature sets.
 */
#ifndef CONTROL_POLICY_H
#define CONTROL_POLICY_H

#include <base/types.h>
#include <cpu/cpuid_policy.h>
#include <xen/domctl.h>

/* What Xen reports as the most there may be; the tools allocate by it. */
#define POLICY_MAX_LEAVES 120u
#define POLICY_MAX_MSRS   2u

#define FEATURESET_WORDS 19u

/*
 * Writes a policy to the guest's arrays; a null array is not written, its number of elements
 * goes out as the most there may be. The others go in as room and out as used. -EFAULT, -ENOBUFS.
 */
int policy_to_guest(const struct cpu_policy *p, uint64_t leaves_gva, uint32_t *nr_leaves, uint64_t msrs_gva,
                    uint32_t *nr_msrs);

/*
 * XEN_DOMCTL_set_cpu_policy: the leaves and MSRs named replace those of *p, limited
 * to what a PV guest may have (cpu_policy_recalculate()). Leaves *p alone with an error:
 * -E2BIG, -EFAULT; -ERANGE (no such leaf or MSR), -EINVAL (more than there can be) with the
 * err_* fields set, which are to be copied back. LOCK_DOMCTL held; the domain does not run.
 */
int policy_from_guest(struct cpu_policy *p, struct xen_domctl_cpu_policy *op);

#endif
