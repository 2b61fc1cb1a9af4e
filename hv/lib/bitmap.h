/*
 * Arrays of bits, kept in unsigned longs with bit 0 the least significant one of the first: the
 * layout of the bitmaps in Xen's shared structures.
 *
 * The functions named *_atomic are atomic read-modify-writes with full ordering; the others may be
 * used only where nothing else changes the same word.  Reading a bit is a single load.
 */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include <stdbool.h>
#include <stddef.h>

#define BITS_PER_LONG 64

#define BITMAP_LONGS(bits)         (((bits) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITMAP_LONGS(bits)]

static inline unsigned long bitmap_mask(unsigned int bit)
{
    return 1ul << (bit % BITS_PER_LONG);
}

static inline bool bitmap_test(const unsigned long *map, unsigned int bit)
{
    return __atomic_load_n(&map[bit / BITS_PER_LONG], __ATOMIC_RELAXED) & bitmap_mask(bit);
}

static inline void bitmap_set(unsigned long *map, unsigned int bit)
{
    map[bit / BITS_PER_LONG] |= bitmap_mask(bit);
}

static inline void bitmap_clear(unsigned long *map, unsigned int bit)
{
    map[bit / BITS_PER_LONG] &= ~bitmap_mask(bit);
}

static inline bool bitmap_test_and_set(unsigned long *map, unsigned int bit)
{
    bool old = bitmap_test(map, bit);

    bitmap_set(map, bit);
    return old;
}

static inline bool bitmap_test_and_clear(unsigned long *map, unsigned int bit)
{
    bool old = bitmap_test(map, bit);

    bitmap_clear(map, bit);
    return old;
}

static inline bool bitmap_test_and_set_atomic(unsigned long *map, unsigned int bit)
{
    unsigned long mask = bitmap_mask(bit);

    return __atomic_fetch_or(&map[bit / BITS_PER_LONG], mask, __ATOMIC_SEQ_CST) & mask;
}

static inline bool bitmap_test_and_clear_atomic(unsigned long *map, unsigned int bit)
{
    unsigned long mask = bitmap_mask(bit);

    return __atomic_fetch_and(&map[bit / BITS_PER_LONG], ~mask, __ATOMIC_SEQ_CST) & mask;
}

static inline void bitmap_set_atomic(unsigned long *map, unsigned int bit)
{
    __atomic_fetch_or(&map[bit / BITS_PER_LONG], bitmap_mask(bit), __ATOMIC_SEQ_CST);
}

static inline void bitmap_clear_atomic(unsigned long *map, unsigned int bit)
{
    __atomic_fetch_and(&map[bit / BITS_PER_LONG], ~bitmap_mask(bit), __ATOMIC_SEQ_CST);
}

/* The first set bit at or after @start, or @bits when there is none below @bits. */
static inline unsigned int bitmap_find_next_set(const unsigned long *map, unsigned int bits,
                                                unsigned int start)
{
    while (start < bits) {
        unsigned long word = map[start / BITS_PER_LONG] >> (start % BITS_PER_LONG);

        if (word) {
            start += __builtin_ctzl(word);
            return start < bits ? start : bits;
        }
        start = (start | (BITS_PER_LONG - 1)) + 1;
    }
    return bits;
}

/* The first clear bit at or after @start, or @bits when there is none below @bits. */
static inline unsigned int bitmap_find_next_clear(const unsigned long *map, unsigned int bits,
                                                  unsigned int start)
{
    while (start < bits) {
        unsigned long word = ~map[start / BITS_PER_LONG] >> (start % BITS_PER_LONG);

        if (word) {
            start += __builtin_ctzl(word);
            return start < bits ? start : bits;
        }
        start = (start | (BITS_PER_LONG - 1)) + 1;
    }
    return bits;
}

static inline unsigned int bitmap_find_first_set(const unsigned long *map, unsigned int bits)
{
    return bitmap_find_next_set(map, bits, 0);
}

static inline unsigned int bitmap_find_first_clear(const unsigned long *map, unsigned int bits)
{
    return bitmap_find_next_clear(map, bits, 0);
}

/* Runs the following statement with @bit set to each set bit below @bits, in rising order. */
#define bitmap_for_each_set(bit, map, bits)                                                                  \
    for ((bit) = bitmap_find_next_set(map, bits, 0); (bit) < (bits);                                         \
         (bit) = bitmap_find_next_set(map, bits, (bit) + 1))

