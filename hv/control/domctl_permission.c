/*
 * Rights to ports, device memory and interrupts (xl.cfg: ioports, iomem, irq): dom0 gives what it has itself.
 * Taking rights away ends what may be begun; what is mapped or bound stays, as in Xen.
 */
#include <base/errno.h>
#include <control/domctl.h>
#include <irq/pirq.h>
#include <mm/iomem.h>
#include <pv/ioport.h>

#define NR_PORTS 0x10000u

int domctl_ioport_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;
    uint64_t end = p->first_port + (uint64_t)p->nr_ports;

    if (!p->nr_ports || end > NR_PORTS)
        return -EINVAL;
    if (!ioport_may_give(current->domain, p->first_port, (uint32_t)end - 1))
        return -EPERM;
    return ioport_permit(d, p->first_port, (uint32_t)end - 1, p->allow_access);
}

int domctl_iomem_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;

    if (p->first_mfn + p->nr_mfns - 1 < p->first_mfn)
        return -EINVAL;
    if (!iomem_may_give(current->domain, p->first_mfn, p->nr_mfns))
        return -EPERM;
    return iomem_permit(d, p->first_mfn, p->nr_mfns, p->allow_access);
}

/* The number is one of the caller's. */
int domctl_irq_permission(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_irq_permission *p = &op->u.irq_permission;

    if (p->pirq >= current->domain->irq.nr_pirqs)
        return -EINVAL;
    return pirq_permit(current->domain, p->pirq, d, p->allow_access);
}

/* For guests with a physical map of their own; tools call it for others, too. */
int domctl_memory_mapping(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_memory_mapping *m = &op->u.memory_mapping;

    if (m->first_gfn + m->nr_mfns - 1 < m->first_gfn || m->first_mfn + m->nr_mfns - 1 < m->first_mfn)
        return -EINVAL;
    return 0;
}
