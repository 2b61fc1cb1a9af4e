/* HYPERVISOR_domctl (<xen/domctl.h>): control of other domains by the control domain. */
#include <base/compiler.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <console/printk.h>
#include <control/control_lock.h>
#include <control/domctl.h>
#include <control/hypercall.h>
#include <mm/guest_access.h>

#define NO_DOMAIN 1 /* op->domain need not exist */

struct domctl_row {
    domctl_fn *fn;
    uint8_t flags;
};

/* Operations of features that this VMM does not have answer as Xen without them does. */
static int not_supported(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return -EOPNOTSUPP;
}

/* Turning off what there is not is no error. */
static int only_off(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    uint8_t on = op->cmd == XEN_DOMCTL_setdebugging ? op->u.setdebugging.enable
                                                    : op->u.access_required.access_required;

    return on ? -EOPNOTSUPP : 0;
}

static int no_device(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return -ENODEV;
}

static int invalid(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return -EINVAL;
}

/* Nothing is logged, which is where a live migration of a PV guest ends. */
static int shadow_op(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    if (op->u.shadow_op.op != XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY)
        return -EINVAL;
    guest_printk(d->id, "no live migration: written pages are not logged (xl save and xl restore move it)\n");
    return -EOPNOTSUPP;
}

static const struct domctl_row rows[] = {
    [XEN_DOMCTL_createdomain] = {domctl_createdomain, NO_DOMAIN},
    [XEN_DOMCTL_destroydomain] = {domctl_destroydomain, 0},
    [XEN_DOMCTL_pausedomain] = {domctl_pausedomain, 0},
    [XEN_DOMCTL_unpausedomain] = {domctl_unpausedomain, 0},
    [XEN_DOMCTL_getdomaininfo] = {domctl_getdomaininfo, NO_DOMAIN},
    [XEN_DOMCTL_setvcpuaffinity] = {domctl_vcpuaffinity, 0},
    [XEN_DOMCTL_getvcpuaffinity] = {domctl_vcpuaffinity, 0},
    [XEN_DOMCTL_shadow_op] = {shadow_op, 0},
    [XEN_DOMCTL_max_mem] = {domctl_max_mem, 0},
    [XEN_DOMCTL_setvcpucontext] = {domctl_setvcpucontext, 0},
    [XEN_DOMCTL_getvcpucontext] = {domctl_getvcpucontext, 0},
    [XEN_DOMCTL_getvcpuinfo] = {domctl_getvcpuinfo, 0},
    [XEN_DOMCTL_max_vcpus] = {domctl_max_vcpus, 0},
    [XEN_DOMCTL_scheduler_op] = {domctl_scheduler_op, 0},
    [XEN_DOMCTL_setdomainhandle] = {domctl_setdomainhandle, 0},
    [XEN_DOMCTL_setdebugging] = {only_off, 0},
    [XEN_DOMCTL_irq_permission] = {domctl_irq_permission, 0},
    [XEN_DOMCTL_iomem_permission] = {domctl_iomem_permission, 0},
    [XEN_DOMCTL_ioport_permission] = {domctl_ioport_permission, 0},
    [XEN_DOMCTL_memory_mapping] = {domctl_memory_mapping, 0},
    [XEN_DOMCTL_ioport_mapping] = {not_supported, 0},
    [XEN_DOMCTL_hypercall_init] = {domctl_hypercall_init, 0},
    [XEN_DOMCTL_settimeoffset] = {domctl_settimeoffset, 0},
    [XEN_DOMCTL_resumedomain] = {domctl_resumedomain, 0},
    [XEN_DOMCTL_sendtrigger] = {domctl_sendtrigger, 0},
    [XEN_DOMCTL_subscribe] = {domctl_subscribe, 0},
    [XEN_DOMCTL_gethvmcontext] = {invalid, 0},
    [XEN_DOMCTL_sethvmcontext] = {invalid, 0},
    [XEN_DOMCTL_gethvmcontext_partial] = {invalid, 0},
    [XEN_DOMCTL_set_address_size] = {domctl_address_size, 0},
    [XEN_DOMCTL_get_address_size] = {domctl_address_size, 0},
    [XEN_DOMCTL_assign_device] = {not_supported, 0},
    [XEN_DOMCTL_test_assign_device] = {not_supported, 0},
    [XEN_DOMCTL_deassign_device] = {not_supported, 0},
    [XEN_DOMCTL_get_device_group] = {not_supported, 0},
    [XEN_DOMCTL_bind_pt_irq] = {invalid, 0},
    [XEN_DOMCTL_unbind_pt_irq] = {invalid, 0},
    [XEN_DOMCTL_set_target] = {not_supported, 0},
    [XEN_DOMCTL_debug_op] = {invalid, 0},
    [XEN_DOMCTL_set_access_required] = {only_off, 0},
    [XEN_DOMCTL_set_broken_page_p2m] = {invalid, 0},
    [XEN_DOMCTL_setvnumainfo] = {invalid, 0},
    [XEN_DOMCTL_monitor_op] = {not_supported, 0},
    [XEN_DOMCTL_soft_reset] = {invalid, 0},
    [XEN_DOMCTL_vmtrace_op] = {invalid, 0},
    [XEN_DOMCTL_set_ext_vcpucontext] = {domctl_ext_vcpucontext, 0},
    [XEN_DOMCTL_get_ext_vcpucontext] = {domctl_ext_vcpucontext, 0},
    [XEN_DOMCTL_gettscinfo] = {domctl_tscinfo, 0},
    [XEN_DOMCTL_settscinfo] = {domctl_tscinfo, 0},
    [XEN_DOMCTL_getpageframeinfo3] = {domctl_getpageframeinfo3, 0},
    [XEN_DOMCTL_setvcpuextstate] = {domctl_vcpuextstate, 0},
    [XEN_DOMCTL_getvcpuextstate] = {domctl_vcpuextstate, 0},
    [XEN_DOMCTL_set_virq_handler] = {domctl_set_virq_handler, 0},
    [XEN_DOMCTL_setnodeaffinity] = {domctl_nodeaffinity, 0},
    [XEN_DOMCTL_getnodeaffinity] = {domctl_nodeaffinity, 0},
    [XEN_DOMCTL_get_vcpu_msrs] = {domctl_vcpu_msrs, 0},
    [XEN_DOMCTL_set_vcpu_msrs] = {domctl_vcpu_msrs, 0},
    [XEN_DOMCTL_psr_cmt_op] = {no_device, 0},
    [XEN_DOMCTL_psr_alloc] = {no_device, 0},
    [XEN_DOMCTL_get_paging_mempool_size] = {not_supported, 0},
    [XEN_DOMCTL_set_paging_mempool_size] = {not_supported, 0},
    [XEN_DOMCTL_get_cpu_policy] = {domctl_get_cpu_policy, 0},
    [XEN_DOMCTL_set_cpu_policy] = {domctl_set_cpu_policy, 0},
};

/* The domain of an operation: by its number, which DOMID_SELF is not. */
static int run(struct xen_domctl *op, bool *copyback)
{
    const struct domctl_row *row = NULL;
    struct domain *d = NULL;
    int rc = -ENOSYS;

    if (op->cmd < ARRAY_SIZE(rows))
        row = &rows[index_nospec(op->cmd, ARRAY_SIZE(rows))];
    if (!row || !(row->flags & NO_DOMAIN)) {
        d = op->domain < DOMID_FIRST_RESERVED ? domain_find(op->domain) : NULL;
        if (!d)
            return -ESRCH;
    }
    if (row && row->fn)
        rc = row->fn(d, op, copyback);
    if (d)
        domain_put(d);
    return rc;
}

long hc_domctl(struct hypercall_args *args)
{
    struct xen_domctl op;
    bool copyback = false;
    int rc;

    if (copy_from_guest(&op, args->a[0], sizeof(op)))
        return -EFAULT;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    if (!control_lock())
        return -ERESTART;
    rc = run(&op, &copyback);
    control_unlock();
    if (copyback && copy_to_guest(args->a[0], &op, sizeof(op)))
        rc = -EFAULT;
    return rc;
}
