/* HYPERVISOR_memory_op: dispatch and the commands that only ask. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <grant/grant.h>
#include <mm/guest_access.h>
#include <mm/memory_op.h>
#include <mm/page.h>
#include <mm/page_type.h>
#include <xen/memory.h>

/* How a preempted reservation says where to go on; only the VMM sees it, as the guest repeats its registers.
 */
#define START_SHIFT 6
#define OP_MASK     ((1u << START_SHIFT) - 1)

static long query(unsigned int op, uint64_t arg)
{
    struct xen_memory_domain q;
    struct domain *d;
    uint64_t pfn;
    long rc;

    if (copy_from_guest(&q, arg, sizeof(q)))
        return -EFAULT;
    rc = domain_find_permitted(q.domid, &d);
    if (rc)
        return rc;
    switch (op) {
    case XENMEM_current_reservation:
        rc = (long)READ_ONCE(d->mm.tot_pages);
        break;
    case XENMEM_maximum_reservation:
        /* "No limit" must not look like an error. */
        rc = READ_ONCE(d->mm.max_pages) > ~0u ? (long)~0u : (long)READ_ONCE(d->mm.max_pages);
        break;
    default: /* XENMEM_maximum_gpfn: what the guest itself keeps in its shared info */
        pfn = READ_ONCE(d->shared_info->arch.max_pfn);
        rc = (long)(pfn ? pfn - 1 : 0);
    }
    domain_put(d);
    return rc;
}

/* What is said of a domain that has not the thing asked for: after the argument was looked at. */
static long absent(domid_t id, int error)
{
    struct domain *d;
    int rc = domain_find_permitted(id, &d);

    if (rc)
        return rc;
    domain_put(d);
    return error;
}

/* A PV guest's frames have no place in a map of the VMM's. */
static long add_to_physmap(uint64_t arg)
{
    struct xen_add_to_physmap a;

    return copy_from_guest(&a, arg, sizeof(a)) ? -EFAULT : absent(a.domid, -EACCES);
}

static long add_to_physmap_batch(uint64_t arg)
{
    struct xen_add_to_physmap_batch a;

    return copy_from_guest(&a, arg, sizeof(a)) ? -EFAULT : absent(a.domid, -EACCES);
}

static long remove_from_physmap(uint64_t arg)
{
    struct xen_remove_from_physmap r;

    return copy_from_guest(&r, arg, sizeof(r)) ? -EFAULT : absent(r.domid, -EACCES);
}

/* No domain has virtual NUMA nodes. */
static long get_vnuma(uint64_t arg)
{
    struct xen_vnuma_topology_info v;

    if (copy_from_guest(&v, arg, sizeof(v)))
        return -EFAULT;
    return v.pad ? -EINVAL : absent(v.domid, -EOPNOTSUPP);
}

/* Rights to pages by the guest's frame number, and memory on demand, are of guests with a physical map. */
static long access_op(uint64_t arg)
{
    struct xen_mem_access_op a;

    if (copy_from_guest(&a, arg, sizeof(a)))
        return -EFAULT;
    return absent(a.domid, -EINVAL);
}

static long pod_target(uint64_t arg)
{
    struct xen_pod_target t;

    if (copy_from_guest(&t, arg, sizeof(t)))
        return -EFAULT;
    return absent(t.domid, -EINVAL);
}

/* Without an IOMMU no device has memory reserved for it. */
static long reserved_device_memory_map(uint64_t arg)
{
    struct xen_reserved_device_memory_map m;

    if (copy_from_guest(&m, arg, sizeof(m)))
        return -EFAULT;
    if (m.flags & ~(uint32_t)XENMEM_RDM_ALL)
        return -EINVAL;
    m.nr_entries = 0;
    return copy_to_guest(arg, &m, sizeof(m));
}

static long reservation(unsigned int op, struct hypercall_args *args)
{
    uint64_t start = args->a[0] >> START_SHIFT;
    long rc = memory_reservation(op, args->a[1], &start);

    if (rc == -ERESTART)
        args->a[0] = op | start << START_SHIFT;
    return rc;
}

long hc_memory_op(struct hypercall_args *args)
{
    unsigned int op = (unsigned int)args->a[0] & OP_MASK;
    uint64_t arg = args->a[1];

    if (unlikely(current->mm.nr_pending) && release_pending(current))
        return -ERESTART;
    switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return reservation(op, args);
    case XENMEM_exchange:
        return memory_exchange(arg);
    case XENMEM_maximum_ram_page:
        return (long)max_page;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return query(op, arg);
    case XENMEM_machphys_mapping:
        return memory_machphys_mapping(arg);
    case XENMEM_machphys_mfn_list:
        return memory_machphys_mfn_list(arg);
    case XENMEM_memory_map:
        return memory_get_map(arg);
    case XENMEM_machine_memory_map:
        return memory_get_machine_map(arg);
    case XENMEM_set_memory_map:
        return memory_set_map(arg);
    case XENMEM_add_to_physmap:
        return add_to_physmap(arg);
    case XENMEM_add_to_physmap_batch:
        return add_to_physmap_batch(arg);
    case XENMEM_remove_from_physmap:
        return remove_from_physmap(arg);
    case XENMEM_reserved_device_memory_map:
        return reserved_device_memory_map(arg);
    case XENMEM_claim_pages:
        return memory_claim_pages(arg);
    case XENMEM_get_sharing_freed_pages:
    case XENMEM_get_sharing_shared_pages:
        return 0; /* frames are never shared by contents */
    case XENMEM_acquire_resource:
        return grant_acquire_resource(arg);
    case XENMEM_get_vnumainfo:
        return get_vnuma(arg);
    case XENMEM_access_op:
        return access_op(arg);
    case XENMEM_get_pod_target:
    case XENMEM_set_pod_target:
        return pod_target(arg);
    case XENMEM_machphys_compat_mfn_list:
        return -EOPNOTSUPP; /* no 32-bit guests */
    default:
        return -ENOSYS;
    }
}
