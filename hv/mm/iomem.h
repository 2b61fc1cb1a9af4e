/*
 * Who may map frames that are not RAM. The hardware domain owns the machine's
 * devices: it may map every such frame but those the VMM keeps for itself, and
 * may give any of them to another domain.
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
 * more becomes read-only. Same rules as iomem_deny().
 */
void iomem_set_read_only(mfn_t first, uint64_t nr);
bool iomem_read_only(mfn_t mfn);

/*
 * Frames that are read-only in the same sense for as long as the guard covers them: nr frames from `first`
 * on, none with 0. The memory is the caller's, who lets one call at a time work on a guard and takes it to 0
 * frames before its end. Mappings made before stay as they are. Takes LOCK_IOMEM.
 */
struct iomem_guard {
    struct iomem_guard *next;
    uint64_t first, nr;
};
void iomem_guard_set(struct iomem_guard *guard, mfn_t first, uint64_t nr);
static inline bool iomem_guard_covers(const struct iomem_guard *guard, mfn_t mfn)
{
    return mfn_x(mfn) - guard->first < guard->nr;
}

/* Read-only by either. Any context that may take LOCK_IOMEM. */
bool iomem_write_protected(mfn_t mfn);

/* Whether d may map the frame, given that it is not RAM. Any context that may take LOCK_IOMEM. */
bool iomem_access_ok(struct domain *d, mfn_t mfn);

/*
 * XEN_DOMCTL_iomem_permission: whether d may give nr frames from `first` on to others (it has them all, and
 * none is one that the VMM uses), and gives or takes them. What is mapped stays mapped. -ENOMEM.
 */
bool iomem_may_give(struct domain *d, uint64_t first, uint64_t nr);
int iomem_permit(struct domain *d, uint64_t first, uint64_t nr, bool allow);
void iomem_domain_init(struct domain *d);
void iomem_domain_free(struct domain *d);

/* Whether it has, or had, ports or frames of devices. */
bool domain_drives_devices(const struct domain *d);

#endif
