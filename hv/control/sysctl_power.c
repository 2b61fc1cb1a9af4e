/* sysctl: power management, CPU hot-plug, and facilities that this VMM does not have. */
#include <base/errno.h>
#include <control/sysctl.h>
#include <cpu/smp.h>

/* CPUs idle by HLT; no other state is used or counted. */
static int power_statistics(struct xen_sysctl_get_pmstat *s)
{
    if (s->cpuid >= nr_cpus)
        return -EINVAL;
    switch (s->type) {
    case PMSTAT_get_max_cx:
        s->u.getcx.nr = 0;
        return 0;
    case PMSTAT_get_cxstat:
        s->u.getcx.nr = s->u.getcx.last = s->u.getcx.nr_pc = s->u.getcx.nr_cc = 0;
        s->u.getcx.idle_time = 0;
        return 0;
    case PMSTAT_reset_cxstat:
        return 0;
    default:
        return (s->type & PMSTAT_CATEGORY_MASK) == PMSTAT_PX ? -ENODEV : -EINVAL;
    }
}

static int power_op(struct xen_sysctl_pm_op *p)
{
    if (p->cpuid >= nr_cpus)
        return -EINVAL;
    switch (p->cmd) {
    case XEN_SYSCTL_pm_op_get_max_cstate:
        p->u.get_max_cstate = XEN_SYSCTL_CX_UNLIMITED;
        return 0;
    case XEN_SYSCTL_pm_op_set_max_cstate:
    case XEN_SYSCTL_pm_op_set_sched_opt_smt:
    case XEN_SYSCTL_pm_op_enable_turbo:
    case XEN_SYSCTL_pm_op_disable_turbo:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}

static int cpu_hotplug(const struct xen_sysctl_cpu_hotplug *h)
{
    switch (h->op) {
    case XEN_SYSCTL_CPU_HOTPLUG_ONLINE:
        return h->cpu < nr_cpus ? -EEXIST : -EINVAL;
    case XEN_SYSCTL_CPU_HOTPLUG_OFFLINE:
        return h->cpu < nr_cpus ? -EOPNOTSUPP : -EINVAL;
    default:
        return -EOPNOTSUPP;
    }
}

/* There is no tracing: what there is of buffers is nothing. */
static int trace_op(struct xen_sysctl_tbuf_op *t)
{
    if (t->cmd != XEN_SYSCTL_TBUFOP_get_info)
        return -EOPNOTSUPP;
    t->evt_mask = 0;
    t->buffer_mfn = 0;
    t->size = 0;
    return 0;
}

int sysctl_power(struct xen_sysctl *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_get_pmstat:
        return power_statistics(&op->u.get_pmstat);
    case XEN_SYSCTL_pm_op:
        return power_op(&op->u.pm_op);
    case XEN_SYSCTL_cpu_hotplug:
        return cpu_hotplug(&op->u.cpu_hotplug);
    case XEN_SYSCTL_tbuf_op:
        return trace_op(&op->u.tbuf_op);
    case XEN_SYSCTL_psr_cmt_op:
    case XEN_SYSCTL_psr_alloc:
        return -ENODEV;
    case XEN_SYSCTL_page_offline_op:
    case XEN_SYSCTL_coverage_op:
        return -EOPNOTSUPP;
    default:
        return -ENOSYS; /* also counters, lock profiles and live patches */
    }
}
