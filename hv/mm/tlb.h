/*
 * Flushing translations, and the TLB clock that tells whether a flush is
 * still needed: each CPU notes the clock at its last full flush; a frame notes
 * it when its type count becomes zero. A CPU whose note is younger than the
 * frame's cannot hold a stale entry for it.
 */
#ifndef MM_TLB_H
#define MM_TLB_H

#include <base/atomic.h>
#include <base/types.h>
#include <cpu/insn.h>
#include <cpu/smp.h>
#include <domain/domain.h>
#include <mm/page.h>

void tlb_init(void); /* boot CPU */

/* Translations are tagged (mm/tlb_tag.h): CR4.PCIDE is set. */
#ifndef HOSPES_UNIT_TEST
extern bool pcid_enabled;
#else
#define pcid_enabled false
#endif
void pcid_init(void); /* boot CPU, after spec_ctrl_init(): may change host_cr4 */

/* This CPU. */
void flush_tlb_local(void);        /* all entries of current, but for global ones */
void flush_tlb_local_global(void); /* all entries */
/* All entries of all guests. */
static inline void flush_tlb_guests(void)
{
    if (unlikely(pcid_enabled))
        flush_tlb_local_global();
    else
        flush_tlb_local();
}
#ifndef HOSPES_UNIT_TEST
void tlb_other_mode_stale(uint64_t va);
/* Of current, whatever its mode. */
static inline void flush_tlb_one_local(uint64_t va)
{
    invlpg(va);
    if (unlikely(pcid_enabled))
        tlb_other_mode_stale(va);
}
#else
void flush_tlb_one_local(uint64_t va);
#endif

/*
 * Context switch, interrupts off: prev stops and may be idle; then next, which is not, starts. v's bits in
 * the dirty masks are set.
 */
void tlb_leave(struct vcpu *prev);
void tlb_enter(struct vcpu *next);
/* v, which is current, has new tables. */
void tlb_reload(struct vcpu *v);

/* CPUs to be flushed for what was removed from d's tables before; where its translations are kept they lapse.
 */
static inline const cpumask_t *tlb_domain_cpus(struct domain *d)
{
    if (unlikely(pcid_enabled))
        atomic_inc(&d->tlb_epoch);
    return &d->dirty_cpumask;
}

/* CPUs of mask, the caller included if set; returns when done. Interrupts on. */
void flush_tlb_mask(const cpumask_t *mask);
void flush_tlb_one_mask(const cpumask_t *mask, uint64_t va);

uint32_t tlb_clock_now(void);
/* Loads CR3, which has no tag, and notes the flush on this CPU. */
void load_cr3(uint64_t cr3);
/* Clears from mask the CPUs that have flushed since stamp. */
void tlb_filter(cpumask_t *mask, uint32_t stamp);

#endif
