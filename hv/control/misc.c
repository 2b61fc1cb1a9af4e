/* Small hypercalls that belong to no family. */
#include <pv/flags.h>
#include <base/atomic.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <xen/xen.h>

long hc_vm_assist(struct hypercall_args *args)
{
    struct domain *d = current->domain;
    uint32_t cmd = args->a[0], type = args->a[1];

    if (type >= 64 || !(PV_KNOWN_ASSISTS & BIT(type)))
        return -EINVAL;
    switch (cmd) {
    case VMASST_CMD_enable:
        atomic_or(&d->vm_assist, BIT(type));
        return 0;
    case VMASST_CMD_disable:
        atomic_and(&d->vm_assist, ~BIT(type));
        return 0;
    default:
        return -ENOSYS;
    }
}

/* Performance counters are not given to guests: what Xen answers while "vpmu" is off. */
long hc_xenpmu_op(struct hypercall_args *args)
{
    return -EOPNOTSUPP;
}
