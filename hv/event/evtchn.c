/* Event channels: sending, and what the rest of the VMM asks of them. */
#include <base/errno.h>
#include <event/channel.h>
#include <event/evtchn.h>
#include <lib/bitmap.h>
#include <sched/sched.h>

void vcpu_mark_events_pending(struct vcpu *v)
{
    /* Already set: whoever set it has kicked the vCPU, and it has not looked since. */
    if (!xchg(&v->vcpu_info->evtchn_upcall_pending, 1))
        vcpu_kick(v);
}

void evtchn_vcpu_info_moved(struct vcpu *v)
{
    /*
     * A sender may have written to the old place just before: tell the vCPU
     * to look at everything.
     */
    if (v->domain->events.ops == &evtchn_2l_ops)
        WRITE_ONCE(v->vcpu_info->evtchn_pending_sel, ~0UL);
    smp_mb();
    WRITE_ONCE(v->vcpu_info->evtchn_upcall_pending, 1);
    vcpu_kick(v);
}

void evtchn_wake_pollers(struct domain *d, uint32_t port)
{
    struct vcpu *v;

    for_each_vcpu (d, v) {
        if (!(READ_ONCE(v->sched.pause_flags) & VPF_POLL))
            continue;
        /* A single port is remembered; a poll for several wakes on any and looks itself. */
        if (!v->sched.poll_port || v->sched.poll_port == port)
            vcpu_unblock(v);
    }
}

/* The channel's lock is held; for an interdomain channel that keeps the peer bound to it. */
static int send_locked(struct domain *d, struct evtchn *chn)
{
    struct domain *rd;
    struct evtchn *peer;

    switch (chn->state) {
    case CHANNEL_INTERDOMAIN:
        rd = chn->remote.domain;
        peer = port_channel(rd, chn->remote.port);
        rd->events.ops->set_pending(rd, peer);
        return 0;
    case CHANNEL_IPI:
        d->events.ops->set_pending(d, chn);
        return 0;
    case CHANNEL_UNBOUND:
        return 0; /* nobody there: lost, as bind_interdomain raises an event of its own */
    default:
        return -EINVAL;
    }
}

int evtchn_send(struct domain *d, uint32_t port)
{
    struct evtchn *chn;
    unsigned long irq;
    int rc;

    if (!port_valid(d, port))
        return -EINVAL;
    chn = port_channel(d, port);
    irq = spin_lock_irqsave(&chn->lock);
    rc = send_locked(d, chn);
    spin_unlock_irqrestore(&chn->lock, irq);
    return rc;
}

/*
 * The table of VIRQs is read without LOCK_EVTCHN: the port found may have been
 * closed, and used for something else, by the time its lock is held; then
 * there is nobody to tell.
 */
static void send_virq(struct vcpu *v, uint32_t virq)
{
    struct domain *d = v->domain;
    uint32_t port = READ_ONCE(v->events.virq_to_port[virq]);
    struct evtchn *chn;
    unsigned long irq;

    if (!port)
        return;
    chn = port_channel(d, port);
    irq = spin_lock_irqsave(&chn->lock);
    if (chn->state == CHANNEL_VIRQ && chn->virq == virq)
        d->events.ops->set_pending(d, chn);
    spin_unlock_irqrestore(&chn->lock, irq);
}

void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq)
{
    send_virq(v, virq);
}

void send_guest_global_virq(struct domain *d, uint32_t virq)
{
    struct vcpu *v = domain_vcpu(d, 0);

    /* Global VIRQs are kept in vCPU 0's table, whichever vCPU they notify. */
    if (v)
        send_virq(v, virq);
}

static struct domain *global_virq_owner[NR_VIRQS]; /* referenced; NULL: dom0 */
static DEFINE_SPINLOCK(global_virq_lock, LOCK_EVTCHN);

void send_global_virq(uint32_t virq)
{
    unsigned long irq = spin_lock_irqsave(&global_virq_lock);
    struct domain *d = global_virq_owner[virq];

    if (!d)
        d = dom0;
    if (d)
        send_guest_global_virq(d, virq);
    spin_unlock_irqrestore(&global_virq_lock, irq);
}

int set_global_virq_owner(uint32_t virq, struct domain *d)
{
    struct domain *old;
    unsigned long irq;

    if (virq >= NR_VIRQS || !virq_is_global(virq))
        return -EINVAL;
    if (!domain_get(d))
        return -ESRCH;
    irq = spin_lock_irqsave(&global_virq_lock);
    /* One that dies gives its VIRQs up once, by clear_global_virq_owner(), after it is marked so. */
    if (d->dying != DOMAIN_ALIVE) {
        spin_unlock_irqrestore(&global_virq_lock, irq);
        domain_put(d);
        return -EINVAL;
    }
    old = global_virq_owner[virq];
    global_virq_owner[virq] = d == dom0 ? NULL : d;
    spin_unlock_irqrestore(&global_virq_lock, irq);
    if (old)
        domain_put(old);
    if (d == dom0)
        domain_put(d);
    return 0;
}

void clear_global_virq_owner(struct domain *d)
{
    for (uint32_t virq = 0; virq < NR_VIRQS; virq++) {
        unsigned long irq = spin_lock_irqsave(&global_virq_lock);
        bool ours = global_virq_owner[virq] == d;

        if (ours)
            global_virq_owner[virq] = NULL;
        spin_unlock_irqrestore(&global_virq_lock, irq);
        if (ours)
            domain_put(d);
    }
}

bool send_guest_port(struct domain *d, uint32_t port)
{
    struct evtchn *chn;
    unsigned long irq;
    bool bound;

    if (!port_valid(d, port))
        return false;
    chn = port_channel(d, port);
    irq = spin_lock_irqsave(&chn->lock);
    bound = chn->state == CHANNEL_PIRQ;
    if (bound)
        d->events.ops->set_pending(d, chn);
    spin_unlock_irqrestore(&chn->lock, irq);
    return bound;
}

bool evtchn_port_pending(struct domain *d, uint32_t port)
{
    return port_valid(d, port) && d->events.ops->is_pending(d, port);
}

bool evtchn_port_masked(struct domain *d, uint32_t port)
{
    return !port_valid(d, port) || d->events.ops->is_masked(d, port);
}

int evtchn_unmask(struct domain *d, uint32_t port)
{
    struct evtchn *chn;
    unsigned long irq;

    if (!port_valid(d, port))
        return -EINVAL;
    chn = port_channel(d, port);
    irq = spin_lock_irqsave(&chn->lock);
    if (chn->state != CHANNEL_FREE)
        d->events.ops->unmask(d, chn);
    spin_unlock_irqrestore(&chn->lock, irq);
    return 0;
}
