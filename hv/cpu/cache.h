#ifndef CPU_CACHE_H
#define CPU_CACHE_H

#include <base/types.h>

/* Writes back and drops the lines of these bytes from the caches of all CPUs. */
void flush_cache_lines(const void *start, size_t length);

#endif
