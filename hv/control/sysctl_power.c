/* sysctl: power management, CPU hot-plug, and facilities that this VMM does not have. */
#include <base/errno.h>
#include <control/sysctl.h>
#include <cpu/smp.h>
#include <mm/guest_access.h>
#include <mm/page.h>

/* Of one query: no more than can be done without a break. */
#define MAX_FRAMES 4096u

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
        return (s->type & PMSTAT_CATEGORY_MASK) == PMSTAT_CX ? -ENOSYS : -ENODEV;
    }
}

/* No state is ever deeper than any limit. */
static uint32_t max_cstate = XEN_SYSCTL_CX_UNLIMITED; /* LOCK_DOMCTL */

static int power_op(struct xen_sysctl_pm_op *p)
{
    if (p->cpuid >= nr_cpus)
        return -EINVAL;
    switch (p->cmd) {
    case XEN_SYSCTL_pm_op_get_max_cstate:
        p->u.get_max_cstate = max_cstate;
        return 0;
    case XEN_SYSCTL_pm_op_set_max_cstate:
        max_cstate = p->u.set_max_cstate;
        return 0;
    case XEN_SYSCTL_pm_op_set_sched_opt_smt:
        return -EOPNOTSUPP;
    case XEN_SYSCTL_pm_op_enable_turbo:
    case XEN_SYSCTL_pm_op_disable_turbo:
        return -EACCES;
    case GET_CPUFREQ_PARA:
    case SET_CPUFREQ_GOV:
    case SET_CPUFREQ_PARA:
    case GET_CPUFREQ_AVGFREQ:
        return -EINVAL;
    default:
        return -ENOSYS;
    }
}

static int cpu_hotplug(const struct xen_sysctl_cpu_hotplug *h)
{
    switch (h->op) {
    case XEN_SYSCTL_CPU_HOTPLUG_ONLINE:
        return h->cpu < nr_cpus ? -EEXIST : -EINVAL;
    case XEN_SYSCTL_CPU_HOTPLUG_OFFLINE:
        return h->cpu && h->cpu < nr_cpus ? -EOPNOTSUPP : -EINVAL;
    default:
        return -EOPNOTSUPP;
    }
}

/* There is no tracing: what there is of buffers is nothing, and it stays off. */
static int trace_op(struct xen_sysctl_tbuf_op *t)
{
    switch (t->cmd) {
    case XEN_SYSCTL_TBUFOP_get_info:
        t->evt_mask = 0;
        t->buffer_mfn = 0;
        t->size = 0;
        return 0;
    case XEN_SYSCTL_TBUFOP_disable:
        return 0;
    case XEN_SYSCTL_TBUFOP_set_cpu_mask:
    case XEN_SYSCTL_TBUFOP_set_evt_mask:
    case XEN_SYSCTL_TBUFOP_set_size:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}

/* Pages are never taken out of use: of all frames of RAM the state is "nothing special". */
static int page_offline_op(const struct xen_sysctl_page_offline_op *p)
{
    const uint32_t state = 0;

    if (p->end < p->start)
        return -EINVAL;
    switch (p->cmd) {
    case sysctl_query_page_offline:
        if (p->end - p->start >= MAX_FRAMES)
            return -E2BIG;
        for (uint64_t mfn = p->start; mfn <= p->end; mfn++) {
            if (!mfn_valid(_mfn(mfn)))
                return -EINVAL;
            if (copy_to_guest_index(guest_handle_va(p->status), mfn - p->start, &state))
                return -EFAULT;
        }
        return 0;
    case sysctl_page_offline:
    case sysctl_page_online:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
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
        return -ENODEV;
    case XEN_SYSCTL_psr_alloc:
        return op->u.psr_alloc.cmd <= XEN_SYSCTL_PSR_get_mba_info ? -ENODEV : -EOPNOTSUPP;
    case XEN_SYSCTL_page_offline_op:
        return page_offline_op(&op->u.page_offline);
    case XEN_SYSCTL_coverage_op:
        return -EOPNOTSUPP;
    default:
        return -ENOSYS; /* also counters, lock profiles and live patches */
    }
}
