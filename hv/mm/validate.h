/*
 * What guests' page-table entries may say, and the references they hold.
 * Used by the page-type engine and by the code that changes single entries.
 */
#ifndef MM_VALIDATE_H
#define MM_VALIDATE_H

#include <base/types.h>
#include <base/compiler.h>
#include <mm/layout.h>
#include <mm/page.h>
#include <mm/pte.h>
#include <xen/xen.h>

struct domain;

/*
 * The CPU may speculate through non-present entries to what the L1 cache holds
 * (L1TF): their address must not be one below the end of RAM then. Set at boot.
 */
extern bool l1tf_dom0, l1tf_domu;
/* Options; -1: no choice. */
void l1tf_choose(int of_dom0, int of_domu);
/* At boot, after cpu_features_init(). */
void l1tf_init(void);

/*
 * The form in which an entry of a guest (level 1-4) is stored. The one place
 * that knows what the ring of guest kernels means for page tables: it is ring 3,
 * so every mapping is a user mapping. Guests' translations are never global: a
 * switch of tables drops them all.
 */
static inline pte_t guest_pte(pte_t e, unsigned int level)
{
    if (!(e & PTE_P))
        return e;
    if (level == 1)
        e &= ~PTE_G;
    return e | PTE_US;
}

static inline bool is_vmm_slot(unsigned int l4_index)
{
    return l4_index >= VMM_L4_FIRST && l4_index <= VMM_L4_LAST;
}

/* Flags of a leaf entry that its cacheability follows. */
#define PTE_CACHE (PTE_PWT | PTE_PCD | PTE_PAT)

/*
 * What a present entry of level 2-4 must not have. PWT and PCD would have the
 * CPU read the table below past the cache to which the VMM writes it, and find
 * what was replaced there.
 */
#define TABLE_ENTRY_REFUSED (PTE_PSE | PTE_G | PTE_PWT | PTE_PCD)

/*
 * Whether a non-present entry (not 0) of a table of d is harmless: 0 or -EINVAL.
 * As Xen does it, the domain that owns the hardware is trusted in this.
 */
int nonpresent_pte_check(pte_t e, const struct domain *d) __must_check;

#define L1E_READ_ONLY 1

/*
 * The references of a present level-1 entry in a table of d; the frame must
 * belong to domain `fd` (an ordinary domain's number, DOMID_IO: only device
 * memory, DOMID_XEN). 0; L1E_READ_ONLY: device memory that may only be read, so
 * the entry is to be stored without PTE_RW; -EPERM (device memory that is not
 * d's), -EINVAL (a cacheability that is not d's to choose), -EBUSY (not fd's frame, or
 * in use as something that must not be written).
 */
int l1e_get(pte_t e, struct domain *d, domid_t fd) __must_check;
/* Drops them; nothing for a non-present one. */
void l1e_put(pte_t e);

/*
 * The references of a present entry of a table of level 2-4 on the table below
 * (or, linear, of the same level). 0, -EINVAL, -ERESTART, or what was wrong
 * with an entry of a table below.
 */
int table_entry_get(pte_t e, struct page_info *table, const struct domain *d,
                    unsigned int level) __must_check;
/*
 * Takes the references of an entry that was removed from its table over: returns
 * the frame of which the caller now holds a type and a general one, or NULL. The
 * table is locked or busy.
 */
struct page_info *table_entry_detach(pte_t e, struct page_info *table, unsigned int level);

/* For page_type.c: entries from nr_validated up, or from nr_validated down. The frame is busy. */
int validate_page(struct page_info *page, struct domain *d, uint64_t type) __must_check;
int invalidate_page(struct page_info *page, uint64_t type, bool preemptible) __must_check;

/* Shows or hides the machine-to-phys table in an L4 that is d's (VMASST_TYPE_m2p_strict). */
void l4_set_m2p(struct page_info *l4, bool visible);

#endif
