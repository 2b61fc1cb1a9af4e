#include <control/domain_info.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/page.h>
#include <sched/sched.h>

static uint32_t state_flags(const struct domain *d)
{
    uint32_t flags = 0;

    if (d->dying == DOMAIN_DEAD)
        flags |= XEN_DOMINF_dying;
    /* The code is all ones until there is one. */
    flags |= d->shutdown_code << XEN_DOMINF_shutdownshift;
    if (d->is_shut_down)
        flags |= XEN_DOMINF_shutdown;
    if (d->controller_pause_count)
        flags |= XEN_DOMINF_paused;
    return flags;
}

static void add_vcpu(struct vcpu *v, struct xen_domctl_getdomaininfo *info)
{
    uint64_t pause = READ_ONCE(v->sched.pause_flags);
    vcpu_runstate_info_t runstate;

    vcpu_runstate_get(v, &runstate);
    info->cpu_time += runstate.time[RUNSTATE_running];
    info->max_vcpu_id = v->id;
    if (pause & VPF_DOWN)
        return;
    info->nr_online_vcpus++;
    if (!(pause & VPF_BLOCKED))
        info->flags &= ~XEN_DOMINF_blocked;
    if (v->sched.is_running)
        info->flags |= XEN_DOMINF_running;
}

void fill_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    struct vcpu *v;

    memset(info, 0, sizeof(*info));
    info->domain = d->id;
    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    /* Blocked, unless a vCPU that is up is not. */
    info->flags = state_flags(d) | XEN_DOMINF_blocked;
    for_each_vcpu (d, v)
        add_vcpu(v, info);
    info->tot_pages = d->mm.tot_pages;
    info->max_pages = d->mm.max_pages;
    info->outstanding_pages = d->mm.claimed;
    info->shared_info_frame = mfn_x(virt_to_mfn(d->shared_info));
    info->ssidref = d->ssidref;
    memcpy(info->handle, d->handle, sizeof(info->handle));
}
