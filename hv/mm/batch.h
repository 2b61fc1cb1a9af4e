/*
 * What mmu_update and mmuext_op share: a batch of requests, (address, count,
 * where the guest wants to read how many were done, foreign domain), that may
 * be preempted and then goes on behind the last request done.
 */
#ifndef MM_BATCH_H
#define MM_BATCH_H

#include <base/compiler.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <mm/page_type.h>

/* A preempted batch continues with this bit in its count (not of the ABI; guests that set it harm nobody). */
#define BATCH_CONTINUED (1u << 31)

/*
 * The count of requests, and in *before how many were done before a preemption.
 * -ERESTART: tables that an earlier request let go come first; -EFAULT.
 */
static __always_inline __must_check int batch_begin(const struct hypercall_args *args, uint32_t *count,
                                                    uint32_t *before)
{
    uint64_t pdone = args->a[2];

    *count = (uint32_t)args->a[1];
    *before = 0;
    if (unlikely(current->mm.nr_pending) && release_pending(current))
        return -ERESTART;
    if (unlikely(*count & BATCH_CONTINUED)) {
        *count &= ~BATCH_CONTINUED;
        if (pdone && copy_from_guest(before, pdone, sizeof(*before)))
            return -EFAULT;
    }
    return 0;
}

/* Tells the guest how many of count requests are done. If rc is -ERESTART, the call goes on with the rest. */
static __always_inline void batch_end(struct hypercall_args *args, uint32_t count, uint32_t before,
                                      uint32_t done, size_t size, int rc)
{
    uint64_t pdone = args->a[2];

    if (pdone) {
        before += done;
        (void)!copy_to_guest(pdone, &before, sizeof(before));
    }
    if (unlikely(rc == -ERESTART)) {
        args->a[0] += done * size;
        args->a[1] = (count - done) | BATCH_CONTINUED;
    }
}

#endif
