/* The parts of HYPERVISOR_sysctl: one file for each group of operations. */
#ifndef CONTROL_SYSCTL_H
#define CONTROL_SYSCTL_H

#include <base/types.h>
#include <xen/sysctl.h>

/* Each performs op->cmd with the control lock held: 0 or an errno; -ENOSYS: not of this group. */
int sysctl_machine(struct xen_sysctl *op);
int sysctl_domains(struct xen_sysctl *op);
int sysctl_power(struct xen_sysctl *op);

#endif
