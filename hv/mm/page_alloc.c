#include <base/bug.h>
#include <base/errno.h>
#include <base/spinlock.h>
#include <cpu/cache.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/page_alloc.h>

/*
 * A buddy allocator with one set of free lists per power of two of the
 * address: zone z holds the frames from 2^(z-1) up to 2^z - 1, and no block
 * crosses zones, because each zone begins at a multiple of every order in it.
 * Searching zones from the highest allowed down answers "below 2^n bytes" and
 * keeps low memory for those who need it.
 */
#define NR_ZONES 41

static DEFINE_SPINLOCK(alloc_lock, LOCK_PAGE_ALLOC);
static struct page_list free_lists[NR_ZONES][MAX_ORDER + 1];
static uint64_t zone_free[NR_ZONES];
static uint64_t free_pages;
static uint64_t claimed_pages; /* the sum of all domains' mm.claimed */

#define LOW_ZONE 20 /* frames below 2^20 are below 4 GiB */

void page_list_add_tail(struct page_list *l, struct page_info *page)
{
    uint32_t m = (uint32_t)mfn_x(page_to_mfn(page));

    page->next = 0;
    page->prev = l->tail;
    if (l->tail)
        frame_table[l->tail].next = m;
    else
        l->head = m;
    l->tail = m;
}

void page_list_add(struct page_list *l, struct page_info *page)
{
    uint32_t m = (uint32_t)mfn_x(page_to_mfn(page));

    page->prev = 0;
    page->next = l->head;
    if (l->head)
        frame_table[l->head].prev = m;
    else
        l->tail = m;
    l->head = m;
}

void page_list_del(struct page_list *l, struct page_info *page)
{
    if (page->prev)
        frame_table[page->prev].next = page->next;
    else
        l->head = page->next;
    if (page->next)
        frame_table[page->next].prev = page->prev;
    else
        l->tail = page->prev;
    page->next = page->prev = 0;
}

static unsigned int zone_of(uint64_t m)
{
    return m ? 64 - (unsigned int)__builtin_clzl(m) : 0;
}

static void set_order(struct page_info *page, unsigned int order)
{
    page->count_info = (page->count_info & ~PGC_ORDER_MASK) | (uint64_t)order << PGC_ORDER_SHIFT;
}

/* A free block's head has its order + 1 there; other frames have 0. */
static unsigned int head_order(const struct page_info *page)
{
    return (page->count_info & PGC_ORDER_MASK) >> PGC_ORDER_SHIFT;
}

static void block_insert(uint64_t m, unsigned int order)
{
    struct page_info *page = mfn_to_page(_mfn(m));

    set_order(page, order + 1);
    page_list_add(&free_lists[zone_of(m)][order], page);
}

static void block_remove(uint64_t m, unsigned int order)
{
    struct page_info *page = mfn_to_page(_mfn(m));

    page_list_del(&free_lists[zone_of(m)][order], page);
    set_order(page, 0);
}

static bool is_free_block(uint64_t m, unsigned int order)
{
    if (!mfn_valid(_mfn(m)))
        return false;

    const struct page_info *page = mfn_to_page(_mfn(m));

    return (page->count_info & PGC_STATE_MASK) == PGC_STATE_FREE && head_order(page) == order + 1;
}

/* Joins the block with its free buddies and lists the result. */
static void insert_and_merge(uint64_t m, unsigned int order)
{
    while (order < MAX_ORDER) {
        uint64_t buddy = m ^ (1UL << order);

        if (zone_of(buddy) != zone_of(m) || !is_free_block(buddy, order))
            break;
        block_remove(buddy, order);
        m &= ~(1UL << order);
        order++;
    }
    block_insert(m, order);
}

static void free_block(uint64_t m, unsigned int order, bool scrub)
{
    for (uint64_t i = 0; i < 1UL << order; i++) {
        struct page_info *page = mfn_to_page(_mfn(m + i));

        page->count_info = PGC_STATE_FREE | (scrub ? PGC_NEED_SCRUB : 0);
        page->owner = DOMID_INVALID;
        page->type_info = 0;
        set_gpfn_from_mfn(_mfn(m + i), INVALID_M2P_ENTRY);
    }
    zone_free[zone_of(m)] += 1UL << order;
    free_pages += 1UL << order;
    insert_and_merge(m, order);
}

static bool low_reserve_allows(const struct domain *d, unsigned int bits, uint64_t frames)
{
    uint64_t low = 0;

    if (!d || bits)
        return true;
    for (unsigned int z = 0; z <= LOW_ZONE; z++)
        low += zone_free[z];
    return low >= frames + LOW_RESERVE;
}

