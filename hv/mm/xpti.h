/*
 * Split page tables, against Meltdown (rogue data cache load, CVE-2017-5754):
 * while a guest runs, CR3 holds this CPU's own level-4 table, with copies of
 * the guest's entries, the machine-to-phys table that is the guest's to read,
 * and of the VMM only what the CPU needs to get into it: the entry code, the
 * IDT, this CPU's exception stacks and the top page of its primary stack (with
 * TSS and registers), and the descriptor window of the vCPU that runs. The
 * entry code loads the full tables, and the way out copies the guest's entries
 * again (cpu/mitigate.S).
 *
 * Nothing is global then (CR4.PGE is off), so that a load of CR3 leaves no
 * translation behind. What stays readable is what the last calls left in that
 * page of the stack.
 */
#ifndef MM_XPTI_H
#define MM_XPTI_H

#include <base/types.h>
#include <base/compiler.h>
#include <domain/domain.h>
#include <mm/pte.h>

extern bool xpti_dom0, xpti_domu; /* set by spec_ctrl_init() */

static inline bool xpti_enabled(void)
{
    return xpti_dom0 || xpti_domu;
}

/* Whether d's guests run so. */
static inline bool xpti_domain(const struct domain *d)
{
    return d->is_hardware ? xpti_dom0 : xpti_domu;
}

/* The tables of one CPU, before it runs a guest; its stack block exists. 0 or -ENOMEM. */
int xpti_init_cpu(uint32_t cpu);

/* Context switch to v, which is not idle, interrupts off; its descriptors are loaded. */
void xpti_load(struct vcpu *v);
/* current's window at `page` has a new entry. */
void xpti_window_changed(unsigned int page, pte_t entry);

#endif
