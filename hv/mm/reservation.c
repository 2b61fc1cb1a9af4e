/* Giving frames to a domain and taking them back, extent by extent. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <mm/memory_op.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <xen/memory.h>

/*
 * An extent is not preempted: scrubbing 2 MiB takes long enough. Xen gives dom0 up to 1 GiB at once; the
 * tools ask for less when they do not get it.
 */
#define MAX_EXTENT_ORDER 9

struct request {
    struct domain *d;
    uint64_t list; /* the guest's array of frame numbers, 0 if none */
    unsigned int order;
    uint32_t alloc_flags;
};

/* Each does one extent: 0, -ERESTART (call again), or why it and the rest are not done, which no guest sees.
 */

static int increase(const struct request *r, uint64_t i)
{
    struct page_info *page = alloc_frames(r->d, r->order, r->alloc_flags);
    uint64_t mfn;

    if (!page)
        return -ENOMEM;
    mfn = mfn_x(page_to_mfn(page));
    return r->list ? copy_to_guest_index(r->list, i, &mfn) : 0;
}

/* Unless another vCPU of the domain has given the frame back meanwhile, and it is somebody else's. */
static void set_gpfn(const struct domain *d, struct page_info *page, uint64_t pfn)
{
    if (!get_page(page, d))
        return;
    set_gpfn_from_mfn(page_to_mfn(page), pfn);
    put_page(page);
}

static int populate(const struct request *r, uint64_t i)
{
    uint64_t pfn, mfn;
    struct page_info *page;

    if (copy_from_guest_index(&pfn, r->list, i))
        return -EFAULT;
    page = alloc_frames(r->d, r->order, r->alloc_flags);
    if (!page)
        return -ENOMEM;
    mfn = mfn_x(page_to_mfn(page));
    for (uint64_t j = 0; j < 1UL << r->order; j++)
        set_gpfn(r->d, page + j, pfn + j);
    return copy_to_guest_index(r->list, i, &mfn);
}

/* Drops a frame's pin. To release a table or a tree of them may take long: -ERESTART, and it is gone. */
static int unpin_frame(const struct domain *d, mfn_t mfn)
{
    struct page_info *page = get_page_from_mfn(mfn, d);
    bool pinned;

    if (!page)
        return -EINVAL;
    pinned = page_clear_pinned(page);
    if (pinned)
        release_page_and_type(page);
    put_page(page);
    return unlikely(current->mm.nr_pending) || (pinned && hypercall_preempt_check()) ? -ERESTART : 0;
}

/* The owner's reference goes; mappings that are left keep the frame until they go, too. */
static int remove_frame(const struct domain *d, mfn_t mfn)
{
    struct page_info *page = get_page_from_mfn(mfn, d);

    if (!page)
        return -EINVAL;
    (void)page_release_allocation(page);
    put_page(page);
    return 0;
}

static int decrease(const struct request *r, uint64_t i)
{
    uint64_t mfn;
    int rc = 0;

    if (copy_from_guest_index(&mfn, r->list, i))
        return -EFAULT;
    for (uint64_t j = 0; j < 1UL << r->order && !rc; j++)
        rc = unpin_frame(r->d, _mfn(mfn + j));
    for (uint64_t j = 0; j < 1UL << r->order && !rc; j++)
        rc = remove_frame(r->d, _mfn(mfn + j));
    return rc;
}

static int one_extent(unsigned int op, const struct request *r, uint64_t i)
{
    switch (op) {
    case XENMEM_increase_reservation:
        return increase(r, i);
    case XENMEM_populate_physmap:
        return populate(r, i);
    default:
        return decrease(r, i);
    }
}

long memory_reservation(unsigned int op, uint64_t arg, uint64_t *start)
{
    struct xen_memory_reservation m;
    struct request r;
    uint64_t i = *start;
    int rc = 0;

    if (copy_from_guest(&m, arg, sizeof(m)) || m.extent_order > MAX_EXTENT_ORDER || i >= m.nr_extents ||
        (m.mem_flags & XENMEMF_populate_on_demand))
        return (long)i;
    if (domain_find_permitted(m.domid, &r.d))
        return (long)i;
    r.list = guest_handle_va(m.extent_start);
    r.order = m.extent_order;
    r.alloc_flags = ALLOC_BITS(XENMEMF_get_address_bits(m.mem_flags));
    for (; i < m.nr_extents; i++) {
        if (i != *start && hypercall_preempt_check())
            rc = -ERESTART;
        else
            rc = one_extent(op, &r, i);
        if (rc)
            break;
    }
    domain_put(r.d);
    *start = i;
    return rc == -ERESTART ? rc : (long)i;
}

/*
 * A claim on memory that is yet to be allocated, so that building a domain fails
 * at its beginning and not midway: mm.claimed is what the domain may still take
 * of it, and others find that much less free (page_alloc.c).
 */
long memory_claim_pages(uint64_t arg)
{
    struct xen_memory_reservation m;
    struct domain *d;
    int rc;

    if (copy_from_guest(&m, arg, sizeof(m)))
        return -EFAULT;
    if (!current->domain->is_privileged)
        return -EPERM;
    if (guest_handle_va(m.extent_start) || m.extent_order || m.mem_flags)
        return -EINVAL;
    if (m.domid == DOMID_SELF)
        return -EINVAL;
    rc = domain_find_permitted(m.domid, &d);
    if (rc)
        return rc == -ESRCH ? -EINVAL : rc;
    rc = claim_frames(d, m.nr_extents);
    domain_put(d);
    return rc;
}
