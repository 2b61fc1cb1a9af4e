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
    uint32_t found;            /* grant_audit() */
};

/*
 * A mapping, known to the domain that has it by its handle: an index into these.
 * It holds the entry's pin, a reference to the domain whose entry it is, and
 * references to the frame of its own: a general and, if it is writable, a type
 * one. (The page-table entry holds others.)
 *
 * A host mapping is ended only where it was made: so no page-table entry outlives
 * the handles that explain it, whatever the domain does to its tables.
 */
struct maptrack {
    grant_ref_t ref; /* free: next free handle */
    domid_t domid;   /* whose entry is mapped */
    uint16_t flags;  /* MAPTRACK_*; 0: free */
    uint32_t mfn;
    uint32_t table; /* of a host mapping: the frame of the level-1 table that has it */
};

/* Kinds of access that are left of it, and those that a CPU is just taking away. */
#define MAPTRACK_KINDS      (GNTMAP_host_map | GNTMAP_device_map)
#define MAPTRACK_BUSY_SHIFT 5
#define MAPTRACK_BUSY       (MAPTRACK_KINDS << MAPTRACK_BUSY_SHIFT)
/* What it was made with. */
#define MAPTRACK_KEPT (GNTMAP_readonly | GNTMAP_contains_pte)
/* The rest of the flags: index of the entry in its table. */
#define MAPTRACK_INDEX_SHIFT 7

#define MAPTRACK_PER_FRAME (PAGE_SIZE / sizeof(struct maptrack))

struct grant_table {
    spinlock_t lock;
    spinlock_t stripe[GRANT_STRIPES];
    uint32_t version; /* 1 or 2 */
    uint32_t max_version;
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

/* An entry in use for one map or copy. */
struct grant_pin {
    struct domain *d; /* whose entry; referenced by the caller */
    grant_ref_t ref;
    bool readonly;
    mfn_t mfn;
    uint16_t offset, length; /* the part of the frame that is granted; length 0: all of it */
    struct domain *next;     /* transitive: the domain whose entry it leads to, referenced; else NULL */
    grant_ref_t next_ref;
};

/*
 * Pins entry ref of d for domain `user`: while it is, the granting domain sees it
 * in use. Only a copy may use parts of pages and transitive grants. GNTST_*.
 */
int16_t grant_pin(struct grant_pin *pin, struct domain *d, grant_ref_t ref, domid_t user, bool readonly,
                  bool copy);
void grant_unpin(struct grant_pin *pin);
/* The same for a plain entry, of which a maptrack remembers the number only. */
void grant_unpin_entry(struct domain *d, grant_ref_t ref, bool readonly);

/* A free handle of current's domain, or MAPTRACK_NONE. */
uint32_t maptrack_alloc(struct grant_table *gt);
void maptrack_free(struct grant_table *gt, uint32_t handle);
/* The entry of a handle, NULL if it is out of range. */
struct maptrack *maptrack_get(const struct grant_table *gt, uint32_t handle);

/* The same with maptrack_lock held. */
void maptrack_free_locked(struct grant_table *gt, uint32_t handle);

/* Drops what a mapping held, its references and its pin, by a copy of its record: its handle is free by then,
 * and its page-table entry gone from all TLBs. */
void maptrack_drop(const struct maptrack *mt);

/* Batches of map.c, copy.c, grant_op.c: args as of the hypercall; -ERESTART with what is left in them. */
struct hypercall_args;
long grant_map(struct hypercall_args *args);
long grant_unmap(struct hypercall_args *args);
long grant_unmap_and_replace(struct hypercall_args *args);
long grant_copy(struct hypercall_args *args);
long grant_transfer(struct hypercall_args *args);
long grant_cache_flush(struct hypercall_args *args);

/*
 * The domain whose grants an operation uses, referenced; NULL if there is none.
 * Not DOMID_SELF: a domain's own go by its number. Not one that is dying:
 * nothing of it is newly mapped or copied.
 */
struct domain *grant_find_domain(domid_t id);

/* The operations of table.c: GNTTABOP_*, on an argument at gva. */
long grant_setup_table(uint64_t gva, uint32_t count);
long grant_query_size(uint64_t gva, uint32_t count);
long grant_set_version(uint64_t gva);
long grant_get_version(uint64_t gva);
long grant_get_status_frames(uint64_t gva, uint32_t count);

#endif
