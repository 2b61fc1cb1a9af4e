/*
 * Frames and small objects. Frames come from a buddy allocator; each frame
 * is scrubbed before another domain (or a caller that asked for zeroes) sees it.
 */
#ifndef MM_PAGE_ALLOC_H
#define MM_PAGE_ALLOC_H

#include <base/types.h>
#include <mm/page.h>

#define MAX_ORDER 18 /* 1 GiB */

/*
 * Frames below 4 GiB that an allocation for a domain may not take unless it
 * asks for such addresses: devices' DMA must still find some when domains
 * have filled the rest.
 */
#define LOW_RESERVE ((16UL << 20) >> PAGE_SHIFT)

/* Flags for allocations. */
#define ALLOC_BITS(n)     ((uint32_t)(n)&0xff) /* every address below 2^n; 0: anywhere */
#define ALLOC_NO_REFCOUNT 0x100u               /* not counted against the domain's limit */
#define ALLOC_NO_SCRUB    0x200u /* contents may be left from the same domain: caller overwrites all */

/*
 * 2^order contiguous, aligned frames, from the top of memory down; NULL if
 * there are none. d == NULL: the VMM's own (count 0, owner DOMID_INVALID).
 * Otherwise the frames belong to d, each with PGC_ALLOCATED | count 1, on its
 * page list and counted (NULL also when d is at max_pages or dying).
 * Takes LOCK_PAGE_ALLOC and, with d, LOCK_PAGE_ALLOC_DOMAIN.
 */
struct page_info *alloc_frames(struct domain *d, unsigned int order, uint32_t flags);
/* Gives back what alloc_frames(NULL, order) returned, or a domain's frames whose last reference is gone. */
void free_frames(struct page_info *page, unsigned int order);
/* Hands any range of RAM frames to the allocator: what boot left over, init code. */
void free_frame_range(mfn_t first, uint64_t frames);
/* Gives frames of d (allocated, count 1, off no list yet) to d; -E2BIG at its limit, -EINVAL if dying. */
int assign_frames(struct domain *d, struct page_info *page, unsigned int order, uint32_t flags);
/* The same by a caller that holds LOCK_PAGE_ALLOC_DOMAIN of d; and what it would say, for one that also holds
 * a reference to d. */
int assign_check_locked(const struct domain *d, uint64_t frames, uint32_t flags);
int assign_frames_locked(struct domain *d, struct page_info *page, unsigned int order, uint32_t flags);
/* Takes a stolen frame (page_steal()) that no TLB maps any more from d, which is then as alloc_frames(NULL)
 * gives it, but with its contents. */
void disown_frame(struct domain *d, struct page_info *page);

/* Zeroed pages for the VMM itself, through the direct map. NULL if out of memory. */
void *alloc_vmm_pages(unsigned int order);
void free_vmm_pages(void *va, unsigned int order);

uint64_t free_page_count(void); /* frames */
/* Those whose highest address has min_bits to max_bits bits; 0: no limit. */
uint64_t free_page_count_of_width(uint32_t min_bits, uint32_t max_bits);

/*
 * Sets aside free frames for d, until it has `frames` in all; other allocations
 * leave them alone. 0 drops the claim. -ENOMEM; -EINVAL: it has one, has that
 * many already, is dying, or may not have so many.
 */
int claim_frames(struct domain *d, uint64_t frames);

/* Small objects: zeroed, 16-byte aligned (page-aligned from 4 KiB on). NULL if out of memory. */
void *xzalloc_bytes(size_t size);
void xfree(void *p);
#define xzalloc(type)          ((type *)xzalloc_bytes(sizeof(type)))
#define xzalloc_array(type, n) ((type *)xzalloc_bytes(sizeof(type) * (n)))

#endif
