/* sysctl: lists of domains, the scheduler, the one CPU pool, the console. */
#include <base/errno.h>
#include <console/console.h>
#include <console/keyhandler.h>
#include <control/cpumask_arg.h>
#include <control/domain_info.h>
#include <control/sysctl.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <sched/sched.h>

/* Handlers of debug keys may print much: more at once are refused. */
#define MAX_KEYS 64

static int domain_list(struct xen_sysctl_getdomaininfolist *l)
{
    uint32_t next = l->first_domain, n = 0;
    struct domain *d;
    int rc = 0;

    while (n < l->max_domains && next < DOMID_FIRST_RESERVED &&
           (d = domain_find_next((domid_t)next)) != NULL) {
        struct xen_domctl_getdomaininfo info;

        fill_domain_info(d, &info);
        next = d->id + 1u;
        domain_put(d);
        rc = copy_to_guest_index(guest_handle_va(l->buffer), n, &info);
        if (rc)
            return rc;
        n++;
    }
    l->num_domains = n;
    return 0;
}

static int debug_keys(const struct xen_sysctl_debug_keys *k)
{
    if (k->nr_keys > MAX_KEYS)
        return -E2BIG;
    for (uint32_t i = 0; i < k->nr_keys; i++) {
        char key;

        if (copy_from_guest(&key, guest_handle_va(k->keys) + i, 1))
            return -EFAULT;
        handle_keypress(key);
    }
    return 0;
}

static uint32_t count_domains(void)
{
    uint32_t next = 0, n = 0;
    struct domain *d;

    while (next < DOMID_FIRST_RESERVED && (d = domain_find_next((domid_t)next)) != NULL) {
        next = d->id + 1u;
        domain_put(d);
        n++;
    }
    return n;
}

/* Pool 0 has all CPUs, the last of which no pool can lose. */
static int pool_cpu(const struct xen_sysctl_cpupool_op *p)
{
    bool add = p->op == XEN_SYSCTL_CPUPOOL_OP_ADDCPU, any = p->cpu == XEN_SYSCTL_CPUPOOL_PAR_ANY;

    if (p->cpupool_id)
        return -ENOENT;
    if (!any && p->cpu >= nr_cpus)
        return -EINVAL;
    if (add)
        return -ENODEV; /* none is free */
    return nr_cpus == 1 ? -EINVAL : -EBUSY;
}

static int pool_domain(const struct xen_sysctl_cpupool_op *p)
{
    struct domain *d;

    if (p->domid == current->domain->id)
        return -EPERM;
    d = p->domid < DOMID_FIRST_RESERVED ? domain_find((domid_t)p->domid) : NULL;
    if (!d)
        return -ESRCH;
    domain_put(d);
    return p->cpupool_id ? -ENOENT : 0;
}

/* Pool 0 has all CPUs and all domains. */
static int cpupool_op(struct xen_sysctl_cpupool_op *p)
{
    const cpumask_t none = {{0}};

    switch (p->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        if (p->cpupool_id)
            return -ENOENT;
        p->sched_id = XEN_SCHEDULER_CREDIT2;
        p->n_dom = count_domains();
        return cpumask_to_arg(&p->cpumap, &cpu_online_map);
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return cpumask_to_arg(&p->cpumap, &none);
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return pool_domain(p);
    case XEN_SYSCTL_CPUPOOL_OP_CREATE:
        return -EOPNOTSUPP;
    case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
        return p->cpupool_id ? -ENOENT : -EBUSY;
    case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
    case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
        return pool_cpu(p);
    default:
        return -ENOSYS;
    }
}

static int scheduler_op(struct xen_sysctl_scheduler_op *s)
{
    if (s->cpupool_id)
        return -ESRCH;
    if (s->sched_id != XEN_SCHEDULER_CREDIT2)
        return -EINVAL;
    switch (s->cmd) {
    case XEN_SYSCTL_SCHEDOP_putinfo:
        return sched_set_ratelimit(s->u.sched_credit2.ratelimit_us);
    case XEN_SYSCTL_SCHEDOP_getinfo:
        s->u.sched_credit2.ratelimit_us = sched_get_ratelimit();
        return 0;
    default:
        return -EINVAL;
    }
}

int sysctl_domains(struct xen_sysctl *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_getdomaininfolist:
        return domain_list(&op->u.getdomaininfolist);
    case XEN_SYSCTL_readconsole:
        return console_read_ring(&op->u.readconsole);
    case XEN_SYSCTL_debug_keys:
        return debug_keys(&op->u.debug_keys);
    case XEN_SYSCTL_sched_id:
        op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
        return 0;
    case XEN_SYSCTL_cpupool_op:
        return cpupool_op(&op->u.cpupool_op);
    case XEN_SYSCTL_scheduler_op:
        return scheduler_op(&op->u.scheduler_op);
    default:
        return -ENOSYS;
    }
}
