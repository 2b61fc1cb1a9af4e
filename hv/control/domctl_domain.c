/* Life of a domain in the hands of the toolstack: creation, memory, vCPUs, pausing, end. */
#include <base/atomic.h>
#include <base/errno.h>
#include <control/domctl.h>
#include <control/hypercall.h>
#include <cpu/smp.h>
#include <event/evtchn.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <pv/traps.h>
#include <sched/sched.h>
#include <time/time.h>

static domid_t last_domid; /* LOCK_DOMCTL: numbers are not reused before all were used */

/* A number that no domain has; DOMID_INVALID if there is none. */
static domid_t free_domid(void)
{
    domid_t id = last_domid;

    for (uint32_t n = 1; n < DOMID_FIRST_RESERVED; n++) {
        id = id + 1u < DOMID_FIRST_RESERVED ? (domid_t)(id + 1) : 1;
        if (!domain_by_id(id))
            return last_domid = id;
    }
    return DOMID_INVALID;
}

/* Shadow page tables that are out of step are no matter of paravirtual guests: either way will do. */
#define KNOWN_FLAGS (XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_oos_off)

/* Only paravirtual guests, without an IOMMU, tracing, or pools besides the first. */
static int check_create(const struct xen_domctl_createdomain *c)
{
    if (c->flags & ~KNOWN_FLAGS || c->iommu_opts || c->vmtrace_size)
        return -EINVAL;
    if (c->arch.misc_flags & ~XEN_X86_MSR_RELAXED || c->arch.emulation_flags & ~XEN_X86_EMU_ALL)
        return -EINVAL;
    if (!c->max_vcpus || c->max_vcpus > MAX_VCPUS_PER_DOMAIN || !c->max_grant_frames)
        return -EINVAL;
    if (c->grant_opts < 1 || c->grant_opts > 2)
        return -EINVAL;
    if (c->arch.emulation_flags)
        return -EOPNOTSUPP;
    return c->cpupool_id ? -ESRCH : 0;
}

int domctl_createdomain(struct domain *unused, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_createdomain *c = &op->u.createdomain;
    struct domain_config config = {.id = op->domain,
                                   .max_vcpus = c->max_vcpus,
                                   .max_evtchn_port = c->max_evtchn_port ? c->max_evtchn_port : ~0u,
                                   .max_grant_frames = c->max_grant_frames,
                                   .max_maptrack_frames = c->max_maptrack_frames,
                                   .ssidref = c->ssidref};
    struct domain *d;
    int rc = check_create(c);

    if (rc)
        return rc;
    if (!config.id || config.id >= DOMID_FIRST_RESERVED)
        config.id = free_domid();
    if (config.id == DOMID_INVALID)
        return -ENOMEM;
    memcpy(config.handle, c->handle, sizeof(config.handle));
    rc = domain_create(&config, &d);
    if (rc)
        return rc;
    /* The pause it was born with is the toolstack's to undo. */
    d->controller_pause_count = 1;
    d->is_xenstore = c->flags & XEN_DOMCTL_CDF_xs_domain;
    op->domain = d->id;
    *copyback = true;
    return 0;
}

int domctl_destroydomain(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return domain_kill(d);
}

int domctl_pausedomain(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    if (d == current->domain)
        return -EINVAL;
    spin_lock(&d->lock);
    if (d->controller_pause_count >= 255) {
        spin_unlock(&d->lock);
        return -EOVERFLOW;
    }
    d->controller_pause_count++;
    spin_unlock(&d->lock);
    domain_pause(d);
    return 0;
}

int domctl_unpausedomain(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    spin_lock(&d->lock);
    if (d == current->domain || !d->controller_pause_count) {
        spin_unlock(&d->lock);
        return -EINVAL;
    }
    if (!--d->controller_pause_count)
        d->creation_finished = true;
    spin_unlock(&d->lock);
    domain_unpause(d);
    return 0;
}

int domctl_resumedomain(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    if (d == current->domain)
        return -EINVAL;
    domain_resume(d);
    return 0;
}

int domctl_max_vcpus(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    uint32_t max = op->u.max_vcpus.max;

    if (d == current->domain || max != d->max_vcpus)
        return -EINVAL;
    for (uint32_t i = 0; i < max; i++) {
        int rc;

        if (d->vcpu[i])
            continue;
        rc = vcpu_create(d, i, i % nr_cpus);
        if (rc)
            return rc;
        if (i + 1 < max && hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}

int domctl_max_mem(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    uint64_t pages = op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10);

    /* Below what it has is allowed: it then gets nothing more until it gave some back. */
    spin_lock(&d->mm.page_lock);
    d->mm.max_pages = MIN(pages, (uint64_t)UINT32_MAX);
    spin_unlock(&d->mm.page_lock);
    return 0;
}

int domctl_setdomainhandle(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    return 0;
}

int domctl_settimeoffset(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    d->time.time_offset_seconds = op->u.settimeoffset.time_offset_seconds;
    time_update_wallclock(d);
    return 0;
}

int domctl_sendtrigger(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    const struct xen_domctl_sendtrigger *t = &op->u.sendtrigger;
    struct vcpu *v = domain_vcpu(d, t->vcpu);

    if (!v)
        return -ESRCH;
    switch (t->trigger) {
    case XEN_DOMCTL_SENDTRIGGER_NMI:
        if (!xchg(&v->pv.nmi_pending, true))
            vcpu_kick(v);
        return 0;
    case XEN_DOMCTL_SENDTRIGGER_POWER: /* buttons that only guests with a platform have */
    case XEN_DOMCTL_SENDTRIGGER_SLEEP:
        return -EINVAL;
    default:
        return -ENOSYS;
    }
}

int domctl_subscribe(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    d->suspend_port = op->u.subscribe.port;
    return 0;
}

int domctl_set_virq_handler(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    return set_global_virq_owner(op->u.set_virq_handler.virq, d);
}

int domctl_hypercall_init(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct page_info *page = get_page_from_mfn(_mfn(op->u.hypercall_init.gmfn), d);

    if (!page)
        return -EINVAL;
    if (get_page_type(page, PGT_WRITABLE)) {
        put_page(page);
        return -EINVAL;
    }
    pv_fill_hypercall_page(page_to_virt(page));
    put_page_and_type(page);
    return 0;
}

/* 64-bit kernels only. */
int domctl_address_size(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    if (op->cmd == XEN_DOMCTL_set_address_size)
        return op->u.address_size.size == 64 ? 0 : op->u.address_size.size == 32 ? -EOPNOTSUPP : -EINVAL;
    op->u.address_size.size = 64;
    *copyback = true;
    return 0;
}
