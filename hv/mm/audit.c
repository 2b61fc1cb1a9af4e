#include <base/bug.h>
#include <base/errno.h>
#include <console/printk.h>
#include <domain/domain.h>
#include <mm/audit.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <mm/validate.h>
#include <mm/vmm_paging.h>

#define MAX_LINES   20
#define MAX_SOURCES 8

/* What a frame's counts ought to be. */
struct expected {
    uint32_t general, type;
    int32_t linear;
};

struct audit {
    struct expected *frames; /* max_page of them */
    long differences;
};

static audit_source_fn *sources[MAX_SOURCES];
static unsigned int nr_sources;

void audit_register(audit_source_fn *fn)
{
    BUG_ON(nr_sources == MAX_SOURCES);
    sources[nr_sources++] = fn;
}

#define differ(a, fmt, ...)                                                                                  \
    do {                                                                                                     \
        if ((a)->differences++ < MAX_LINES)                                                                  \
            printk("audit: " fmt "\n", ##__VA_ARGS__);                                                       \
    } while (0)

static struct expected *expect(struct audit *a, const struct page_info *page)
{
    return &a->frames[mfn_x(page_to_mfn(page))];
}

void audit_held(struct audit *a, const struct page_info *page)
{
    if (!page)
        return;
    expect(a, page)->general++;
    expect(a, page)->type++;
}

void audit_held_general(struct audit *a, const struct page_info *page)
{
    if (page)
        expect(a, page)->general++;
}

static uint64_t count_of(uint64_t info)
{
    return info & PGT_COUNT_MASK;
}

static bool is_table_in_use(const struct page_info *page)
{
    return pgt_level(page->type_info) && (page->type_info & (PGT_VALIDATED | PGT_PARTIAL));
}

static void audit_l1_entry(struct audit *a, const struct page_info *table, unsigned int i, pte_t e)
{
    uint64_t t = mfn_x(page_to_mfn(table));
    const struct page_info *page;

    if (e != guest_pte(e, 1))
        differ(a, "table %#lx entry %u: %#lx is not a guest's form", t, i, e);
    if (!mfn_valid(pte_mfn(e)))
        return;
    page = mfn_to_page(pte_mfn(e));
    expect(a, page)->general++;
    if (e & PTE_RW) {
        expect(a, page)->type++;
        if ((page->type_info & PGT_TYPE_MASK) != PGT_WRITABLE)
            differ(a, "table %#lx entry %u: frame %#lx of type %#lx is mapped writable", t, i,
                   mfn_x(pte_mfn(e)), page->type_info);
    }
    if (page->owner != table->owner && !(page->count_info & PGC_FOREIGN))
        differ(a, "table %#lx of d%u maps frame %#lx of d%u", t, table->owner, mfn_x(pte_mfn(e)),
               page->owner);
}

static void audit_upper_entry(struct audit *a, const struct page_info *table, unsigned int level,
                              unsigned int i, pte_t e)
{
    const struct page_info *page;
    unsigned int target_level;

    if (!mfn_valid(pte_mfn(e)) || e != guest_pte(e, level) || (e & TABLE_ENTRY_REFUSED)) {
        differ(a, "table %#lx entry %u: %#lx is no table entry", mfn_x(page_to_mfn(table)), i, e);
        return;
    }
    page = mfn_to_page(pte_mfn(e));
    target_level = pgt_level(page->type_info);
    if (page->owner != table->owner)
        differ(a, "table %#lx of d%u refers to %#lx of d%u", mfn_x(page_to_mfn(table)), table->owner,
               mfn_x(pte_mfn(e)), page->owner);
    if (target_level == level && (e & PTE_RW))
        differ(a, "table %#lx entry %u: linear and writable", mfn_x(page_to_mfn(table)), i);
    else if (target_level != level && target_level != level - 1)
        differ(a, "table %#lx of level %u refers to %#lx of type %#lx", mfn_x(page_to_mfn(table)), level,
               mfn_x(pte_mfn(e)), page->type_info);
    if (page == table)
        return;
    if ((table->type_info & PGT_VALIDATED) && !(page->type_info & PGT_VALIDATED))
        differ(a, "table %#lx is valid, not so %#lx below it", mfn_x(page_to_mfn(table)), mfn_x(pte_mfn(e)));
    audit_held(a, page);
    if (target_level == level) {
        expect(a, page)->linear++;
        expect(a, table)->linear--;
    }
}

static void audit_table(struct audit *a, const struct page_info *table)
{
    unsigned int level = pgt_level(table->type_info);
    unsigned int n = table->type_info & PGT_VALIDATED ? PT_ENTRIES : table->nr_validated;
    const pte_t *entries = page_to_virt(table);

    for (unsigned int i = 0; i < n; i++) {
        if (level == 4 && is_vmm_slot(i)) {
            bool hidden_m2p = i == VMM_L4_FIRST && !entries[i];

            if ((table->type_info & PGT_VALIDATED) && !hidden_m2p && entries[i] != vmm_l4[i])
                differ(a, "L4 %#lx slot %u: %#lx is not the VMM's", mfn_x(page_to_mfn(table)), i, entries[i]);
        } else if (!(entries[i] & PTE_P)) {
            continue;
        } else if (level == 1) {
            audit_l1_entry(a, table, i, entries[i]);
        } else {
            audit_upper_entry(a, table, level, i, entries[i]);
        }
    }
}

/* References that a frame's own state accounts for. */
static void audit_own(struct audit *a, const struct page_info *page)
{
    if (page->count_info & PGC_ALLOCATED)
        expect(a, page)->general++;
    if (page->count_info & PGC_VMM_HELD)
        audit_held(a, page);
    if (page->type_info & PGT_PINNED)
        audit_held(a, page);
    if (page->type_info & PGT_PARTIAL_OWNED)
        audit_held(a, page);
    if (is_table_in_use(page))
        audit_table(a, page);
}

static void audit_vcpu(struct audit *a, const struct vcpu *v)
{
    audit_held(a, v->pv.kernel_table);
    audit_held(a, v->pv.user_table);
    audit_held(a, v->vcpu_info_page);
    for (unsigned int i = 0; i < ARRAY_SIZE(v->pv.gdt_pages); i++)
        audit_held(a, v->pv.gdt_pages[i]);
    for (unsigned int i = 0; i < ARRAY_SIZE(v->pv.ldt_pages); i++)
        audit_held(a, v->pv.ldt_pages[i]);
    for (uint32_t i = 0; i < v->mm.nr_pending; i++)
        audit_held(a, v->mm.pending[i]);
}

static void audit_domain(struct audit *a, struct domain *d)
{
    uint64_t counted = 0, extra = 0;
    struct page_info *page;
    struct vcpu *v;

    for_each_vcpu (d, v)
        audit_vcpu(a, v);
    audit_held(a, d->irq.eoi_map_page);
    for (unsigned int i = 0; i < nr_sources; i++)
        sources[i](a, d);
    spin_lock(&d->mm.page_lock);
    page_list_for_each (page, &d->mm.pages) {
        if (page->count_info & PGC_EXTRA)
            extra++;
        else
            counted++;
        if (page->owner != d->id)
            differ(a, "frame %#lx of d%u is on the list of d%u", mfn_x(page_to_mfn(page)), page->owner,
                   d->id);
    }
    if (counted != d->mm.tot_pages || extra != d->mm.extra_pages)
        differ(a, "d%u lists %lu+%lu frames and counts %lu+%lu", d->id, counted, extra, d->mm.tot_pages,
               d->mm.extra_pages);
    spin_unlock(&d->mm.page_lock);
}

static void compare(struct audit *a, const struct page_info *page)
{
    const struct expected *e = expect(a, page);
    uint64_t mfn = mfn_x(page_to_mfn(page)), general = page->count_info & PGC_COUNT_MASK;
    /* A frame on its way to the allocator has its link in type_info (mm/retire.c). */
    uint64_t type = general ? count_of(page->type_info) : 0;

    if (general != e->general || type != e->type)
        differ(a, "frame %#lx of d%u (%#lx %#lx): %lu+%lu references, %u+%u found", mfn, page->owner,
               page->count_info, page->type_info, general, type, e->general, e->type);
    if (!general)
        return;
    if (type && !(page->type_info & (PGT_VALIDATED | PGT_PARTIAL)))
        differ(a, "frame %#lx of d%u is busy: %#lx", mfn, page->owner, page->type_info);
    if (page->type_info & PGT_LOCKED)
        differ(a, "frame %#lx of d%u is locked", mfn, page->owner);
    if (is_table_in_use(page) && page->linear_count != e->linear)
        differ(a, "table %#lx: linear count %d, %d found", mfn, page->linear_count, e->linear);
}

static struct page_info *valid_frame(uint64_t m)
{
    return mfn_valid(_mfn(m)) ? mfn_to_page(_mfn(m)) : NULL;
}

long audit_machine(void)
{
    struct audit a = {.frames = xzalloc_array(struct expected, max_page)};
    struct domain *d;

    if (!a.frames)
        return -ENOMEM;
    for (uint64_t m = 0; m < max_page; m++) {
        const struct page_info *page = valid_frame(m);

        if (page && (page->count_info & PGC_COUNT_MASK))
            audit_own(&a, page);
    }
    for (uint32_t id = 0; (d = domain_find_next((domid_t)id)) != NULL; id = d->id + 1U, domain_put(d))
        audit_domain(&a, d);
    for (uint64_t m = 0; m < max_page; m++)
        if (valid_frame(m))
            compare(&a, valid_frame(m));
    xfree(a.frames);
    return a.differences;
}
