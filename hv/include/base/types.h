/*
 * Basic types. Frame numbers and physical addresses are distinct structs so
 * that mixing a guest's numbering with the machine's does not compile.
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1UL << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_SIZE - 1))

/* Machine frame number: index of a 4 KiB frame of the real machine. */
typedef struct {
    uint64_t m;
} mfn_t;

/* Guest frame number: a guest's own frame numbering (pfn for PV guests). */
typedef struct {
    uint64_t g;
} gfn_t;

/* Physical address in the real machine, in bytes. */
typedef struct {
    uint64_t p;
} paddr_t;

#define INVALID_MFN ((mfn_t){~0UL})
#define INVALID_GFN ((gfn_t){~0UL})

static inline mfn_t _mfn(uint64_t m)
{
    return (mfn_t){m};
}

static inline uint64_t mfn_x(mfn_t mfn)
{
    return mfn.m;
}

static inline gfn_t _gfn(uint64_t g)
{
    return (gfn_t){g};
}

static inline uint64_t gfn_x(gfn_t gfn)
{
    return gfn.g;
}

static inline paddr_t _paddr(uint64_t p)
{
    return (paddr_t){p};
}

static inline uint64_t paddr_x(paddr_t pa)
{
    return pa.p;
}

static inline bool mfn_eq(mfn_t a, mfn_t b)
{
    return a.m == b.m;
}

static inline mfn_t mfn_add(mfn_t mfn, uint64_t frames)
{
    return _mfn(mfn.m + frames);
}

static inline paddr_t mfn_to_paddr(mfn_t mfn)
{
    return _paddr(mfn.m << PAGE_SHIFT);
}

static inline mfn_t paddr_to_mfn(paddr_t pa)
{
    return _mfn(pa.p >> PAGE_SHIFT);
}

/* System time in nanoseconds since the VMM started its clock. */
typedef int64_t s_time_t;

#endif
