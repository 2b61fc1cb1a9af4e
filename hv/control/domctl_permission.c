/*
 * Rights to devices. There is no passthrough to other domains yet, so nothing can be
 * granted; taking away what a domain never had succeeds, as tools do it on every teardown.
 */
#include <base/errno.h>
#include <control/domctl.h>

static int answer(const struct domain *d, bool allow)
{
    if (allow)
        return d->is_hardware ? 0 : -EPERM;
    return d->is_hardware ? -EOPNOTSUPP : 0;
}

int domctl_ioport_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;

    if (p->first_port + (uint64_t)p->nr_ports > 0x10000)
        return -EINVAL;
    return p->nr_ports ? answer(d, p->allow_access) : 0;
}

int domctl_iomem_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;

    if (!p->nr_mfns || p->first_mfn + p->nr_mfns < p->first_mfn)
        return -EINVAL;
    return answer(d, p->allow_access);
}

int domctl_irq_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    if (op->u.irq_permission.pirq >= d->irq.nr_pirqs)
        return -EINVAL;
    return answer(d, op->u.irq_permission.allow_access);
}
