/* Page-table entries of the CPU (SDM vol 3, 4.5; APM vol 2, 5.3). */
#ifndef MM_PTE_H
#define MM_PTE_H

#include <base/types.h>

typedef uint64_t pte_t; /* an entry of any level; the level is in the name or argument */

#define PTE_P          0x001UL
#define PTE_RW         0x002UL
#define PTE_US         0x004UL
#define PTE_PWT        0x008UL
#define PTE_PCD        0x010UL
#define PTE_A          0x020UL
#define PTE_D          0x040UL
#define PTE_PSE        0x080UL /* levels 2 and 3: maps a large page */
#define PTE_PAT        0x080UL /* level 1 */
#define PTE_G          0x100UL
#define PTE_AVAIL      0xe00UL
#define PTE_AVAIL_HIGH (0x7ffUL << 52) /* ignored by the CPU; protection keys when enabled */
#define PTE_NX         (1UL << 63)
#define PTE_ADDR_MASK  0x000ffffffffff000UL

#define PT_ENTRIES 512

static inline mfn_t pte_mfn(pte_t e)
{
    return _mfn((e & PTE_ADDR_MASK) >> PAGE_SHIFT);
}

static inline pte_t pte_make(mfn_t mfn, uint64_t flags)
{
    return mfn_x(mfn) << PAGE_SHIFT | flags;
}

static inline uint64_t pte_flags(pte_t e)
{
    return e & ~PTE_ADDR_MASK;
}

/* Index into the table of a level (1-4) for a virtual address. */
static inline unsigned int pt_index(uint64_t va, unsigned int level)
{
    return va >> (12 + 9 * (level - 1)) & 511;
}

#endif
