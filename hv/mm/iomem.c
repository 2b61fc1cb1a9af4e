#include <base/bug.h>
#include <base/compiler.h>
#include <domain/domain.h>
#include <mm/iomem.h>

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

bool iomem_access_ok(const struct domain *d, mfn_t mfn)
{
    return d->is_hardware && !iomem_denied(mfn);
}
