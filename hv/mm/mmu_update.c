/* HYPERVISOR_mmu_update: batches of changes of page-table entries and of the machine-to-phys table. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <mm/batch.h>
#include <mm/guest_access.h>
#include <mm/pt_update.h>
#include <mm/tlb.h>
#include <xen/xen.h>

#define CHUNK 16 /* requests fetched at a time */
/* Requests after which a table is unlocked in any case, a multiple of CHUNK: others wait for it, and do
 * nothing else. */
#define LOCKED_MAX 256

#define NO_FRAME ~0UL /* no request names it */

/* A run of requests mostly changes one table: it stays locked from one to the next. */
struct batch {
    struct pt_context c;
    struct page_info *table; /* level 1, locked; or NULL */
    uint64_t frame;          /* its number, or NO_FRAME */
    bool upper_changed;      /* an entry of level 2-4 was replaced: flush this CPU at the end */
    bool check_preempt;      /* something long was done */
};

static void drop_table(struct batch *b)
{
    if (b->table)
        unlock_table(b->table);
    b->table = NULL;
    b->frame = NO_FRAME;
}

/* An entry in a page that is no table: a plain store for the guest, if it might do that itself. */
static int write_data_page(const struct batch *b, struct page_info *page, uint64_t offset, uint64_t val)
{
    if (!get_page_and_type(page, b->c.owner, PGT_WRITABLE))
        return -EINVAL;
    WRITE_ONCE(*(uint64_t *)((char *)page_to_virt(page) + offset), val);
    put_page_and_type(page);
    return 0;
}

/* The frame is not the table of the last request. */
static noinline int update_other_frame(struct batch *b, mfn_t mfn, uint64_t offset, uint64_t val,
                                       bool preserve_ad)
{
    struct page_info *page, *old;
    unsigned int level;
    int rc;

    drop_table(b);
    if (!mfn_valid(mfn))
        return -EINVAL;
    page = mfn_to_page(mfn);
    level = lock_table(page, b->c.owner->id);
    if (level == 0)
        return write_data_page(b, page, offset, val);
    if (level == 1) {
        b->table = page;
        b->frame = mfn_x(mfn);
        return pt_update_l1(&b->c, (pte_t *)((char *)page_to_virt(page) + offset), val, preserve_ad);
    }
    rc = pt_update_upper(&b->c, page, level, (unsigned int)(offset / sizeof(pte_t)), val, preserve_ad, &old);
    unlock_table(page);
    if (old) {
        /* CPUs cache upper-level entries; Xen's guests may rely on the change being seen here at once. */
        b->upper_changed = true;
        release_page_and_type(old);
    }
    b->check_preempt = true;
    return rc;
}

static int update_machphys(const struct batch *b, uint64_t ptr, uint64_t val)
{
    struct page_info *page = b->c.data ? get_page_from_mfn(_mfn(ptr >> PAGE_SHIFT), b->c.data) : NULL;

    if (!page)
        return -EINVAL;
    set_gpfn_from_mfn(_mfn(ptr >> PAGE_SHIFT), val);
    put_page(page);
    return 0;
}

static int update_one(struct batch *b, const struct mmu_update *req)
{
    uint64_t ptr = req->ptr, offset = ptr & (PAGE_SIZE - 1) & ~7UL;
    unsigned int cmd = ptr & 7;
    bool preserve_ad = cmd == MMU_PT_UPDATE_PRESERVE_AD;

    if (unlikely(cmd == MMU_MACHPHYS_UPDATE))
        return update_machphys(b, ptr, req->val);
    if (unlikely(cmd > MMU_PT_UPDATE_NO_TRANSLATE))
        return -ENOSYS;
    return update_other_frame(b, _mfn(ptr >> PAGE_SHIFT), offset, req->val, preserve_ad);
}

/* Does n requests, adds to *done how many are done. More follow if `more`. 0, -ERESTART, or what refused one.
 */
