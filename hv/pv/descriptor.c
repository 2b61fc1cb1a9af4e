/* A guest's GDT and LDT: what may be in them, and where they are mapped. */
#include <pv/descriptor.h>
#include <base/atomic.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <base/spinlock.h>
#include <control/hypercall.h>
#include <cpu/desc.h>
#include <cpu/insn.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <mm/pt_update.h>
#include <mm/tlb.h>
#include <mm/vmm_paging.h>
#include <mm/xpti.h>
#include <pv/pv.h>

#define DESC_TYPE(d)   ((unsigned int)((d) >> 40) & 0xf)
#define DESC_SEGMENT   BIT(44) /* S: code or data, not a system descriptor */
#define DESC_DPL       (3UL << 45)
#define DESC_PRESENT   BIT(47)
#define DESC_CALL_GATE 0xc
#define GATE_RPL       (3UL << 16)

#define GDT_ENTRIES_PER_PAGE (PAGE_SIZE / sizeof(uint64_t))
#define NO_CPU               (~0u)

/* Not global: a CR3 load flushes it. */
#define WINDOW_RW (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)
#define WINDOW_RO (PTE_P | PTE_A | PTE_NX)

struct desc_window {
    struct desc_window *next_free;
    uint64_t va;
    pte_t *entries; /* the DESC_WINDOW_PAGES level-1 entries; NULL while it has no table */
    uint32_t cpu;   /* whose page is mapped at 14; NO_CPU: the next load maps and flushes */
};

/* Windows are never given back to the address space, only to this list. */
static DEFINE_SPINLOCK(window_lock, LOCK_VMM_PT);
static struct desc_window *free_windows;
static uint64_t next_window = DESC_AREA_START;

static void *zero_page; /* stands for the GDT frames a guest does not have */

/*
 * Code and data segments cannot harm at CPL 3: in 64-bit mode their bases and
 * limits are ignored (or, for FS and GS, 32 bits wide), and compatibility mode
 * reaches 4 GiB only. Of the system descriptors a call gate is kept as an inert
 * one (DPL 0), as the interface has always done; the others would give the
 * guest a task, a table or an entry of its own choice.
 */
bool pv_descriptor_ok(uint64_t *desc)
{
    uint64_t d = *desc;

    if (!(d & DESC_PRESENT))
        return true;
    if (d & DESC_SEGMENT) {
        *desc = d | DESC_DPL;
        return true;
    }
    if (DESC_TYPE(d) == DESC_CALL_GATE) {
        *desc = (d & ~DESC_DPL) | GATE_RPL;
        return true;
    }
    return DESC_TYPE(d) == 0;
}

bool pv_descriptor_page_ok(uint64_t *table)
{
    for (unsigned int i = 0; i < GDT_ENTRIES_PER_PAGE; i++) {
        uint64_t d = table[i];

        if (!pv_descriptor_ok(&d))
            return false;
        if (d != table[i])
            table[i] = d;
    }
    return true;
}

static void window_put(struct desc_window *w)
{
    spin_lock(&window_lock);
    w->next_free = free_windows;
    free_windows = w;
    spin_unlock(&window_lock);
}

/* A window with an address, from the free list or new; NULL: no memory or no address left. */
static struct desc_window *window_get(void)
{
    struct desc_window *w, *fresh = NULL;

    spin_lock(&window_lock);
    w = free_windows;
    if (w)
        free_windows = w->next_free;
    spin_unlock(&window_lock);
    if (w)
        return w;
    fresh = xzalloc(struct desc_window);
    if (!fresh)
        return NULL;
    spin_lock(&window_lock);
    fresh->va = next_window;
    if (next_window < DESC_AREA_END)
        next_window += DESC_WINDOW_SIZE;
    spin_unlock(&window_lock);
    if (fresh->va < DESC_AREA_END)
        return fresh;
    xfree(fresh);
    return NULL;
}

static bool zero_page_ready(void)
{
    void *p;

    if (load_acquire(&zero_page))
        return true;
    p = alloc_vmm_pages(0);
    if (!p)
        return false;
    if (cmpxchg(&zero_page, (void *)NULL, p) != NULL)
        free_vmm_pages(p, 0); /* another CPU was faster */
    return true;
}

static pte_t zero_entry(void)
{
    return pte_make(virt_to_mfn(zero_page), WINDOW_RO);
}