/* The mask of the bits of one word that lie in [start, end), where start lies in that word. */
static inline unsigned long bitmap_range_mask(unsigned int start, unsigned int end)
{
    unsigned int first = start % BITS_PER_LONG;
    unsigned int count = end - start;
    unsigned long mask = ~0ul << first;

    if (first + (unsigned long)count < BITS_PER_LONG)
        mask &= (1ul << (first + count)) - 1;
    return mask;
}

static inline void bitmap_set_range(unsigned long *map, unsigned int start, unsigned int count)
{
    unsigned int end = start + count;

    while (start < end) {
        map[start / BITS_PER_LONG] |= bitmap_range_mask(start, end);
        start = (start | (BITS_PER_LONG - 1)) + 1;
    }
}

static inline void bitmap_clear_range(unsigned long *map, unsigned int start, unsigned int count)
{
    unsigned int end = start + count;

    while (start < end) {
        map[start / BITS_PER_LONG] &= ~bitmap_range_mask(start, end);
        start = (start | (BITS_PER_LONG - 1)) + 1;
    }
}

/* Is every bit of the range set? (True for an empty range.) */
static inline bool bitmap_range_is_set(const unsigned long *map, unsigned int start, unsigned int count)
{
    return bitmap_find_next_clear(map, start + count, start) == start + count;
}

static inline bool bitmap_range_is_clear(const unsigned long *map, unsigned int start, unsigned int count)
{
    return bitmap_find_next_set(map, start + count, start) == start + count;
}

/* The lowest start of @count clear bits in a row below @bits, or @bits.  @count is not zero. */
static inline unsigned int bitmap_find_clear_range(const unsigned long *map, unsigned int bits,
                                                   unsigned int count)
{
    unsigned int start = bitmap_find_next_clear(map, bits, 0);

    while (start < bits && count <= bits - start) {
        unsigned int busy = bitmap_find_next_set(map, start + count, start);

        if (busy == start + count)
            return start;
        start = bitmap_find_next_clear(map, bits, busy);
    }
    return bits;
}

static inline bool bitmap_is_empty(const unsigned long *map, unsigned int bits)
{
    return bitmap_find_first_set(map, bits) == bits;
}

static inline bool bitmap_is_full(const unsigned long *map, unsigned int bits)
{
    return bitmap_find_first_clear(map, bits) == bits;
}

static inline unsigned int bitmap_weight(const unsigned long *map, unsigned int bits)
{
    unsigned int n = 0, start = 0;

    while (start < bits) {
        n += __builtin_popcountl(map[start / BITS_PER_LONG] & bitmap_range_mask(start, bits));
        start += BITS_PER_LONG;
    }
    return n;
}

/* The next four work on whole words: bits beyond @bits in the last word are written too. */
static inline void bitmap_zero(unsigned long *map, unsigned int bits)
{
    for (size_t i = 0; i < BITMAP_LONGS(bits); i++)
        map[i] = 0;
}

static inline void bitmap_copy(unsigned long *dst, const unsigned long *src, unsigned int bits)
{
    for (size_t i = 0; i < BITMAP_LONGS(bits); i++)
        dst[i] = src[i];
}

static inline void bitmap_and(unsigned long *dst, const unsigned long *a, const unsigned long *b,
                              unsigned int bits)
{
    for (size_t i = 0; i < BITMAP_LONGS(bits); i++)
        dst[i] = a[i] & b[i];
}

static inline void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b,
                             unsigned int bits)
{
    for (size_t i = 0; i < BITMAP_LONGS(bits); i++)
        dst[i] = a[i] | b[i];
}

/* Sets exactly the bits below @bits, and clears the rest of the last word. */
static inline void bitmap_fill(unsigned long *map, unsigned int bits)
{
    bitmap_zero(map, bits);
    bitmap_set_range(map, 0, bits);
}

static inline bool bitmap_intersects(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
    for (unsigned int start = 0; start < bits; start += BITS_PER_LONG)
        if (a[start / BITS_PER_LONG] & b[start / BITS_PER_LONG] & bitmap_range_mask(start, bits))
            return true;
    return false;
}

static inline bool bitmap_equal(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
    for (unsigned int start = 0; start < bits; start += BITS_PER_LONG)
        if ((a[start / BITS_PER_LONG] ^ b[start / BITS_PER_LONG]) & bitmap_range_mask(start, bits))
            return false;
    return true;
}

#endif
