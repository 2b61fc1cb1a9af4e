/* Event channels: their life - allocation, binding, closing. */
#include <base/bug.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <event/channel.h>
#include <event/evtchn.h>
#include <irq/pirq.h>

static unsigned long lock_events(struct domain *d)
{
    return spin_lock_irqsave(&d->events.lock);
}

static void unlock_events(struct domain *d, unsigned long irq)
{
    spin_unlock_irqrestore(&d->events.lock, irq);
}

/* Both, in the order of their addresses; a == b is taken once. */
static unsigned long lock_events_pair(struct domain *a, struct domain *b)
{
    unsigned long irq = lock_events(a < b ? a : b);

    if (a != b)
        spin_lock_nested(&(a < b ? b : a)->events.lock);
    return irq;
}

static void unlock_events_pair(struct domain *a, struct domain *b, unsigned long irq)
{
    if (a != b)
        spin_unlock(&(a < b ? b : a)->events.lock);
    unlock_events(a < b ? a : b, irq);
}

/* The domain of an argument, referenced; *error says why not. */
static struct domain *find_subject(domid_t id, int *error)
{
    struct domain *d;

    *error = domain_find_permitted(id, &d);
    return *error ? NULL : d;
}

/* LOCK_EVTCHN and the channel's lock. It leaves the free state. */
static void open_channel(struct domain *d, struct evtchn *chn, enum channel_state state)
{
    chn->notify_vcpu = 0;
    chn->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    chn->fifo_unmapped = false;
    d->events.nr_open++;
    chn->state = state;
    port_opened(d, chn);
}

/* LOCK_EVTCHN and the channel's lock. */
static void free_channel(struct domain *d, struct evtchn *chn)
{
    d->events.ops->clear_pending(d, chn);
    chn->state = CHANNEL_FREE;
    chn->fifo_unmapped = false;
    d->events.nr_open--;
    port_closed(d, chn);
}

int evtchn_alloc_unbound(struct evtchn_alloc_unbound *a)
{
    int rc;
    struct domain *d = find_subject(a->dom, &rc);
    struct evtchn *chn;
    unsigned long irq;

    if (!d)
        return rc;
    irq = lock_events(d);
    chn = alloc_port(d, &rc);
    if (chn) {
        spin_lock(&chn->lock);
        open_channel(d, chn, CHANNEL_UNBOUND);
        chn->unbound.remote = a->remote_dom == DOMID_SELF ? current->domain->id : a->remote_dom;
        spin_unlock(&chn->lock);
        a->port = chn->port;
        rc = 0;
    }
    unlock_events(d, irq);
    domain_put(d);
    return rc;
}

/* LOCK_EVTCHN of both. */
static int connect(struct domain *d, struct domain *rd, uint32_t rport, uint32_t *lport)
{
    struct evtchn *chn, *peer;
    int rc;

    chn = alloc_port(d, &rc);
    if (!chn)
        return rc;
    if (!port_valid(rd, rport))
        return -EINVAL;
    peer = port_channel(rd, rport);
    if (peer->state != CHANNEL_UNBOUND || peer->unbound.remote != d->id)
        return -EINVAL;

    spin_lock_pair(&chn->lock, &peer->lock);
    open_channel(d, chn, CHANNEL_INTERDOMAIN);
    chn->remote.domain = rd;
    chn->remote.port = rport;
    peer->state = CHANNEL_INTERDOMAIN;
    peer->remote.domain = d;
    peer->remote.port = chn->port;
    /* The peer may have sent while it was unbound: an event tells us to look. */
    d->events.ops->set_pending(d, chn);
    spin_unlock_pair(&chn->lock, &peer->lock);
    *lport = chn->port;
    return 0;
}

int evtchn_bind_interdomain(struct evtchn_bind_interdomain *b)
{
    struct domain *d = current->domain, *rd = domain_find(b->remote_dom);
    unsigned long irq;
    int rc;

    if (!rd)
        return -ESRCH;
    irq = lock_events_pair(d, rd);
    rc = connect(d, rd, b->remote_port, &b->local_port);
    unlock_events_pair(d, rd, irq);
    domain_put(rd);
    return rc;
}

/* The comments beside the VIRQs in <xen/xen.h>; VIRQ_ARCH_0 is x86's VIRQ_MCA, global. */
bool virq_is_global(uint32_t virq)
{
    switch (virq) {
    case VIRQ_TIMER:
    case VIRQ_DEBUG:
    case VIRQ_XENOPROF:
    case VIRQ_XENPMU:
        return false;
    default:
        return true;
    }
}

