#include <base/atomic.h>
#include <base/bug.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/features.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/iomem.h>
#include <mm/page_ref.h>
#include <mm/page_type.h>
#include <mm/validate.h>
#include <mm/xpti.h>
#include <mm/vmm_paging.h>
#include <pv/descriptor.h>

bool l1tf_dom0 __ro_after_init;
bool l1tf_domu __ro_after_init;
bool xpti_dom0 __ro_after_init;
bool xpti_domu __ro_after_init;

#define FRAMES_1G (1UL << (30 - PAGE_SHIFT))

/*
 * An entry of an upper level may be taken for a large page, of which the lower bits of the address count for
 * nothing: a hole names the RAM around it as well. And what is no RAM of ours may be cached too.
 */
int nonpresent_pte_check(pte_t e, const struct domain *d)
{
    return unlikely(d->is_hardware ? l1tf_dom0 : l1tf_domu) && (e & (PTE_ADDR_MASK | PTE_PSE)) &&
                   mfn_x(pte_mfn(e)) < ROUND_UP(max_page, FRAMES_1G)
               ? -EINVAL
               : 0;
}

/* Device memory, holes: anything that has no page_info. */
static noinline int device_get(mfn_t mfn, struct domain *d, domid_t fd)
{
    if (mfn_x(mfn) >> (host_cpu.phys_bits - PAGE_SHIFT)) /* would fault as reserved bits */
        return -EPERM;
    if (!iomem_access_ok(d, mfn))
        return -EPERM;
    if (fd != d->id && fd < DOMID_FIRST_RESERVED) {
        struct domain *foreign = domain_by_id(fd);

        if (!foreign || !iomem_access_ok(foreign, mfn))
            return -EPERM;
    }
    return iomem_write_protected(mfn) ? L1E_READ_ONLY : 0;
}

static int writable_ref(struct page_info *page)
{
    return likely(page_get_type(page, PGT_WRITABLE) == 0) ? 0 : -EBUSY;
}

/*
 * The VMM's own view of RAM is write-back. Only a domain that drives devices
 * may have another one of its own frames. It has to keep its views apart itself,
 * but where the VMM relies on the contents: PGC_UNCACHED.
 */
static bool cacheability_ok(pte_t e, const struct domain *d)
{
    return likely(!(e & PTE_CACHE)) || domain_drives_devices(d);
}

int l1e_get(pte_t e, struct domain *d, domid_t fd)
{
    mfn_t mfn = pte_mfn(e);
    struct page_info *page;

    if (unlikely(!mfn_valid(mfn)))
        return device_get(mfn, d, fd);
    page = mfn_to_page(mfn);
    if (unlikely(!cacheability_ok(e, d)))
        return -EINVAL;
    if (unlikely(!page_get_owned(page, fd)))
        return -EBUSY;
    if (unlikely(fd != d->id) && !(page->count_info & PGC_FOREIGN))
        atomic_or(&page->count_info, PGC_FOREIGN);
    if (unlikely(e & PTE_CACHE) && !(page->count_info & PGC_UNCACHED))
        atomic_or(&page->count_info, PGC_UNCACHED);
    if ((e & PTE_RW) && unlikely(writable_ref(page))) {
        page_put(page);
        return -EBUSY;
    }
    return 0;
}

void l1e_put(pte_t e)
{
    struct page_info *page;

    if (!(e & PTE_P) || unlikely(!mfn_valid(pte_mfn(e))))
        return;
    page = mfn_to_page(pte_mfn(e));
    if (e & PTE_RW)
        page_put_type(page);
    page_put(page);
}

/*
 * Linear entries. The table's linear_count tells how many other tables of its
 * level point to it (> 0), or how many such entries it has itself (< 0); never
 * both, so that no cycle of references can form. The first of either kind
 * decides by compare-and-exchange.
 */
static bool linear_count_step(struct page_info *page, int32_t step)
{
    int32_t c = READ_ONCE(page->linear_count), seen;

    for (;;) {
        if ((step > 0 && (c < 0 || c == INT32_MAX)) || (step < 0 && (c > 0 || c == INT32_MIN)))
            return false;
        seen = cmpxchg(&page->linear_count, c, c + step);
        if (seen == c)
            return true;
        c = seen;
    }
}

/*
 * Drops a type reference to a table of the level of one that is locked or busy. If it is the last by now,
 * that must wait: the target's release may wait for its own lock, and for this very table, which may be below
 * it.
 */
static void put_type_of_same_level(struct page_info *target)
{
    if (likely(page_put_type_not_last(target)))
        return;
    if (!get_page_again(target))
        BUG(); /* 2^48 references cannot exist: each needs an entry of 8 bytes */
    release_page_and_type_later(target);
}

