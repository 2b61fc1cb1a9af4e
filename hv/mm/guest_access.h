/*
 * The only way to a guest's memory by its virtual addresses: range-checked
 * (never into the VMM), fault-safe, in the address space that is loaded now,
 * i.e. that of current in guest-kernel mode.
 */
#ifndef MM_GUEST_ACCESS_H
#define MM_GUEST_ACCESS_H

#include <base/types.h>
#include <base/compiler.h>

/* The address in a XEN_GUEST_HANDLE, as a number. */
#define guest_handle_va(h) ((uint64_t)(h).p)

/* 0 or -EFAULT; what was copied before a fault is unspecified. */
int copy_from_guest(void *dst, uint64_t gva, size_t len) __must_check;
int copy_to_guest(uint64_t gva, const void *src, size_t len) __must_check;
int clear_guest(uint64_t gva, size_t len) __must_check;
/* Whether [gva, gva+len) lies outside the VMM's range and is canonical. */
bool guest_range_ok(uint64_t gva, size_t len);

/* *dst = element i of an array in the guest. */
#define copy_from_guest_index(dst, gva, i) copy_from_guest((dst), (gva) + (uint64_t)(i) * sizeof(*(dst)), sizeof(*(dst)))
#define copy_to_guest_index(gva, i, src)   copy_to_guest((gva) + (uint64_t)(i) * sizeof(*(src)), (src), sizeof(*(src)))

#endif
