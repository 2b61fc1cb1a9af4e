/* HYPERVISOR_update_va_mapping: one level-1 entry of the tables in use, and a flush. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <mm/page_type.h>
#include <mm/pt_update.h>
#include <mm/tlb.h>
#include <xen/xen.h>

/* UVMF_* beyond the flush type: UVMF_ALL, UVMF_LOCAL (0), or the address of a bitmap of vCPUs. */
static int flush(struct domain *d, uint64_t va, uint64_t flags)
{
    uint64_t where = flags & ~UVMF_FLUSHTYPE_MASK;
    bool one = (flags & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG;
    cpumask_t cpus;

    if (where == UVMF_LOCAL) {
        if (one)
            flush_tlb_one_local(va);
        else
            flush_tlb_local();
        return 0;
    }
    if (where == UVMF_ALL)
        cpus = *tlb_domain_cpus(d);
    else if (vcpumask_to_cpus(d, where, &cpus))
        return -EFAULT;
    if (one)
        flush_tlb_one_mask(&cpus, va);
    else
        flush_tlb_mask(&cpus);
    return 0;
}

static int update(const struct pt_context *c, uint64_t va, pte_t val, uint64_t flags)
{
    struct page_info *table = lock_l1_table(current, va);
    uint64_t type = flags & UVMF_FLUSHTYPE_MASK;
    int rc;

    if (unlikely(!table))
        return -EINVAL;
    rc = pt_update_l1(c, (pte_t *)page_to_virt(table) + pt_index(va, 1), val, false);
    unlock_table(table);
    if (likely(!rc) && (type == UVMF_TLB_FLUSH || type == UVMF_INVLPG))
        rc = flush(current->domain, va, flags);
    return rc;
}

/* A table that an earlier operation of ours was refused and has yet to release may be what is in the way. */
static int update_or_release(const struct pt_context *c, const struct hypercall_args *args)
{
    int rc = update(c, args->a[0], args->a[1], args->a[2]);

    if (likely(!rc) || likely(!current->mm.nr_pending))
        return rc;
    if (release_pending(current))
        return -ERESTART;
    return update(c, args->a[0], args->a[1], args->a[2]);
}

long hc_update_va_mapping(struct hypercall_args *args)
{
    struct pt_context c;

    pt_context_self(&c);
    return update_or_release(&c, args);
}

long hc_update_va_mapping_otherdomain(struct hypercall_args *args)
{
    domid_t domid = (domid_t)args->a[3];
    struct pt_context c;
    int rc;

    if (domid == DOMID_IO && !current->domain->is_privileged)
        return -EPERM;
    rc = pt_context_get(&c, domid);
    if (rc)
        return rc;
    rc = update_or_release(&c, args);
    pt_context_put(&c);
    return rc;
}