/* The caller holds a general reference to the target, and keeps it on success. */
static int linear_get(pte_t e, struct page_info *table, struct page_info *target, unsigned int level)
{
    if (e & PTE_RW)
        return -EINVAL;
    /* A table that is not valid now would be validated in the middle of its own validation. */
    if (!get_page_type_if_valid(target, PGT_TABLE(level)))
        return -EINVAL;
    if (linear_count_step(target, 1)) {
        if (linear_count_step(table, -1))
            return 0;
        atomic_dec(&target->linear_count);
    }
    put_type_of_same_level(target);
    return -EINVAL;
}

/*
 * Through a linear entry of level 4 the VMM's part of the full table would be
 * walked, from a table that is split to keep it out (mm/xpti.h).
 */
static bool no_linear(const struct domain *d, unsigned int level)
{
    return level == 4 && xpti_domain(d);
}

int table_entry_get(pte_t e, struct page_info *table, const struct domain *d, unsigned int level)
{
    struct page_info *target;
    int rc;

    if ((e & TABLE_ENTRY_REFUSED) || !mfn_valid(pte_mfn(e)))
        return -EINVAL;
    target = mfn_to_page(pte_mfn(e));
    if (target == table) /* holds no reference: it ends with the table itself */
        return e & PTE_RW || no_linear(d, level) ? -EINVAL : 0;
    if (!page_get_owned(target, d->id))
        return -EINVAL;
    if ((READ_ONCE(target->type_info) & (PGT_TYPE_MASK | PGT_VALIDATED)) ==
        (PGT_TABLE(level) | PGT_VALIDATED))
        rc = no_linear(d, level) ? -EINVAL : linear_get(e, table, target, level);
    else
        rc = page_get_type(target, PGT_TABLE(level - 1));
    if (unlikely(rc))
        page_put(target);
    return rc;
}

struct page_info *table_entry_detach(pte_t e, struct page_info *table, unsigned int level)
{
    struct page_info *target;

    if (!(e & PTE_P))
        return NULL;
    target = mfn_to_page(pte_mfn(e));
    if (target == table)
        return NULL;
    /* The target's type is stable: the entry holds a reference. */
    if (unlikely(pgt_level(READ_ONCE(target->type_info)) == level)) {
        atomic_dec(&target->linear_count);
        atomic_inc(&table->linear_count);
    }
    return target;
}

/*
 * -ERESTART: still held. ENTRY_LATER: done, but a linear entry was the last reference to a table of the same
 * level, and current has yet to release that.
 */
#define ENTRY_LATER 1

static int table_entry_put(pte_t e, struct page_info *table, unsigned int level, bool preemptible)
{
    struct page_info *target = table_entry_detach(e, table, level);

    if (!target)
        return 0;
    if (!preemptible) {
        put_page_type(target);
    } else if (unlikely(pgt_level(READ_ONCE(target->type_info)) == level)) {
        if (!page_put_type_not_last(target)) {
            release_page_and_type_later(target);
            return ENTRY_LATER;
        }
    } else if (put_page_type_preemptible(target)) {
        return -ERESTART;
    }
    put_page(target);
    return 0;
}

/* The first present entry from i on, PT_ENTRIES if there is none. Most tables are mostly empty. */
static unsigned int next_present(const pte_t *t, unsigned int i)
{
    for (; i < PT_ENTRIES; i++) {
        while (i % 8 == 0 && i < PT_ENTRIES &&
               !((t[i] | t[i + 1] | t[i + 2] | t[i + 3] | t[i + 4] | t[i + 5] | t[i + 6] | t[i + 7]) & PTE_P))
            i += 8;
        if (i < PT_ENTRIES && (t[i] & PTE_P))
            break;
    }
    return i;
}

/* One above the last present entry below `end`, 0 if there is none. */
static unsigned int last_present(const pte_t *t, unsigned int end)
{
    while (end && !(t[end - 1] & PTE_P)) {
        end--;
        while (end && end % 8 == 0 &&
               !((t[end - 1] | t[end - 2] | t[end - 3] | t[end - 4] | t[end - 5] | t[end - 6] | t[end - 7] |
                  t[end - 8]) &
                 PTE_P))
            end -= 8;
    }
    return end;
}

/* All non-present entries from i on; looks at them only if the CPU makes them matter. */
static int nonpresent_check_all(const pte_t *t, unsigned int i, const struct domain *d)
{
    if (likely(!l1tf_dom0 && !l1tf_domu))
        return 0;
    for (; i < PT_ENTRIES; i++)
        if (t[i] && !(t[i] & PTE_P) && nonpresent_pte_check(t[i], d))
            return -EINVAL;
    return 0;
}

