/*
 * Mapping granted frames into current's page tables, and taking them out.
 *
 * A mapping's page-table entry holds references like every other one, and its
 * handle holds the same once more. So unmapping can clear the entries of a
 * whole batch, flush once, and only then drop the handles' references and tell
 * the granting domains that their entries are unused: no access is left then.
 */
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <grant/batch.h>
#include <grant/table.h>
#include <mm/guest_access.h>
#include <mm/page_type.h>
#include <mm/pt_update.h>
#include <mm/tlb.h>
#include <mm/validate.h>

/* Unmaps that share one flush. */
#define UNMAP_BATCH 32

/* The level-1 entry that host_addr means, its table locked; NULL if there is none. */
static pte_t *lock_entry(uint64_t host_addr, bool is_pte, struct page_info **table)
{
    mfn_t mfn = paddr_to_mfn(_paddr(host_addr));
    unsigned int level;

    if (!is_pte) {
        *table = lock_l1_table(current, host_addr);
        return *table ? (pte_t *)page_to_virt(*table) + pt_index(host_addr, 1) : NULL;
    }
    if (host_addr % sizeof(pte_t) || !mfn_valid(mfn))
        return NULL;
    *table = mfn_to_page(mfn);
    level = lock_table(*table, current->domain->id);
    if (level == 1)
        return (pte_t *)page_to_virt(*table) + host_addr % PAGE_SIZE / sizeof(pte_t);
    if (level)
        unlock_table(*table);
    return NULL;
}

/* Bits 16 up of the flags are for the bits of an entry that the CPU ignores: 9-11, then from 52. */
static pte_t entry_for(mfn_t mfn, uint32_t flags)
{
    uint64_t avail = flags >> _GNTMAP_guest_avail0;
    uint64_t bits = PTE_P | PTE_A | PTE_US | (flags & GNTMAP_readonly ? 0 : PTE_RW | PTE_D);

    return pte_make(mfn, bits | (avail << 9 & PTE_AVAIL) | (avail >> 3 << 52 & PTE_AVAIL_HIGH));
}

static unsigned int slot_index(const pte_t *slot)
{
    return (uint64_t)slot % PAGE_SIZE / sizeof(*slot);
}

/* Makes the entry and notes in *mt where it is. */
static int16_t write_mapping(const struct gnttab_map_grant_ref *op, struct domain *rd, mfn_t mfn,
                             struct maptrack *mt, uint16_t *index)
{
    struct pt_context c = {.owner = current->domain, .data = rd, .fd = rd->id};
    struct page_info *table;
    pte_t *slot = lock_entry(op->host_addr, op->flags & GNTMAP_contains_pte, &table);
    int rc;

    if (!slot)
        return GNTST_general_error;
    rc = pt_update_l1(&c, slot, entry_for(mfn, op->flags), false);
    unlock_table(table);
    mt->table = (uint32_t)mfn_x(page_to_mfn(table));
    *index = (uint16_t)slot_index(slot);
    return rc ? GNTST_general_error : GNTST_okay;
}

static int16_t take_references(const struct domain *rd, mfn_t mfn, bool readonly)
{
    struct page_info *page = get_page_from_mfn(mfn, rd);

    if (!page)
        return GNTST_bad_page;
    if (rd != current->domain && !(page->count_info & PGC_FOREIGN))
        atomic_or(&page->count_info, PGC_FOREIGN);
    if (readonly || !get_page_type(page, PGT_WRITABLE))
        return GNTST_okay;
    put_page(page);
    return GNTST_general_error;
}

static void drop_references(mfn_t mfn, bool readonly)
{
    struct page_info *page = mfn_to_page(mfn);

    if (!readonly)
        put_page_type(page);
    put_page(page);
}

static int16_t map_pinned(struct gnttab_map_grant_ref *op, const struct grant_pin *pin, uint32_t handle)
{
    struct maptrack *mt = maptrack_get(current->domain->grant, handle);
    uint16_t index = 0;
    int16_t status = take_references(pin->d, pin->mfn, pin->readonly);

    if (status)
        return status;
    if (op->flags & GNTMAP_host_map) {
        status = write_mapping(op, pin->d, pin->mfn, mt, &index);
        if (status) {
            drop_references(pin->mfn, pin->readonly);
            return status;
        }
    }
    mt->ref = pin->ref;
    mt->domid = pin->d->id;
    mt->mfn = (uint32_t)mfn_x(pin->mfn); /* frames have numbers of 32 bits (mm/page.h) */
    /* Last: from here on the handle can be used. */
    store_release(&mt->flags,
                  (uint16_t)((op->flags & (MAPTRACK_KINDS | MAPTRACK_KEPT)) | index << MAPTRACK_INDEX_SHIFT));
    op->handle = handle;
    op->dev_bus_addr = paddr_x(mfn_to_paddr(pin->mfn)); /* told without GNTMAP_device_map too */
    return GNTST_okay;
}

