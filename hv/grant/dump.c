/* Debug key: grant entries in use, and what each domain has mapped of others. */
#include <base/compiler.h>
#include <console/keyhandler.h>
#include <domain/domain.h>
#include <grant/dump.h>
#include <grant/table.h>

static void show_entries(struct grant_table *gt)
{
    uint32_t used = 0;

    for (grant_ref_t ref = 0; ref < grant_entries(gt); ref++) {
        struct active_grant act = {.readers = 0};

        spin_lock(grant_stripe(gt, ref));
        if (ref < grant_entries(gt))
            act = *grant_active(gt, ref);
        spin_unlock(grant_stripe(gt, ref));
        if (!(act.readers + act.writers) || used++ >= KEY_ITEMS)
            continue;
        key_printk("  entry %u: frame %#lx used by d%u, %u readers, %u writers\n", ref, mfn_x(act.mfn),
                   act.domid, act.readers, act.writers);
    }
    if (used > KEY_ITEMS)
        key_printk("  ... and %u more entries in use\n", used - KEY_ITEMS);
}

/* Handles without a lock: one that comes or goes just now may look odd. */
static void show_maps(const struct grant_table *gt)
{
    uint32_t used = 0;

    for (uint32_t handle = 0; handle < load_acquire(&gt->nr_maptrack) * MAPTRACK_PER_FRAME; handle++) {
        struct maptrack mt = *maptrack_get(gt, handle);

        if (!(mt.flags & MAPTRACK_KINDS) || used++ >= KEY_ITEMS)
            continue;
        key_printk("  map %u: entry %u of d%u, frame %#x, %s%s%s\n", handle, mt.ref, mt.domid, mt.mfn,
                   mt.flags & GNTMAP_host_map ? "host" : "", mt.flags & GNTMAP_device_map ? "device" : "",
                   mt.flags & GNTMAP_readonly ? ", read-only" : "");
    }
    if (used > KEY_ITEMS)
        key_printk("  ... and %u more maps\n", used - KEY_ITEMS);
}

static void show_grants(char key)
{
    struct domain *d;

    for (uint32_t next = 0; (d = domain_find_next((domid_t)next)) != NULL; next = d->id + 1U, domain_put(d)) {
        struct grant_table *gt = d->grant;

        if (!gt)
            continue;
        key_printk("d%u: version %u, %u frames (at most %u), maps in %u frames (at most %u)\n", d->id,
                   gt->version, gt->nr_frames, gt->max_frames, gt->nr_maptrack, gt->max_maptrack);
        show_entries(gt);
        show_maps(gt);
    }
}

void __init grant_dump_init(void)
{
    register_keyhandler('g', show_grants, "grant tables");
}
