/*
 * Where everything of dom0 lies, in its pseudo-physical and virtual address
 * spaces, as <xen/xen.h> describes above struct start_info:
 *
 *   kernel image | [initial RAM disk] | [p2m list] | start_info | page tables |
 *   boot stack | slack up to a 4 MiB boundary
 *
 * The RAM disk and the p2m list are only mapped there for kernels that do not
 * accept them elsewhere (SIF_MOD_START_PFN, XEN_ELFNOTE_INIT_P2M).
 */
#ifndef BOOT_DOM0_LAYOUT_H
#define BOOT_DOM0_LAYOUT_H

#include <base/types.h>

/* A run of frames of dom0, contiguous in both numberings. */
struct dom0_chunk {
    uint64_t pfn, pages;
    mfn_t mfn;
};

#define DOM0_MAX_CHUNKS 2048

struct dom0_layout {
    uint64_t nr_pages;
    uint64_t virt_base;              /* address of pfn 0 */
    uint64_t image_start, image_end; /* virtual */
    bool initrd_mapped, p2m_mapped;  /* within the mapping at virt_base */
    uint64_t initrd_pfn, initrd_pages, initrd_bytes;
    uint64_t p2m_va, p2m_pfn, p2m_pages; /* the list itself */
    uint64_t p2m_table_pages;            /* for a list elsewhere: its own page tables, right after it */
    uint64_t start_info_va, tables_va, nr_tables, stack_va, end_va;
    uint32_t nr_chunks;
    struct dom0_chunk *chunks; /* by rising pfn */
};

struct kernel_image;
struct boot_module;

/* All but the chunks, for a domain of nr_pages; initrd may be NULL. What does not fit ends the boot. */
void dom0_choose_layout(struct dom0_layout *l, const struct kernel_image *k, const struct boot_module *initrd,
                        uint64_t nr_pages);

/* Frame behind a pfn below nr_pages. */
mfn_t dom0_mfn(const struct dom0_layout *l, uint64_t pfn);
/* Virtual addresses of the mapping at virt_base. */
static inline uint64_t dom0_va_to_pfn(const struct dom0_layout *l, uint64_t va)
{
    return (va - l->virt_base) >> PAGE_SHIFT;
}

/* Writes the tables for [virt_base's mapping] and the p2m list; the L4's frame. Contents are not validated
 * yet. */
mfn_t dom0_build_tables(const struct dom0_layout *l);
/* Tables needed to map [start, end) below one L4 entry each: L1s, L2s and L3s. */
uint64_t dom0_count_tables(uint64_t start, uint64_t end);

#endif
