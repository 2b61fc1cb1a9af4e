/* Error numbers of the interface, without prefix: functions return -EINVAL etc. */
#ifndef BASE_ERRNO_H
#define BASE_ERRNO_H

#ifndef HOSPES_UNIT_TEST

#define XEN_ERRNO(name, value) name = value,
enum hospes_errno {
#include <xen/errno.h>
    ERESTART = 85, /* never leaves the VMM: preempted, call again */
};

#else /* the host's <errno.h> has the same values (Linux x86-64) */

#include <errno.h>

#endif

#endif
