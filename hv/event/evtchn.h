/* Event channels: the guest's interrupts. */
#ifndef EVENT_EVTCHN_H
#define EVENT_EVTCHN_H

#include <base/types.h>

struct domain;
struct vcpu;

int evtchn_init(struct domain *d, uint32_t max_port);
/* Closes every port; preemptible: 0 or -ERESTART. */
int evtchn_destroy(struct domain *d);
void evtchn_free(struct domain *d); /* memory, after the last reference */

/* EVTCHNOP_send by d, which may be another domain than current's: 0, -EINVAL (no such port, or not sendable).
 */
int evtchn_send(struct domain *d, uint32_t port);

/* Raise; no effect if the VIRQ is not bound. Any context. */
void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq);
void send_guest_global_virq(struct domain *d, uint32_t virq);
/* To whichever domain owns a global VIRQ (VIRQ_CON_RING, VIRQ_DOM_EXC ...): dom0 unless delegated. */
void send_global_virq(uint32_t virq);
bool virq_is_global(uint32_t virq);
/* XEN_DOMCTL_set_virq_handler. -EINVAL: not a global VIRQ. */
int set_global_virq_owner(uint32_t virq, struct domain *d);
/* A physical interrupt's port; false if it could not be delivered (not bound). Any context. */
bool send_guest_port(struct domain *d, uint32_t port);

/* Sets evtchn_upcall_pending and kicks the vCPU. */
void vcpu_mark_events_pending(struct vcpu *v);
/*
 * v->vcpu_info now points to another place, to which the old contents were
 * copied: makes the vCPU look at all its events, so that none is lost.
 */
void evtchn_vcpu_info_moved(struct vcpu *v);
bool evtchn_port_pending(struct domain *d, uint32_t port);
bool evtchn_port_masked(struct domain *d, uint32_t port);

/* EVTCHNOP_unmask on behalf of the VMM (PHYSDEVOP_eoi with auto-unmask). */
int evtchn_unmask(struct domain *d, uint32_t port);

static inline bool events_need_delivery(const void *vcpu_info)
{
    const uint8_t *vi = vcpu_info; /* upcall_pending, upcall_mask: <xen/xen.h> struct vcpu_info */

    return vi[0] && !vi[1];
}

#endif
