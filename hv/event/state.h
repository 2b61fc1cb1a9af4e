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
    spinlock_t lock;                   /* LOCK_EVTCHN */
    struct evtchn **buckets;           /* arrays of EVTCHN_BUCKET channels, allocated as ports are used */
    uint32_t nr_ports;                 /* ports that have a struct evtchn */
    uint32_t max_port;                 /* highest allowed port number */
    uint32_t nr_open;                  /* channels that are not free */
    uint8_t *nr_free;                  /* of each bucket: ports that may be given out */
    uint32_t first_bucket;             /* none below it has any */
    uint32_t parked_head, parked_tail; /* closed ports that may not be given out yet; 0: none */
    uint32_t next_reset, next_destroy; /* how far a preempted evtchn_reset(), evtchn_destroy() got */
    uint32_t nr_pollers;               /* vCPUs in SCHEDOP_poll; atomic, counted by sched/ */
    const struct evtchn_port_ops *ops; /* 2-level or FIFO */
    struct evtchn_fifo_domain *fifo;   /* once made, kept until evtchn_free() */
};

struct evtchn_vcpu {
    uint32_t virq_to_port[NR_VIRQS]; /* 0: not bound; LOCK_EVTCHN for changes */
    struct evtchn_fifo_vcpu *fifo;   /* once made, kept until evtchn_free() */
};

#endif
