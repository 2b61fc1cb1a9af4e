/*
 * A domain's grant table: the shared entries that the domain writes, and our
 * own record of which of them are in use (<xen/grant_table.h>).
 *
 * Locks, all of rank LOCK_GRANT: the table's own lock serializes growing and
 * changes of version. An entry, shared and active, is used under the stripe
 * lock that its number selects; changing the version takes all of them. So
 * maps and copies through different entries do not meet. Frames are only ever
 * added while the domain lives; their number is read without a lock.
 */
#ifndef GRANT_TABLE_H
#define GRANT_TABLE_H

#include <base/spinlock.h>
#include <base/types.h>
#include <mm/page.h>
#include <xen/grant_table.h>

#define GRANT_STRIPES 16u

#define V1_PER_FRAME     (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define V2_PER_FRAME     (PAGE_SIZE / sizeof(grant_entry_v2_t))
#define STATUS_PER_FRAME (PAGE_SIZE / sizeof(grant_status_t))

/* An entry in use. Meaningful while a count is not zero. */
struct active_grant {
    mfn_t mfn;
    uint32_t readers, writers; /* maps, and copies under way; a writer is no reader */
    domid_t domid;             /* who uses it */
};

struct maptrack {
    grant_ref_t ref; /* free: next free handle */
    domid_t domid;   /* whose entry is mapped */
    uint16_t flags;  /* GNTMAP_*_map and GNTMAP_readonly: what is left of it; 0: free */
};

#define MAPTRACK_PER_FRAME (PAGE_SIZE / sizeof(struct maptrack))

struct grant_table {
    spinlock_t lock;
    spinlock_t stripe[GRANT_STRIPES];
    uint32_t version; /* 1 or 2 */
    uint32_t nr_frames, max_frames;
    uint32_t nr_status;
    void **shared;                /* max_frames VMM pages */
    struct active_grant **active; /* beside each frame: V1_PER_FRAME records */
    grant_status_t **status;      /* version 2 */

    spinlock_t maptrack_lock; /* free list, growing */
    struct maptrack **maptrack;
    uint32_t nr_maptrack, max_maptrack; /* frames */
    uint32_t free_handle;               /* first free one, MAPTRACK_NONE: none */
    uint32_t release_next;              /* how far grant_release_mappings() got */
};

#define MAPTRACK_NONE (~0u)

static inline spinlock_t *grant_stripe(struct grant_table *gt, grant_ref_t ref)
{
    return &gt->stripe[ref % GRANT_STRIPES];
}

/* Entries of the table. A stripe lock is held, or the answer may be outdated. */
uint32_t grant_entries(const struct grant_table *gt);
/* Parts of an entry whose number is below grant_entries(); its stripe lock is held. */
grant_entry_header_t *grant_header(const struct grant_table *gt, grant_ref_t ref);
grant_entry_v1_t *grant_v1(const struct grant_table *gt, grant_ref_t ref);
grant_entry_v2_t *grant_v2(const struct grant_table *gt, grant_ref_t ref);
grant_status_t *grant_status(const struct grant_table *gt, grant_ref_t ref);
struct active_grant *grant_active(const struct grant_table *gt, grant_ref_t ref);

/* The operations of table.c: GNTTABOP_*, on an argument at gva. */
long grant_setup_table(uint64_t gva, uint32_t count);
long grant_query_size(uint64_t gva, uint32_t count);
long grant_set_version(uint64_t gva);
long grant_get_version(uint64_t gva);
long grant_get_status_frames(uint64_t gva, uint32_t count);

#endif
