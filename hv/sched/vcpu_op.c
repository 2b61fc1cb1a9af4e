/* The vcpu_op hypercall: <xen/vcpu.h>. A domain acts on its own vCPUs only. */
#include <base/atomic.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <domain/vcpu.h>
#include <event/evtchn.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <pv/pv.h>
#include <sched/runqueue.h>
#include <sched/sched.h>
#include <time/time.h>
#include <time/vcpu_time.h>
#include <xen/sched.h>

#define PERIOD_MIN MILLISECS(1)
#define PERIOD_MAX (1LL << 50)

static bool is_down(const struct vcpu *v)
{
    return READ_ONCE(v->sched.pause_flags) & VPF_DOWN;
}

static long initialise_locked(struct vcpu *v, const struct vcpu_guest_context *c)
{
    long rc;

    /* Those beyond XEN_LEGACY_MAX_VCPUS first need a place for their vcpu_info. */
    if (!vcpu_has_info(v))
        return -EINVAL;
    if (v->is_initialised)
        return -EEXIST;
    rc = pv_set_context(v, c);
    if (!rc)
        v->vcpu_info->evtchn_upcall_mask = 1;
    return rc;
}

static long op_initialise(struct vcpu *v, uint64_t arg)
{
    struct vcpu_guest_context *c = xzalloc(struct vcpu_guest_context);
    long rc = -EFAULT;

    if (!c)
        return -ENOMEM;
    if (!copy_from_guest(c, arg, sizeof(*c))) {
        spin_lock(&v->domain->lock);
        rc = initialise_locked(v, c);
        spin_unlock(&v->domain->lock);
    }
    xfree(c);
    return rc;
}

static long op_up(struct vcpu *v)
{
    if (!v->is_initialised)
        return -EINVAL;
    if (__atomic_fetch_and(&v->sched.pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST) & VPF_DOWN)
        vcpu_wake(v);
    return 0;
}

/* A domain whose last vCPU goes down has powered itself off. Under the domain's lock not two can be the last.
 */
static long op_down(struct vcpu *v)
{
    struct domain *d = v->domain;
    struct vcpu *other;
    bool last = true, was_down = false;

    spin_lock(&d->lock);
    for_each_vcpu (d, other)
        if (other != v && !is_down(other))
            last = false;
    if (!last)
        was_down = __atomic_fetch_or(&v->sched.pause_flags, VPF_DOWN, __ATOMIC_SEQ_CST) & VPF_DOWN;
    spin_unlock(&d->lock);
    if (last)
        domain_shutdown(d, SHUTDOWN_poweroff);
    else if (!was_down)
        vcpu_sleep_nosync(v);
    return 0;
}

static long op_get_runstate_info(struct vcpu *v, uint64_t arg)
{
    vcpu_runstate_info_t info;

    vcpu_runstate_get(v, &info);
    return copy_to_guest(arg, &info, sizeof(info));
}

/* The address is in the address space of the guest's kernel, the same for all its vCPUs. */
static long op_register_runstate(struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_runstate_memory_area area;
    vcpu_runstate_info_t info;

    if (copy_from_guest(&area, arg, sizeof(area)))
        return -EFAULT;
    if (!guest_range_ok(area.addr.p, sizeof(info)))
        return -EFAULT;
    WRITE_ONCE(v->sched.runstate_guest, area.addr.p);
    if (v == current) {
        runstate_write_guest(v);
        return 0;
    }
    vcpu_runstate_get(v, &info);
    /* An address that is not mapped yet is no error: the vCPU writes there when it runs next. */
    if (area.addr.p && copy_to_guest(area.addr.p, &info, sizeof(info)))
        return 0;
    return 0;
}

static long op_register_time(struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_time_memory_area area;

    if (copy_from_guest(&area, arg, sizeof(area)))
        return -EFAULT;
    if (!guest_range_ok(area.addr.p, sizeof(vcpu_time_info_t)))
        return -EFAULT;
    WRITE_ONCE(v->time.time_area_guest, area.addr.p);
    if (v == current)
        time_update_vcpu(v);
    else if (area.addr.p)
        WRITE_ONCE(v->time.time_area_stale, true);
    return 0;
}

static long op_set_periodic(struct vcpu *v, uint64_t arg)
{
    struct vcpu_set_periodic_timer set;

    if (copy_from_guest(&set, arg, sizeof(set)))
        return -EFAULT;
    if (set.period_ns < (uint64_t)PERIOD_MIN || set.period_ns > (uint64_t)PERIOD_MAX)
        return -EINVAL;
    vcpu_set_periodic(v, (s_time_t)set.period_ns);
    return 0;
}

static long op_stop_periodic(struct vcpu *v)
{
    vcpu_set_periodic(v, 0);
    return 0;
}

