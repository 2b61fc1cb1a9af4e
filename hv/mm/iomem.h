/*
 * Who may map frames that are not RAM. The hardware domain owns the machine's
 * devices: it may map every such frame but those the VMM keeps for itself.
 */
#ifndef MM_IOMEM_H
#define MM_IOMEM_H

#include <base/types.h>

struct domain;

/*
 * Keeps nr frames from `first` on from every domain. Only at boot, on the boot
 * CPU, before a domain runs: readers take no lock. Panics when the machine has
 * more ranges than the table holds.
 */
void iomem_deny(mfn_t first, uint64_t nr);

/* Whether the frame is the VMM's own device memory. Any context. */
bool iomem_denied(mfn_t mfn);

/*
 * Frames that the VMM uses and everybody else may only read: a mapping that asks for
 * more becomes read-only, and writes are dropped. Same rules as iomem_deny().
 */
void iomem_set_read_only(mfn_t first, uint64_t nr);
bool iomem_read_only(mfn_t mfn);

/* Whether d may map the frame, given that it is not RAM. Any context. */
bool iomem_access_ok(const struct domain *d, mfn_t mfn);

#endif
