/*
 * The VMM's own page tables: vmm_l4 is what idle CPUs run on, and its slots
 * 256-271 are copied into every guest's L4. The level-3 tables behind these
 * slots exist from boot on, so that a later mapping shows up everywhere.
 */
#ifndef MM_VMM_PAGING_H
#define MM_VMM_PAGING_H

#include <base/types.h>
#include <mm/pte.h>

extern pte_t vmm_l4[PT_ENTRIES];

/* Rights of VMM mappings; all are supervisor and, but where said, global. */
#define VMM_RW (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_G | PTE_NX)
#define VMM_RO (PTE_P | PTE_A | PTE_D | PTE_G | PTE_NX)
#define VMM_RX (PTE_P | PTE_A | PTE_D | PTE_G)
#define VMM_UC (VMM_RW | PTE_PCD | PTE_PWT)

/* Builds everything: boot CPU, from the boot tables; needs the boot allocator. */
void vmm_paging_init(void);
/* From now on its tables come from the page allocator instead of the boot allocator. */
void vmm_paging_use_page_allocator(void);
/* Takes away the write or execute rights that only boot needed; flushes. */
void vmm_paging_protect(void);

/*
 * Maps one 4 KiB page with exactly these flags, replacing what was there;
 * flags 0 unmaps. Does not flush. 0 or -ENOMEM. Takes LOCK_VMM_PT.
 */
int vmm_map(uint64_t va, mfn_t mfn, uint64_t flags);
/* Maps 2 MiB, both sides aligned, at boot. Out of memory is fatal then. */
void vmm_map_large(uint64_t va, mfn_t mfn, uint64_t flags);
/* The L1 entry for va, its tables made as needed; NULL if out of memory. */
pte_t *vmm_l1_entry(uint64_t va);

#endif
