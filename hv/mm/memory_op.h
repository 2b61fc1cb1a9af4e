/* The families of XENMEM_* commands (<xen/memory.h>), split over files; mm/memory_op.c dispatches. */
#ifndef MM_MEMORY_OP_H
#define MM_MEMORY_OP_H

#include <base/types.h>
#include <base/compiler.h>
#include <xen/xen.h>

struct domain;

/*
 * XENMEM_increase_reservation, _decrease_reservation, _populate_physmap: from
 * extent *start on. Returns how many extents are done in all, whatever stopped
 * it; -ERESTART with *start advanced.
 */
long memory_reservation(unsigned int op, uint64_t arg, uint64_t *start);
long memory_claim_pages(uint64_t arg);

/* XENMEM_exchange. -ERESTART: the progress is in the guest's structure. */
long memory_exchange(uint64_t arg);

/* e820 maps and the machine-to-phys table's whereabouts. */
long memory_get_map(uint64_t arg);
long memory_get_machine_map(uint64_t arg);
long memory_set_map(uint64_t arg);
long memory_machphys_mapping(uint64_t arg);
long memory_machphys_mfn_list(uint64_t arg);

/* At boot, once the frame table is up: lets tools map the machine-to-phys table by DOMID_XEN. */
void machphys_share(void);
/* The map that XENMEM_set_memory_map stored; at the domain's end. */
void memory_map_free(struct domain *d);

#endif
