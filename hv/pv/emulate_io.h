/* Port I/O of PV guests: rights, and the few ports that the VMM stands in for. */
#ifndef PV_EMULATE_IO_H
#define PV_EMULATE_IO_H

#include <base/types.h>

struct vcpu;
struct cpu_user_regs;
struct insn;

/*
 * Whether the guest kernel lets the code at regs use these ports: virtual
 * IOPL, or its I/O bitmap. False: #GP for the guest.
 */
bool pv_io_allowed(struct vcpu *v, const struct cpu_user_regs *regs, uint16_t port, unsigned int bytes);

/*
 * 1, 2 or 4 bytes for current. Where its domain has no rights, a read gives
 * all ones and a write does nothing, as on a machine without that device.
 */
uint32_t pv_io_read(struct vcpu *v, uint16_t port, unsigned int bytes);
void pv_io_write(struct vcpu *v, uint16_t port, unsigned int bytes, uint32_t value);

#endif
