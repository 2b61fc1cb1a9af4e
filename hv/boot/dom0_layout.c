#include <base/bug.h>
#include <base/compiler.h>
#include <boot/boot_info.h>
#include <boot/dom0_layout.h>
#include <boot/kernel.h>
#include <mm/page.h>

#define BOOT_ALIGN (4UL << 20)   /* the mapping ends at a multiple of this ... */
#define BOOT_SLACK (512UL << 10) /* ... at least this far behind the last thing in it */

/*
 * The number of page tables depends on where the mapping ends, and that on their number. Sizes are right even
 * where addresses have wrapped by now; the mapping's end must still be an address.
 */
static void __init place_tables(struct dom0_layout *l)
{
    uint64_t end;

    l->nr_tables = 4;
    for (;;) {
        uint64_t size = l->tables_va - l->virt_base + (l->nr_tables + 1) * PAGE_SIZE + BOOT_SLACK;

        size = ROUND_UP(size, BOOT_ALIGN);
        if (size >= -l->virt_base)
            boot_refuse("dom0's kernel: what is mapped with it, %lu MiB, does not fit at VIRT_BASE %#lx",
                        size >> 20, l->virt_base);
        end = l->virt_base + size;

        uint64_t needed = 1 + dom0_count_tables(l->virt_base, end);

        if (needed <= l->nr_tables)
            break;
        l->nr_tables = needed;
    }
    l->stack_va = l->tables_va + l->nr_tables * PAGE_SIZE;
    l->end_va = end;
}

void __init dom0_choose_layout(struct dom0_layout *l, const struct kernel_image *k,
                               const struct boot_module *initrd, uint64_t nr_pages)
{
    uint64_t va = ROUND_UP(k->virt_end, PAGE_SIZE), pfn;

    l->nr_pages = nr_pages;
    l->virt_base = k->virt_base;
    l->image_start = k->virt_start;
    l->image_end = k->virt_end;
    l->initrd_bytes = initrd ? initrd->end - initrd->start : 0;
    l->initrd_pages = DIV_ROUND_UP(l->initrd_bytes, PAGE_SIZE);
    l->initrd_mapped = !k->mod_start_pfn;
    l->p2m_pages = DIV_ROUND_UP(nr_pages * sizeof(uint64_t), PAGE_SIZE);
    l->p2m_mapped = !k->has_init_p2m;
    if (l->initrd_mapped) {
        l->initrd_pfn = dom0_va_to_pfn(l, va);
        va += l->initrd_pages * PAGE_SIZE;
    }
    if (l->p2m_mapped) {
        l->p2m_va = va;
        l->p2m_pfn = dom0_va_to_pfn(l, va);
        va += l->p2m_pages * PAGE_SIZE;
    }
    l->start_info_va = va;
    l->tables_va = va + PAGE_SIZE;
    place_tables(l);

    pfn = dom0_va_to_pfn(l, l->end_va);
    if (!l->initrd_mapped) {
        l->initrd_pfn = pfn;
        pfn += l->initrd_pages;
    }
    if (!l->p2m_mapped) {
        l->p2m_va = k->init_p2m;
        l->p2m_pfn = pfn;
        l->p2m_table_pages = dom0_count_tables(l->p2m_va, l->p2m_va + l->p2m_pages * PAGE_SIZE);
        pfn += l->p2m_pages + l->p2m_table_pages;
    }
    if (pfn > nr_pages)
        boot_refuse("too little memory: dom0 gets %lu MiB, its kernel and RAM disk need %lu", nr_pages >> 8,
                    pfn >> 8);
}
