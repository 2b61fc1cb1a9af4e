/* Small hypercalls that belong to no family. */
#include <base/atomic.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <xen/xen.h>

/* What a 64-bit guest may ask for; some have no effect on it but are asked for all the same. */
#define KNOWN_ASSISTS                                                                                        \
    (BIT(VMASST_TYPE_4gb_segments) | BIT(VMASST_TYPE_4gb_segments_notify) |                                  \
     BIT(VMASST_TYPE_writable_pagetables) | BIT(VMASST_TYPE_pae_extended_cr3) |                              \
     BIT(VMASST_TYPE_architectural_iopl) | BIT(VMASST_TYPE_runstate_update_flag) |                           \
     BIT(VMASST_TYPE_m2p_strict))

long hc_vm_assist(struct hypercall_args *args)
{
    struct domain *d = current->domain;
    uint32_t cmd = args->a[0], type = args->a[1];

    if (type >= 64 || !(KNOWN_ASSISTS & BIT(type)))
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
