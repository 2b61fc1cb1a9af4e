/* The sched_op hypercall: <xen/sched.h>. */
#include <base/atomic.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/softirq.h>
#include <event/evtchn.h>
#include <mm/guest_access.h>
#include <sched/sched.h>
#include <sched/watchdog.h>
#include <xen/sched.h>

#define MAX_POLL_PORTS 128

static long op_yield(void)
{
    current->sched.yielded = true;
    raise_softirq(SOFTIRQ_SCHEDULE);
    return 0;
}

static long op_block(void)
{
    vcpu_block_enable_events();
    return 0;
}

/* What getdomaininfo can tell the tools (XEN_DOMINF_shutdownmask); not only the reasons that sched.h names.
 */
#define MAX_SHUTDOWN_CODE 255u

static long shut_down(struct domain *d, uint32_t reason)
{
    if (reason > MAX_SHUTDOWN_CODE)
        return -EINVAL;
    domain_shutdown(d, reason);
    return 0;
}

static long op_shutdown(uint64_t arg)
{
    struct sched_shutdown s;

    if (copy_from_guest(&s, arg, sizeof(s)))
        return -EFAULT;
    return shut_down(current->domain, s.reason);
}

static long op_shutdown_code(uint64_t arg)
{
    struct sched_shutdown s;

    if (copy_from_guest(&s, arg, sizeof(s)))
        return -EFAULT;
    if (s.reason > MAX_SHUTDOWN_CODE)
        return -EINVAL;
    (void)cmpxchg(&current->domain->shutdown_code, SHUTDOWN_CODE_NONE, s.reason);
    return 0;
}

static long op_remote_shutdown(uint64_t arg)
{
    struct sched_remote_shutdown s;
    struct domain *d;
    long rc;

    if (copy_from_guest(&s, arg, sizeof(s)))
        return -EFAULT;
    d = domain_find(s.domain_id);
    if (!d)
        return -ESRCH;
    rc = current->domain->is_privileged ? shut_down(d, s.reason) : -EPERM;
    domain_put(d);
    return rc;
}

static bool any_pending(struct domain *d, const evtchn_port_t *ports, uint32_t nr)
{
    for (uint32_t i = 0; i < nr; i++)
        if (evtchn_port_pending(d, ports[i]))
            return true;
    return false;
}

/*
 * Sleeps until one of the ports is pending, an upcall is due, or the timeout.
 * The flag and the count of pollers are set before the ports are looked at, by
 * locked writes; a sender sets the port's bit first and then looks at the count
 * (evtchn_check_pollers()). So either this sees the bit or the sender wakes us.
 */
static void poll(struct vcpu *v, const evtchn_port_t *ports, uint32_t nr, s_time_t timeout)
{
    WRITE_ONCE(v->sched.poll_port, nr == 1 ? ports[0] : 0);
    atomic_inc(&v->domain->events.nr_pollers);
    atomic_or(&v->sched.pause_flags, VPF_POLL);
    if (events_need_delivery(v->vcpu_info) || any_pending(v->domain, ports, nr)) {
        /* Unless a sender was quicker to clear it. */
        if (__atomic_fetch_and(&v->sched.pause_flags, ~VPF_POLL, __ATOMIC_SEQ_CST) & VPF_POLL)
            atomic_dec(&v->domain->events.nr_pollers);
        return;
    }
    if (timeout) {
        timer_migrate(&v->time.poll, smp_processor_id());
        timer_set(&v->time.poll, timeout);
    } else {
        timer_stop(&v->time.poll);
    }
    raise_softirq(SOFTIRQ_SCHEDULE);
}

static long op_poll(uint64_t arg)
{
    struct vcpu *v = current;
    evtchn_port_t ports[MAX_POLL_PORTS];
    struct sched_poll p;

    if (copy_from_guest(&p, arg, sizeof(p)))
        return -EFAULT;
    if (p.nr_ports > MAX_POLL_PORTS)
        return -EINVAL;
    if (p.nr_ports && copy_from_guest(ports, guest_handle_va(p.ports), p.nr_ports * sizeof(ports[0])))
        return -EFAULT;
    for (uint32_t i = 0; i < p.nr_ports; i++)
        if (ports[i] > v->domain->events.max_port)
            return -EINVAL;
    poll(v, ports, p.nr_ports, (s_time_t)p.timeout);
    return 0;
}

static long op_watchdog(uint64_t arg)
{
    struct sched_watchdog w;

    if (copy_from_guest(&w, arg, sizeof(w)))
        return -EFAULT;
    return domain_watchdog(current->domain, w.id, w.timeout);
}

static long op_pin_override(uint64_t arg)
{
    struct sched_pin_override p;

    if (!current->domain->is_hardware)
        return -EPERM;
    if (copy_from_guest(&p, arg, sizeof(p)))
        return -EFAULT;
    return sched_pin_override(current, p.pcpu);
}

long hc_sched_op(struct hypercall_args *args)
{
    uint64_t arg = args->a[1];

    switch ((uint32_t)args->a[0]) {
    case SCHEDOP_yield:
        return op_yield();
    case SCHEDOP_block:
        return op_block();
    case SCHEDOP_shutdown:
        return op_shutdown(arg);
    case SCHEDOP_poll:
        return op_poll(arg);
    case SCHEDOP_remote_shutdown:
        return op_remote_shutdown(arg);
    case SCHEDOP_shutdown_code:
        return op_shutdown_code(arg);
    case SCHEDOP_watchdog:
        return op_watchdog(arg);
    case SCHEDOP_pin_override:
        return op_pin_override(arg);
    default:
        return -ENOSYS;
    }
}

/* The form before Xen 3.0.2: the reason itself is the argument. */
long hc_sched_op_compat(struct hypercall_args *args)
{
    switch ((uint32_t)args->a[0]) {
    case SCHEDOP_yield:
    case SCHEDOP_block:
        return hc_sched_op(args);
    case SCHEDOP_shutdown:
        return shut_down(current->domain, (uint32_t)args->a[1]);
    default:
        return -ENOSYS;
    }
}
