#include <base/bug.h>
#include <base/errno.h>
#include <base/spinlock.h>
#include <boot/e820.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <lib/string.h>
#include <mm/boot_alloc.h>
#include <mm/layout.h>
#include <mm/page.h>
#include <mm/page_alloc.h>
#include <mm/tlb.h>
#include <mm/vmm_paging.h>

extern const char _start[], _stext[], _etext[], _srodata[], _erodata[], _sdata[], _edata[], _sinit[],
    _einit[], _einittext[], _sro_after_init[], _ero_after_init[], _end[];

pte_t vmm_l4[PT_ENTRIES] __aligned(4096);

static DEFINE_SPINLOCK(vmm_pt_lock, LOCK_VMM_PT);
static bool page_allocator_ready;

/* Rights are decided in the last entry; only below an L4 entry with PTE_US (the M2P's) do guests get
 * anywhere. */
#define TABLE_FLAGS       (PTE_P | PTE_RW | PTE_A | PTE_D)
#define LOWER_TABLE_FLAGS (TABLE_FLAGS | PTE_US)
#define LARGE_2M          (1UL << 21)
#define LARGE_1G          (1UL << 30)

static pte_t *table_of(pte_t e)
{
    return mfn_to_virt(pte_mfn(e));
}

static bool new_table(pte_t *e, uint64_t flags)
{
    if (page_allocator_ready) {
        void *page = alloc_vmm_pages(0);

        if (!page)
            return false;
        *e = pte_make(virt_to_mfn(page), flags);
    } else {
        *e = pte_make(boot_alloc(1, 1), flags);
    }
    return true;
}

/* Replaces a large mapping by a table with the same rights. */
static bool split_large(pte_t *e, unsigned int level)
{
    pte_t large = *e, table_entry;
    uint64_t step = level == 3 ? LARGE_2M : PAGE_SIZE;
    uint64_t flags = pte_flags(large) & ~(level == 2 ? PTE_PSE : 0);

    if (!new_table(&table_entry, LOWER_TABLE_FLAGS))
        return false;
    for (unsigned int i = 0; i < PT_ENTRIES; i++)
        table_of(table_entry)[i] = ((large & PTE_ADDR_MASK) + i * step) | flags;
    *e = table_entry;
    return true;
}

/* The entry of `level` that maps va; makes tables down to it. NULL if out of memory. */
static pte_t *walk(uint64_t va, unsigned int level)
{
    pte_t *table = vmm_l4;

    for (unsigned int l = 4; l > level; l--) {
        pte_t *e = &table[pt_index(va, l)];

        if (!(*e & PTE_P) && !new_table(e, LOWER_TABLE_FLAGS))
            return NULL;
        if ((*e & PTE_PSE) && !split_large(e, l))
            return NULL;
        table = table_of(*e);
    }
    return &table[pt_index(va, level)];
}

pte_t *vmm_l1_entry(uint64_t va)
{
    unsigned long flags = spin_lock_irqsave(&vmm_pt_lock);
    pte_t *e = walk(va, 1);

    spin_unlock_irqrestore(&vmm_pt_lock, flags);
    return e;
}

int vmm_map(uint64_t va, mfn_t mfn, uint64_t flags)
{
    pte_t *e = vmm_l1_entry(va);

    if (!e)
        return -ENOMEM;
    WRITE_ONCE(*e, flags ? pte_make(mfn, flags) : 0);
    return 0;
}

/* [va, va+len) to pa, by the largest pages that fit. */
static void __init map_range(uint64_t va, uint64_t pa, uint64_t len, uint64_t flags)
{
    bool have_1g = cpu_has(PAGE1GB);

    while (len) {
        uint64_t align = va | pa, step = PAGE_SIZE;
        unsigned int level = 1;

        if (have_1g && !(align & (LARGE_1G - 1)) && len >= LARGE_1G)
            level = 3, step = LARGE_1G;
        else if (!(align & (LARGE_2M - 1)) && len >= LARGE_2M)
            level = 2, step = LARGE_2M;
        *walk(va, level) = pa | flags | (level > 1 ? PTE_PSE : 0);
        va += step;
        pa += step;
        len -= step;
    }
}

void __init vmm_map_large(uint64_t va, mfn_t mfn, uint64_t flags)
{
    *walk(va, 2) = pte_make(mfn, flags | PTE_PSE);
}

static void __init map_image_part(const char *start, const char *end, uint64_t flags)
{
    uint64_t va = (uint64_t)start;

    for (; va < (uint64_t)end; va += PAGE_SIZE)
        *walk(va, 1) = (va - VMM_IMAGE_START) | flags;
}

static void __init map_direct(void)
{
    for (uint32_t i = 0; i < host_e820.nr; i++) {
        const struct e820_entry *e = &host_e820.entry[i];
        uint64_t start = ROUND_UP(e->addr, PAGE_SIZE), end = ROUND_DOWN(e->addr + e->size, PAGE_SIZE);

        if (e->type == E820_RAM && start < end)
            map_range(DIRECTMAP_START + start, start, end - start, VMM_RW);
    }
}

void __init vmm_paging_init(void)
{
    for (unsigned int slot = VMM_L4_FIRST; slot <= VMM_L4_LAST; slot++)
        new_table(&vmm_l4[slot], TABLE_FLAGS);
    vmm_l4[pt_index(RO_M2P_START, 4)] |= PTE_US;
    map_direct();
    /* Until boot is over all of the image may be written; code of both kinds may run. */
    map_image_part(_start, _etext, VMM_RX | PTE_RW);
    map_image_part(_srodata, _sinit, VMM_RW);
    map_image_part(_sinit, _einittext, VMM_RX | PTE_RW);
    map_image_part(_einittext, _end, VMM_RW);
    load_cr3((uint64_t)vmm_l4 - VMM_IMAGE_START);
}

static void __init protect_part(const char *start, const char *end, uint64_t image_flags,
                                uint64_t alias_flags)
{
    for (uint64_t va = (uint64_t)start; va < (uint64_t)end; va += PAGE_SIZE) {
        uint64_t pa = va - VMM_IMAGE_START;

        *walk(va, 1) = image_flags ? pa | image_flags : 0;
        *walk(DIRECTMAP_START + pa, 1) = pa | alias_flags;
    }
}

void __init vmm_paging_protect(void)
{
    protect_part(_stext, _etext, VMM_RX, VMM_RO);
    protect_part(_srodata, _erodata, VMM_RO, VMM_RO);
    protect_part(_sro_after_init, _ero_after_init, VMM_RO, VMM_RO);
    flush_tlb_mask(&cpu_online_map);
}

/* From now on tables come from the page allocator. */
void vmm_paging_use_page_allocator(void)
{
    page_allocator_ready = true;
}
