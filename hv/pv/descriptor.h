/*
 * A guest's GDT and LDT.
 *
 * Each vCPU has a window in the descriptor area, at pv.desc_window:
 *
 *   page  0-13  the guest's GDT frames; a page of zeroes where there is none
 *   page 14     the VMM's own entries (FIRST_RESERVED_GDT_ENTRY on): the page
 *               of the CPU that runs it (cpu_gdt_mfn() of cpu/desc.h)
 *   page 15     not mapped; beyond the GDT's limit
 *   page 16-31  the guest's LDT, mapped page by page when first used
 *
 * All mappings are supervisor, writable (the CPU sets Accessed bits; a guest
 * cannot write: the frames have type PGT_DESC) and not global. The entry of
 * page 14 is rewritten only when the vCPU comes to another CPU. Only the CPU
 * that runs the vCPU uses the window, and coming to another CPU flushes, so
 * a change needs INVLPG on one CPU only.
 */
#ifndef PV_DESCRIPTOR_H
#define PV_DESCRIPTOR_H

#include <base/types.h>
#include <base/compiler.h>
#include <mm/pte.h>

struct vcpu;

#define DESC_WINDOW_PAGES 32
#define DESC_WINDOW_SIZE  (DESC_WINDOW_PAGES * PAGE_SIZE)
#define DESC_WINDOW_LDT   (16 * PAGE_SIZE) /* offset of the LDT in the window */
#define DESC_GDT_LIMIT    (15 * PAGE_SIZE - 1)
#define MAX_LDT_ENTRIES   8192
#define SELECTOR_LDT      4 /* table indicator bit of a selector */

/*
 * Whether a guest may have this descriptor in a table; may change it into the
 * form that is safe. Code and data segments are made usable at CPL 3.
 */
bool pv_descriptor_ok(uint64_t *desc);
/* The same for all 512 of a frame that becomes PGT_DESC. Nothing may write to it meanwhile. */
bool pv_descriptor_page_ok(uint64_t *table);

/* Window and its page tables. -ENOMEM. */
int pv_desc_init_vcpu(struct vcpu *v);
/* Drops the tables (pv_release_descriptors()) and the window; v runs nowhere. */
void pv_desc_destroy_vcpu(struct vcpu *v);
/* Drops the references of GDT and LDT; for teardown, v runs nowhere. */
void pv_release_descriptors(struct vcpu *v);

/*
 * Replaces the GDT: DIV_ROUND_UP(entries, 512) machine frames of v's domain.
 * v is current or does not run. -EINVAL: too many entries, or a frame that
 * is not the domain's or cannot be a descriptor table; the old GDT stays then.
 */
int pv_set_gdt(struct vcpu *v, const uint64_t *frames, uint32_t entries) __must_check;
/* Replaces the LDT, by guest linear address; 0 entries: none. -EINVAL. Same rules for v. */
int pv_set_ldt(struct vcpu *v, uint64_t base, uint32_t entries) __must_check;

/*
 * The descriptor of a selector that v has loaded. False: beyond its tables, or
 * in an LDT page that is not mapped now. The VMM's own entries included.
 */
bool pv_read_descriptor(const struct vcpu *v, uint16_t selector, uint64_t *desc);

/*
 * Unmaps the LDT's pages, to be mapped again when used: for a change of the
 * tables that map ldt_base (MMUEXT_NEW_BASEPTR). v is current or does not run.
 */
void pv_invalidate_ldt(struct vcpu *v);

/* v's entry of the window, as the CPU sees it; page below DESC_WINDOW_PAGES. */
pte_t pv_window_entry(const struct vcpu *v, unsigned int page);

/* Context switch: GDT and LDT of v (or, for an idle vCPU, the CPU's own). Interrupts off. */
void pv_load_descriptors(struct vcpu *v);

#endif
