/*
 * A set of numbers kept as ranges, in order, neither overlapping nor touching.
 * The caller provides the memory and the lock.
 */
#ifndef LIB_RANGES_H
#define LIB_RANGES_H

#include <base/types.h>

struct range {
    uint64_t first, last;
};

#define RANGES_MAX 127u

struct range_set {
    uint32_t nr;
    struct range range[RANGES_MAX];
};

/* First to last, both included; first <= last. False, with nothing changed, if that took too many ranges. */
bool ranges_add(struct range_set *s, uint64_t first, uint64_t last);
bool ranges_remove(struct range_set *s, uint64_t first, uint64_t last);
/* Whether all of them are in the set, or any. */
bool ranges_contain(const struct range_set *s, uint64_t first, uint64_t last);
bool ranges_overlap(const struct range_set *s, uint64_t first, uint64_t last);

#endif
