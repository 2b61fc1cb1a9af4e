/* The running domain's grant table, version 1 or 2, and the operations on it. */
#ifndef GUEST_GRANT_H
#define GUEST_GRANT_H

#include "lib.h"
#include <xen/grant_table.h>

long grant_op(unsigned int cmd, void *arg, unsigned int count);
/* Maps the first frame of the table (and of the status words) after choosing the version. */
void grant_setup(uint32_t version);
/* Writes a plain entry: the frame first, then the flags. */
void grant_write(grant_ref_t ref, uint16_t flags, domid_t dom, uint64_t mfn);
uint16_t grant_flags(grant_ref_t ref);
/* GTF_reading and GTF_writing of an entry, of either version. */
uint16_t grant_in_use(grant_ref_t ref);
uint64_t grant_frame(grant_ref_t ref);
union grant_entry_v2 *grant_entry_2(grant_ref_t ref);

/* One each; the hypercall itself must succeed. */
struct gnttab_map_grant_ref grant_map(domid_t dom, grant_ref_t ref, uint32_t flags, uint64_t addr);
int grant_unmap(grant_handle_t handle, uint64_t addr, uint64_t bus);
/* from_ref, to_ref: the number is a reference of that domain, else a frame. */
int grant_copy(bool from_ref, domid_t from_dom, uint64_t from, bool to_ref, domid_t to_dom, uint64_t to,
               uint16_t offset, uint16_t len);

#endif
