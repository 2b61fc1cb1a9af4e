/* CPU sets in the form of the control interfaces: struct xenctl_bitmap (<xen/xen.h>). */
#ifndef CONTROL_CPUMASK_ARG_H
#define CONTROL_CPUMASK_ARG_H

#include <base/compiler.h>
#include <cpu/smp.h>
#include <xen/xen.h>

/* Bits of CPUs that no mask can hold are dropped. -EFAULT. */
int cpumask_from_arg(cpumask_t *mask, const struct xenctl_bitmap *arg) __must_check;
/* Of CPUs that there are, as many bits as the guest has room for; what is left of its room is cleared.
 * -EFAULT. */
int cpumask_to_arg(const struct xenctl_bitmap *arg, const cpumask_t *mask) __must_check;

#endif