int evtchn_bind_virq(struct evtchn_bind_virq *b)
{
    struct domain *d = current->domain;
    struct evtchn *chn;
    struct vcpu *v;
    unsigned long irq;
    uint32_t virq;
    int rc;

    if (b->virq >= NR_VIRQS)
        return -EINVAL;
    virq = index_nospec(b->virq, NR_VIRQS);
    if (virq_is_global(virq) && b->vcpu)
        return -EINVAL;
    v = domain_vcpu(d, b->vcpu);
    if (!v)
        return -ENOENT;

    irq = lock_events(d);
    if (v->events.virq_to_port[virq]) {
        rc = -EEXIST;
    } else if ((chn = alloc_port(d, &rc)) != NULL) {
        spin_lock(&chn->lock);
        open_channel(d, chn, CHANNEL_VIRQ);
        chn->notify_vcpu = v->id;
        chn->virq = virq;
        spin_unlock(&chn->lock);
        b->port = chn->port;
        /* Last: a sender that finds the port finds its channel ready. */
        store_release(&v->events.virq_to_port[virq], chn->port);
        rc = 0;
    }
    unlock_events(d, irq);
    return rc;
}

int evtchn_bind_ipi(struct evtchn_bind_ipi *b)
{
    struct domain *d = current->domain;
    struct vcpu *v = domain_vcpu(d, b->vcpu);
    struct evtchn *chn;
    unsigned long irq;
    int rc;

    if (!v)
        return -ENOENT;
    irq = lock_events(d);
    chn = alloc_port(d, &rc);
    if (chn) {
        spin_lock(&chn->lock);
        open_channel(d, chn, CHANNEL_IPI);
        chn->notify_vcpu = v->id;
        spin_unlock(&chn->lock);
        b->port = chn->port;
        rc = 0;
    }
    unlock_events(d, irq);
    return rc;
}

int evtchn_bind_pirq(struct evtchn_bind_pirq *b)
{
    struct domain *d = current->domain;
    struct vcpu *v = domain_vcpu(d, 0);
    struct evtchn *chn;
    unsigned long irq;
    int rc;

    if (!v || (b->flags & ~BIND_PIRQ__WILL_SHARE))
        return -EINVAL;
    irq = lock_events(d);
    chn = alloc_port(d, &rc);
    if (chn) {
        spin_lock(&chn->lock);
        open_channel(d, chn, CHANNEL_PIRQ);
        chn->pirq = b->pirq;
        spin_unlock(&chn->lock);
        /* The channel is ready first: the interrupt may come at once. */
        rc = pirq_bind(d, b->pirq, chn->port, v, b->flags & BIND_PIRQ__WILL_SHARE);
        if (rc) {
            spin_lock(&chn->lock);
            free_channel(d, chn);
            spin_unlock(&chn->lock);
        }
        b->port = chn->port;
    }
    unlock_events(d, irq);
    return rc;
}

int evtchn_bind_vcpu(const struct evtchn_bind_vcpu *b)
{
    struct domain *d = current->domain;
    struct vcpu *v = domain_vcpu(d, b->vcpu);
    struct evtchn *chn;
    unsigned long irq;
    int rc = -EINVAL;

    if (!v)
        return -ENOENT;
    if (!port_valid(d, b->port))
        return -EINVAL;
    chn = port_channel(d, b->port);
    irq = lock_events(d);
    spin_lock(&chn->lock);
    switch (chn->state) {
    case CHANNEL_VIRQ:
        if (!virq_is_global(chn->virq))
            break;
        /* fall through */
    case CHANNEL_UNBOUND:
    case CHANNEL_INTERDOMAIN:
    case CHANNEL_PIRQ:
        WRITE_ONCE(chn->notify_vcpu, v->id);
        rc = 0;
        break;
    default:
        break;
    }
    spin_unlock(&chn->lock);
    if (!rc && chn->state == CHANNEL_PIRQ)
        pirq_set_vcpu(d, chn->pirq, chn->port, v);
    unlock_events(d, irq);
    return rc;
}

/* LOCK_EVTCHN. */
static void fill_status(const struct evtchn *chn, struct evtchn_status *s)
{
    static const uint8_t status[] = {
        [CHANNEL_FREE] = EVTCHNSTAT_closed, [CHANNEL_UNBOUND] = EVTCHNSTAT_unbound,
        [CHANNEL_PIRQ] = EVTCHNSTAT_pirq,   [CHANNEL_INTERDOMAIN] = EVTCHNSTAT_interdomain,
        [CHANNEL_VIRQ] = EVTCHNSTAT_virq,   [CHANNEL_IPI] = EVTCHNSTAT_ipi,
    };

    s->status = status[chn->state];
    s->vcpu = chn->notify_vcpu;
    switch (chn->state) {
    case CHANNEL_UNBOUND:
        s->u.unbound.dom = chn->unbound.remote;
        break;
    case CHANNEL_INTERDOMAIN:
        s->u.interdomain.dom = chn->remote.domain->id;
        s->u.interdomain.port = chn->remote.port;
        break;
    case CHANNEL_PIRQ:
        s->u.pirq = chn->pirq;
        break;
    case CHANNEL_VIRQ:
        s->u.virq = chn->virq;
        break;
    default:
        break;
    }
}

