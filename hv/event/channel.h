/*
 * What the files of event/ share: one channel, and the two ways ("ABIs") in
 * which a guest sees its channels' state.
 *
 * Locks. A channel's lock is taken with interrupts off. Allocating, binding
 * and closing change a channel's state under the domain's LOCK_EVTCHN *and* the
 * channel's own lock; for an interdomain channel that is both domains' and
 * both channels'. A send takes only the lock of the channel that is sent on:
 * while it holds it, the binding, and so the peer's channel and domain, stay.
 *
 *   send on A (A.lock held)              close of A or of its peer B
 *   A.state == INTERDOMAIN                waits for A.lock
 *   sets B pending
 *   drops A.lock                          A free, B unbound
 */
#ifndef EVENT_CHANNEL_H
#define EVENT_CHANNEL_H

#include <base/atomic.h>
#include <base/nospec.h>
#include <base/spinlock.h>
#include <base/types.h>
#include <domain/domain.h>
#include <xen/event_channel.h>

enum channel_state {
    CHANNEL_FREE,
    CHANNEL_UNBOUND,
    CHANNEL_INTERDOMAIN,
    CHANNEL_PIRQ,
    CHANNEL_VIRQ,
    CHANNEL_IPI,
};

struct evtchn {
    spinlock_t lock;      /* LOCK_EVTCHN_PORT */
    uint8_t state;        /* enum channel_state */
    uint8_t priority;     /* FIFO queue */
    uint16_t notify_vcpu; /* id of the vCPU that gets the upcall */
    uint32_t port;        /* own number */
    union {
        struct {
            domid_t remote;
        } unbound;
        struct {
            struct domain *domain; /* not counted: its channel cannot go without ours */
            uint32_t port;
        } remote;
        uint32_t pirq;
        uint32_t virq;
        uint32_t next_parked; /* closed: see alloc_port() */
    };
    uint32_t fifo_queue; /* queue it was last linked on: vCPU id << 8 | priority; the queue's lock */
    bool parked;         /* closed, and not among its bucket's nr_free; LOCK_EVTCHN */
    bool fifo_unmapped;  /* became pending while its event word had no page; the channel's lock */
};

#define EVTCHN_BUCKET 64u

struct evtchn_port_ops {
    uint32_t nr_ports; /* of the ABI: port numbers are below */
    /*
     * The channel's lock or, for an interdomain channel, its peer's is held, so
     * two CPUs may be in set_pending() and unmask() for one channel.
     */
    void (*set_pending)(struct domain *d, struct evtchn *chn);
    void (*clear_pending)(struct domain *d, struct evtchn *chn);
    void (*unmask)(struct domain *d, struct evtchn *chn);
    bool (*is_pending)(const struct domain *d, uint32_t port);
    bool (*is_masked)(const struct domain *d, uint32_t port);
    /* Whether a free port cannot be used again yet. */
    bool (*is_busy)(const struct domain *d, uint32_t port);
};

extern const struct evtchn_port_ops evtchn_2l_ops, evtchn_fifo_ops;

static inline bool port_valid(const struct domain *d, uint32_t port)
{
    return port < load_acquire(&d->events.nr_ports);
}

/* The channel of a valid port. */
static inline struct evtchn *port_channel(const struct domain *d, uint32_t port)
{
    uint32_t i = index_nospec(port, READ_ONCE(d->events.nr_ports));

    return &d->events.buckets[i / EVTCHN_BUCKET][i % EVTCHN_BUCKET];
}

/*
 * ports.c, all under LOCK_EVTCHN. The lowest port that may be given out: the
 * channel, still free but for the caller's use; or NULL and *error.
 */
struct evtchn *alloc_port(struct domain *d, int *error);
/* It has left the free state, or come to it. */
void port_opened(struct domain *d, struct evtchn *chn);
void port_closed(struct domain *d, struct evtchn *chn);

/* Wakes vCPUs that poll for the port; their number is nearly always 0. */
void evtchn_wake_pollers(struct domain *d, uint32_t port);

static inline void evtchn_check_pollers(struct domain *d, uint32_t port)
{
    if (unlikely(READ_ONCE(d->events.nr_pollers)))
        evtchn_wake_pollers(d, port);
}

/* The operations of EVTCHNOP_*, on behalf of current; arguments as the guest gave them. */
int evtchn_alloc_unbound(struct evtchn_alloc_unbound *a);
int evtchn_bind_interdomain(struct evtchn_bind_interdomain *b);
int evtchn_bind_virq(struct evtchn_bind_virq *b);
int evtchn_bind_ipi(struct evtchn_bind_ipi *b);
int evtchn_bind_pirq(struct evtchn_bind_pirq *b);
int evtchn_bind_vcpu(const struct evtchn_bind_vcpu *b);
int evtchn_status(struct evtchn_status *s);
/* d's own port: -EINVAL if it is not open. */
int evtchn_close(struct domain *d, uint32_t port);
/* Preemptible: -ERESTART. */
int evtchn_reset(struct domain *d, bool reset_abi);

/* d dies: VIRQs delegated to it are dom0's again. */
void clear_global_virq_owner(struct domain *d);

/* fifo.c, for current's domain. */
int evtchn_fifo_init_control(struct evtchn_init_control *c);
int evtchn_fifo_expand_array(const struct evtchn_expand_array *e);
int evtchn_fifo_set_priority(const struct evtchn_set_priority *p);
/* Gives the guest's pages back; no channel of d is open. */
void evtchn_fifo_release(struct domain *d);
/* For mm/audit.h: the i-th page of which d's FIFO ABI holds references (NULL: none there); false at the end.
 */
bool evtchn_fifo_page(const struct domain *d, uint32_t i, const struct page_info **page);
void evtchn_fifo_free(struct domain *d);

#endif
