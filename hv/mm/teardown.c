/*
 * The end of a domain's memory. Its vCPUs have no tables any more
 * (vcpu_drop_memory()), so what keeps tables valid are pins, preempted
 * operations, and tables above them. Once pins and preempted work are undone,
 * every table loses its last type reference and drops what it refers to: no
 * circle of references is possible, because linear entries cannot form one
 * (mm/validate.c). What is left then are mappings by other domains; the last of
 * them frees the frame, and the last frame the domain.
 */
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <mm/memory_op.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>

enum { RELINQUISH_START, RELINQUISH_FRAMES, RELINQUISH_DONE };

static int drop_pending(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu (d, v) {
        int rc = release_pending(v);

        if (rc)
            return rc;
    }
    return 0;
}

/*
 * The frame at the head of d's list, moved to its end, so that after as many
 * calls as there were frames each has been seen: none are added to a dying
 * domain. With a reference; NULL if it is on its way to the allocator already.
 */
static struct page_info *next_frame(struct domain *d)
{
    struct page_info *page;

    spin_lock(&d->mm.page_lock);
    page = page_list_first(&d->mm.pages);
    if (!page) {
        d->mm.relinquish_left = 0;
    } else {
        d->mm.relinquish_left--;
        page_list_del(&d->mm.pages, page);
        page_list_add_tail(&d->mm.pages, page);
        if (!get_page(page, d))
            page = NULL;
    }
    spin_unlock(&d->mm.page_lock);
    return page;
}

static void relinquish_frame(struct page_info *page)
{
    if (page_clear_pinned(page))
        release_page_and_type(page);
    if (page_inherit_partial(page))
        release_page_and_type(page);
    (void)page_release_allocation(page);
    put_page(page);
}

static int relinquish_frames(struct domain *d)
{
    while (d->mm.relinquish_left) {
        struct page_info *page = next_frame(d);

        if (page)
            relinquish_frame(page);
        if (current->mm.nr_pending || hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}

int domain_relinquish_memory(struct domain *d)
{
    int rc = release_pending(current);

    switch (rc ? RELINQUISH_DONE : d->mm.relinquish_state) {
    case RELINQUISH_START:
        rc = drop_pending(d);
        if (rc)
            return rc;
        (void)claim_frames(d, 0);
        memory_map_free(d);
        spin_lock(&d->mm.page_lock);
        d->mm.relinquish_left = d->mm.tot_pages + d->mm.extra_pages;
        spin_unlock(&d->mm.page_lock);
        d->mm.relinquish_state = RELINQUISH_FRAMES;
        /* fall through */
    case RELINQUISH_FRAMES:
        rc = relinquish_frames(d);
        if (!rc)
            d->mm.relinquish_state = RELINQUISH_DONE;
        return rc;
    default:
        return rc;
    }
}
