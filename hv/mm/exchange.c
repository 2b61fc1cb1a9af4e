/*
 * XENMEM_exchange: frames of a guest for others that are contiguous, or lie below
 * an address limit, or neither (to give such ones back).
 *
 * Work goes by chunks of the larger of the two extent sizes. A chunk is exchanged
 * completely or not at all: frames are taken from the guest, and new ones
 * allocated and told of, before anything is given back or away.
 */
#include <base/atomic.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <mm/memory_op.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <mm/retire.h>
#include <xen/memory.h>

/* A chunk is not preempted. */
#define MAX_EXCHANGE_ORDER      9
#define MAX_EXCHANGE_ORDER_DOM0 12 /* of buffers for devices */

struct exchange {
    struct domain *d;
    uint64_t in_list, out_list;
    unsigned int in_order, out_order;
    unsigned int chunk_order; /* frames in a chunk */
    uint32_t alloc_flags;
    uint32_t *in;  /* the chunk's frames, one number each */
    uint32_t *out; /* the first frame of each new extent */
};

static void return_frames(const struct exchange *x, uint64_t n)
{
    while (n-- > 0) {
        struct page_info *page = mfn_to_page(_mfn(x->in[n]));

        page_unsteal(page);
        /* A dying domain's frames are released once: either that sees this one, or we see that it is dying.
         */
        if (unlikely(READ_ONCE(x->d->dying) != DOMAIN_ALIVE))
            (void)page_release_allocation(page);
    }
}

static int steal_chunk(const struct exchange *x, uint64_t chunk)
{
    uint64_t extents = 1UL << (x->chunk_order - x->in_order), n = 0;

    for (uint64_t i = 0; i < extents; i++) {
        uint64_t mfn;

        if (copy_from_guest_index(&mfn, x->in_list, chunk * extents + i)) {
            return_frames(x, n);
            return -EFAULT;
        }
        for (uint64_t j = 0; j < 1UL << x->in_order; j++) {
            if (!page_steal(_mfn(mfn + j), x->d)) {
                return_frames(x, n);
                return -EINVAL;
            }
            x->in[n++] = (uint32_t)(mfn + j);
        }
    }
    return 0;
}

/* The new extents from number i on, which are nobody's. */
static void free_new(const struct exchange *x, uint64_t i)
{
    for (; i < 1UL << (x->chunk_order - x->out_order); i++)
        free_frames(mfn_to_page(_mfn(x->out[i])), x->out_order);
}

static int allocate_chunk(const struct exchange *x)
{
    uint64_t extents = 1UL << (x->chunk_order - x->out_order);

    for (uint64_t i = 0; i < extents; i++) {
        struct page_info *page = alloc_frames(NULL, x->out_order, x->alloc_flags);

        if (page) {
            x->out[i] = (uint32_t)mfn_x(page_to_mfn(page));
            continue;
        }
        while (i-- > 0)
            free_frames(mfn_to_page(_mfn(x->out[i])), x->out_order);
        return -ENOMEM;
    }
    return 0;
}

/*
 * Gives the new frames to the domain, not counting them until the old ones are
 * gone: so neither its limit nor an allocation elsewhere can get in between.
 */
static int assign_chunk(const struct exchange *x)
{
    uint64_t extents = 1UL << (x->chunk_order - x->out_order);

    for (uint64_t i = 0; i < extents; i++) {
        int rc = assign_frames(x->d, mfn_to_page(_mfn(x->out[i])), x->out_order, ALLOC_NO_REFCOUNT);

        if (!rc)
            continue;
        /* The domain is dying: its teardown frees those that it has got. */
        free_new(x, i);
        return rc;
    }
    return 0;
}

static void free_old_chunk(const struct exchange *x)
{
    for (uint64_t i = 0; i < 1UL << x->chunk_order; i++)
        retire_frame(mfn_to_page(_mfn(x->in[i])));
}

/* The new frames count from now on; but for those that another vCPU of the domain has given back already. */
static void count_chunk(const struct exchange *x)
{
    spin_lock(&x->d->mm.page_lock);
    for (uint64_t i = 0; i < 1UL << x->chunk_order; i++) {
        uint64_t offset = i & ((1UL << x->out_order) - 1);
        struct page_info *page = mfn_to_page(_mfn(x->out[i >> x->out_order] + offset));

        if (page->owner != x->d->id || !(page->count_info & PGC_EXTRA))
            continue;
        x->d->mm.extra_pages--;
        x->d->mm.tot_pages++;
        atomic_and(&page->count_info, ~PGC_EXTRA);
    }
    spin_unlock(&x->d->mm.page_lock);
}

