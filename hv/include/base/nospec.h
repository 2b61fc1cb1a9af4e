/*
 * Indices that a guest chose, kept in bounds under speculation as well
 * (bounds-check bypass, CVE-2017-5753): a mispredicted range check must not
 * load from an address of the guest's choice.
 */
#ifndef BASE_NOSPEC_H
#define BASE_NOSPEC_H

#include <base/compiler.h>
#include <base/types.h>

/* index if it is below size, else another one that is; without a branch. */
static __always_inline uint64_t index_nospec(uint64_t index, uint64_t size)
{
    uint64_t mask;

    if (__builtin_constant_p(size) && !(size & (size - 1))) {
        /* Not in C: the compiler knows the range check, and would drop it. */
        __asm__("and %1, %0" : "+r"(index) : "er"(size - 1) : "cc");
        return index;
    }
    /* The borrow of index - size is set just when index < size: mask is then all ones. */
    __asm__("cmp %2, %1; sbb %0, %0" : "=r"(mask) : "r"(index), "rm"(size) : "cc");
    return index & mask;
}

#endif
