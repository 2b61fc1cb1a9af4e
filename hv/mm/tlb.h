/*
 * Flushing translations, and the TLB clock that tells whether a flush is
 * still needed: each CPU notes the clock at its last full flush; a frame notes
 * it when its type count becomes zero. A CPU whose note is younger than the
 * frame's cannot hold a stale entry for it.
 */
#ifndef MM_TLB_H
#define MM_TLB_H

#include <base/types.h>
#include <cpu/insn.h>
#include <cpu/smp.h>
#include <mm/page.h>

void tlb_init(void); /* boot CPU */

/* This CPU. */
void flush_tlb_local(void);        /* all non-global entries */
void flush_tlb_local_global(void); /* all entries */
#ifndef HOSPES_UNIT_TEST
static inline void flush_tlb_one_local(uint64_t va)
{
    invlpg(va);
}
#else
void flush_tlb_one_local(uint64_t va);
#endif

/* CPUs of mask, the caller included if set; returns when done. Interrupts on. */
void flush_tlb_mask(const cpumask_t *mask);
void flush_tlb_one_mask(const cpumask_t *mask, uint64_t va);

uint32_t tlb_clock_now(void);
/* Loads CR3 and notes the flush on this CPU. */
void load_cr3(uint64_t cr3);
/* Clears from mask the CPUs that have flushed since stamp. */
void tlb_filter(cpumask_t *mask, uint32_t stamp);

#endif