static long op_set_singleshot(struct vcpu *v, uint64_t arg)
{
    struct vcpu_set_singleshot_timer set;

    if (v != current)
        return -EINVAL;
    if (copy_from_guest(&set, arg, sizeof(set)))
        return -EFAULT;
    if (set.timeout_abs_ns > INT64_MAX)
        set.timeout_abs_ns = INT64_MAX;
    /* VCPU_SSHOTTMR_future asks for an error if that has passed; like Xen, the timer just fires then. */
    vcpu_set_singleshot(v, (s_time_t)set.timeout_abs_ns);
    return 0;
}

static long op_stop_singleshot(struct vcpu *v)
{
    if (v != current)
        return -EINVAL;
    timer_stop(&v->time.singleshot);
    return 0;
}

/*
 * The vCPU is current or down, so that only senders of events use its vcpu_info
 * meanwhile. Whatever they write to the old place after the copy is made up for
 * by evtchn_vcpu_info_moved(): the guest looks at all its events.
 */
static void move_vcpu_info(struct vcpu *v, struct page_info *page, uint32_t offset)
{
    vcpu_info_t *new = (vcpu_info_t *)((char *)page_to_virt(page) + offset);

    if (!vcpu_has_info(v)) {
        memset(new, 0, sizeof(*new));
        new->evtchn_upcall_mask = 1;
    } else {
        memcpy(new, v->vcpu_info, sizeof(*new));
    }
    v->vcpu_info_page = page;
    store_release(&v->vcpu_info, new);
    smp_mb();
    time_update_vcpu(v);
    evtchn_vcpu_info_moved(v);
}

static long register_info_locked(struct vcpu *v, const struct vcpu_register_vcpu_info *r)
{
    struct page_info *page;

    if (v->vcpu_info_page || (v != current && !is_down(v)))
        return -EINVAL;
    page = get_page_from_mfn(_mfn(r->mfn), v->domain);
    if (!page)
        return -EINVAL;
    if (get_page_type(page, PGT_WRITABLE)) {
        put_page(page);
        return -EINVAL;
    }
    move_vcpu_info(v, page, r->offset);
    return 0;
}

static long op_register_info(struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_vcpu_info r;
    long rc;

    if (copy_from_guest(&r, arg, sizeof(r)))
        return -EFAULT;
    if (r.offset > PAGE_SIZE - sizeof(vcpu_info_t))
        return -ENXIO;
    spin_lock(&v->domain->lock);
    rc = register_info_locked(v, &r);
    spin_unlock(&v->domain->lock);
    return rc;
}

static long op_send_nmi(struct vcpu *v, uint64_t arg)
{
    if (arg)
        return -EINVAL;
    if (!xchg(&v->pv.nmi_pending, true))
        vcpu_kick(v);
    return 0;
}

/* Only where it means something: for a vCPU of the hardware domain that can run on one CPU only. */
static long op_get_physid(struct vcpu *v, uint64_t arg)
{
    uint32_t cpu, allowed = 0, nr = 0;
    struct vcpu_get_physid id;

    for_each_online_cpu (cpu) {
        if (!cpumask_test(&v->sched.hard_affinity, cpu))
            continue;
        allowed = cpu;
        nr++;
    }
    if (!v->domain->is_hardware || nr != 1)
        return -EINVAL;
    id.phys_id = cpu_to_apicid[allowed] | (uint64_t)cpu_to_acpiid[allowed] << 32;
    return copy_to_guest(arg, &id, sizeof(id));
}

long hc_vcpu_op(struct hypercall_args *args)
{
    uint64_t arg = args->a[2];
    struct vcpu *v = domain_vcpu(current->domain, (uint32_t)args->a[1]);

    if (!v)
        return -ENOENT;
    switch ((uint32_t)args->a[0]) {
    case VCPUOP_initialise:
        return op_initialise(v, arg);
    case VCPUOP_up:
        return op_up(v);
    case VCPUOP_down:
        return op_down(v);
    case VCPUOP_is_up:
        return !is_down(v);
    case VCPUOP_get_runstate_info:
        return op_get_runstate_info(v, arg);
    case VCPUOP_register_runstate_memory_area:
        return op_register_runstate(v, arg);
    case VCPUOP_set_periodic_timer:
        return op_set_periodic(v, arg);
    case VCPUOP_stop_periodic_timer:
        return op_stop_periodic(v);
    case VCPUOP_set_singleshot_timer:
        return op_set_singleshot(v, arg);
    case VCPUOP_stop_singleshot_timer:
        return op_stop_singleshot(v);
    case VCPUOP_register_vcpu_info:
        return op_register_info(v, arg);
    case VCPUOP_send_nmi:
        return op_send_nmi(v, arg);
    case VCPUOP_get_physid:
        return op_get_physid(v, arg);
    case VCPUOP_register_vcpu_time_memory_area:
        return op_register_time(v, arg);
    default:
        return -ENOSYS;
    }
}
