/* The guest's view of its memory: frame numbers, page-table entries, spare pages. */
#ifndef GUEST_MM_H
#define GUEST_MM_H

#include <stdint.h>
#include <xen/xen.h>

#define PTE_P     0x001ul
#define PTE_RW    0x002ul
#define PTE_US    0x004ul
#define PTE_PWT   0x008ul
#define PTE_PCD   0x010ul
#define PTE_A     0x020ul
#define PTE_D     0x040ul
#define PTE_PSE   0x080ul
#define PTE_PAT   0x080ul
#define PTE_G     0x100ul
#define PTE_NX    (1ul << 63)
#define PTE_FRAME 0x000ffffffffff000ul
#define PTE_TABLE (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define PTE_DATA  (PTE_P | PTE_RW | PTE_A | PTE_D)
#define PTE_RO    (PTE_P | PTE_A | PTE_D)

#define VIRT_BASE 0xffffffff80000000ul

extern struct start_info *start_info;
extern struct shared_info *shared_info;
extern uint64_t *kernel_l4;

static inline unsigned long virt_to_pfn(const void *va)
{
    return ((unsigned long)va - VIRT_BASE) >> 12;
}

static inline void *pfn_to_virt(unsigned long pfn)
{
    return (void *)((pfn << 12) + VIRT_BASE);
}

static inline unsigned long pfn_to_mfn(unsigned long pfn)
{
    return ((volatile unsigned long *)start_info->mfn_list)[pfn];
}

static inline unsigned long mfn_to_pfn(unsigned long mfn)
{
    return ((volatile unsigned long *)MACH2PHYS_VIRT_START)[mfn];
}

static inline unsigned long virt_to_mfn(const void *va)
{
    return pfn_to_mfn(virt_to_pfn(va));
}

static inline uint64_t virt_to_machine(const void *va)
{
    return ((uint64_t)virt_to_mfn(va) << 12) | ((unsigned long)va & 4095);
}

static inline uint64_t pte_make(unsigned long mfn, uint64_t flags)
{
    return ((uint64_t)mfn << 12) | flags;
}

/* Entry that maps va at a level (1..4) of the kernel's tables; NULL where a table above is missing. */
uint64_t *pte_of(unsigned long va, int level);

/* A zeroed page mapped writable within the initial mapping; never given back by the tests unless page_free.
 */
void *page_alloc(void);
void page_free(void *page);
void page_make_readonly(void *page);
void page_make_writable(void *page);
/* A virtual page that has a level-1 table and no frame of its own. */
void *page_hole(void);

long mmu_update_one(uint64_t ptr, uint64_t val);
long mmuext(unsigned int cmd, unsigned long arg1, unsigned long arg2);

/* Ends the guest with a line when an operation that set-up needs has failed. */
void must(const char *what, long value);

#endif
