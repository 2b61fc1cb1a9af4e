/*
 * Indices that a guest chose, kept in bounds under speculation as well
 * (bounds-check bypass, CVE-2017-5753): a mispredicted range check must not
 * load from an address of the guest's choice.
 */
#ifndef BASE_NOSPEC_H
#define BASE_NOSPEC_H

#include <base/types.h>

/* index if it is below size, else 0; without a branch. */
static inline uint64_t index_nospec(uint64_t index, uint64_t size)
{
    uint64_t mask;

    /* The borrow of index - size is set just when index < size: mask is then all ones. */
    __asm__("cmp %2, %1; sbb %0, %0" : "=r"(mask) : "r"(index), "rm"(size) : "cc");
    return index & mask;
}

#endif
