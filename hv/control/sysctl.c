/* HYPERVISOR_sysctl (<xen/sysctl.h>): control of the machine by the control domain. */
#include <base/errno.h>
#include <control/control_lock.h>
#include <control/hypercall.h>
#include <control/sysctl.h>
#include <mm/guest_access.h>

static int sysctl(struct xen_sysctl *op)
{
    static int (*const groups[])(struct xen_sysctl *) = {sysctl_machine, sysctl_domains, sysctl_power};
    int rc = -ENOSYS;

    for (unsigned int i = 0; i < ARRAY_SIZE(groups) && rc == -ENOSYS; i++)
        rc = groups[i](op);
    return rc;
}

long hc_sysctl(struct hypercall_args *args)
{
    struct xen_sysctl op;
    int rc;

    if (copy_from_guest(&op, args->a[0], sizeof(op)))
        return -EFAULT;
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
        return -EACCES;
    if (!control_lock())
        return -ERESTART;
    rc = sysctl(&op);
    control_unlock();
    if (!rc && copy_to_guest(args->a[0], &op, sizeof(op)))
        return -EFAULT;
    return rc;
}