static __always_inline int run_chunk(struct batch *b, const struct mmu_update *req, uint32_t n, bool more,
                                     uint32_t *done)
{
    int rc;

    for (uint32_t i = 0; i < n; i++, (*done)++) {
        if (b->frame == req[i].ptr >> PAGE_SHIFT) {
            uint32_t run = pt_update_l1_run(&b->c, _mfn(b->frame), &req[i], n - i, &rc);

            *done += run;
            i += run;
            if (unlikely(rc) || i == n)
                return rc;
        }
        rc = update_one(b, &req[i]);
        if (unlikely(rc))
            return rc;
        if (unlikely(b->check_preempt)) {
            b->check_preempt = false;
            /* What was left to be released must be gone before the next request, or the return. */
            if (current->mm.nr_pending || ((more || i + 1 < n) && hypercall_preempt_check())) {
                (*done)++;
                return -ERESTART;
            }
        }
    }
    return 0;
}

/* Returns the number of requests done; *rc is -ERESTART if preempted. */
static uint32_t run_batch(struct batch *b, uint64_t gva, uint32_t count, int *rc)
{
    struct mmu_update req[CHUNK];
    uint32_t done = 0;

    *rc = 0;
    while (done < count) {
        uint32_t n = MIN(count - done, (uint32_t)CHUNK);

        if (done && unlikely(hypercall_preempt_check())) {
            *rc = -ERESTART;
            break;
        }
        if (done % LOCKED_MAX == 0)
            drop_table(b);
        *rc = copy_from_guest(req, gva + done * sizeof(req[0]), n * sizeof(req[0]));
        if (likely(!*rc))
            *rc = run_chunk(b, req, n, done + n < count, &done);
        if (unlikely(*rc))
            break;
    }
    return done;
}

static noinline long mmu_update(struct hypercall_args *args)
{
    uint32_t count, before, done;
    struct batch b;
    int rc;

    rc = batch_begin(args, &count, &before);
    if (unlikely(rc))
        return rc;
    rc = pt_context_get(&b.c, (uint32_t)args->a[3]);
    if (unlikely(rc))
        return rc;
    b.table = NULL;
    b.frame = NO_FRAME;
    b.upper_changed = b.check_preempt = false;

    done = run_batch(&b, args->a[0], count, &rc);

    drop_table(&b);
    pt_context_put(&b.c);
    if (unlikely(b.upper_changed))
        flush_tlb_local();
    batch_end(args, count, before, done, sizeof(struct mmu_update), rc);
    return rc;
}

/*
 * One change of a level-1 entry of current's own: what a guest makes for each
 * page that it maps. False: it is something else, and is fetched and checked as
 * if for the first time.
 */
static __always_inline bool update_single_l1(const struct hypercall_args *args, int *rc)
{
    const struct domain *d = current->domain;
    struct pt_context c;
    struct mmu_update req;
    struct page_info *table;
    unsigned int level, cmd;

    if ((uint32_t)args->a[1] != 1 || args->a[2] || (uint32_t)args->a[3] != DOMID_SELF ||
        unlikely(current->mm.nr_pending) || copy_from_guest(&req, args->a[0], sizeof(req)))
        return false;
    cmd = req.ptr & 7;
    if (unlikely(cmd == MMU_MACHPHYS_UPDATE || cmd > MMU_PT_UPDATE_NO_TRANSLATE ||
                 !mfn_valid(_mfn(req.ptr >> PAGE_SHIFT))))
        return false;
    table = mfn_to_page(_mfn(req.ptr >> PAGE_SHIFT));
    level = lock_table(table, d->id);
    if (likely(level == 1)) {
        pt_context_self(&c);
        *rc = pt_update_l1(&c, (pte_t *)((char *)page_to_virt(table) + (req.ptr & (PAGE_SIZE - 1) & ~7UL)),
                           req.val, cmd == MMU_PT_UPDATE_PRESERVE_AD);
    }
    if (likely(level))
        unlock_table(table);
    return level == 1;
}

long hc_mmu_update(struct hypercall_args *args)
{
    int rc;

    return update_single_l1(args, &rc) ? rc : mmu_update(args);
}
