/*
 * GNTTABOP_transfer: a frame of the caller, with its contents, becomes memory
 * of a domain that said by an entry of its table that it accepts one.
 *
 * What comes first is irrevocable (<xen/grant_table.h>): once the frame is
 * taken from the caller it is freed if the other domain does not get it. The
 * frames of a batch are taken, then one flush ends the caller's translations of
 * all of them, then each is given to its receiver.
 */
#include <base/atomic.h>
#include <base/bug.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <grant/table.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <mm/tlb.h>

#define TRANSFER_BATCH 16
/* How often an entry that the guest keeps changing is tried. */
#define MAX_TRIES 8

struct transfer {
    struct gnttab_transfer op;
    struct page_info *page; /* NULL: not the caller's to give */
};

/*
 * The entry's flags and domain number change together. Once GTF_transfer_committed
 * is set the receiver may wait for the end of it: nothing may fail after this.
 */
static bool commit(const struct grant_table *gt, grant_ref_t ref, domid_t giver)
{
    uint32_t *word = (uint32_t *)grant_header(gt, ref);
    uint32_t wanted = (uint32_t)giver << 16 | GTF_accept_transfer, w = READ_ONCE(*word);

    for (unsigned int i = 0; i < MAX_TRIES && w == wanted; i++) {
        uint32_t seen = cmpxchg(word, w, w | GTF_transfer_committed);

        if (seen == w)
            return true;
        w = seen;
    }
    return false;
}

/*
 * The receiver named the number that the frame is to have in the machine-to-phys table. The frame is nobody's
 * still: once it is the receiver's, that may give it away again.
 */
static void set_gpfn(const struct grant_table *gt, grant_ref_t ref, mfn_t mfn)
{
    set_gpfn_from_mfn(mfn, gt->version == 2 ? READ_ONCE(grant_v2(gt, ref)->full_page.frame)
                                            : READ_ONCE(grant_v1(gt, ref)->frame));
}

/* Now it reads which frame it is. */
static void complete(const struct grant_table *gt, grant_ref_t ref, mfn_t mfn)
{
    if (gt->version == 2)
        WRITE_ONCE(grant_v2(gt, ref)->full_page.frame, mfn_x(mfn));
    else
        WRITE_ONCE(grant_v1(gt, ref)->frame, (uint32_t)mfn_x(mfn));
    atomic_or(&grant_header(gt, ref)->flags, (uint16_t)GTF_transfer_completed); /* a full barrier */
}

/* The frame is nobody's. The receiver's limit and life stay as they are while its page lock is held. */
static int16_t give_frame(struct domain *d, grant_ref_t ref, struct page_info *page)
{
    const struct grant_table *gt = d->grant;
    spinlock_t *stripe = grant_stripe(d->grant, ref);
    bool given = false;

    spin_lock(stripe);
    if (ref < grant_entries(gt)) {
        spin_lock(&d->mm.page_lock);
        given = !assign_check_locked(d, 1, 0) && commit(gt, ref, current->domain->id);
        if (given) {
            set_gpfn(gt, ref, page_to_mfn(page));
            if (assign_frames_locked(d, page, 0, 0))
                BUG();
        }
        spin_unlock(&d->mm.page_lock);
        if (given)
            complete(gt, ref, page_to_mfn(page));
    }
    spin_unlock(stripe);
    return given ? GNTST_okay : GNTST_general_error;
}

static int16_t transfer_one(const struct transfer *t)
{
    int16_t status = GNTST_bad_domain;
    struct domain *d;

    if (!t->page)
        return GNTST_bad_page;
    disown_frame(current->domain, t->page);
    d = grant_find_domain(t->op.domid);
    if (d) {
        status = give_frame(d, t->op.ref, t->page);
        domain_put(d);
    }
    if (status)
        free_frames(t->page, 0); /* scrubbed before anybody sees it */
    return status;
}

/* After this no translation of the frames is left anywhere. */
static void flush_frames(const struct transfer *t, uint32_t n)
{
    cpumask_t mask = *tlb_domain_cpus(current->domain);
    bool any = false;

    for (uint32_t i = 0; i < n; i++) {
        any |= t[i].page != NULL;
        if (t[i].page && (t[i].page->count_info & PGC_FOREIGN))
            mask = cpu_online_map;
    }
    if (any)
        flush_tlb_mask(&mask);
}

long grant_transfer(struct hypercall_args *args)
{
    while (args->a[2]) {
        struct transfer t[TRANSFER_BATCH];
        bool fault = false;
        uint32_t n;

        for (n = 0; n < TRANSFER_BATCH && n < args->a[2]; n++) {
            fault = copy_from_guest(&t[n].op, args->a[1] + n * sizeof(t->op), sizeof(t->op));
            if (fault)
                break;
            t[n].page = page_steal(_mfn(t[n].op.mfn), current->domain);
        }
        flush_frames(t, n);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t gva = args->a[1] + i * sizeof(t->op) + offsetof(struct gnttab_transfer, status);
            int16_t status = transfer_one(&t[i]);

            fault |= copy_to_guest(gva, &status, sizeof(status));
        }
        if (fault)
            return -EFAULT;
        args->a[1] += n * sizeof(t->op);
        args->a[2] -= n;
        if (args->a[2] && hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}
