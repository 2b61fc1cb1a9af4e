/* The arguments of a grant table operation: (command, address, count) of structures with a status each. */
#ifndef GRANT_BATCH_H
#define GRANT_BATCH_H

#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/guest_access.h>

/*
 * Fetches each structure into op, has one(&op) say its status, and writes it
 * back; may be preempted, and then goes on with the next. The value of the
 * hypercall: 0, -EFAULT, -ERESTART.
 */
#define grant_for_each(args, op, one)                                                                        \
    ({                                                                                                       \
        long rc_ = 0;                                                                                        \
                                                                                                             \
        while (!rc_ && (args)->a[2]) {                                                                       \
            rc_ = copy_from_guest(&(op), (args)->a[1], sizeof(op));                                          \
            if (rc_)                                                                                         \
                break;                                                                                       \
            (op).status = one(&(op));                                                                        \
            rc_ = copy_to_guest((args)->a[1], &(op), sizeof(op));                                            \
            if (!rc_)                                                                                        \
                rc_ = grant_next(args, sizeof(op));                                                          \
        }                                                                                                    \
        rc_;                                                                                                 \
    })

/* One structure is done. 0, or -ERESTART: stop before the next, for something more urgent. */
static inline long grant_next(struct hypercall_args *args, size_t size)
{
    args->a[1] += size;
    args->a[2]--;
    return args->a[2] && hypercall_preempt_check() ? -ERESTART : 0;
}

/* The one structure of an operation that takes no more of them. 0, -EINVAL, -EFAULT. */
static inline int grant_fetch_single(void *op, uint64_t gva, uint32_t count, size_t size)
{
    return count != 1 ? -EINVAL : copy_from_guest(op, gva, size);
}

#endif
