/*
 * CPU policies in the form of the control interfaces: lists of CPUID leaves and
 * MSRs (<xen/arch-x86/xen.h>), and feature sets.
 */
#ifndef CONTROL_POLICY_H
#define CONTROL_POLICY_H

#include <base/types.h>
#include <xen/domctl.h>

/* What Xen reports as the most there may be; the tools allocate by it. */
#define POLICY_MAX_LEAVES 120u
#define POLICY_MAX_MSRS   2u

#define FEATURESET_WORDS 19u

/*
 * Writes the policy of PV guests (or, if host, the machine's own) to the
 * guest's arrays; a null array is not written. The numbers of elements go in
 * as room and out as used; with both arrays null, out as the most there may be.
 * -EFAULT, -ENOBUFS.
 */
int policy_to_guest(bool host, uint64_t leaves_gva, uint32_t *nr_leaves, uint64_t msrs_gva,
                    uint32_t *nr_msrs);

/*
 * XEN_DOMCTL_set_cpu_policy. Guests all have the same policy, and without CPUID
 * faulting they see the machine's own leaves anyway: what is set is looked at
 * for its form and then left alone. -E2BIG, -EFAULT; -ERANGE, -EINVAL with the
 * err_* fields set: to be copied back in any case.
 */
int policy_check(struct xen_domctl_cpu_policy *p);

#endif
