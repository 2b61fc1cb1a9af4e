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
#include <grant/table.h>
#include <mm/guest_access.h>
#include <mm/page_type.h>
#include <mm/pt_update.h>
#include <mm/tlb.h>
#include <mm/validate.h>

/* Unmaps that share one flush. */
#define UNMAP_BATCH 32

#define MAP_KINDS      (GNTMAP_host_map | GNTMAP_device_map)
#define MAPTRACK_FLAGS (MAP_KINDS | GNTMAP_readonly | GNTMAP_contains_pte)

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

static int16_t write_mapping(const struct gnttab_map_grant_ref *op, struct domain *rd, mfn_t mfn)
{
    struct pt_context c = {.owner = current->domain, .data = rd, .fd = rd->id};
    struct page_info *table;
    pte_t *slot = lock_entry(op->host_addr, op->flags & GNTMAP_contains_pte, &table);
    int rc;

    if (!slot)
        return GNTST_general_error;
    rc = pt_update_l1(&c, slot, entry_for(mfn, op->flags), false);
    unlock_table(table);
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
    int16_t status = take_references(pin->d, pin->mfn, pin->readonly);

    if (status)
        return status;
    if (op->flags & GNTMAP_host_map) {
        status = write_mapping(op, pin->d, pin->mfn);
        if (status) {
            drop_references(pin->mfn, pin->readonly);
            return status;
        }
    }
    mt->ref = pin->ref;
    mt->domid = pin->d->id;
    mt->mfn = pin->mfn;
    /* Last: from here on the handle can be used. */
    store_release(&mt->flags, (uint16_t)(op->flags & MAPTRACK_FLAGS));
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

    if (!(op->flags & MAP_KINDS) || op->ref == MAPTRACK_NONE)
        return GNTST_bad_gntref;
    rd = domain_find(op->dom);
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
    if (status)
        maptrack_free(gt, handle);
    domain_put(rd);
    return status;
}

long grant_map(struct hypercall_args *args)
{
    while (args->a[2]) {
        struct gnttab_map_grant_ref op;

        if (copy_from_guest(&op, args->a[1], sizeof(op)))
            return -EFAULT;
        op.status = map_one(&op);
        if (copy_to_guest(args->a[1], &op, sizeof(op)))
            return -EFAULT;
        args->a[1] += sizeof(op);
        args->a[2]--;
        if (args->a[2] && hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}

/* What an unmap found, until its flush is done. */
struct unmap {
    uint32_t handle;
    bool cleared; /* an entry: the flush is needed */
    bool finish;  /* nothing is left of the mapping: drop the handle */
};

/*
 * Takes these kinds of a mapping away from its handle, so that no other CPU
 * can; those it had. 0: no such handle.
 */
static uint16_t claim_kinds(struct grant_table *gt, uint32_t handle, uint16_t kinds, struct maptrack *copy)
{
    struct maptrack *mt = maptrack_get(gt, handle);
    uint16_t had = 0;

    if (!mt)
        return 0;
    spin_lock(&gt->maptrack_lock);
    if (mt->flags & MAP_KINDS) {
        *copy = *mt;
        had = mt->flags & MAP_KINDS;
        mt->flags &= (uint16_t)~kinds;
    }
    spin_unlock(&gt->maptrack_lock);
    return had;
}

static void give_back_kinds(struct grant_table *gt, uint32_t handle, uint16_t kinds)
{
    spin_lock(&gt->maptrack_lock);
    maptrack_get(gt, handle)->flags |= kinds;
    spin_unlock(&gt->maptrack_lock);
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
    if (!(old & PTE_P) || !mfn_eq(pte_mfn(old), mt->mfn)) {
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
    uint16_t had = claim_kinds(gt, op->handle, kinds, &mt);
    int16_t status = GNTST_okay;

    *u = (struct unmap){.handle = op->handle};
    if (!had)
        return GNTST_bad_handle;
    if ((had & kinds & GNTMAP_device_map) && op->dev_bus_addr != paddr_x(mfn_to_paddr(mt.mfn)))
        status = GNTST_general_error;
    else if (had & kinds & GNTMAP_host_map)
        status = replace_entry(op->host_addr, &mt, 0);
    if (status) {
        give_back_kinds(gt, op->handle, had & kinds);
    } else {
        u->cleared = had & kinds & GNTMAP_host_map;
        u->finish = (had & kinds) && !(had & ~kinds);
    }
    return status;
}

static void unmap_finish(const struct unmap *u, uint32_t n)
{
    bool cleared = false;

    for (uint32_t i = 0; i < n; i++)
        cleared |= u[i].cleared;
    if (cleared)
        flush_tlb_mask(&current->domain->dirty_cpumask);
    for (uint32_t i = 0; i < n; i++)
        if (u[i].finish)
            maptrack_release(current->domain->grant, u[i].handle);
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

            u[n] = (struct unmap){.finish = false};
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

/* Takes the entry of a virtual address out of its table, with its references; 0 if there is none. */
static pte_t take_entry(uint64_t va)
{
    struct page_info *table;
    pte_t *slot = lock_entry(va, false, &table), e;

    if (!slot)
        return 0;
    e = xchg(slot, 0UL);
    unlock_table(table);
    return e;
}

static int16_t replace_one(const struct gnttab_unmap_and_replace *op)
{
    struct grant_table *gt = current->domain->grant;
    struct unmap u = {.handle = op->handle, .cleared = true};
    struct maptrack mt;
    uint16_t had = claim_kinds(gt, op->handle, GNTMAP_host_map, &mt);
    int16_t status = GNTST_general_error;
    pte_t e;

    if (!(had & GNTMAP_host_map))
        return GNTST_bad_handle;
    e = mt.flags & GNTMAP_contains_pte ? 0 : take_entry(op->new_addr);
    if (e)
        status = replace_entry(op->host_addr, &mt, e);
    if (status) {
        l1e_put(e); /* what was at new_addr is gone: it asked for a mapping that it does not have */
        give_back_kinds(gt, op->handle, GNTMAP_host_map);
        u.finish = false;
    } else {
        u.finish = !(had & GNTMAP_device_map);
    }
    unmap_finish(&u, 1);
    return status;
}

long grant_unmap_and_replace(struct hypercall_args *args)
{
    while (args->a[2]) {
        struct gnttab_unmap_and_replace op;

        if (copy_from_guest(&op, args->a[1], sizeof(op)))
            return -EFAULT;
        op.status = replace_one(&op);
        if (copy_to_guest(args->a[1], &op, sizeof(op)))
            return -EFAULT;
        args->a[1] += sizeof(op);
        args->a[2]--;
        if (args->a[2] && hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}