int pv_desc_init_vcpu(struct vcpu *v)
{
    struct desc_window *w;

    if (!zero_page_ready())
        return -ENOMEM;
    w = window_get();
    if (!w)
        return -ENOMEM;
    if (!w->entries)
        w->entries = vmm_l1_entry(w->va); /* 32 divides 512: a window lies in one table */
    if (!w->entries) {
        window_put(w);
        return -ENOMEM;
    }
    for (unsigned int i = 0; i < PV_GDT_FRAMES; i++)
        w->entries[i] = zero_entry();
    w->cpu = NO_CPU;
    v->pv.desc = w;
    v->pv.desc_window = w->va;
    return 0;
}

void pv_desc_destroy_vcpu(struct vcpu *v)
{
    struct desc_window *w = v->pv.desc;

    if (!w)
        return;
    pv_release_descriptors(v);
    /* Page 14 stays: an idle CPU that ran v last may still have this GDT loaded. */
    for (unsigned int i = 0; i < PV_GDT_FRAMES; i++)
        w->entries[i] = zero_entry();
    v->pv.desc = NULL;
    v->pv.desc_window = 0;
    window_put(w);
}

/* Changes one entry; where v does not run now, the flush is left to its next load. */
static void window_set(struct vcpu *v, unsigned int page, pte_t entry)
{
    struct desc_window *w = v->pv.desc;

    if (w->entries[page] == entry)
        return;
    WRITE_ONCE(w->entries[page], entry);
    if (v == current) {
        flush_tlb_one_local(w->va + page * PAGE_SIZE);
        if (unlikely(xpti_enabled()))
            xpti_window_changed(page, entry);
    } else {
        w->cpu = NO_CPU;
    }
}

static void put_frames(struct page_info **pages, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        put_page_and_type(pages[i]);
}

/* References for all frames, or none. */
static int get_frames(struct domain *d, struct page_info **pages, const uint64_t *frames, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        struct page_info *page = get_page_from_mfn(_mfn(frames[i]), d);
        int rc = page ? get_page_type(page, PGT_DESC) : -EINVAL;

        if (rc == 0) {
            pages[i] = page;
            continue;
        }
        if (page)
            put_page(page);
        put_frames(pages, i);
        return rc;
    }
    return 0;
}

static void install_gdt(struct vcpu *v, struct page_info **pages, unsigned int count, uint32_t entries)
{
    struct page_info *old[PV_GDT_FRAMES];
    unsigned int nr_old = DIV_ROUND_UP(v->pv.gdt_entries, GDT_ENTRIES_PER_PAGE);

    for (unsigned int i = 0; i < PV_GDT_FRAMES; i++) {
        old[i] = v->pv.gdt_pages[i];
        v->pv.gdt_pages[i] = i < count ? pages[i] : NULL;
        window_set(v, i, i < count ? pte_make(page_to_mfn(pages[i]), WINDOW_RW) : zero_entry());
    }
    v->pv.gdt_entries = entries;
    put_frames(old, nr_old);
}

int pv_set_gdt(struct vcpu *v, const uint64_t *frames, uint32_t entries)
{
    struct page_info *pages[PV_GDT_FRAMES];
    unsigned int count = DIV_ROUND_UP(entries, GDT_ENTRIES_PER_PAGE);
    int rc;

    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return -EINVAL;
    rc = get_frames(v->domain, pages, frames, count);
    if (rc)
        return rc;
    install_gdt(v, pages, count, entries);
    return 0;
}

void pv_invalidate_ldt(struct vcpu *v)
{
    while (v->pv.ldt_mapped) {
        unsigned int i = (unsigned int)__builtin_ctz(v->pv.ldt_mapped);

        window_set(v, DESC_WINDOW_LDT / PAGE_SIZE + i, 0);
        v->pv.ldt_mapped &= ~(1u << i);
        put_page_and_type(v->pv.ldt_pages[i]);
        v->pv.ldt_pages[i] = NULL;
    }
}

int pv_set_ldt(struct vcpu *v, uint64_t base, uint32_t entries)
{
    if (entries > MAX_LDT_ENTRIES || (base & ~PAGE_MASK))
        return -EINVAL;
    if (entries && !guest_range_ok(base, entries * sizeof(uint64_t)))
        return -EINVAL;
    pv_invalidate_ldt(v);
    v->pv.ldt_base = base;
    v->pv.ldt_entries = entries;
    if (v == current)
        cpu_load_ldt(v->pv.desc_window + DESC_WINDOW_LDT, entries);
    return 0;
}

void pv_release_descriptors(struct vcpu *v)
{
    pv_invalidate_ldt(v);
    v->pv.ldt_entries = 0;
    install_gdt(v, NULL, 0, 0);
}

