/* HYPERVISOR_domctl (<xen/domctl.h>): control of other domains by the control domain. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/guest_access.h>
#include <xen/domctl.h>

long hc_domctl(struct hypercall_args *args)
{
    struct {
        uint32_t cmd, interface_version;
    } head;

    if (copy_from_guest(&head, args->a[0], sizeof(head)))
        return -EFAULT;
    if (head.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    return -ENOSYS;
}