static int16_t map_one(struct gnttab_map_grant_ref *op)
{
    struct grant_table *gt = current->domain->grant;
    struct domain *rd;
    struct grant_pin pin;
    uint32_t handle;
    int16_t status;

    if (!(op->flags & MAPTRACK_KINDS) || op->ref == MAPTRACK_NONE)
        return GNTST_bad_gntref;
    rd = grant_find_domain(op->dom);
    if (!rd)
        return GNTST_bad_domain;
    handle = maptrack_alloc(gt);
    if (handle == MAPTRACK_NONE) {
        domain_put(rd);
        return GNTST_no_space;
    }
    status = grant_pin(&pin, rd, op->ref, current->domain->id, op->flags & GNTMAP_readonly, false);
    if (!status) {
        status = map_pinned(op, &pin, handle);
        if (status)
            grant_unpin(&pin);
    }
    /* Else the mapping has the reference to rd from now on. */
    if (status) {
        maptrack_free(gt, handle);
        domain_put(rd);
    }
    return status;
}

long grant_map(struct hypercall_args *args)
{
    struct gnttab_map_grant_ref op;

    return grant_for_each(args, op, map_one);
}

/* What an unmap took away, until its flush is done. */
struct unmap {
    uint32_t handle;
    uint16_t kinds;
};

/*
 * Takes these kinds of a mapping away from its handle, so that no other CPU can
 * do the same; they count as busy until settle(). False: no such handle.
 */
static bool claim_kinds(struct grant_table *gt, uint32_t handle, uint16_t kinds, struct maptrack *copy,
                        uint16_t *claimed)
{
    struct maptrack *mt = maptrack_get(gt, handle);
    bool live;

    if (!mt)
        return false;
    spin_lock(&gt->maptrack_lock);
    live = mt->flags & MAPTRACK_KINDS;
    if (live) {
        *copy = *mt;
        *claimed = mt->flags & kinds;
        mt->flags &= (uint16_t) ~*claimed;
        mt->flags |= (uint16_t)(*claimed << MAPTRACK_BUSY_SHIFT);
    }
    spin_unlock(&gt->maptrack_lock);
    return live;
}

/*
 * Ends the claim. Where nothing is left of the mapping its handle is free again,
 * and what it held is dropped; of several CPUs that take its kinds away the last
 * to settle does that.
 */
static void settle(struct grant_table *gt, uint32_t handle, uint16_t claimed, bool give_back)
{
    struct maptrack *mt = maptrack_get(gt, handle), copy;
    bool last;

    if (!claimed)
        return;
    spin_lock(&gt->maptrack_lock);
    mt->flags &= (uint16_t) ~(claimed << MAPTRACK_BUSY_SHIFT);
    if (give_back)
        mt->flags |= claimed;
    last = !(mt->flags & (MAPTRACK_KINDS | MAPTRACK_BUSY));
    if (last) {
        copy = *mt;
        maptrack_free_locked(gt, handle);
    }
    spin_unlock(&gt->maptrack_lock);
    if (last)
        maptrack_drop(&copy);
}

/* Replaces the mapping's entry, if it is that; the new entry's references are the caller's to give. */
static int16_t replace_entry(uint64_t host_addr, const struct maptrack *mt, pte_t new)
{
    struct page_info *table;
    pte_t *slot, old;

    slot = lock_entry(host_addr, mt->flags & GNTMAP_contains_pte, &table);
    if (!slot)
        return GNTST_general_error;
    old = READ_ONCE(*slot);
    if (!(old & PTE_P) || mfn_x(pte_mfn(old)) != mt->mfn || mfn_x(page_to_mfn(table)) != mt->table ||
        slot_index(slot) != mt->flags >> MAPTRACK_INDEX_SHIFT) {
        unlock_table(table);
        return GNTST_general_error;
    }
    (void)xchg(slot, new);
    unlock_table(table);
    l1e_put(old);
    return GNTST_okay;
}

