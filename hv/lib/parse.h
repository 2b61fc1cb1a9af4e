/*
 * Numbers in text.
 *
 * Each function parses from @s, stores the value in *@out and the first unused character in *@end,
 * and returns 0.  On error nothing is stored: -EINVAL when there is no number at @s, -ERANGE when
 * it does not fit.  White space and signs are not skipped.
 */
#ifndef LIB_PARSE_H
#define LIB_PARSE_H

#include <stdint.h>

/* Base 10, or 16 after "0x", or 8 after "0" when @base is 0; otherwise @base, from 2 to 16. */
int parse_u64(const char *s, const char **end, unsigned int base, uint64_t *out);

/*
 * A size with an optional suffix B, K, M, G or T of either case.  A number without a suffix is
 * counted in units of 1 << @default_shift bytes.  The result is in bytes.
 */
int parse_size(const char *s, const char **end, unsigned int default_shift, uint64_t *out);

#endif
