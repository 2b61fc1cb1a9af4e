/*
 * The frame table: one struct page_info per machine frame. Who owns a frame,
 * how many references exist, and what the frame is used as.
 *
 * The reference and type rules (the isolation core) are in mm/page_type.h.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include <base/types.h>
#include <base/compiler.h>
#include <mm/layout.h>

struct domain;

struct page_info {
    uint32_t next, prev;   /* list links, frame numbers; 0 ends a list (frame 0 is never listed) */
    uint64_t count_info;   /* PGC_*: reference count and allocation state */
    uint64_t type_info;    /* PGT_*: type, its state and type count */
    uint16_t owner;        /* domain id; DOMID_INVALID: free or the VMM's own */
    uint16_t nr_validated; /* entries done when validation or invalidation was preempted */
    union {
        uint32_t tlb_stamp;    /* TLB clock when the type count last became zero */
        int32_t linear_count;  /* while a page table: linear mappings, see page_type.h */
        uint32_t heap_objects; /* of the VMM's heap: objects in use, see heap.c */
    };
};
_Static_assert(sizeof(struct page_info) == 32, "page_info is one half cache line");

/* count_info */
#define PGC_COUNT_MASK  0x0000ffffffffffffUL
#define PGC_ALLOCATED   (1UL << 63) /* the owner's own reference; gone once it is released */
#define PGC_VMM_SHARED  (1UL << 62) /* allocated by the VMM, shared with the owner: not on its page list */
#define PGC_STATE_MASK  (3UL << 60)
#define PGC_STATE_NONE  (0UL << 60) /* not RAM, or not given to the allocator */
#define PGC_STATE_FREE  (1UL << 60)
#define PGC_STATE_INUSE (2UL << 60)
#define PGC_NEED_SCRUB  (1UL << 59) /* free, holding data of a former owner */
#define PGC_EXTRA       (1UL << 58) /* not counted in the owner's memory limit */
#define PGC_VMM_HELD    (1UL << 50) /* VMM-shared, and the VMM has its references to it still */
#define PGC_FOREIGN     (1UL << 51) /* another domain than the owner has mapped it since it was allocated */
#define PGC_UNCACHED    (1UL << 49) /* was mapped other than write-back since: caches and memory may differ */
#define PGC_ORDER_SHIFT 52          /* while free: order of the buddy block it heads */
#define PGC_ORDER_MASK  (0x3fUL << PGC_ORDER_SHIFT)

#define frame_table ((struct page_info *)FRAMETABLE_START)
#ifdef HOSPES_UNIT_TEST
#undef frame_table
extern struct page_info *frame_table;
#endif

extern uint64_t max_page;    /* one above the highest RAM frame */
extern uint64_t total_pages; /* RAM frames in all */

#ifndef HOSPES_UNIT_TEST
/* Under speculation past mfn_valid(), too, the result is within the area of the frame table (base/nospec.h).
 */
static inline struct page_info *mfn_to_page(mfn_t mfn)
{
    uint64_t offset = mfn_x(mfn) * sizeof(struct page_info) % (FRAMETABLE_END - FRAMETABLE_START);

    return (struct page_info *)(FRAMETABLE_START + offset);
}
#else
static inline struct page_info *mfn_to_page(mfn_t mfn)
{
    return &frame_table[mfn_x(mfn)];
}
#endif

/* Whether the frame has a page_info that is RAM. False for MMIO and holes. */
#ifndef HOSPES_UNIT_TEST
#define FRAMETABLE_CHUNK (1UL << 21) /* bytes of frame table that are backed or not as a whole */
#define FRAMES_PER_CHUNK (FRAMETABLE_CHUNK / sizeof(struct page_info))

extern uint64_t frametable_backed[]; /* bit n: chunk n is */

static inline bool mfn_valid(mfn_t mfn)
{
    uint64_t m = mfn_x(mfn), chunk = m / FRAMES_PER_CHUNK;

    return m < max_page && (frametable_backed[chunk / 64] >> (chunk % 64) & 1) &&
           (mfn_to_page(mfn)->count_info & PGC_STATE_MASK) != PGC_STATE_NONE;
}
#else
bool mfn_valid(mfn_t mfn);
#endif

static inline mfn_t page_to_mfn(const struct page_info *page)
{
    return _mfn((uint64_t)(page - frame_table));
}

/* 48-bit linear addresses: SDM vol 1, 3.3.7.1. */
static inline bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

#ifndef HOSPES_UNIT_TEST

/* Through the direct map; RAM only. */
static inline void *paddr_to_virt(paddr_t pa)
{
    return (void *)(DIRECTMAP_START + paddr_x(pa));
}
static inline void *mfn_to_virt(mfn_t mfn)
{
    return paddr_to_virt(mfn_to_paddr(mfn));
}
/* Only for addresses inside the direct map. */
static inline mfn_t virt_to_mfn(const void *va)
{
    return _mfn(((uint64_t)va - DIRECTMAP_START) >> PAGE_SHIFT);
}

#else

void *mfn_to_virt(mfn_t mfn);
mfn_t virt_to_mfn(const void *va);

#endif

static inline void *page_to_virt(const struct page_info *page)
{
    return mfn_to_virt(page_to_mfn(page));
}
static inline struct page_info *virt_to_page(const void *va)
{
    return mfn_to_page(virt_to_mfn(va));
}

/* Doubly linked lists of frames through page_info.next/prev; callers lock. */
struct page_list {
    uint32_t head, tail;
};

static inline struct page_info *page_list_first(const struct page_list *l)
{
    return l->head ? &frame_table[l->head] : NULL;
}
static inline struct page_info *page_list_next(const struct page_info *page)
{
    return page->next ? &frame_table[page->next] : NULL;
}
#define page_list_for_each(page, list)                                                                       \
    for ((page) = page_list_first(list); (page); (page) = page_list_next(page))

void page_list_add_tail(struct page_list *l, struct page_info *page);
void page_list_add(struct page_list *l, struct page_info *page);
void page_list_del(struct page_list *l, struct page_info *page);

/* machine-to-phys: the pfn of the owner, or INVALID_M2P_ENTRY. */
#define INVALID_M2P_ENTRY (~0UL)
#ifndef HOSPES_UNIT_TEST
static inline uint64_t *m2p_entry(mfn_t mfn)
{
    return (uint64_t *)RW_M2P_START + mfn_x(mfn);
}
#else
uint64_t *m2p_entry(mfn_t mfn);
#endif
static inline void set_gpfn_from_mfn(mfn_t mfn, uint64_t pfn)
{
    *m2p_entry(mfn) = pfn;
}
static inline uint64_t get_gpfn_from_mfn(mfn_t mfn)
{
    return *m2p_entry(mfn);
}

#endif
