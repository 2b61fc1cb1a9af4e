/*
 * References and type references. All changes of count_info and type_info are
 * compare-and-exchange or, by the one owner of a busy frame, plain stores; the
 * states are drawn in the header.
 *
 * Flushing on a change of type (invariant 4). The stamp must be no older than
 * the last use, so it is taken by a CPU that has the frame to itself:
 *
 *   last put of type T                      first get of type U
 *   valid,1 -> busy   (cmpxchg)
 *                                           sees busy: waits
 *   stamp = clock
 *   busy -> free,0    (store)
 *                                           free -> busy U,1 (cmpxchg)
 *                                           flush CPUs not flushed since stamp
 *                                           validate
 *                                           busy -> valid U,1 (store)
 *
 * Waiting goes downwards only, so that no circle can form: a CPU that has a
 * table busy or locked waits for frames of a lower level, or for one whose type
 * WRITABLE is being ended or begun, which takes a stamp or a flush and no frame.
 * For any other type than the one it wants it does not wait but fails.
 *
 * A third CPU that asks for U between the last two lines waits as well: it must
 * not use the frame as U while a TLB may still hold an entry made under T, be it
 * a writable one of a page that becomes a table, or a cached upper-level entry
 * of a table that becomes writable.
 */
#include <base/atomic.h>
#include <base/bug.h>
#include <base/errno.h>
#include <cpu/cache.h>
#include <domain/domain.h>
#include <mm/page_ref.h>
#include <mm/page_type.h>
#include <mm/retire.h>
#include <mm/tlb.h>
#include <mm/validate.h>

/* Types that hold for any contents. */
static inline bool unchecked_type(uint64_t type_info)
{
    return (type_info & PGT_TYPE_MASK) >= PGT_WRITABLE;
}

static inline bool is_busy(uint64_t x)
{
    return !(x & (PGT_VALIDATED | PGT_PARTIAL)) && ((x & PGT_COUNT_MASK) || unchecked_type(x));
}

bool get_page_owned(struct page_info *page, domid_t owner)
{
    return page_get_owned(page, owner);
}

bool get_page(struct page_info *page, const struct domain *d)
{
    return page_get_owned(page, d->id);
}

bool get_page_again(struct page_info *page)
{
    uint64_t x = READ_ONCE(page->count_info), seen;

    for (;;) {
        if (((x + 1) & PGC_COUNT_MASK) == 0)
            return false;
        seen = cmpxchg(&page->count_info, x, x + 1);
        if (seen == x)
            return true;
        x = seen;
    }
}

void page_last_put(struct page_info *page)
{
    BUG_ON(page->type_info & (PGT_COUNT_MASK | PGT_PINNED));
    retire_frame(page);
}

void put_page(struct page_info *page)
{
    page_put(page);
}

struct page_info *get_page_from_mfn(mfn_t mfn, const struct domain *d)
{
    struct page_info *page;

    if (!mfn_valid(mfn))
        return NULL;
    page = mfn_to_page(mfn);
    return get_page(page, d) ? page : NULL;
}

static struct domain *owner_of(const struct page_info *page)
{
    struct domain *d = current->domain;

    return likely(d->id == page->owner) ? d : domain_by_id(page->owner);
}

/* The frame is busy, by us. */
static void flush_stale_entries(const struct page_info *page, struct domain *d)
{
    /* Mapped by others once: then any CPU may hold an entry. */
    cpumask_t mask = page->count_info & PGC_FOREIGN || !d ? cpu_online_map : *tlb_domain_cpus(d);

    tlb_filter(&mask, page->tlb_stamp);
    /* The common case is this CPU alone, and guests have no global entries. */
    if (cpumask_test(&mask, smp_processor_id())) {
        cpumask_clear(&mask, smp_processor_id());
        flush_tlb_guests();
    }
    if (unlikely(!cpumask_empty(&mask)))
        flush_tlb_mask(&mask);
}

