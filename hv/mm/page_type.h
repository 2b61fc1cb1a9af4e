/*
 * The page-type engine: the isolation core.
 *
 * Invariants (docs/invariants.md; mm/audit.c recomputes them):
 *  1. A frame has one type at a time; it changes only when the type count is 0.
 *  2. A present, writable guest mapping of a frame holds a PGT_WRITABLE
 *     reference on it, so no page table or descriptor table is ever writable.
 *  3. Every present entry of a validated table holds a reference on its target.
 *  4. A frame changes owner or is freed only at reference count 0, with no TLB
 *     entry left; and none may hold a writable entry of a frame that has left
 *     PGT_WRITABLE (mm/tlb.h).
 */
#ifndef MM_PAGE_TYPE_H
#define MM_PAGE_TYPE_H

#include <base/types.h>
#include <mm/page.h>
#include <mm/pte.h>

struct domain;
struct vcpu;

/* type_info */
#define PGT_TYPE_MASK (7UL << 61)
#define PGT_NONE      (0UL << 61)
#define PGT_L1        (1UL << 61)
#define PGT_L2        (2UL << 61)
#define PGT_L3        (3UL << 61)
#define PGT_L4        (4UL << 61)
#define PGT_DESC      (5UL << 61) /* holds GDT or LDT entries */
#define PGT_WRITABLE  (6UL << 61)
#define PGT_SHARED    (7UL << 61) /* VMM-shared, never written by guests (grant status, M2P) */
#define PGT_PINNED    (1UL << 60) /* one type reference is held by a pin */
#define PGT_VALIDATED (1UL << 59) /* contents have been checked for this type */
#define PGT_PARTIAL   (1UL << 58) /* (in)validation was preempted: nr_validated tells how far */
#define PGT_LOCKED    (1UL << 57) /* entries are being changed: bit lock for the table */
#define PGT_COUNT_MASK ((1UL << 48) - 1)

/* A reference to a frame of d; false if it is not d's (or not RAM, or being freed). */
bool get_page(struct page_info *page, struct domain *d) __must_check;
/* Another reference by someone who already holds one; false if the count would overflow. */
bool get_page_again(struct page_info *page) __must_check;
void put_page(struct page_info *page);

/*
 * A type reference (the caller holds a reference already). Validates the
 * contents on the first one. 0, -EINVAL (other type in use, or contents
 * refused), -ERESTART (preempted: nothing is held, call again), -EINTR.
 */
int get_page_type(struct page_info *page, uint64_t type) __must_check;
/* Never preempted; for types whose release is short (writable, L1, descriptors), or when it does not matter. */
void put_page_type(struct page_info *page);
/* -ERESTART: preempted, the reference is still held. */
int put_page_type_preemptible(struct page_info *page) __must_check;

bool get_page_and_type(struct page_info *page, struct domain *d, uint64_t type) __must_check;
void put_page_and_type(struct page_info *page);

/* Frame must be d's RAM: reference by number. NULL if refused. */
struct page_info *get_page_from_mfn(mfn_t mfn, struct domain *d) __must_check;

/* Drops a pin; for teardown. */
int unpin_page(struct page_info *page);

/* Gives a VMM page to d as shared (shared info, grant frames): writable or read-only for it. */
void share_vmm_page(struct page_info *page, struct domain *d, bool writable);
/* Takes it back; every mapping must be gone for the frame to be freed (last put_page frees). */
void unshare_vmm_page(struct page_info *page);

/*
 * Preemptible release of all memory of a dying domain: unpins, drops page
 * tables, frees frames. 0 or -ERESTART.
 */
int domain_relinquish_memory(struct domain *d);

#endif
