/* CPU sets as tools pass them: struct xenctl_bitmap (<xen/xen.h>), any length. */
#ifndef CONTROL_GUEST_BITMAP_H
#define CONTROL_GUEST_BITMAP_H

#include <base/types.h>
#include <cpu/smp.h>
#include <xen/xen.h>

/* Bits beyond MAX_CPUS are dropped, missing ones are zero. -EFAULT, -EINVAL (longer than any sane set). */
int cpumask_from_guest(cpumask_t *mask, const struct xenctl_bitmap *bitmap) __must_check;
/* Writes nr_bits, rounded up to bytes; what the mask does not have is zero. -EFAULT. */
int cpumask_to_guest(const struct xenctl_bitmap *bitmap, const cpumask_t *mask) __must_check;

#endif
