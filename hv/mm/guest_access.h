/*
 * The only way to a guest's memory by its virtual addresses: range-checked
 * (never into the VMM, nor its machine-to-phys table), fault-safe, in the
 * address space that is loaded now, i.e. that of current in guest-kernel mode.
 */
#ifndef MM_GUEST_ACCESS_H
#define MM_GUEST_ACCESS_H

#include <base/types.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <cpu/extable.h>
#include <cpu/smap.h>
#include <mm/layout.h>

/* The address in a XEN_GUEST_HANDLE, as a number. */
#define guest_handle_va(h) ((uint64_t)(h).p)

/* Whether [gva, gva+len) lies outside the VMM's range and is canonical. */
bool guest_range_ok(uint64_t gva, size_t len);

#define GUEST_LOW_END 0x0000800000000000UL

/*
 * For accesses so short that they cannot leap over the non-canonical hole: one
 * that begins below it and runs into it faults, and one that wraps at the top
 * ends in the guest's own lowest page.
 */
static __always_inline bool guest_address_ok(uint64_t gva)
{
    return gva - GUEST_LOW_END >= VMM_VIRT_END - GUEST_LOW_END;
}

/*
 * An address that passed the check as it is. Where the CPU only guesses that it did (bounds-check bypass,
 * CVE-2017-5753), 0: what lies in the VMM's range is not loaded, to choose an address of the next load.
 */
static __always_inline uint64_t guest_address_nospec(uint64_t gva)
{
    uint64_t mask;

    /* The borrow is set just for those that are refused. */
    __asm__("cmp %2, %1; sbb %0, %0"
            : "=r"(mask)
            : "r"(gva - GUEST_LOW_END), "r"(VMM_VIRT_END - GUEST_LOW_END)
            : "cc");
    return gva & ~mask;
}

#ifdef HOSPES_UNIT_TEST

/* Tests bring a guest's memory of their own. */
int copy_from_guest(void *dst, uint64_t gva, size_t len) __must_check;
int copy_to_guest(uint64_t gva, const void *src, size_t len) __must_check;
int clear_guest(uint64_t gva, size_t len) __must_check;

#else

/* Any length; out of line. */
int copy_from_guest_len(void *dst, uint64_t gva, size_t len) __must_check;
int copy_to_guest_len(uint64_t gva, const void *src, size_t len) __must_check;
int clear_guest(uint64_t gva, size_t len) __must_check;

/* One move each; `err` is set to -EFAULT by the fault's continuation. */
#define GUEST_ACCESS_END                                                                                     \
    "2: " CLAC ".pushsection .text.fixup, \"ax\"\n3: movl %[efault], %[err]\n\tjmp 2b\n\t.popsection\n\t"

static __always_inline int guest_load64(uint64_t *dst, uint64_t va)
{
    int err = 0;
    uint64_t v;

    __asm__ __volatile__(STAC "1: movq (%[va]), %[v]\n\t" GUEST_ACCESS_END EXTABLE(1b, 3b)
                         : [err] "+r"(err), [v] "=&r"(v)
                         : [va] "r"(va), [efault] "i"(-EFAULT)
                         : "memory");
    *dst = v;
    return err;
}

static __always_inline int guest_load128(uint64_t *dst, uint64_t va)
{
    int err = 0;
    uint64_t v, w;

    __asm__ __volatile__(STAC "1: movq (%[va]), %[v]\n\t4: movq 8(%[va]), %[w]\n\t" GUEST_ACCESS_END EXTABLE(
                             1b, 3b) EXTABLE(4b, 3b)
                         : [err] "+r"(err), [v] "=&r"(v), [w] "=&r"(w)
                         : [va] "r"(va), [efault] "i"(-EFAULT)
                         : "memory");
    dst[0] = v;
    dst[1] = w;
    return err;
}