/*
 * What is checked must be what the CPU reads later: of a frame that was written past the cache the lines
 * there may be older than memory, and may be dropped any time. No TLB maps it writable any more.
 */
static void flush_stale_lines(const struct page_info *page)
{
    if (unlikely(page->count_info & PGC_UNCACHED))
        flush_cache_lines(page_to_virt(page), PAGE_SIZE);
}

/* Busy -> partial, with this count. */
static void leave_partial(struct page_info *page, uint64_t type, uint64_t count, uint64_t flags)
{
    store_release(&page->type_info, type | PGT_PARTIAL | flags | count);
}

/*
 * Validates a busy table of which [0, nr_validated) is done. `from` is
 * type_info before it became busy: free (a first reference), or partial. Three
 * cases of partial work to go on with or to leave behind:
 *
 *   from           count while busy  preempted            refused
 *   free           1                 owned, 1             1, released later
 *   partial owned  1 (inherited)     owned, 1             1, released later
 *   partial        2 (its releaser   its releaser's, 1    its releaser's, 1
 *                  and we)
 */
static int validate_busy(struct page_info *page, struct domain *d, uint64_t type, uint64_t from)
{
    bool releaser = (from & PGT_PARTIAL) && !(from & PGT_PARTIAL_OWNED);
    bool inherited = from & PGT_PARTIAL_OWNED;
    int rc = validate_page(page, d, type);

    if (likely(rc == 0)) {
        store_release(&page->type_info, type | PGT_VALIDATED | (releaser ? 2 : 1));
        if (inherited)
            put_page(page); /* not the last: the caller has one */
        return 0;
    }
    if (page->nr_validated == 0 && !releaser) {
        page->tlb_stamp = tlb_clock_now();
        store_release(&page->type_info, type);
        if (inherited)
            put_page(page);
        return rc;
    }
    if (releaser) {
        leave_partial(page, type, 1, 0);
    } else if (!inherited && !get_page_again(page)) {
        /* 2^48 references cannot exist: each needs an entry of 8 bytes. */
        BUG();
    } else if (rc == -ERESTART) {
        leave_partial(page, type, 1, PGT_PARTIAL_OWNED);
        smp_mb();
        /* As for a pin: either the domain's end sees what is left here, or we see that it is dying. */
        if (unlikely(READ_ONCE(d->dying) != DOMAIN_ALIVE) && page_inherit_partial(page)) {
            release_page_and_type_later(page);
            rc = -EINVAL; /* who went on would find it released again and again */
        }
    } else {
        leave_partial(page, type, 1, 0);
        release_page_and_type_later(page);
    }
    return rc;
}

/* The frame just became busy as `type`, from state `from`. */
static noinline int first_reference(struct page_info *page, uint64_t type, uint64_t from)
{
    struct domain *d = owner_of(page);

    if (!(from & PGT_PARTIAL)) {
        if ((from & PGT_TYPE_MASK) != type && (from & PGT_TYPE_MASK) != PGT_NONE) {
            flush_stale_entries(page, d);
            if (!unchecked_type(type))
                flush_stale_lines(page);
        }
        page->nr_validated = 0;
        page->linear_count = 0;
    }
    if (unchecked_type(type)) {
        store_release(&page->type_info, type | PGT_VALIDATED | 1);
        return 0;
    }
    return validate_busy(page, d, type, from);
}