int evtchn_status(struct evtchn_status *s)
{
    int rc;
    struct domain *d = find_subject(s->dom, &rc);
    unsigned long irq;

    if (!d)
        return rc;
    irq = lock_events(d);
    rc = -EINVAL;
    if (port_valid(d, s->port)) {
        fill_status(port_channel(d, s->port), s);
        rc = 0;
    }
    unlock_events(d, irq);
    domain_put(d);
    return rc;
}

/* LOCK_EVTCHN; for every state but interdomain. */
static int close_local(struct domain *d, struct evtchn *chn)
{
    struct vcpu *v;

    switch (chn->state) {
    case CHANNEL_FREE:
        return -EINVAL;
    case CHANNEL_PIRQ:
        pirq_unbind(d, chn->pirq, chn->port);
        break;
    case CHANNEL_VIRQ:
        for_each_vcpu (d, v)
            if (v->events.virq_to_port[chn->virq] == chn->port)
                WRITE_ONCE(v->events.virq_to_port[chn->virq], 0);
        break;
    default:
        break;
    }
    spin_lock(&chn->lock);
    free_channel(d, chn);
    spin_unlock(&chn->lock);
    return 0;
}

/* LOCK_EVTCHN of both. */
static void close_interdomain(struct domain *d, struct evtchn *chn, struct domain *rd)
{
    struct evtchn *peer = port_channel(rd, chn->remote.port);

    /* A sender on either side holds one of the two: it is done, or finds the channel free or unbound. */
    spin_lock_pair(&chn->lock, &peer->lock);
    peer->state = CHANNEL_UNBOUND;
    peer->unbound.remote = d->id;
    free_channel(d, chn);
    spin_unlock_pair(&chn->lock, &peer->lock);
}

/*
 * The peer's domain is known only once ours is locked, but its lock may come
 * first in the order: then ours is dropped, both are taken, and the channel is
 * looked at again.
 */
int evtchn_close(struct domain *d, uint32_t port)
{
    struct evtchn *chn;
    unsigned long irq;
    int rc = -EINVAL;

    if (!port_valid(d, port))
        return rc;
    chn = port_channel(d, port);
    for (;;) {
        struct domain *rd;
        bool closed;

        irq = lock_events(d);
        if (chn->state != CHANNEL_INTERDOMAIN)
            break;
        rd = chn->remote.domain;
        /* It is bound to us, so it has not finished dying and still has its first reference. */
        BUG_ON(!domain_get(rd));
        unlock_events(d, irq);

        irq = lock_events_pair(d, rd);
        closed = chn->state == CHANNEL_INTERDOMAIN && chn->remote.domain == rd;
        if (closed)
            close_interdomain(d, chn, rd);
        unlock_events_pair(d, rd, irq);
        domain_put(rd);
        if (closed)
            return 0;
    }
    rc = close_local(d, chn);
    unlock_events(d, irq);
    return rc;
}

/* Closes every port from *next on; 0 or -ERESTART. */
static int close_all(struct domain *d, uint32_t *next)
{
    while (*next < READ_ONCE(d->events.nr_ports)) {
        (void)evtchn_close(d, (*next)++);
        if (*next % EVTCHN_BUCKET == 0 && hypercall_preempt_check())
            return -ERESTART;
    }
    *next = 0;
    return 0;
}

/*
 * A channel that was missed would be left to peers with a pointer to a domain
 * that is gone. So the walk has its own place, which a reset by another CPU does
 * not move; and it begins after whoever had not yet seen that the domain dies.
 */
int evtchn_destroy(struct domain *d)
{
    int rc;

    unlock_events(d, lock_events(d));
    rc = close_all(d, &d->events.next_destroy);
    if (rc)
        return rc;
    clear_global_virq_owner(d);
    evtchn_fifo_release(d);
    return 0;
}

int evtchn_reset(struct domain *d, bool reset_abi)
{
    unsigned long irq;
    int rc = close_all(d, &d->events.next_reset);

    if (rc || !reset_abi)
        return rc;
    irq = lock_events(d);
    if (d->events.nr_open)
        rc = -ERESTART; /* another vCPU of the domain bound a port meanwhile: its own fault, and again */
    else
        d->events.ops = &evtchn_2l_ops;
    unlock_events(d, irq);
    if (!rc)
        evtchn_fifo_release(d);
    return rc;
}
