/*
 * The 2-level ABI: one pending and one mask bit per port in shared_info, and a
 * per-vCPU selector word with a bit for each word of pending bits
 * (<xen/xen.h>, struct shared_info).
 */
#include <event/channel.h>
#include <event/evtchn.h>
#include <lib/bitmap.h>

static void notify_2l(struct domain *d, struct evtchn *chn)
{
    uint32_t port = chn->port;
    struct vcpu *v = load_acquire(&d->vcpu[chn->notify_vcpu]);

    /* Tools can give a domain ports before it has vCPUs. Its kernel finds the pending bit when it unmasks the
     * port. */
    if (!v)
        return;
    if (!bitmap_test(d->shared_info->evtchn_mask, port) &&
        !bitmap_test_and_set_atomic(&v->vcpu_info->evtchn_pending_sel, port / BITS_PER_LONG))
        vcpu_mark_events_pending(v);
    evtchn_check_pollers(d, port);
}

static void set_pending_2l(struct domain *d, struct evtchn *chn)
{
    /* Only the 0 -> 1 edge notifies; the guest clears the bit before it handles the event. */
    if (!bitmap_test_and_set_atomic(d->shared_info->evtchn_pending, chn->port))
        notify_2l(d, chn);
}

static void clear_pending_2l(struct domain *d, struct evtchn *chn)
{
    bitmap_clear_atomic(d->shared_info->evtchn_pending, chn->port);
}

static void unmask_2l(struct domain *d, struct evtchn *chn)
{
    uint32_t port = chn->port;
    struct vcpu *v = d->vcpu[chn->notify_vcpu];

    /*
     * Clearing the mask is atomic with respect to a sender, who sets pending
     * and then looks at the mask: one of the two sees the other's bit.
     */
    if (bitmap_test_and_clear_atomic(d->shared_info->evtchn_mask, port) &&
        bitmap_test(d->shared_info->evtchn_pending, port) &&
        !bitmap_test_and_set_atomic(&v->vcpu_info->evtchn_pending_sel, port / BITS_PER_LONG))
        vcpu_mark_events_pending(v);
}

static bool is_pending_2l(const struct domain *d, uint32_t port)
{
    return port < EVTCHN_2L_NR_CHANNELS && bitmap_test(d->shared_info->evtchn_pending, port);
}

static bool is_masked_2l(const struct domain *d, uint32_t port)
{
    return port >= EVTCHN_2L_NR_CHANNELS || bitmap_test(d->shared_info->evtchn_mask, port);
}

static bool is_busy_2l(const struct domain *d, uint32_t port)
{
    return false;
}

const struct evtchn_port_ops evtchn_2l_ops = {
    .nr_ports = EVTCHN_2L_NR_CHANNELS,
    .set_pending = set_pending_2l,
    .clear_pending = clear_pending_2l,
    .unmask = unmask_2l,
    .is_pending = is_pending_2l,
    .is_masked = is_masked_2l,
    .is_busy = is_busy_2l,
};