int get_page_type(struct page_info *page, uint64_t type)
{
    uint64_t x = READ_ONCE(page->type_info), nx, seen;

    for (;;) {
        if (likely((x & (PGT_TYPE_MASK | PGT_VALIDATED)) == (type | PGT_VALIDATED))) {
            nx = x + 1;
            if (unlikely((nx & PGT_COUNT_MASK) == 0))
                return -EINVAL;
        } else if (is_busy(x)) {
            if ((x & PGT_TYPE_MASK) != type && (x & PGT_COUNT_MASK))
                return -EINVAL;
            /*
             * Look again each time: it may become busy as another type, and to wait for that might be to
             * wait for a CPU that waits for us (a table that maps a table above it writable).
             */
            cpu_relax();
            x = READ_ONCE(page->type_info);
            continue;
        } else if (x & PGT_PARTIAL) {
            if ((x & PGT_TYPE_MASK) != type)
                return -EINVAL;
            nx = type | (x & PGT_PARTIAL_OWNED ? 1 : 2);
        } else if (x & PGT_COUNT_MASK) {
            return -EINVAL;
        } else {
            nx = type | 1;
        }
        seen = cmpxchg(&page->type_info, x, nx);
        if (likely(seen == x))
            break;
        x = seen;
    }
    return likely(nx & PGT_VALIDATED) ? 0 : first_reference(page, type, x);
}

bool get_page_type_if_valid(struct page_info *page, uint64_t type)
{
    uint64_t x = READ_ONCE(page->type_info), seen;

    while ((x & (PGT_TYPE_MASK | PGT_VALIDATED)) == (type | PGT_VALIDATED) &&
           ((x + 1) & PGT_COUNT_MASK) != 0) {
        seen = cmpxchg(&page->type_info, x, x + 1);
        if (seen == x)
            return true;
        x = seen;
    }
    return false;
}

/* The frame is busy with count 1, ours: releases what its entries hold. */
static int release_busy(struct page_info *page, uint64_t type, bool preemptible)
{
    int rc = invalidate_page(page, type, preemptible);

    if (unlikely(rc)) {
        leave_partial(page, type, 1, 0);
        return rc;
    }
    BUG_ON(pgt_level(type) && page->linear_count);
    page->tlb_stamp = tlb_clock_now();
    store_release(&page->type_info, type | (unchecked_type(type) ? PGT_VALIDATED : 0));
    return 0;
}

static int put_type(struct page_info *page, bool preemptible)
{
    uint64_t x = READ_ONCE(page->type_info), nx, seen;

    for (;;) {
        if (unlikely(is_busy(x))) {
            /* Somebody took our preempted release up: that CPU waits for nothing above this level. */
            cpu_relax();
            x = READ_ONCE(page->type_info);
            continue;
        }
        if ((x & PGT_COUNT_MASK) > 1) {
            nx = x - 1;
        } else if (unlikely(x & PGT_LOCKED)) {
            /* Its entries are being changed: the table must last until that is done. */
            cpu_relax();
            x = READ_ONCE(page->type_info);
            continue;
        } else {
            BUG_ON(!(x & PGT_COUNT_MASK) || x & PGT_PINNED);
            nx = x & ~(PGT_VALIDATED | PGT_PARTIAL | PGT_PARTIAL_OWNED);
        }
        seen = cmpxchg(&page->type_info, x, nx);
        if (likely(seen == x))
            break;
        x = seen;
    }
    if ((x & PGT_COUNT_MASK) > 1)
        return 0;
    if (x & PGT_VALIDATED)
        page->nr_validated = PT_ENTRIES;
    return release_busy(page, x & PGT_TYPE_MASK, preemptible);
}

void put_page_type(struct page_info *page)
{
    (void)put_type(page, false);
}

int put_page_type_preemptible(struct page_info *page)
{
    return put_type(page, true);
}

bool get_page_and_type(struct page_info *page, const struct domain *d, uint64_t type)
{
    if (!get_page(page, d))
        return false;
    if (likely(get_page_type(page, type) == 0))
        return true;
    put_page(page);
    return false;
}

void put_page_and_type(struct page_info *page)
{
    put_page_type(page);
    put_page(page);
}

bool page_set_pinned(struct page_info *page)
{
    return !(__atomic_fetch_or(&page->type_info, PGT_PINNED, __ATOMIC_SEQ_CST) & PGT_PINNED);
}

