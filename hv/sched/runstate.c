/* How long each vCPU has been running, waiting, blocked and offline. */
#include <base/atomic.h>
#include <mm/guest_access.h>
#include <sched/runqueue.h>
#include <sched/sched.h>
#include <time/vcpu_time.h>

void runstate_change(struct vcpu *v, int state, s_time_t t)
{
    vcpu_runstate_info_t *r = &v->sched.runstate;
    s_time_t since = (s_time_t)r->state_entry_time;

    if (r->state == state)
        return;
    if (t > since) {
        r->time[r->state] += (uint64_t)(t - since);
        r->state_entry_time = (uint64_t)t;
    }
    r->state = state;
}

int runstate_of_sleeper(const struct vcpu *v)
{
    return READ_ONCE(v->sched.pause_flags) & (VPF_BLOCKED | VPF_POLL) ? RUNSTATE_blocked : RUNSTATE_offline;
}

void vcpu_runstate_get(struct vcpu *v, vcpu_runstate_info_t *info)
{
    unsigned long flags;
    struct runqueue *rq = lock_vcpu_runqueue(v, &flags);
    s_time_t since, t;

    *info = v->sched.runstate;
    spin_unlock_irqrestore(&rq->lock, flags);
    since = (s_time_t)info->state_entry_time;
    t = now();
    if (t > since)
        info->time[info->state] += (uint64_t)(t - since);
}

uint64_t sched_cpu_idle_ns(uint32_t cpu)
{
    vcpu_runstate_info_t info;

    vcpu_runstate_get(idle_vcpu(cpu), &info);
    return info.time[RUNSTATE_running];
}

#define ENTRY_TIME_OFFSET offsetof(vcpu_runstate_info_t, state_entry_time)

/*
 * With VMASST_TYPE_runstate_update_flag on, the entry time carries
 * XEN_RUNSTATE_UPDATE while the rest changes, so that other vCPUs of the guest
 * can read it consistently (<xen/vcpu.h>). As with the time area, a fault only
 * means that the guest goes without, and guest-user mode that it comes later.
 */
void runstate_write_guest(struct vcpu *v)
{
    vcpu_runstate_info_t r;
    uint64_t area = v->sched.runstate_guest, entry_time;
    bool flagged = v->domain->vm_assist >> VMASST_TYPE_runstate_update_flag & 1;
    struct runqueue *rq;
    unsigned long flags;

    v->sched.runstate_stale = area && !v->pv.kernel_mode;
    if (!area || v->sched.runstate_stale)
        return;
    rq = lock_vcpu_runqueue(v, &flags);
    r = v->sched.runstate;
    spin_unlock_irqrestore(&rq->lock, flags);
    entry_time = r.state_entry_time;
    if (flagged) {
        r.state_entry_time |= XEN_RUNSTATE_UPDATE;
        if (copy_to_guest(area + ENTRY_TIME_OFFSET, &r.state_entry_time, sizeof(r.state_entry_time)))
            return;
        smp_wmb();
    }
    if (copy_to_guest(area, &r, sizeof(r)))
        return;
    smp_wmb();
    if (flagged && copy_to_guest(area + ENTRY_TIME_OFFSET, &entry_time, sizeof(entry_time)))
        return;
}

void sched_write_stale_areas(struct vcpu *v)
{
    if (v->sched.runstate_stale)
        runstate_write_guest(v);
    time_write_stale_area(v);
}
