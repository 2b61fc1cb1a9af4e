#include <base/atomic.h>
#include <base/bug.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <cpu/features.h>
#include <domain/domain.h>
#include <lib/ranges.h>
#include <mm/iomem.h>
#include <mm/page_alloc.h>

/* IO-APICs are the only numerous ones: one range for each unless adjacent. */
#define MAX_RANGES 192

struct frame_range {
    uint64_t first, last;
};

struct range_list {
    unsigned int nr;
    struct frame_range range[MAX_RANGES];
};

static struct range_list denied __ro_after_init;
static struct range_list read_only __ro_after_init;

static void __init add_range(struct range_list *list, mfn_t first, uint64_t nr)
{
    uint64_t start = mfn_x(first), last = start + nr - 1;

    if (nr == 0)
        return;
    for (unsigned int i = 0; i < list->nr; i++) {
        struct frame_range *r = &list->range[i];

        if (start <= r->last + 1 && last + 1 >= r->first) {
            r->first = MIN(r->first, start);
            r->last = MAX(r->last, last);
            return;
        }
    }
    if (list->nr == MAX_RANGES)
        panic("More than %d separate ranges of the VMM's own device memory", MAX_RANGES);
    list->range[list->nr++] = (struct frame_range){start, last};
}

static bool in_ranges(const struct range_list *list, mfn_t mfn)
{
    for (unsigned int i = 0; i < list->nr; i++)
        if (mfn_x(mfn) >= list->range[i].first && mfn_x(mfn) <= list->range[i].last)
            return true;
    return false;
}

void __init iomem_deny(mfn_t first, uint64_t nr)
{
    add_range(&denied, first, nr);
}

bool iomem_denied(mfn_t mfn)
{
    return in_ranges(&denied, mfn);
}

void __init iomem_set_read_only(mfn_t first, uint64_t nr)
{
    add_range(&read_only, first, nr);
}

bool iomem_read_only(mfn_t mfn)
{
    return in_ranges(&read_only, mfn);
}

static DEFINE_SPINLOCK(guard_lock, LOCK_IOMEM);
static struct iomem_guard *guards;

void iomem_guard_set(struct iomem_guard *guard, mfn_t first, uint64_t nr)
{
    struct iomem_guard **link = &guards;

    spin_lock(&guard_lock);
    while (*link && *link != guard)
        link = &(*link)->next;
    if (*link)
        *link = guard->next;
    guard->first = mfn_x(first);
    guard->nr = nr;
    if (nr) {
        guard->next = guards;
        guards = guard;
    }
    spin_unlock(&guard_lock);
}

bool iomem_write_protected(mfn_t mfn)
{
    const struct iomem_guard *g;

    if (in_ranges(&read_only, mfn))
        return true;
    spin_lock(&guard_lock);
    for (g = guards; g && !iomem_guard_covers(g, mfn); g = g->next)
        ;
    spin_unlock(&guard_lock);
    return g;
}

void iomem_domain_init(struct domain *d)
{
    spin_lock_init(&d->mm.iomem_lock, LOCK_IOMEM);
}

void iomem_domain_free(struct domain *d)
{
    xfree(d->mm.iomem_ranges);
    d->mm.iomem_ranges = NULL;
}

/* Of the hardware domain the set tells what it has not. */
static bool has_range(struct domain *d, uint64_t first, uint64_t last)
{
    const struct range_set *set;
    bool ok = d->is_hardware;

    if (!READ_ONCE(d->mm.iomem_ranges))
        return ok;
    spin_lock(&d->mm.iomem_lock);
    set = d->mm.iomem_ranges;
    ok = d->is_hardware ? !ranges_overlap(set, first, last) : ranges_contain(set, first, last);
    spin_unlock(&d->mm.iomem_lock);
    return ok;
}

bool iomem_access_ok(struct domain *d, mfn_t mfn)
{
    return has_range(d, mfn_x(mfn), mfn_x(mfn)) && !iomem_denied(mfn);
}

static bool touches(const struct range_list *list, uint64_t first, uint64_t last)
{
    for (unsigned int i = 0; i < list->nr; i++)
        if (first <= list->range[i].last && last >= list->range[i].first)
            return true;
    return false;
}

bool iomem_may_give(struct domain *d, uint64_t first, uint64_t nr)
{
    uint64_t last = first + nr - 1;

    return !(last >> (host_cpu.phys_bits - PAGE_SHIFT)) && !touches(&denied, first, last) &&
           !touches(&read_only, first, last) && has_range(d, first, last);
}

int iomem_permit(struct domain *d, uint64_t first, uint64_t nr, bool allow)
{
    struct range_set *new = NULL;
    bool ok;

    if (!d->mm.iomem_ranges) {
        if (allow == d->is_hardware)
            return 0;
        new = xzalloc(struct range_set);
        if (!new)
            return -ENOMEM;
    }
    spin_lock(&d->mm.iomem_lock);
    if (new)
        d->mm.iomem_ranges = new;
    ok = allow == d->is_hardware ? ranges_remove(d->mm.iomem_ranges, first, first + nr - 1)
                                 : ranges_add(d->mm.iomem_ranges, first, first + nr - 1);
    spin_unlock(&d->mm.iomem_lock);
    if (ok && allow)
        d->mm.drives_devices = true;
    return ok ? 0 : -ENOMEM;
}

bool domain_drives_devices(const struct domain *d)
{
    return d->is_hardware || d->mm.drives_devices;
}
