/*
 * Descriptor tables of the CPU. The GDT's reserved page (entries from
 * FIRST_RESERVED_GDT_ENTRY on, <xen/arch-x86/xen.h>) is ours, one per CPU; what
 * lies below belongs to the guest that runs there (pv/descriptor.c).
 */
#ifndef CPU_DESC_H
#define CPU_DESC_H

/* Selectors within the reserved page. Those of ring 3 are fixed by the ABI. */
#define VMM_CS       0xe008
#define VMM_DS       0xe010
#define GUEST_CS32   0xe023
#define GUEST_DS     0xe02b
#define GUEST_CS64   0xe033
#define TSS_SELECTOR 0xe040
#define LDT_SELECTOR 0xe050

#ifndef __ASSEMBLER__

#include <base/types.h>
#include <base/compiler.h>

/* Interrupt stack table slots (IST 1-4). */
enum ist { IST_NONE, IST_DF, IST_NMI, IST_MCE, IST_DB };

/* Fills the shared IDT; boot CPU, once. */
void idt_init(void);
/* The page that holds it, in the image. */
uint64_t idt_base(void);
/* Gives the CPU its (zeroed, direct-mapped) reserved GDT page; needs its per-CPU area. */
void desc_alloc_cpu(uint32_t cpu, void *page);
/* Loads GDT, IDT, TSS of this CPU, and the registers that SYSCALL and SYSENTER use. stack_block is its base.
 */
void desc_init_cpu(uint32_t cpu, uint64_t stack_block);
/* The CPU's reserved GDT page, for mapping at index 14 of a vCPU's GDT window. */
mfn_t cpu_gdt_mfn(uint32_t cpu);
/* The same page seen with an empty guest part before it: GDTR base while no guest's is loaded. */
uint64_t cpu_gdt_base(uint32_t cpu);
/* Changes the LDT descriptor of this CPU's reserved page, and loads it; entries == 0: no LDT. */
void cpu_load_ldt(uint64_t base, uint32_t entries);
/* LGDT with all 15 pages in the limit. */
void cpu_load_gdt(uint64_t base);
/* Changes an exception's stack while boot code needs one for every vector (boot/unpack). */
void idt_set_ist(uint32_t vector, enum ist ist);
enum ist idt_get_ist(uint32_t vector);

#endif
#endif