bool pv_read_descriptor(const struct vcpu *v, uint16_t selector, uint64_t *desc)
{
    unsigned int index = selector >> 3, page = index / GDT_ENTRIES_PER_PAGE;
    const uint64_t *table;

    if (selector & SELECTOR_LDT) {
        if (index >= v->pv.ldt_entries || !(v->pv.ldt_mapped >> page & 1))
            return false;
        table = page_to_virt(v->pv.ldt_pages[page]);
    } else if (page == FIRST_RESERVED_GDT_PAGE) {
        table = mfn_to_virt(cpu_gdt_mfn(smp_processor_id()));
    } else {
        if (page > FIRST_RESERVED_GDT_PAGE)
            return false;
        page = (unsigned int)index_nospec(page, PV_GDT_FRAMES);
        if (!v->pv.gdt_pages[page])
            return false;
        table = page_to_virt(v->pv.gdt_pages[page]);
    }
    *desc = READ_ONCE(table[index % GDT_ENTRIES_PER_PAGE]);
    return true;
}

bool pv_map_ldt_page(struct vcpu *v, uint64_t offset)
{
    unsigned int i = (unsigned int)(offset >> PAGE_SHIFT);
    uint64_t va = v->pv.ldt_base + (offset & PAGE_MASK);
    struct page_info *page;
    pte_t entry;

    if (i >= ARRAY_SIZE(v->pv.ldt_pages) || offset >= v->pv.ldt_entries * sizeof(uint64_t) ||
        (v->pv.ldt_mapped >> i & 1) || !v->pv.kernel_table || !guest_range_ok(va, PAGE_SIZE))
        return false;
    i = (unsigned int)index_nospec(i, ARRAY_SIZE(v->pv.ldt_pages));
    entry = read_l1_entry(v, va);
    if (!(entry & PTE_P))
        return false;
    page = get_page_from_mfn(pte_mfn(entry), v->domain);
    if (!page)
        return false;
    if (get_page_type(page, PGT_DESC) != 0) {
        put_page(page);
        return false;
    }
    v->pv.ldt_pages[i] = page;
    v->pv.ldt_mapped |= 1u << i;
    window_set(v, DESC_WINDOW_LDT / PAGE_SIZE + i, pte_make(page_to_mfn(page), WINDOW_RW));
    return true;
}

pte_t pv_window_entry(const struct vcpu *v, unsigned int page)
{
    return v->pv.desc->entries[page];
}

void pv_load_descriptors(struct vcpu *v)
{
    uint32_t cpu = smp_processor_id();
    struct desc_window *w = v->pv.desc;

    if (!w) { /* idle: nothing of a guest that may go away may stay loaded */
        cpu_load_gdt(cpu_gdt_base(cpu));
        cpu_load_ldt(0, 0);
        return;
    }
    if (w->cpu != cpu) {
        /* This CPU may hold entries of the last time it ran v. */
        w->entries[FIRST_RESERVED_GDT_PAGE] = pte_make(cpu_gdt_mfn(cpu), WINDOW_RW);
        w->cpu = cpu;
        flush_tlb_local();
    }
    cpu_load_gdt(w->va);
    cpu_load_ldt(w->va + DESC_WINDOW_LDT, v->pv.ldt_entries);
}

/* args: guest array of machine frame numbers, number of entries. */
long hc_set_gdt(struct hypercall_args *args)
{
    uint32_t entries = (uint32_t)args->a[1];
    uint64_t frames[PV_GDT_FRAMES];

    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return -EINVAL;
    if (copy_from_guest(frames, args->a[0], DIV_ROUND_UP(entries, GDT_ENTRIES_PER_PAGE) * sizeof(frames[0])))
        return -EFAULT;
    return pv_set_gdt(current, frames, entries);
}

/* args: machine address of the entry, new value. */
long hc_update_descriptor(struct hypercall_args *args)
{
    uint64_t ma = args->a[0], desc = args->a[1];
    struct page_info *page;
    uint64_t type;
    int rc;

    if ((ma & 7) || !pv_descriptor_ok(&desc))
        return -EINVAL;
    page = get_page_from_mfn(paddr_to_mfn(_paddr(ma)), current->domain);
    if (!page)
        return -EINVAL;
    /* A frame that is no table yet is written as the guest itself could. */
    type = (READ_ONCE(page->type_info) & PGT_TYPE_MASK) == PGT_DESC ? PGT_DESC : PGT_WRITABLE;
    rc = get_page_type(page, type);
    if (rc == 0) {
        WRITE_ONCE(*(uint64_t *)((char *)page_to_virt(page) + (ma & ~PAGE_MASK)), desc);
        put_page_type(page);
    }
    put_page(page);
    return rc;
}
