#include <lib/string.h>
#include <stdint.h>

#ifndef HOSPES_UNIT_TEST
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#endif

#if !defined(HOSPES_UNIT_TEST) || defined(UNIT_TEST_STRING)

/*
 * Eight bytes at a time by string instruction: as fast as "rep movsb" on processors with fast
 * string operations for anything page-sized, and eight times faster where each iteration counts.
 */
static inline void copy_forward(void *dst, const void *src, size_t n)
{
    size_t words = n / 8;

    asm volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
    n &= 7;
    asm volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    copy_forward(dst, src, n);
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    /* Unsigned wrap makes this one test: dst lies outside [src, src + n). */
    if ((uintptr_t)dst - (uintptr_t)src >= n) {
        copy_forward(dst, src, n);
        return dst;
    }

    unsigned char *d = dst;
    const unsigned char *s = src;

    while (n >= 8) {
        uint64_t word;

        n -= 8;
        __builtin_memcpy(&word, s + n, 8);
        __builtin_memcpy(d + n, &word, 8);
    }
    while (n--) {
        d[n] = s[n];
        /* Keep the compiler from recognizing the loop as a call to memmove. */
        asm volatile("" : : : "memory");
    }
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    void *p = dst;
    size_t words = n / 8;
    uint64_t fill = 0x0101010101010101ull * (uint8_t)c;

    asm volatile("rep stosq" : "+D"(p), "+c"(words) : "a"(fill) : "memory");
    n &= 7;
    asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(fill) : "memory");
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (; n >= 8; n -= 8, x += 8, y += 8) {
        uint64_t u, v;

        __builtin_memcpy(&u, x, 8);
        __builtin_memcpy(&v, y, 8);
        if (u != v) {
            u = __builtin_bswap64(u);
            v = __builtin_bswap64(v);
            return u < v ? -1 : 1;
        }
    }
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;

    for (; n; n--, p++)
        if (*p == (unsigned char)c)
            return (void *)p;
    return NULL;
}

size_t strlen(const char *s)
{
    const char *p = s;

    while (*p)
        p++;
    return p - s;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++) {
        if (*a != *b)
            return (unsigned char)*a - (unsigned char)*b;
        if (!*a)
            break;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    const char *last = NULL;

    do {
        if (*s == (char)c)
            last = s;
    } while (*s++);
    return (char *)last;
}

char *strstr(const char *haystack, const char *needle)
{
    size_t n = strlen(needle);

    for (; *haystack || !n; haystack++)
        if (!strncmp(haystack, needle, n))
            return (char *)haystack;
    return NULL;
}

#endif

size_t strlcpy(char *dst, const char *src, size_t size)
{
    size_t len = strlen(src);

    if (size) {
        size_t n = len < size ? len : size - 1;

        memcpy(dst, src, n);
        dst[n] = '\0';
    }
    return len;
}
