/* Memory-management state embedded in struct domain and struct vcpu. */
#ifndef MM_STATE_H
#define MM_STATE_H

#include <base/spinlock.h>
#include <base/types.h>
#include <mm/page.h>

struct e820_entry;
struct range_set;

struct mm_domain {
    spinlock_t page_lock;   /* LOCK_PAGE_ALLOC_DOMAIN: pages, tot_pages, extra_pages */
    struct page_list pages; /* all frames owned, but VMM-shared ones */
    uint64_t tot_pages;     /* frames on pages that count against max_pages */
    uint64_t max_pages;
    uint64_t extra_pages;
    uint64_t claimed;          /* frames it may still take of its claim; LOCK_PAGE_ALLOC */
    uint64_t relinquish_left;  /* frames that domain_relinquish_memory() has yet to look at */
    uint32_t relinquish_state; /* its step */
    uint32_t nr_e820;          /* entries of e820; LOCK_DOMAIN */
    spinlock_t iomem_lock;     /* LOCK_IOMEM */
    /* Device frames it was given; of the hardware domain, those taken from it. NULL: none. */
    struct range_set *iomem_ranges;
    bool drives_devices;     /* was ever given ports or frames: it may choose cacheability */
    struct e820_entry *e820; /* its memory map as XENMEM_set_memory_map gave it, or NULL */
};

struct mm_vcpu {
    /* Frames whose type and general reference a preempted operation has yet to drop (mm/page_type.h). */
    struct page_info *pending[6];
    uint32_t nr_pending;
};

#endif