/* Takes a block of the order off the lists, highest zone and smallest sufficient block first. */
static bool take_block(const struct domain *d, unsigned int order, unsigned int bits, uint64_t *first)
{
    unsigned int top = NR_ZONES - 1;

    if (bits) {
        if (bits <= PAGE_SHIFT)
            return false;
        top = MIN(top, bits - PAGE_SHIFT);
    }
    for (int z = (int)top; z >= 0; z--) {
        if (zone_free[z] < 1UL << order)
            continue;
        if (z <= LOW_ZONE && !low_reserve_allows(d, bits, 1UL << order))
            return false;
        for (unsigned int o = order; o <= MAX_ORDER; o++) {
            uint64_t m = free_lists[z][o].head;

            if (!m)
                continue;
            block_remove(m, o);
            while (o > order) { /* keep the upper half: low addresses stay free longest */
                o--;
                block_insert(m, o);
                m += 1UL << o;
            }
            *first = m;
            return true;
        }
    }
    return false;
}

/* What other domains have claimed is not for d. The VMM itself may have it. */
static bool claims_allow(const struct domain *d, uint64_t frames)
{
    return !d || free_pages + d->mm.claimed >= claimed_pages + frames;
}

static void use_claim(struct domain *d, uint64_t frames)
{
    uint64_t used = d ? MIN(frames, d->mm.claimed) : 0;

    if (used) {
        d->mm.claimed -= used;
        claimed_pages -= used;
    }
}

static struct page_info *take_frames(struct domain *d, unsigned int order, unsigned int bits)
{
    unsigned long irq = spin_lock_irqsave(&alloc_lock);
    uint64_t m;

    if (!claims_allow(d, 1UL << order) || !take_block(d, order, bits, &m)) {
        spin_unlock_irqrestore(&alloc_lock, irq);
        return NULL;
    }
    zone_free[zone_of(m)] -= 1UL << order;
    free_pages -= 1UL << order;
    use_claim(d, 1UL << order);
    for (uint64_t i = 0; i < 1UL << order; i++) {
        struct page_info *page = mfn_to_page(_mfn(m + i));

        page->count_info = PGC_STATE_INUSE | (page->count_info & PGC_NEED_SCRUB);
    }
    spin_unlock_irqrestore(&alloc_lock, irq);
    return mfn_to_page(_mfn(m));
}

/* Outside the lock: the frames are already ours. */
static void scrub_frames(struct page_info *page, unsigned int order, uint32_t flags)
{
    for (uint64_t i = 0; i < 1UL << order; i++) {
        if ((page[i].count_info & PGC_NEED_SCRUB) && !(flags & ALLOC_NO_SCRUB))
            memset(page_to_virt(&page[i]), 0, PAGE_SIZE);
        page[i].count_info = PGC_STATE_INUSE;
        page[i].type_info = 0;
        page[i].owner = DOMID_INVALID;
        page[i].nr_validated = 0;
        page[i].tlb_stamp = 0;
    }
}

int assign_check_locked(const struct domain *d, uint64_t frames, uint32_t flags)
{
    if (d->dying != DOMAIN_ALIVE)
        return -EINVAL;
    return !(flags & ALLOC_NO_REFCOUNT) && d->mm.tot_pages + frames > d->mm.max_pages ? -E2BIG : 0;
}

int assign_frames_locked(struct domain *d, struct page_info *page, unsigned int order, uint32_t flags)
{
    uint64_t frames = 1UL << order;
    int rc = assign_check_locked(d, frames, flags);

    if (rc)
        return rc;
    if (!d->mm.pages.head && !domain_get(d))
        return -EINVAL; /* the first frame keeps the domain until the last one is freed */
    if (flags & ALLOC_NO_REFCOUNT)
        d->mm.extra_pages += frames;
    else
        d->mm.tot_pages += frames;
    for (uint64_t i = 0; i < frames; i++) {
        page[i].owner = d->id;
        page_list_add_tail(&d->mm.pages, &page[i]);
        /* The owner is seen before the reference count that lets others look: get_page(). */
        store_release(&page[i].count_info,
                      PGC_STATE_INUSE | PGC_ALLOCATED | 1 | (flags & ALLOC_NO_REFCOUNT ? PGC_EXTRA : 0));
    }
    return 0;
}

int assign_frames(struct domain *d, struct page_info *page, unsigned int order, uint32_t flags)
{
    int rc;

    spin_lock(&d->mm.page_lock);
    rc = assign_frames_locked(d, page, order, flags);
    spin_unlock(&d->mm.page_lock);
    return rc;
}

