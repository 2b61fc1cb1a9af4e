/* Event-channel state embedded in struct domain and struct vcpu. */
#ifndef EVENT_STATE_H
#define EVENT_STATE_H

#include <base/spinlock.h>
#include <base/types.h>
#include <xen/xen.h>

struct evtchn;
struct evtchn_port_ops;
struct evtchn_fifo_domain;
struct evtchn_fifo_vcpu;

struct evtchn_domain {
    spinlock_t lock; /* LOCK_EVTCHN */
    struct evtchn **buckets; /* arrays of channels, allocated as ports are used */
    uint32_t nr_ports;       /* ports that have a struct evtchn */
    uint32_t max_port;       /* highest allowed port number */
    const struct evtchn_port_ops *ops; /* 2-level or FIFO */
    struct evtchn_fifo_domain *fifo;
    struct vcpu *poll_waiters; /* see SCHEDOP_poll */
};

struct evtchn_vcpu {
    uint32_t virq_to_port[NR_VIRQS]; /* 0: not bound; LOCK_EVTCHN for changes */
    struct evtchn_fifo_vcpu *fifo;
};

#endif
