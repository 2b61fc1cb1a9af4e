/*
 * Recomputes every reference count, type count and linear count of the machine
 * from what holds references (page tables, pins, vCPUs, domains, and whatever
 * other parts of the VMM report), and compares them with the frame table.
 */
#ifndef MM_AUDIT_H
#define MM_AUDIT_H

#include <base/types.h>
#include <base/compiler.h>

struct domain;
struct page_info;

struct audit;

/* A general and a type reference that is held by something other than a page table. */
void audit_held(struct audit *a, const struct page_info *page);
/* A general reference alone. */
void audit_held_general(struct audit *a, const struct page_info *page);

/* Reports by audit_held() all that one part of the VMM holds on behalf of d; d may be dying. */
typedef void audit_source_fn(struct audit *a, struct domain *d);
/* At boot. */
void audit_register(audit_source_fn *fn);

/*
 * The number of differences found, -ENOMEM. The first of them are printed.
 * Nothing may change frames meanwhile: for a count without false alarms all
 * other vCPUs are paused and no hypercall is half done.
 */
long audit_machine(void);

/* At boot: the debug key that audits. */
void audit_init(void);

#endif
