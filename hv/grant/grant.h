/*
 * Grant tables: how a domain lets others map, copy or receive its pages.
 */
#ifndef GRANT_GRANT_H
#define GRANT_GRANT_H

#include <base/compiler.h>
#include <base/types.h>

struct domain;

/*
 * The table of a new domain: max_frames frames of entries and max_maptrack
 * frames of handles at most (negative: as many as the boot options allow), one
 * frame of entries to begin with. -ENOMEM; -EINVAL: no entries, or more than that.
 */
int grant_table_init(struct domain *d, int32_t max_frames, int32_t max_maptrack);
/* The newest version that the domain may choose: 1 or 2. */
void grant_table_limit_version(struct domain *d, uint32_t version);
/* Gives the first frames to the domain; once it can be found by its id. */
void grant_table_share(struct domain *d);
/* XENMEM_acquire_resource, for a toolstack that maps another domain's grant table. 0, -EPERM, -ESRCH, ... */
long grant_acquire_resource(uint64_t arg_gva);
/* Teardown: drops what d has mapped of other domains. No vCPU of d runs. 0 or -ERESTART. */
int grant_release_mappings(struct domain *d) __must_check;
/* While no other vCPU runs: compares the pins of all entries with what holds them; how many differ. */
long grant_audit(void);
/* Frees the table; once no other domain can find d. */
void grant_table_free(struct domain *d);

#endif
