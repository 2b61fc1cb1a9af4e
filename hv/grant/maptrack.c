/* Handles of mappings. */
#include <base/atomic.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <grant/grant.h>
#include <grant/table.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>

struct maptrack *maptrack_get(const struct grant_table *gt, uint32_t handle)
{
    uint32_t frame = handle / MAPTRACK_PER_FRAME, frames = load_acquire(&gt->nr_maptrack);

    if (frame >= frames)
        return NULL;
    return gt->maptrack[index_nospec(frame, frames)] + handle % MAPTRACK_PER_FRAME;
}

/* maptrack_lock. One more frame of free handles; false if there is no room. */
static bool add_frame(struct grant_table *gt)
{
    uint32_t first = gt->nr_maptrack * MAPTRACK_PER_FRAME;
    struct maptrack *mt;

    if (gt->nr_maptrack == gt->max_maptrack)
        return false;
    mt = xzalloc_array(struct maptrack, MAPTRACK_PER_FRAME);
    if (!mt)
        return false;
    for (uint32_t i = 0; i < MAPTRACK_PER_FRAME; i++)
        mt[i].ref = i + 1 < MAPTRACK_PER_FRAME ? first + i + 1 : gt->free_handle;
    gt->maptrack[gt->nr_maptrack] = mt;
    store_release(&gt->nr_maptrack, gt->nr_maptrack + 1);
    gt->free_handle = first;
    return true;
}

uint32_t maptrack_alloc(struct grant_table *gt)
{
    uint32_t handle = MAPTRACK_NONE;

    spin_lock(&gt->maptrack_lock);
    if (gt->free_handle != MAPTRACK_NONE || add_frame(gt)) {
        handle = gt->free_handle;
        gt->free_handle = maptrack_get(gt, handle)->ref;
    }
    spin_unlock(&gt->maptrack_lock);
    return handle;
}

void maptrack_free_locked(struct grant_table *gt, uint32_t handle)
{
    struct maptrack *mt = maptrack_get(gt, handle);

    mt->flags = 0;
    mt->ref = gt->free_handle;
    gt->free_handle = handle;
}

void maptrack_free(struct grant_table *gt, uint32_t handle)
{
    spin_lock(&gt->maptrack_lock);
    maptrack_free_locked(gt, handle);
    spin_unlock(&gt->maptrack_lock);
}

void maptrack_drop(const struct maptrack *mt)
{
    struct page_info *page = mfn_to_page(_mfn(mt->mfn));
    bool readonly = mt->flags & GNTMAP_readonly;
    struct domain *rd = domain_by_id(mt->domid); /* the mapping has a reference */

    grant_unpin_entry(rd, mt->ref, readonly);
    if (!readonly)
        put_page_type(page);
    put_page(page);
    domain_put(rd);
}

int grant_release_mappings(struct domain *d)
{
    struct grant_table *gt = d->grant;

    while (gt->release_next < gt->nr_maptrack * MAPTRACK_PER_FRAME) {
        uint32_t handle = gt->release_next++;
        struct maptrack mt = *maptrack_get(gt, handle);

        if (mt.flags & MAPTRACK_KINDS) {
            maptrack_free(gt, handle);
            maptrack_drop(&mt);
        }
        if (gt->release_next % 64 == 0 && hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}
