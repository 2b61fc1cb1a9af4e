#include <base/errno.h>
#include <lib/ctype.h>
#include <lib/parse.h>

int parse_u64(const char *s, const char **end, unsigned int base, uint64_t *out)
{
    uint64_t value = 0;
    const char *start;

    if ((base == 0 || base == 16) && s[0] == '0' && to_lower(s[1]) == 'x' && hex_digit(s[2]) >= 0) {
        base = 16;
        s += 2;
    } else if (base == 0) {
        base = s[0] == '0' ? 8 : 10;
    }

    for (start = s;; s++) {
        int digit = hex_digit(*s);

        if (digit < 0 || (unsigned int)digit >= base)
            break;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, (unsigned int)digit, &value))
            return -ERANGE;
    }
    if (s == start)
        return -EINVAL;

    *out = value;
    *end = s;
    return 0;
}

int parse_size(const char *s, const char **end, unsigned int default_shift, uint64_t *out)
{
    unsigned int shift = default_shift;
    uint64_t value;
    int err = parse_u64(s, &s, 0, &value);

    if (err)
        return err;

    switch (to_lower(*s)) {
    case 'b':
        shift = 0;
        break;
    case 'k':
        shift = 10;
        break;
    case 'm':
        shift = 20;
        break;
    case 'g':
        shift = 30;
        break;
    case 't':
        shift = 40;
        break;
    default:
        s--;
        break;
    }
    s++;
    if (value > UINT64_MAX >> shift)
        return -ERANGE;

    *out = value << shift;
    *end = s;
    return 0;
}
