/*
 * Physical interrupts of a domain. A pirq is the domain's number for an
 * interrupt source (an irq_desc); it is mapped to the source by physdev_op and
 * bound to one of the domain's event channels by EVTCHNOP_bind_pirq.
 *
 * Locks: map and unmap take LOCK_PIRQ of the domain. Bind, unbind and what
 * follows a bind take only LOCK_IRQ_DESC, so event-channel code may call them
 * under its own locks. A struct pirq, once made, lives until pirq_domain_free().
 */
#ifndef IRQ_PIRQ_H
#define IRQ_PIRQ_H

#include <base/types.h>

struct domain;
struct vcpu;

struct pirq {
    struct domain *domain;
    uint32_t pirq;
    uint32_t irq;      /* mapped source, IRQ_NONE if none; changes under LOCK_PIRQ and the source's lock */
    bool denied;       /* XEN_DOMCTL_irq_permission took the right to it away; LOCK_PIRQ */
    bool reserved;     /* PHYSDEVOP_get_free_pirq gave it out, nothing mapped yet; LOCK_PIRQ */
    bool eoi_owed;     /* source's lock, as the rest */
    uint32_t port;     /* bound event channel, 0 if none */
    struct vcpu *vcpu; /* to which that channel is bound */
};

int pirq_domain_init(struct domain *d);
/* The domain dies: unbinds and unmaps all. 0 or -ERESTART. */
int pirq_domain_release(struct domain *d);
void pirq_domain_free(struct domain *d);

/*
 * For EVTCHNOP_bind_pirq: from now on the interrupt raises port, on the CPU of
 * v if that is possible. -EINVAL: no such number; -EPERM: not mapped, or denied; -EBUSY: the VMM or a domain
 * that does not share has it; -EEXIST: already bound.
 */
int pirq_bind(struct domain *d, uint32_t pirq, uint32_t port, struct vcpu *v, bool share);
/*
 * The port closes. Nothing if the pirq is not bound to this port (any more). A
 * delivery on another CPU may still raise the port for a moment after this returns.
 */
void pirq_unbind(struct domain *d, uint32_t pirq, uint32_t port);
/* EVTCHNOP_bind_vcpu. That vCPUs move needs no call: the source follows at its next interrupt. */
void pirq_set_vcpu(struct domain *d, uint32_t pirq, uint32_t port, struct vcpu *v);

/*
 * Maps a source as d's pirq number (negative: any; for the hardware domain
 * the source's own number if that is free). The number; -EINVAL, -EEXIST (number or source mapped
 * otherwise), -ENOSPC, -ENOMEM. Mapping the same pair again gives the number.
 */
int pirq_map_gsi(struct domain *d, uint32_t gsi, int pirq);
/* nr consecutive MSI sources first.. as nr consecutive numbers, from pirq or chosen when negative. */
int pirq_map_msi(struct domain *d, uint32_t first_irq, uint32_t nr, int pirq);
/*
 * Unbinds too; frees an MSI source. A group of MSIs goes with its first number.
 * -EINVAL: neither mapped nor reserved, or inside a group.
 */
int pirq_unmap(struct domain *d, uint32_t pirq);
/* Reserves a free number; -ENOSPC, -ENOMEM. */
int pirq_reserve(struct domain *d, bool gsi);
/*
 * XEN_DOMCTL_irq_permission: whether d may bind the source that is the caller's pirq. To map it for d gives
 * the right, too. What is bound stays. -EPERM: the caller has no such pirq, or no right to it.
 */
int pirq_permit(struct domain *caller, uint32_t pirq, struct domain *d, bool allow);
/* The source of a mapped pirq, or IRQ_NONE. */
uint32_t pirq_to_irq(struct domain *d, uint32_t pirq);

/* PHYSDEVOP_eoi. -EINVAL: no such pirq. */
int pirq_eoi(struct domain *d, uint32_t pirq);
/* XENIRQSTAT_* in *flags. -EINVAL: number out of range. */
int pirq_status(struct domain *d, uint32_t pirq, uint32_t *flags);
/* PHYSDEVOP_pirq_eoi_gmfn_*: bits of pirqs that need an EOI, in a page of the domain. -EBUSY, -EINVAL. */
int pirq_set_eoi_map(struct domain *d, mfn_t mfn, bool auto_unmask);

#endif