struct page_info *alloc_frames(struct domain *d, unsigned int order, uint32_t flags)
{
    struct page_info *page;

    if (order > MAX_ORDER)
        return NULL;
    page = take_frames(d, order, ALLOC_BITS(flags));
    if (!page)
        return NULL;
    scrub_frames(page, order, flags);
    if (d && assign_frames(d, page, order, flags)) {
        free_frames(page, order);
        return NULL;
    }
    return page;
}

/* Off their owner's list and counts; true: they were its last. */
static bool unlist_frames(struct domain *d, struct page_info *page, uint64_t frames)
{
    bool last;

    spin_lock(&d->mm.page_lock);
    for (uint64_t i = 0; i < frames; i++) {
        page_list_del(&d->mm.pages, &page[i]);
        if (page[i].count_info & PGC_EXTRA)
            d->mm.extra_pages--;
        else
            d->mm.tot_pages--;
        page[i].count_info &= ~PGC_EXTRA;
    }
    last = !d->mm.pages.head;
    spin_unlock(&d->mm.page_lock);
    return last;
}

void disown_frame(struct domain *d, struct page_info *page)
{
    /* Who gets it next relies on its contents; other frames are scrubbed, which writes all lines. */
    if (unlikely(page->count_info & PGC_UNCACHED))
        flush_cache_lines(page_to_virt(page), PAGE_SIZE);
    if (unlist_frames(d, page, 1))
        domain_put(d);
    page->owner = DOMID_INVALID;
    page->count_info = PGC_STATE_INUSE;
    page->type_info = 0;
    page->tlb_stamp = 0;
}

void free_frames(struct page_info *page, unsigned int order)
{
    struct domain *d = page->owner == DOMID_INVALID ? NULL : domain_by_id(page->owner);
    unsigned long irq;
    bool last = false;

    if (d && !(page->count_info & PGC_VMM_SHARED))
        last = unlist_frames(d, page, 1UL << order);
    irq = spin_lock_irqsave(&alloc_lock);
    free_block(mfn_x(page_to_mfn(page)), order, true);
    spin_unlock_irqrestore(&alloc_lock, irq);
    if (last)
        domain_put(d);
}

void free_frame_range(mfn_t first, uint64_t frames)
{
    uint64_t m = mfn_x(first), end = m + frames;
    unsigned long irq;

    if (!m) /* frame 0 ends lists */
        m++;
    while (m < end) {
        unsigned int order = MIN((unsigned int)__builtin_ctzl(m), (unsigned int)MAX_ORDER);

        while (m + (1UL << order) > end)
            order--;
        irq = spin_lock_irqsave(&alloc_lock);
        free_block(m, order, true);
        spin_unlock_irqrestore(&alloc_lock, irq);
        m += 1UL << order;
    }
}

void *alloc_vmm_pages(unsigned int order)
{
    struct page_info *page = alloc_frames(NULL, order, ALLOC_NO_SCRUB);

    if (!page)
        return NULL;
    memset(page_to_virt(page), 0, PAGE_SIZE << order);
    return page_to_virt(page);
}

void free_vmm_pages(void *va, unsigned int order)
{
    if (va)
        free_frames(virt_to_page(va), order);
}

int claim_frames(struct domain *d, uint64_t frames)
{
    uint64_t owned = READ_ONCE(d->mm.tot_pages);
    unsigned long irq;
    int rc = 0;

    if (frames && (frames <= owned || frames > d->mm.max_pages || d->dying != DOMAIN_ALIVE))
        return -EINVAL;
    irq = spin_lock_irqsave(&alloc_lock);
    if (!frames) {
        claimed_pages -= d->mm.claimed;
        d->mm.claimed = 0;
    } else if (d->mm.claimed) {
        rc = -EINVAL;
    } else if (frames - owned > free_pages - MIN(free_pages, claimed_pages)) {
        rc = -ENOMEM;
    } else {
        d->mm.claimed = frames - owned;
        claimed_pages += d->mm.claimed;
    }
    spin_unlock_irqrestore(&alloc_lock, irq);
    return rc;
}

uint64_t free_page_count_of_width(uint32_t min_bits, uint32_t max_bits)
{
    uint64_t sum = 0;

    for (uint32_t zone = 0; zone < NR_ZONES; zone++)
        if (zone + PAGE_SHIFT >= min_bits && (!max_bits || zone + PAGE_SHIFT <= max_bits))
            sum += READ_ONCE(zone_free[zone]);
    return sum;
}

uint64_t free_page_count(void)
{
    return READ_ONCE(free_pages);
}
