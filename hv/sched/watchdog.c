#include <base/errno.h>
#include <base/nospec.h>
#include <console/printk.h>
#include <domain/domain.h>
#include <sched/watchdog.h>
#include <time/time.h>
#include <xen/sched.h>

static void expired(void *data)
{
    struct domain *d = data;

    if (d->is_shutting_down || d->dying != DOMAIN_ALIVE)
        return;
    guest_printk(d->id, "watchdog expired\n");
    domain_shutdown(d, SHUTDOWN_watchdog);
}

static void arm(struct domain *d, uint32_t i, uint32_t timeout)
{
    struct timer *t = &d->sched.watchdog[i];

    if (!t->fn)
        timer_init(t, expired, d, smp_processor_id());
    timer_set(t, now() + SECONDS(timeout));
}

static long watchdog_locked(struct domain *d, uint32_t id, uint32_t timeout)
{
    uint32_t i;

    if (!id) {
        if (!timeout)
            return -EINVAL;
        i = (uint32_t)__builtin_ctz(~d->sched.watchdogs_in_use);
        if (i >= NR_WATCHDOGS)
            return -ENOSPC;
        d->sched.watchdogs_in_use |= 1u << i;
        arm(d, i, timeout);
        return i + 1;
    }
    i = (uint32_t)index_nospec(id - 1, NR_WATCHDOGS);
    if (!(d->sched.watchdogs_in_use >> i & 1))
        return -EINVAL;
    if (timeout) {
        arm(d, i, timeout);
    } else {
        timer_stop(&d->sched.watchdog[i]);
        d->sched.watchdogs_in_use &= ~(1u << i);
    }
    return 0;
}

long domain_watchdog(struct domain *d, uint32_t id, uint32_t timeout)
{
    long rc;

    if (id > NR_WATCHDOGS)
        return -EINVAL;
    spin_lock(&d->lock);
    rc = watchdog_locked(d, id, timeout);
    spin_unlock(&d->lock);
    return rc;
}
