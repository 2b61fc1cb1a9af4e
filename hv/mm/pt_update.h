/*
 * Changing single entries of validated page tables: what mmu_update,
 * update_va_mapping and trapped writes have in common.
 */
#ifndef MM_PT_UPDATE_H
#define MM_PT_UPDATE_H

#include <base/types.h>
#include <base/compiler.h>
#include <base/atomic.h>
#include <cpu/smp.h>
#include <domain/domain.h>
#include <mm/page.h>
#include <mm/page_type.h>
#include <mm/pte.h>
#include <xen/xen.h>

struct domain;
struct vcpu;

/*
 * Whose tables an operation changes, and whose frames it may map: FD and PFD of
 * <xen/xen.h>, HYPERVISOR_mmu_update().
 */
struct pt_context {
    struct domain *owner; /* of the tables */
    struct domain *data;  /* FD; NULL for DOMID_IO and DOMID_XEN */
    domid_t fd;           /* its number */
    bool foreign;         /* holds references to owner and data */
};

/*
 * From the hypercall's argument, for current. 0; -ESRCH: no such domain, or the
 * caller named itself as foreign; -EPERM. Takes references to foreign domains.
 */
int pt_context_get_foreign(struct pt_context *c, uint32_t foreigndom) __must_check;
void pt_context_put_foreign(struct pt_context *c);
/* Current's own tables and frames. */
static inline void pt_context_self(struct pt_context *c)
{
    c->owner = c->data = current->domain;
    c->fd = c->owner->id;
    c->foreign = false;
}
static __always_inline __must_check int pt_context_get(struct pt_context *c, uint32_t foreigndom)
{
    pt_context_self(c);
    return likely(foreigndom == DOMID_SELF) ? 0 : pt_context_get_foreign(c, foreigndom);
}
static __always_inline void pt_context_put(struct pt_context *c)
{
    if (unlikely(c->foreign))
        pt_context_put_foreign(c);
}

/*
 * Locks a validated table of domain `owner` against changes of its entries and
 * against the end of its type; so no reference is needed. Returns its level, or
 * 0 if it is no such table. Held for short only; waits nest downwards in level.
 */
static inline unsigned int lock_table(struct page_info *page, domid_t owner)
{
    uint64_t x = READ_ONCE(page->type_info), seen;

    for (;;) {
        if (!(x & PGT_VALIDATED) || !pgt_level(x) || unlikely(page->owner != owner))
            return 0;
        if (unlikely(x & PGT_LOCKED)) {
            cpu_relax();
            x = READ_ONCE(page->type_info);
            continue;
        }
        seen = cmpxchg(&page->type_info, x, x | PGT_LOCKED);
        if (likely(seen == x))
            break;
        x = seen;
    }
    if (likely(page->owner == owner))
        return pgt_level(x);
    atomic_and(&page->type_info, ~PGT_LOCKED); /* freed and given away before we had the lock */
    return 0;
}

static inline void unlock_table(struct page_info *page)
{
    atomic_and(&page->type_info, ~PGT_LOCKED);
}

/* Changes an entry of a locked level-1 table. preserve_ad: keeps A and D bits that are set. Errors:
 * l1e_get(). */
int pt_update_l1(const struct pt_context *c, pte_t *slot, pte_t new, bool preserve_ad) __must_check;

/*
 * The same for a run of requests of mmu_update that name entries of the locked
 * level-1 table in this frame. Returns how many were done; it ends before the
 * first that is of another kind, or that is refused, then with *error set.
 */
uint32_t pt_update_l1_run(const struct pt_context *c, mfn_t table, const struct mmu_update *req, uint32_t n,
                          int *error);

/*
 * The same for trapped writes that depend on what they replace: only if the
 * entry is exactly `old`. -EAGAIN: it is not (any more; the CPU may set A and D).
 */
int pt_cmpxchg_l1(const struct pt_context *c, pte_t *slot, pte_t old, pte_t new) __must_check;

/*
 * The same for a table of level 2-4, locked by the caller. *old is the frame
 * that the entry named before, or NULL: the caller gives it to
 * release_page_and_type() once the table is unlocked. Errors: table_entry_get().
 */
int pt_update_upper(const struct pt_context *c, struct page_info *table, unsigned int level,
                    unsigned int index, pte_t new, bool preserve_ad, struct page_info **old) __must_check;

/*
 * The level-1 table for va in current's kernel tables, locked. NULL if there is
 * none, or va is not the guest's.
 */
struct page_info *lock_l1_table(struct vcpu *v, uint64_t va);
/* The level-1 entry for va there, 0 if none; a hint only, as nothing is locked. */
pte_t read_l1_entry(const struct vcpu *v, uint64_t va);

/*
 * MMUEXT_NEW_BASEPTR, and MOV to CR3: current, in kernel mode, runs on these
 * tables from now on. -EINVAL: not an L4 of its domain; -ERESTART.
 */
int load_guest_cr3(mfn_t mfn) __must_check;

/* CPUs on which vCPUs of a guest's bitmap may have translations cached. -EFAULT. */
int vcpumask_to_cpus(struct domain *d, uint64_t bitmap_gva, cpumask_t *cpus) __must_check;

#endif
