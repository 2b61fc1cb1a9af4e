/* Event channels: which ports there are, and which of them may be given out. */
#include <base/errno.h>
#include <event/channel.h>
#include <event/evtchn.h>
#include <mm/page_alloc.h>

/* LOCK_EVTCHN. More ports get a struct evtchn. 0, -ENOSPC, -ENOMEM. */
static int add_bucket(struct domain *d)
{
    struct evtchn_domain *e = &d->events;
    uint32_t first = e->nr_ports;
    struct evtchn *bucket;

    if (first > e->max_port)
        return -ENOSPC;
    bucket = xzalloc_array(struct evtchn, EVTCHN_BUCKET);
    if (!bucket)
        return -ENOMEM;
    for (uint32_t i = 0; i < EVTCHN_BUCKET; i++) {
        bucket[i].port = first + i;
        spin_lock_init(&bucket[i].lock, LOCK_EVTCHN_PORT);
    }
    e->buckets[first / EVTCHN_BUCKET] = bucket;
    /* Port 0 is never given out: 0 means "not bound". */
    e->nr_free[first / EVTCHN_BUCKET] = (uint8_t)(MIN(EVTCHN_BUCKET, e->max_port + 1 - first) - !first);
    /* Readers without the lock see the bucket before the number that covers it. */
    store_release(&e->nr_ports, first + EVTCHN_BUCKET);
    return 0;
}

/*
 * Closed ports. Each bucket counts those that may be given out, so that the
 * lowest is found at once among 131,072. A port that is closed while it is still
 * on a queue of the guest is parked: it does not count until it is seen off the
 * queue. Each allocation looks at a few parked ones, whose number is the
 * guest's to choose.
 */
#define PARKED_LOOKS 16
/* Closed ports that came to be on a queue later: only a guest that scribbles has any. */
#define MAX_SCRIBBLED 64

static struct evtchn *own_channel(const struct evtchn_domain *e, uint32_t port)
{
    return &e->buckets[port / EVTCHN_BUCKET][port % EVTCHN_BUCKET];
}

/* LOCK_EVTCHN. */
static void park_port(struct evtchn_domain *e, struct evtchn *chn)
{
    chn->parked = true;
    chn->next_parked = 0;
    if (e->parked_tail)
        own_channel(e, e->parked_tail)->next_parked = chn->port;
    else
        e->parked_head = chn->port;
    e->parked_tail = chn->port;
}

/* LOCK_EVTCHN. */
static void count_free(struct evtchn_domain *e, uint32_t port)
{
    e->nr_free[port / EVTCHN_BUCKET]++;
    e->first_bucket = MIN(e->first_bucket, (uint32_t)(port / EVTCHN_BUCKET));
}

/* LOCK_EVTCHN. */
static void unpark_some(struct domain *d)
{
    struct evtchn_domain *e = &d->events;

    for (unsigned int i = 0; i < PARKED_LOOKS && e->parked_head; i++) {
        struct evtchn *chn = own_channel(e, e->parked_head);

        e->parked_head = chn->next_parked;
        if (!e->parked_head)
            e->parked_tail = 0;
        chn->parked = false;
        if (e->ops->is_busy(d, chn->port))
            park_port(e, chn);
        else
            count_free(e, chn->port);
    }
}

/* LOCK_EVTCHN. The lowest port of a bucket that may be given out; NULL if there is none after all. */
static struct evtchn *search_bucket(struct domain *d, uint32_t b, unsigned int *scribbled)
{
    struct evtchn_domain *e = &d->events;

    for (uint32_t i = 0; i < EVTCHN_BUCKET && e->nr_free[b] && *scribbled < MAX_SCRIBBLED; i++) {
        struct evtchn *chn = &e->buckets[b][i];

        if (!chn->port || chn->port > e->max_port || chn->state != CHANNEL_FREE || chn->parked)
            continue;
        if (!e->ops->is_busy(d, chn->port))
            return chn;
        e->nr_free[b]--;
        park_port(e, chn);
        ++*scribbled;
    }
    return NULL;
}

struct evtchn *alloc_port(struct domain *d, int *error)
{
    struct evtchn_domain *e = &d->events;
    unsigned int scribbled = 0;

    *error = -EINVAL;
    if (d->dying != DOMAIN_ALIVE)
        return NULL;
    unpark_some(d);
    for (uint32_t b = e->first_bucket; scribbled < MAX_SCRIBBLED && b * EVTCHN_BUCKET < e->ops->nr_ports;
         b++) {
        struct evtchn *chn;

        if (b * EVTCHN_BUCKET >= e->nr_ports) {
            *error = add_bucket(d);
            if (*error)
                return NULL;
        }
        if (!e->nr_free[b])
            continue;
        chn = search_bucket(d, b, &scribbled);
        if (chn) {
            e->first_bucket = b;
            return chn;
        }
    }
    *error = -ENOSPC;
    return NULL;
}

void port_opened(struct domain *d, struct evtchn *chn)
{
    d->events.nr_free[chn->port / EVTCHN_BUCKET]--;
}

void port_closed(struct domain *d, struct evtchn *chn)
{
    if (d->events.ops->is_busy(d, chn->port))
        park_port(&d->events, chn);
    else
        count_free(&d->events, chn->port);
}

int evtchn_init(struct domain *d, uint32_t max_port)
{
    struct evtchn_domain *e = &d->events;

    spin_lock_init(&e->lock, LOCK_EVTCHN);
    e->ops = &evtchn_2l_ops;
    e->max_port = MIN(max_port, (uint32_t)EVTCHN_FIFO_NR_CHANNELS - 1);
    if (!e->max_port)
        return -EINVAL;
    e->buckets = xzalloc_array(struct evtchn *, e->max_port / EVTCHN_BUCKET + 1);
    e->nr_free = xzalloc_array(uint8_t, e->max_port / EVTCHN_BUCKET + 1);
    return e->buckets && e->nr_free ? add_bucket(d) : -ENOMEM;
}

void evtchn_free(struct domain *d)
{
    struct evtchn_domain *e = &d->events;

    evtchn_fifo_free(d);
    for (uint32_t port = 0; port < e->nr_ports; port += EVTCHN_BUCKET)
        xfree(e->buckets[port / EVTCHN_BUCKET]);
    xfree(e->buckets);
    xfree(e->nr_free);
    e->buckets = NULL;
    e->nr_free = NULL;
    e->nr_ports = 0;
}