static int validate_l1(struct page_info *page, struct domain *d)
{
    pte_t *l1 = page_to_virt(page);
    domid_t owner = page->owner;
    unsigned int i;
    int rc = nonpresent_check_all(l1, 0, d);

    if (unlikely(rc))
        return rc;
    for (i = next_present(l1, 0); i < PT_ENTRIES; i = next_present(l1, i + 1)) {
        pte_t e = l1[i];

        rc = l1e_get(e, d, owner);
        if (unlikely(rc < 0))
            break;
        if (unlikely(rc == L1E_READ_ONLY))
            e &= ~PTE_RW;
        e = guest_pte(e, 1);
        if (e != l1[i])
            l1[i] = e;
    }
    if (likely(rc >= 0))
        return 0;
    while (i-- > 0)
        l1e_put(l1[i]);
    return rc;
}

static void fill_vmm_slots(pte_t *l4, const struct domain *d)
{
    for (unsigned int i = VMM_L4_FIRST; i <= VMM_L4_LAST; i++)
        l4[i] = vmm_l4[i];
    if (!(d->vm_assist & BIT(VMASST_TYPE_m2p_strict)))
        l4[VMM_L4_FIRST] = 0; /* until it is used as a kernel's: l4_set_m2p() */
}

/*
 * The last entry of those that are done: if what stopped was a release, it may have stopped in the table
 * below, which has lost some of its own references then. It is made whole before this table is called valid.
 */
static int complete_entry(pte_t e, const struct page_info *table, unsigned int level)
{
    struct page_info *target = mfn_to_page(pte_mfn(e));
    int rc;

    if (!(e & PTE_P) || target == table)
        return 0;
    if (pgt_level(READ_ONCE(target->type_info)) == level) /* linear, as in linear_get() */
        rc = get_page_type_if_valid(target, PGT_TABLE(level)) ? 0 : -EINVAL;
    else
        rc = page_get_type(target, PGT_TABLE(level - 1));
    if (likely(!rc))
        page_put_type(target); /* not the last one, which the entry has */
    return rc;
}

static int validate_table(struct page_info *page, const struct domain *d, unsigned int level)
{
    pte_t *table = page_to_virt(page);
    unsigned int i = page->nr_validated;
    int rc = nonpresent_check_all(table, i, d);

    if (i && !rc && !(level == 4 && is_vmm_slot(i - 1)))
        rc = complete_entry(table[i - 1], page, level);
    if (unlikely(rc))
        return rc;
    for (i = next_present(table, i); i < PT_ENTRIES; i = next_present(table, i + 1)) {
        if (level == 4 && is_vmm_slot(i))
            continue;
        rc = table_entry_get(table[i], page, d, level);
        if (unlikely(rc)) {
            page->nr_validated = (uint16_t)i;
            return rc;
        }
        table[i] = guest_pte(table[i], level);
        if (i + 1 < PT_ENTRIES && hypercall_preempt_check()) {
            page->nr_validated = (uint16_t)(i + 1);
            return -ERESTART;
        }
    }
    if (level == 4)
        fill_vmm_slots(table, d);
    return 0;
}

int validate_page(struct page_info *page, struct domain *d, uint64_t type)
{
    if (type == PGT_L1)
        return validate_l1(page, d);
    if (type == PGT_DESC)
        return pv_descriptor_page_ok(page_to_virt(page)) ? 0 : -EINVAL;
    return validate_table(page, d, pgt_level(type));
}

static void invalidate_l1(struct page_info *page)
{
    const pte_t *l1 = page_to_virt(page);

    for (unsigned int i = next_present(l1, 0); i < PT_ENTRIES; i = next_present(l1, i + 1))
        l1e_put(l1[i]);
}

int invalidate_page(struct page_info *page, uint64_t type, bool preemptible)
{
    unsigned int level = pgt_level(type);
    pte_t *table;
    int rc;

    if (level == 1)
        invalidate_l1(page);
    if (level < 2)
        return 0;
    table = page_to_virt(page);
    if (level == 4 && page->nr_validated == PT_ENTRIES)
        memset(table + VMM_L4_FIRST, 0, (VMM_L4_LAST - VMM_L4_FIRST + 1) * sizeof(pte_t));
    for (;;) {
        unsigned int i = last_present(table, page->nr_validated);

        page->nr_validated = (uint16_t)i;
        if (!i)
            return 0;
        i--;
        if (level == 4 && is_vmm_slot(i)) { /* of a table that was never valid: what the guest had there */
            page->nr_validated = (uint16_t)i;
            continue;
        }
        rc = table_entry_put(table[i], page, level, preemptible);
        if (rc == -ERESTART)
            return rc;
        page->nr_validated = (uint16_t)i;
        if (rc == ENTRY_LATER || (i && preemptible && hypercall_preempt_check()))
            return -ERESTART;
    }
}

void l4_set_m2p(struct page_info *l4, bool visible)
{
    pte_t *slot = (pte_t *)page_to_virt(l4) + VMM_L4_FIRST;
    pte_t e = visible ? vmm_l4[VMM_L4_FIRST] : 0;

    if (*slot != e)
        WRITE_ONCE(*slot, e);
}
