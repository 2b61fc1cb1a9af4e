#include <base/bug.h>
#include <base/compiler.h>
#include <boot/dom0_layout.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/pte.h>

#define GUEST_TABLE (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define GUEST_PAGE  (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

/* Hands out consecutive pfns for tables. */
struct table_pool {
    const struct dom0_layout *layout;
    uint64_t next, end; /* pfns */
};

static uint64_t __init tables_at_level(uint64_t start, uint64_t end, unsigned int level)
{
    unsigned int shift = 12 + 9 * level;

    return ((end - 1) >> shift) - (start >> shift) + 1;
}

uint64_t __init dom0_count_tables(uint64_t start, uint64_t end)
{
    return tables_at_level(start, end, 1) + tables_at_level(start, end, 2) + tables_at_level(start, end, 3);
}

static pte_t *__init table_below(struct table_pool *pool, pte_t *e)
{
    if (!(*e & PTE_P)) {
        BUG_ON(pool->next == pool->end);

        mfn_t mfn = dom0_mfn(pool->layout, pool->next++);

        memset(mfn_to_virt(mfn), 0, PAGE_SIZE);
        *e = pte_make(mfn, GUEST_TABLE);
    }
    return mfn_to_virt(pte_mfn(*e));
}

static void __init map_page(pte_t *l4, struct table_pool *pool, uint64_t va, uint64_t pfn)
{
    const struct dom0_layout *l = pool->layout;
    uint64_t tables = dom0_va_to_pfn(l, l->tables_va), flags = GUEST_PAGE;
    pte_t *l3 = table_below(pool, &l4[pt_index(va, 4)]);
    pte_t *l2 = table_below(pool, &l3[pt_index(va, 3)]);
    pte_t *l1 = table_below(pool, &l2[pt_index(va, 2)]);

    /* Page tables may only be mapped read-only: invariant 2. */
    if (pfn - tables < l->nr_tables)
        flags &= ~PTE_RW;
    l1[pt_index(va, 1)] = pte_make(dom0_mfn(l, pfn), flags);
}

mfn_t __init dom0_build_tables(const struct dom0_layout *l)
{
    uint64_t first = dom0_va_to_pfn(l, l->tables_va), p2m_tables = l->p2m_pfn + l->p2m_pages;
    struct table_pool pool = {l, first + 1, first + l->nr_tables};
    struct table_pool p2m_pool = {l, p2m_tables, p2m_tables + l->p2m_table_pages};
    mfn_t l4_mfn = dom0_mfn(l, first);
    pte_t *l4 = mfn_to_virt(l4_mfn);

    memset(l4, 0, PAGE_SIZE);
    for (uint64_t va = l->virt_base; va < l->end_va; va += PAGE_SIZE)
        map_page(l4, &pool, va, dom0_va_to_pfn(l, va));
    if (!l->p2m_mapped)
        for (uint64_t i = 0; i < l->p2m_pages; i++)
            map_page(l4, &p2m_pool, l->p2m_va + i * PAGE_SIZE, l->p2m_pfn + i);
    return l4_mfn;
}