static int16_t unmap_begin(const struct gnttab_unmap_grant_ref *op, struct unmap *u)
{
    struct grant_table *gt = current->domain->grant;
    uint16_t kinds = (op->host_addr ? GNTMAP_host_map : 0) | (op->dev_bus_addr ? GNTMAP_device_map : 0);
    struct maptrack mt;
    int16_t status = GNTST_okay;

    *u = (struct unmap){.handle = op->handle};
    if (!claim_kinds(gt, op->handle, kinds, &mt, &u->kinds))
        return GNTST_bad_handle;
    if ((u->kinds & GNTMAP_device_map) && op->dev_bus_addr != (uint64_t)mt.mfn << PAGE_SHIFT)
        status = GNTST_bad_dev_addr;
    else if (u->kinds & GNTMAP_host_map)
        status = replace_entry(op->host_addr, &mt, 0);
    if (status) {
        settle(gt, op->handle, u->kinds, true);
        u->kinds = 0;
    }
    return status;
}

static void unmap_finish(const struct unmap *u, uint32_t n)
{
    struct grant_table *gt = current->domain->grant;
    uint16_t kinds = 0;

    for (uint32_t i = 0; i < n; i++)
        kinds |= u[i].kinds;
    if (kinds & GNTMAP_host_map)
        flush_tlb_mask(tlb_domain_cpus(current->domain));
    for (uint32_t i = 0; i < n; i++)
        settle(gt, u[i].handle, u[i].kinds, false);
}

long grant_unmap(struct hypercall_args *args)
{
    while (args->a[2]) {
        struct unmap u[UNMAP_BATCH];
        uint32_t n;
        bool fault = false;

        for (n = 0; n < UNMAP_BATCH && n < args->a[2] && !fault; n++) {
            uint64_t gva = args->a[1] + n * sizeof(struct gnttab_unmap_grant_ref);
            struct gnttab_unmap_grant_ref op;

            u[n] = (struct unmap){.kinds = 0};
            fault = copy_from_guest(&op, gva, sizeof(op));
            if (fault)
                continue;
            op.status = unmap_begin(&op, &u[n]);
            fault = copy_to_guest(gva, &op, sizeof(op));
        }
        unmap_finish(u, n);
        if (fault)
            return -EFAULT;
        args->a[1] += n * sizeof(struct gnttab_unmap_grant_ref);
        args->a[2] -= n;
        if (args->a[2] && hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}

/*
 * Takes the entry of a virtual address out of its table, with its references.
 * False: there is no table, or the entry maps another domain's frame and so is
 * explained by a handle that knows where it is.
 */
static bool take_entry(uint64_t va, pte_t *e)
{
    struct page_info *table;
    pte_t *slot = lock_entry(va, false, &table);
    bool ours;

    if (!slot)
        return false;
    *e = READ_ONCE(*slot);
    ours = !(*e & PTE_P) || !mfn_valid(pte_mfn(*e)) || mfn_to_page(pte_mfn(*e))->owner == current->domain->id;
    *e = ours ? xchg(slot, 0UL) : 0;
    unlock_table(table);
    return ours;
}

static int16_t replace_one(const struct gnttab_unmap_and_replace *op)
{
    struct grant_table *gt = current->domain->grant;
    struct unmap u = {.handle = op->handle};
    int16_t status = GNTST_general_error;
    struct maptrack mt;
    pte_t e = 0;

    if (!claim_kinds(gt, op->handle, GNTMAP_host_map, &mt, &u.kinds) || !u.kinds)
        return GNTST_bad_handle;
    if (!(mt.flags & GNTMAP_contains_pte) && take_entry(op->new_addr, &e))
        status = replace_entry(op->host_addr, &mt, e);
    if (status) {
        /* What was at new_addr is gone: it asked for a mapping that it does not have. */
        l1e_put(e);
        if (e)
            flush_tlb_mask(tlb_domain_cpus(current->domain));
        settle(gt, op->handle, u.kinds, true);
    } else {
        unmap_finish(&u, 1);
    }
    return status;
}

long grant_unmap_and_replace(struct hypercall_args *args)
{
    struct gnttab_unmap_and_replace op;

    return grant_for_each(args, op, replace_one);
}
