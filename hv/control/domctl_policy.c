/* CPUID and MSRs that a domain sees, in the hands of the toolstack. */
#include <base/errno.h>
#include <control/domctl.h>
#include <control/policy.h>
#include <mm/guest_access.h>

int domctl_get_cpu_policy(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;

    *copyback = true;
    return policy_to_guest(d->cpu_policy, guest_handle_va(p->leaves), &p->nr_leaves, guest_handle_va(p->msrs),
                           &p->nr_msrs);
}

int domctl_set_cpu_policy(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    int rc;

    if (d == current->domain)
        return -EINVAL;
    if (d->creation_finished)
        return -EEXIST;
    rc = policy_from_guest(d->cpu_policy, &op->u.cpu_policy);
    *copyback = rc; /* it tells what is wrong */
    return rc;
}