bool page_clear_pinned(struct page_info *page)
{
    uint64_t x = READ_ONCE(page->type_info), seen;

    for (;;) {
        if (!(x & PGT_PINNED))
            return false;
        seen = cmpxchg(&page->type_info, x, x & ~PGT_PINNED);
        if (seen == x)
            return true;
        x = seen;
    }
}

bool page_inherit_partial(struct page_info *page)
{
    uint64_t x = READ_ONCE(page->type_info), seen;

    for (;;) {
        if (!(x & PGT_PARTIAL_OWNED))
            return false;
        seen = cmpxchg(&page->type_info, x, x & ~PGT_PARTIAL_OWNED);
        if (seen == x)
            return true;
        x = seen;
    }
}

void release_page_and_type_later(struct page_info *page)
{
    struct mm_vcpu *mm = &current->mm;

    /*
     * One operation leaves at most one table of each level behind, one that a linear
     * entry named, and the tables it had before; the next one begins only when none
     * is left. Callers that do not look after that pay.
     */
    if (mm->nr_pending == ARRAY_SIZE(mm->pending))
        put_page_and_type(page);
    else
        mm->pending[mm->nr_pending++] = page;
}

void release_page_and_type(struct page_info *page)
{
    if (likely(page_put_type_not_last(page)) || likely(!put_page_type_preemptible(page)))
        page_put(page);
    else
        release_page_and_type_later(page);
}

int release_pending(struct vcpu *v)
{
    while (v->mm.nr_pending) {
        struct page_info *page = v->mm.pending[v->mm.nr_pending - 1];
        int rc = put_page_type_preemptible(page);

        if (rc)
            return rc;
        v->mm.nr_pending--;
        put_page(page);
    }
    return 0;
}

/*
 * The VMM keeps a general and a type reference of its own, so that whatever the
 * owner does to its PGC_ALLOCATED one, the frame stays and keeps its type.
 */
static void share_page(struct page_info *page, domid_t owner, bool writable)
{
    page->owner = owner;
    page->type_info = (writable ? PGT_WRITABLE : PGT_SHARED) | PGT_VALIDATED | 1;
    store_release(&page->count_info, PGC_STATE_INUSE | PGC_ALLOCATED | PGC_VMM_SHARED | PGC_VMM_HELD | 2);
}

void share_vmm_page(struct page_info *page, const struct domain *d, bool writable)
{
    share_page(page, d->id, writable);
}

void share_vmm_page_with_tools(struct page_info *page, bool writable)
{
    share_page(page, DOMID_XEN, writable);
}

void unshare_vmm_page(struct page_info *page)
{
    /* It may still be mapped, now by others than its owner: a new domain with the old number has no right to
     * it. */
    atomic_or(&page->count_info, PGC_FOREIGN);
    WRITE_ONCE(page->owner, DOMID_INVALID);
    page_release_allocation(page);
    atomic_and(&page->count_info, ~PGC_VMM_HELD);
    put_page_and_type(page);
}

bool page_release_allocation(struct page_info *page)
{
    if (!(__atomic_fetch_and(&page->count_info, ~PGC_ALLOCATED, __ATOMIC_SEQ_CST) & PGC_ALLOCATED))
        return false;
    put_page(page);
    return true;
}

struct page_info *page_steal(mfn_t mfn, const struct domain *d)
{
    struct page_info *page = get_page_from_mfn(mfn, d);
    uint64_t x;

    if (!page)
        return NULL;
    x = READ_ONCE(page->count_info);
    if ((x & PGC_COUNT_MASK) == 2 && (x & PGC_ALLOCATED) && !(x & PGC_VMM_SHARED) &&
        cmpxchg(&page->count_info, x, (x & ~PGC_ALLOCATED) - 2) == x)
        return page;
    put_page(page);
    return NULL;
}

void page_unsteal(struct page_info *page)
{
    atomic_or(&page->count_info, PGC_ALLOCATED | 1);
}
