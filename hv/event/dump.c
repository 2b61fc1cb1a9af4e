/* Debug key: the event channels of all domains. */
#include <base/compiler.h>
#include <console/keyhandler.h>
#include <event/channel.h>
#include <event/dump.h>
#include <event/evtchn.h>
#include <lib/printf.h>

#define TARGET_SIZE 32

/* Where the channel leads.  Its lock is held. */
static void describe(const struct evtchn *chn, char *text)
{
    switch (chn->state) {
    case CHANNEL_UNBOUND:
        snprintf(text, TARGET_SIZE, "waits for d%u", chn->unbound.remote);
        break;
    case CHANNEL_INTERDOMAIN:
        snprintf(text, TARGET_SIZE, "d%u port %u", chn->remote.domain->id, chn->remote.port);
        break;
    case CHANNEL_PIRQ:
        snprintf(text, TARGET_SIZE, "pirq %u", chn->pirq);
        break;
    case CHANNEL_VIRQ:
        snprintf(text, TARGET_SIZE, "VIRQ %u", chn->virq);
        break;
    default:
        snprintf(text, TARGET_SIZE, "IPI");
    }
}

/* False if the port is closed. */
static bool show_port(struct domain *d, uint32_t port, bool show)
{
    struct evtchn *chn = port_channel(d, port);
    bool open, pending = false, masked = false;
    char target[TARGET_SIZE];
    uint32_t vcpu, priority;
    unsigned long flags = spin_lock_irqsave(&chn->lock);

    open = chn->state != CHANNEL_FREE;
    vcpu = chn->notify_vcpu;
    priority = chn->priority;
    if (open && show) {
        describe(chn, target);
        pending = evtchn_port_pending(d, port);
        masked = evtchn_port_masked(d, port);
    }
    spin_unlock_irqrestore(&chn->lock, flags);
    if (open && show)
        key_printk("  port %u: %s, vCPU %u, priority %u%s%s\n", port, target, vcpu, priority,
                   pending ? ", pending" : "", masked ? ", masked" : "");
    return open;
}

static void show_domain(struct domain *d)
{
    uint32_t shown = 0;

    key_printk("d%u: %u open ports, %s\n", d->id, READ_ONCE(d->events.nr_open),
               d->events.ops == &evtchn_fifo_ops ? "FIFO" : "2-level");
    for (uint32_t port = 1; port_valid(d, port); port++)
        shown += show_port(d, port, shown < KEY_ITEMS);
    if (shown > KEY_ITEMS)
        key_printk("  ... and %u more\n", shown - KEY_ITEMS);
}

static void show_events(char key)
{
    struct domain *d;

    for (uint32_t next = 0; (d = domain_find_next((domid_t)next)) != NULL; next = d->id + 1U, domain_put(d))
        show_domain(d);
}

void __init event_dump_init(void)
{
    register_keyhandler('e', show_events, "event channels");
}