static __always_inline int guest_load192(uint64_t *dst, uint64_t va)
{
    int err = 0;
    uint64_t v, w, x;

    __asm__ __volatile__(
        STAC "1: movq (%[va]), %[v]\n\t4: movq 8(%[va]), %[w]\n\t5: movq 16(%[va]), %[x]\n\t" GUEST_ACCESS_END
            EXTABLE(1b, 3b) EXTABLE(4b, 3b) EXTABLE(5b, 3b)
        : [err] "+r"(err), [v] "=&r"(v), [w] "=&r"(w), [x] "=&r"(x)
        : [va] "r"(va), [efault] "i"(-EFAULT)
        : "memory");
    dst[0] = v;
    dst[1] = w;
    dst[2] = x;
    return err;
}

static __always_inline int guest_store64(uint64_t va, uint64_t v)
{
    int err = 0;

    __asm__ __volatile__(STAC "1: movq %[v], (%[va])\n\t" GUEST_ACCESS_END EXTABLE(1b, 3b)
                         : [err] "+r"(err)
                         : [va] "r"(va), [v] "r"(v), [efault] "i"(-EFAULT)
                         : "memory");
    return err;
}

static __always_inline int guest_store32(uint64_t va, uint32_t v)
{
    int err = 0;

    __asm__ __volatile__(STAC "1: movl %[v], (%[va])\n\t" GUEST_ACCESS_END EXTABLE(1b, 3b)
                         : [err] "+r"(err)
                         : [va] "r"(va), [v] "r"(v), [efault] "i"(-EFAULT)
                         : "memory");
    return err;
}

/*
 * A run of stores: begin, any number of put, end; a fault goes to the label,
 * where end is due as well. The address is guest_address_ok(), the run as short.
 */
static __always_inline void guest_stores_begin(void)
{
    __asm__ __volatile__(STAC ::: "memory");
}

static __always_inline void guest_stores_end(void)
{
    __asm__ __volatile__(CLAC ::: "memory");
}

#define guest_put64(va, v, fault)                                                                            \
    __asm__ goto("1: movq %0, %1\n\t" EXTABLE_TEXT("1b", "%l2")                                              \
                 :                                                                                           \
                 : "r"((uint64_t)(v)), "m"(*(uint64_t *)(va))                                                \
                 : "memory"                                                                                  \
                 : fault)

/* 0 or -EFAULT; what was copied before a fault is unspecified. Each byte of the guest is read once. */
static __always_inline __must_check int copy_from_guest(void *dst, uint64_t gva, size_t len)
{
    uint64_t v[3];
    int rc;

    if (!__builtin_constant_p(len) || (len != 8 && len != 16 && len != 24))
        return copy_from_guest_len(dst, gva, len);
    if (unlikely(!guest_address_ok(gva)))
        return -EFAULT;
    gva = guest_address_nospec(gva);
    if (len == 8)
        rc = guest_load64(v, gva);
    else if (len == 16)
        rc = guest_load128(v, gva);
    else
        rc = guest_load192(v, gva);
    __builtin_memcpy(dst, v, len);
    return rc;
}

static __always_inline __must_check int copy_to_guest(uint64_t gva, const void *src, size_t len)
{
    uint64_t v64;
    uint32_t v32;

    if (!__builtin_constant_p(len) || (len != 4 && len != 8))
        return copy_to_guest_len(gva, src, len);
    if (unlikely(!guest_address_ok(gva)))
        return -EFAULT;
    gva = guest_address_nospec(gva);
    if (len == 4) {
        __builtin_memcpy(&v32, src, 4);
        return guest_store32(gva, v32);
    }
    __builtin_memcpy(&v64, src, 8);
    return guest_store64(gva, v64);
}

#endif

/* *dst = element i of an array in the guest. */
#define copy_from_guest_index(dst, gva, i)                                                                   \
    copy_from_guest((dst), (gva) + (uint64_t)(i) * sizeof(*(dst)), sizeof(*(dst)))
#define copy_to_guest_index(gva, i, src)                                                                     \
    copy_to_guest((gva) + (uint64_t)(i) * sizeof(*(src)), (src), sizeof(*(src)))

#endif
