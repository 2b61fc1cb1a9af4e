/* GNTTABOP_cache_flush: writes back the cache lines of a part of a page, the caller's own or one that it has
 * mapped. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/cache.h>
#include <domain/domain.h>
#include <grant/batch.h>
#include <grant/table.h>
#include <mm/guest_access.h>
#include <mm/page_type.h>

/* Handles looked at before the search is continued later. */
#define SEARCH_STEP 4096

/*
 * Whether a handle of current's domain maps the frame. The search goes on where
 * *next says; -ERESTART: not yet found. Handles that other CPUs change meanwhile
 * may be missed or seen: nothing but a cache depends on it.
 */
static int find_mapping(uint64_t mfn, uint32_t *next)
{
    const struct grant_table *gt = current->domain->grant;

    for (;;) {
        const struct maptrack *mt = maptrack_get(gt, *next);

        if (!mt)
            return -EINVAL;
        if ((READ_ONCE(mt->flags) & MAPTRACK_KINDS) && READ_ONCE(mt->mfn) == mfn)
            return 0;
        if (++*next % SEARCH_STEP == 0 && hypercall_preempt_check())
            return -ERESTART;
    }
}

static int flush_one(const struct gnttab_cache_flush *op, uint32_t *next)
{
    mfn_t mfn = paddr_to_mfn(_paddr(op->a.dev_bus_addr));
    struct page_info *page;
    domid_t owner;
    int rc = 0;

    if (op->offset + op->length > PAGE_SIZE || (op->op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL)))
        return -EINVAL;
    if (!op->op || !op->length)
        return 0;
    if (!mfn_valid(mfn))
        return -EINVAL;
    page = mfn_to_page(mfn);
    owner = READ_ONCE(page->owner);
    /* What is no domain's memory cannot be mapped by a grant. */
    if (owner >= DOMID_FIRST_RESERVED)
        return -EINVAL;
    /* Before a reference is taken: on a frame that is none of its business it could keep the owner from
     * giving that away (page_steal()). */
    if (owner != current->domain->id)
        rc = find_mapping(mfn_x(mfn), next);
    if (rc)
        return rc;
    if (!get_page_owned(page, owner))
        return -EINVAL;
    /* To drop lines without writing them back would undo writes of others. */
    if (op->op == GNTTAB_CACHE_INVAL)
        rc = -EOPNOTSUPP;
    else
        flush_cache_lines((const char *)page_to_virt(page) + op->offset, op->length);
    put_page(page);
    return rc;
}

/* A search that is continued has its place in the upper half of the command, which has no other meaning. */
long grant_cache_flush(struct hypercall_args *args)
{
    uint32_t next = args->a[0] >> 32;

    args->a[0] = (uint32_t)args->a[0];
    while (args->a[2]) {
        struct gnttab_cache_flush op;
        int rc;

        if (copy_from_guest(&op, args->a[1], sizeof(op)))
            return -EFAULT;
        rc = flush_one(&op, &next);
        if (rc == -ERESTART)
            args->a[0] |= (uint64_t)next << 32;
        if (rc)
            return rc;
        next = 0;
        rc = grant_next(args, sizeof(op));
        if (rc)
            return rc;
    }
    return 0;
}
