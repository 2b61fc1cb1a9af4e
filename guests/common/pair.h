/* What tests between dom0 and a second domain have in common: things that the second one does for dom0. */
#ifndef GUEST_PAIR_H
#define GUEST_PAIR_H

#include "domu.h"
#include "grant.h"

/* Two numbers in one argument: a domain and a frame. */
#define DOM_FRAME(dom, mfn) ((long)(dom) | (long)(mfn) << 16)

/* Functions for domu_call(), arguments in this order. */
domu_fn far_setup;    /* version of its grant table */
domu_fn far_grant;    /* ref, flags, DOM_FRAME */
domu_fn far_flags;    /* ref */
domu_fn far_in_use;   /* ref: GTF_reading, GTF_writing */
domu_fn far_frame;    /* ref */
domu_fn far_page;     /* address of a new page of it */
domu_fn far_hole;     /* address of a new page without a frame */
domu_fn far_load;     /* address */
domu_fn far_store;    /* address, value */
domu_fn far_map;      /* DOM_FRAME(domain, ref), flags, address: status; then far_handle() */
domu_fn far_handle;   /* of the last far_map() */
domu_fn far_unmap;    /* handle, address, bus address: status */
domu_fn far_map_own;  /* address, entry: update_va_mapping */
domu_fn far_mmuext;   /* command, first, second argument */
domu_fn far_transfer; /* mfn, domain, ref */
domu_fn far_swap;     /* two refs: status */

/* The same, of a table of version 2. */
domu_fn far_sub_page;   /* ref, flags, offset | length << 16 of a grant that is there already */
domu_fn far_transitive; /* ref, domain, its ref: a grant to dom0 of what that one granted */

/* The vector of a trap that a load or store at an address of ours takes, 0: none. */
unsigned int trap_of_load(const void *at);
unsigned int trap_of_store(void *at);
domu_fn far_trap_of_load, far_trap_of_store;

#endif
