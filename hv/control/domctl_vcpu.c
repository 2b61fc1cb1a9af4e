/* A vCPU in the hands of the toolstack: where it runs, and how much. */
#include <base/errno.h>
#include <control/domctl.h>
#include <control/cpumask_arg.h>
#include <sched/sched.h>

static cpumask_t mask_and(const cpumask_t *a, const cpumask_t *b)
{
    cpumask_t r;

    for (unsigned int i = 0; i < ARRAY_SIZE(r.bits); i++)
        r.bits[i] = a->bits[i] & b->bits[i];
    return r;
}

static int set_hard(struct vcpu *v, struct xen_domctl_vcpuaffinity *a)
{
    cpumask_t mask;
    int rc = cpumask_from_arg(&mask, &a->cpumap_hard);

    if (rc)
        return rc;
    if (a->flags & XEN_VCPUAFFINITY_FORCE)
        sched_pin_override(v, -1);
    rc = sched_set_hard_affinity(v, &mask);
    if (rc)
        return rc;
    mask = mask_and(&v->sched.hard_affinity, &cpu_online_map);
    return cpumask_to_arg(&a->cpumap_hard, &mask);
}

static int set_soft(struct vcpu *v, const struct xen_domctl_vcpuaffinity *a)
{
    cpumask_t mask;
    int rc = cpumask_from_arg(&mask, &a->cpumap_soft);

    if (rc)
        return rc;
    sched_set_soft_affinity(v, &mask);
    mask = mask_and(&mask, &v->sched.hard_affinity);
    mask = mask_and(&mask, &cpu_online_map);
    return cpumask_to_arg(&a->cpumap_soft, &mask);
}

int domctl_vcpuaffinity(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    bool set = op->cmd == XEN_DOMCTL_setvcpuaffinity;
    struct vcpu *v = domain_vcpu(d, a->vcpu);
    int rc = 0;

    if (a->vcpu >= d->max_vcpus || !(a->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)))
        return -EINVAL;
    if (!v)
        return -ESRCH;
    if (a->flags & XEN_VCPUAFFINITY_HARD)
        rc = set ? set_hard(v, a) : cpumask_to_arg(&a->cpumap_hard, &v->sched.hard_affinity);
    if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
        rc = set ? set_soft(v, a) : cpumask_to_arg(&a->cpumap_soft, &v->sched.soft_affinity);
    return rc;
}

/* Tools know our scheduler by the name of the one with the same parameters: credit2. */
int domctl_scheduler_op(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;
    int rc = 0;

    if (s->sched_id != XEN_SCHEDULER_CREDIT2)
        return -EINVAL;
    switch (s->cmd) {
    case XEN_DOMCTL_SCHEDOP_putinfo:
        if (s->u.credit2.weight)
            rc = sched_set_weight(d, s->u.credit2.weight);
        if (!rc && s->u.credit2.cap != 0xffff) /* "leave it" */
            rc = sched_set_cap(d, s->u.credit2.cap);
        return rc;
    case XEN_DOMCTL_SCHEDOP_getinfo:
        s->u.credit2.weight = (uint16_t)d->sched.weight;
        s->u.credit2.cap = (uint16_t)d->sched.cap;
        *copyback = true;
        return 0;
    default:
        return -EINVAL;
    }
}