/*
 * Tells the guest, and the machine-to-phys table, where its frames are now; while they are nobody's, as
 * another vCPU might give them back.
 */
static int publish_chunk(const struct exchange *x, uint64_t chunk)
{
    uint64_t extents = 1UL << (x->chunk_order - x->out_order);

    for (uint64_t i = 0; i < extents; i++) {
        uint64_t pfn, mfn = x->out[i];

        if (copy_from_guest_index(&pfn, x->out_list, chunk * extents + i))
            return -EFAULT;
        for (uint64_t j = 0; j < 1UL << x->out_order; j++)
            set_gpfn_from_mfn(_mfn(mfn + j), pfn + j);
        if (copy_to_guest_index(x->out_list, chunk * extents + i, &mfn))
            return -EFAULT;
    }
    return 0;
}

static int get_chunk(const struct exchange *x, uint64_t chunk)
{
    int rc = allocate_chunk(x);

    if (rc)
        return rc;
    rc = publish_chunk(x, chunk);
    if (!rc)
        return assign_chunk(x);
    free_new(x, 0);
    return rc;
}

static int exchange_chunk(const struct exchange *x, uint64_t chunk)
{
    int rc = steal_chunk(x, chunk);

    if (rc)
        return rc;
    rc = get_chunk(x, chunk);
    if (rc) {
        return_frames(x, 1UL << x->chunk_order);
        return rc;
    }
    free_old_chunk(x);
    count_chunk(x);
    return 0;
}

static int check(const struct xen_memory_exchange *e)
{
    const unsigned int max_order =
        current->domain->is_privileged ? MAX_EXCHANGE_ORDER_DOM0 : MAX_EXCHANGE_ORDER;

    if (e->in.extent_order > max_order || e->out.extent_order > max_order)
        return -EPERM;
    if (e->nr_exchanged > e->in.nr_extents || e->in.domid != e->out.domid)
        return -EINVAL;
    /* One side has single frames; nothing overflows, and both have as many of them. */
    if ((e->in.extent_order && e->out.extent_order) || e->in.nr_extents >> 40 || e->out.nr_extents >> 40 ||
        e->in.nr_extents << e->in.extent_order != e->out.nr_extents << e->out.extent_order)
        return -EINVAL;
    return 0;
}

/* Chunks from where the guest's structure says that it stands; nr_exchanged is kept in *e. */
static int exchange_chunks(struct exchange *x, struct xen_memory_exchange *e)
{
    unsigned int shift = x->chunk_order - x->in_order;
    uint64_t first = e->nr_exchanged >> shift, chunks = e->in.nr_extents >> shift;
    int rc = 0;

    for (uint64_t c = first; c < chunks; c++) {
        if (c != first && hypercall_preempt_check())
            return -ERESTART;
        rc = exchange_chunk(x, c);
        if (rc)
            return rc;
        e->nr_exchanged = (c + 1) << shift;
    }
    return 0;
}

long memory_exchange(uint64_t arg)
{
    struct xen_memory_exchange e;
    struct exchange x;
    long rc;

    if (copy_from_guest(&e, arg, sizeof(e)))
        return -EFAULT;
    rc = check(&e);
    if (rc)
        return rc;
    rc = domain_find_permitted(e.in.domid, &x.d);
    if (rc)
        return rc;
    x.in_list = guest_handle_va(e.in.extent_start);
    x.out_list = guest_handle_va(e.out.extent_start);
    x.in_order = e.in.extent_order;
    x.out_order = e.out.extent_order;
    x.chunk_order = MAX(x.in_order, x.out_order);
    x.alloc_flags = ALLOC_BITS(XENMEMF_get_address_bits(e.out.mem_flags));
    x.in = xzalloc_array(uint32_t, 2UL << x.chunk_order);
    rc = -ENOMEM;
    if (x.in) {
        x.out = x.in + (1UL << x.chunk_order);
        rc = exchange_chunks(&x, &e);
        xfree(x.in);
    }
    domain_put(x.d);
    if (copy_to_guest(arg + offsetof(struct xen_memory_exchange, nr_exchanged), &e.nr_exchanged,
                      sizeof(e.nr_exchanged)))
        return -EFAULT;
    return rc;
}
