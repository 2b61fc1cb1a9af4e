/* The pins of all grant entries counted again from the mappings that hold them. */
#include <console/printk.h>
#include <domain/domain.h>
#include <grant/grant.h>
#include <grant/table.h>

#define MAX_LINES 20

static void forget(struct grant_table *gt)
{
    for (uint32_t ref = 0; ref < grant_entries(gt); ref++)
        grant_active(gt, ref)->found = 0;
}

static long find(const struct domain *d)
{
    const struct grant_table *gt = d->grant;
    long differences = 0;

    for (uint32_t handle = 0; handle < gt->nr_maptrack * MAPTRACK_PER_FRAME; handle++) {
        const struct maptrack *mt = maptrack_get(gt, handle);
        const struct domain *rd;

        if (!(mt->flags & MAPTRACK_KINDS))
            continue;
        rd = domain_by_id(mt->domid);
        if (rd && mt->ref < grant_entries(rd->grant)) {
            grant_active(rd->grant, mt->ref)->found++;
        } else if (differences++ < MAX_LINES) {
            printk("audit: handle %u of d%u is of no entry: d%u %u\n", handle, d->id, mt->domid, mt->ref);
        }
    }
    return differences;
}

static long compare(const struct domain *d)
{
    const struct grant_table *gt = d->grant;
    long differences = 0;

    for (uint32_t ref = 0; ref < grant_entries(gt); ref++) {
        const struct active_grant *act = grant_active(gt, ref);

        if (act->found != act->readers + act->writers && differences++ < MAX_LINES)
            printk("audit: entry %u of d%u has %u+%u pins, %u found\n", ref, d->id, act->readers,
                   act->writers, act->found);
    }
    return differences;
}

long grant_audit(void)
{
    long differences = 0;
    struct domain *d;

    for (unsigned int pass = 0; pass < 3; pass++)
        for (uint32_t id = 0; (d = domain_find_next((domid_t)id)) != NULL; id = d->id + 1U, domain_put(d)) {
            if (!d->grant)
                continue;
            if (pass == 0)
                forget(d->grant);
            else
                differences += pass == 1 ? find(d) : compare(d);
        }
    return differences;
}
