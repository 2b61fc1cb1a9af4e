/*
 * Memory and string primitives.
 *
 * The names and semantics are ISO C's (strlcpy: BSD's).  The compiler emits calls to memcpy,
 * memmove, memset and memcmp by itself, so these four exist as real functions under those names.
 * Under HOSPES_UNIT_TEST the host's C library provides all of them but strlcpy.
 */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include <stddef.h>

#ifdef HOSPES_UNIT_TEST
#include <string.h>
#define strlcpy hospes_strlcpy
#else

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *haystack, const char *needle);

/* -ffreestanding hides these from the optimizer, which would inline small constant sizes. */
#define memcpy(d, s, n)  __builtin_memcpy(d, s, n)
#define memmove(d, s, n) __builtin_memmove(d, s, n)
#define memset(d, c, n)  __builtin_memset(d, c, n)
#define memcmp(a, b, n)  __builtin_memcmp(a, b, n)
#define strlen(s)        __builtin_strlen(s)

#endif

/*
 * Copies as much of @src as fits into the @size bytes at @dst, always terminated when @size is not
 * zero.  Returns strlen(@src): the copy was cut short when that is >= @size.
 */
size_t strlcpy(char *dst, const char *src, size_t size);

#endif
