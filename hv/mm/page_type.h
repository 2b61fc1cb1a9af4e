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
 *
 * States of type_info, for a type T:
 *
 *   free      count 0. Any type may be taken. For WRITABLE and SHARED, which
 *             need no checking, VALIDATED stays set.
 *   valid     count > 0, VALIDATED.
 *   partial   count > 0, PARTIAL: of a table, entries [0, nr_validated) hold
 *             their references, the rest none. Nobody works on it.
 *   busy      none of these: one CPU, and only one, checks, releases or flushes
 *             the frame. All others wait: it changes type_info by plain stores.
 *
 * Each holder of a type reference also holds a general reference. A partial
 * frame left by a preempted validation has no such holder: its state owns one of
 * each (PGT_PARTIAL_OWNED), and whoever takes the validation up inherits them.
 */
#ifndef MM_PAGE_TYPE_H
#define MM_PAGE_TYPE_H

#include <base/types.h>
#include <mm/page.h>
#include <mm/pte.h>
#include <xen/xen.h>

struct domain;
struct vcpu;

/* type_info */
#define PGT_TYPE_MASK     (7UL << 61)
#define PGT_NONE          (0UL << 61)
#define PGT_L1            (1UL << 61)
#define PGT_L2            (2UL << 61)
#define PGT_L3            (3UL << 61)
#define PGT_L4            (4UL << 61)
#define PGT_DESC          (5UL << 61) /* holds GDT or LDT entries */
#define PGT_WRITABLE      (6UL << 61)
#define PGT_SHARED        (7UL << 61) /* VMM-shared, never written by guests (grant status, M2P) */
#define PGT_PINNED        (1UL << 60) /* one type reference is held by a pin */
#define PGT_VALIDATED     (1UL << 59) /* contents have been checked for this type */
#define PGT_PARTIAL       (1UL << 58) /* (in)validation was preempted: nr_validated tells how far */
#define PGT_LOCKED        (1UL << 57) /* entries are being changed: bit lock for the table */
#define PGT_PARTIAL_OWNED (1UL << 56) /* with PARTIAL: left by a validation, owns its references */
#define PGT_COUNT_MASK    ((1UL << 48) - 1)

/* The type of a table of a level (1-4), and the level of a type (0: not a table). */
#define PGT_TABLE(level) ((uint64_t)(level) << 61)
static inline unsigned int pgt_level(uint64_t type_info)
{
    unsigned int t = type_info >> 61;

    return t <= 4 ? t : 0;
}

/* A reference to a frame of d; false if it is not d's (or not RAM, or being freed). */
bool get_page(struct page_info *page, const struct domain *d) __must_check;
/* The same by the owner's number, which may be DOMID_XEN. */
bool get_page_owned(struct page_info *page, domid_t owner) __must_check;
/* Another reference by someone who already holds one; false if the count would overflow. */
bool get_page_again(struct page_info *page) __must_check;
/* The last one frees the frame (mm/retire.h); its type count is 0 then. Takes no lock. */
void put_page(struct page_info *page);

/*
 * A type reference (the caller holds a reference already). Validates the
 * contents on the first one. Flushes TLBs on a change of type: interrupts on.
 * 0, -EINVAL (other type in use, or contents refused), -ERESTART (preempted:
 * nothing is held, call again).
 */
int get_page_type(struct page_info *page, uint64_t type) __must_check;
/* Never preempted; for types whose release is short (writable, L1, descriptors), or when it does not matter.
 */
void put_page_type(struct page_info *page);
/* -ERESTART: preempted, the reference is still held. */
int put_page_type_preemptible(struct page_info *page) __must_check;

/* Not preempted: for writable, L1 and descriptor types. */
bool get_page_and_type(struct page_info *page, const struct domain *d, uint64_t type) __must_check;
void put_page_and_type(struct page_info *page);

/* Frame must be d's RAM: reference by number. NULL if refused. */
struct page_info *get_page_from_mfn(mfn_t mfn, const struct domain *d) __must_check;

/*
 * A linear entry of one table of a level to another of the same level
 * (validate.c): the type reference is taken only if the frame is valid now, and
 * it does not count as a first one. False: not so.
 */
bool get_page_type_if_valid(struct page_info *page, uint64_t type) __must_check;

/* Pins: the caller holds a type reference and gives it to the pin. False: already pinned. */
bool page_set_pinned(struct page_info *page) __must_check;
/* Takes the pin's reference over from it. False: was not pinned. */
bool page_clear_pinned(struct page_info *page) __must_check;

/* Takes the references that a preempted validation owns over; false: there is none. For teardown. */
bool page_inherit_partial(struct page_info *page) __must_check;

/*
 * References that a preempted or failed operation of current has yet to drop.
 * Takes over a type and a general reference; never blocks for long.
 */
void release_page_and_type_later(struct page_info *page);
/* Drops both, later if that would take long. */
void release_page_and_type(struct page_info *page);
/* Drops what is left; 0 or -ERESTART. Each page-table operation of current begins with it. */
int release_pending(struct vcpu *v) __must_check;

/* Gives a VMM page to d as shared (shared info, grant frames): writable or read-only for it. */
void share_vmm_page(struct page_info *page, const struct domain *d, bool writable);
/* The same for privileged domains that name DOMID_XEN (the machine-to-phys table, trace buffers). */
void share_vmm_page_with_tools(struct page_info *page, bool writable);
/* Takes it back; every mapping must be gone for the frame to be freed (last put_page frees). */
void unshare_vmm_page(struct page_info *page);

/* Drops the owner's own reference (PGC_ALLOCATED), by which the frame is its memory; false: already gone. */
bool page_release_allocation(struct page_info *page);

/*
 * Takes a frame to which nobody but its owner refers: count 1 -> 0, so that no reference can be taken any
 * more. It stays on the owner's list. Its translations may still be in TLBs. NULL: it is not d's, or in use.
 */
struct page_info *page_steal(mfn_t mfn, const struct domain *d) __must_check;
/* Gives it back. */
void page_unsteal(struct page_info *page);

/*
 * Preemptible release of all memory of a dying domain: unpins, drops page
 * tables, frees frames. No vCPU of d runs any more. 0 or -ERESTART.
 */
int domain_relinquish_memory(struct domain *d);

#endif
