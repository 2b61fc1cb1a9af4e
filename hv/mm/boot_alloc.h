/*
 * Frames before the frame table exists: from RAM below 4 GiB (mapped by the
 * boot tables), top down, never given back one by one. What is left goes to
 * the page allocator.
 */
#ifndef MM_BOOT_ALLOC_H
#define MM_BOOT_ALLOC_H

#include <base/types.h>

/* Adds a free range of RAM, in bytes; only whole frames of it are used. */
void boot_alloc_add(uint64_t start, uint64_t end);
/* Removes a range: the image, modules, tables in use. Panics naming what if there are too many pieces. */
void boot_alloc_reserve(uint64_t start, uint64_t end, const char *what);
/* Contiguous frames, aligned to align frames, zeroed. Panics if there are none. */
mfn_t boot_alloc(uint64_t frames, uint64_t align);
/* Ends it: calls give(first, frames) for each range left. */
void boot_alloc_finish(void (*give)(mfn_t first, uint64_t frames));

#endif
