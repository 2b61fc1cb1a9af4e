/* Which I/O ports a domain may use. Enforced by the emulation of IN and OUT (pv/emulate_priv.c). */
#ifndef PV_IOPORT_H
#define PV_IOPORT_H

#include <base/types.h>

struct domain;

/* Keeps ports first..last from the hardware domain. Only at boot, before a domain runs. */
void ioport_deny(uint16_t first, uint16_t last);

/*
 * Whether d may access all of [port, port + bytes): the hardware domain every
 * port that is not denied or was taken from it, others those of their bitmap. False if the range
 * passes port 0xffff. Any context.
 */
bool ioport_access_ok(const struct domain *d, uint16_t port, unsigned int bytes);

/*
 * XEN_DOMCTL_ioport_permission: whether d may give ports first..last to others (it has them all, and none
 * is one that the VMM uses or emulates), and gives or takes them. -ENOMEM.
 */
bool ioport_may_give(const struct domain *d, uint32_t first, uint32_t last);
int ioport_permit(struct domain *d, uint32_t first, uint32_t last, bool allow);

#endif
