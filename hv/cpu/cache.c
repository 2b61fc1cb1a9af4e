#include <cpu/cache.h>

#define CACHE_LINE 64 /* bytes; what CLFLUSH works on, on every CPU with long mode */

/* MFENCE orders CLFLUSH with what comes before and after, on CPUs of all vendors: SDM vol 2 and APM vol 3,
 * CLFLUSH. */
void flush_cache_lines(const void *start, size_t length)
{
    const char *line = start, *end = line + length;

    __asm__ __volatile__("mfence" ::: "memory");
    for (line -= (uint64_t)line % CACHE_LINE; line < end; line += CACHE_LINE)
        __asm__ __volatile__("clflush %0" ::"m"(*line) : "memory");
    __asm__ __volatile__("mfence" ::: "memory");
}
