#include <base/bug.h>
#include <base/compiler.h>
#include <domain/domain.h>
#include <mm/iomem.h>

/* IO-APICs are the only numerous ones: one range for each unless adjacent. */
#define MAX_DENIED 192

struct frame_range {
    uint64_t first, last;
};

static struct frame_range denied[MAX_DENIED] __ro_after_init;
static unsigned int nr_denied __ro_after_init;

void __init iomem_deny(mfn_t first, uint64_t nr)
{
    uint64_t start = mfn_x(first), last = start + nr - 1;

    if (nr == 0)
        return;
    for (unsigned int i = 0; i < nr_denied; i++) {
        struct frame_range *r = &denied[i];

        if (start <= r->last + 1 && last + 1 >= r->first) {
            r->first = MIN(r->first, start);
            r->last = MAX(r->last, last);
            return;
        }
    }
    if (nr_denied == MAX_DENIED)
        panic("More than %d separate ranges of the VMM's own device memory", MAX_DENIED);
    denied[nr_denied++] = (struct frame_range){start, last};
}

bool iomem_denied(mfn_t mfn)
{
    for (unsigned int i = 0; i < nr_denied; i++)
        if (mfn_x(mfn) >= denied[i].first && mfn_x(mfn) <= denied[i].last)
            return true;
    return false;
}

bool iomem_access_ok(const struct domain *d, mfn_t mfn)
{
    return d->is_hardware && !iomem_denied(mfn);
}
