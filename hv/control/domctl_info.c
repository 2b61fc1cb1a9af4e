/* What tools ask about a domain. */
#include <base/compiler.h>
#include <base/errno.h>
#include <control/domctl.h>
#include <control/cpumask_arg.h>
#include <control/domain_info.h>
#include <mm/guest_access.h>
#include <mm/page_type.h>
#include <sched/sched.h>
#include <time/time.h>
#include <time/tsc.h>

/* The domain with this number; for tools that list domains, Xen answers -ESRCH where there is none. */
int domctl_getdomaininfo(struct domain *unused, struct xen_domctl *op, bool *copyback)
{
    /* Tools list domains this way: the one named or, if there is none, the next one. */
    struct domain *d;

    if (op->domain >= DOMID_FIRST_RESERVED)
        return -EINVAL;
    d = domain_find_next(op->domain);
    if (!d)
        return -ESRCH;
    fill_domain_info(d, &op->u.getdomaininfo);
    op->domain = d->id;
    domain_put(d);
    *copyback = true;
    return 0;
}

int domctl_getvcpuinfo(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
    struct vcpu *v = domain_vcpu(d, info->vcpu);
    vcpu_runstate_info_t runstate;

    if (info->vcpu >= d->max_vcpus)
        return -EINVAL;
    if (!v)
        return -ESRCH;
    vcpu_runstate_get(v, &runstate);
    info->online = !(v->sched.pause_flags & VPF_DOWN);
    info->blocked = !!(v->sched.pause_flags & VPF_BLOCKED);
    info->running = v->sched.is_running;
    info->cpu_time = runstate.time[RUNSTATE_running];
    info->cpu = v->processor;
    *copyback = true;
    return 0;
}

/* Of a machine frame number of the domain (a PV guest's gfn for tools): what kind of page it is. */
static uint64_t frame_type(struct domain *d, uint64_t mfn)
{
    struct page_info *page = get_page_from_mfn(_mfn(mfn), d);
    uint64_t type, result = XEN_DOMCTL_PFINFO_NOTAB;

    if (!page)
        return XEN_DOMCTL_PFINFO_XTAB;
    type = READ_ONCE(page->type_info);
    if ((type & PGT_COUNT_MASK) && (type & PGT_VALIDATED)) {
        switch (type & PGT_TYPE_MASK) {
        case PGT_L1:
            result = XEN_DOMCTL_PFINFO_L1TAB;
            break;
        case PGT_L2:
            result = XEN_DOMCTL_PFINFO_L2TAB;
            break;
        case PGT_L3:
            result = XEN_DOMCTL_PFINFO_L3TAB;
            break;
        case PGT_L4:
            result = XEN_DOMCTL_PFINFO_L4TAB;
            break;
        }
    }
    if (type & PGT_PINNED)
        result |= XEN_DOMCTL_PFINFO_LPINTAB;
    put_page(page);
    return result;
}

int domctl_getpageframeinfo3(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    uint64_t num = op->u.getpageframeinfo3.num, va = guest_handle_va(op->u.getpageframeinfo3.array);

    if (num > 1024)
        return -E2BIG;
    for (uint64_t i = 0; i < num; i++) {
        xen_pfn_t entry;

        if (copy_from_guest_index(&entry, va, i))
            return -EFAULT;
        entry = frame_type(d, entry);
        if (copy_to_guest_index(va, i, &entry))
            return -EFAULT;
    }
    return 0;
}

/* One node: node 0. */
int domctl_nodeaffinity(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    cpumask_t nodes = {{1}};
    int rc;

    if (op->cmd == XEN_DOMCTL_getnodeaffinity)
        return cpumask_to_arg(&op->u.nodeaffinity.nodemap, &nodes);
    rc = cpumask_from_arg(&nodes, &op->u.nodeaffinity.nodemap);
    if (rc)
        return rc;
    return nodes.bits[0] & 1 ? 0 : -EINVAL;
}

int domctl_tscinfo(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_tsc_info *t = &op->u.tsc_info;
    int rc = 0;

    if (d == current->domain)
        return -EINVAL;
    domain_pause(d);
    if (op->cmd == XEN_DOMCTL_settscinfo) {
        rc = tsc_set_info(d, t->tsc_mode, t->gtsc_khz, t->elapsed_nsec, t->incarnation);
    } else {
        tsc_get_info(d, &t->gtsc_khz, &t->elapsed_nsec);
        t->tsc_mode = d->time.tsc.mode;
        t->incarnation = d->time.tsc.incarnation;
        *copyback = true;
    }
    domain_unpause(d);
    return rc;
}
