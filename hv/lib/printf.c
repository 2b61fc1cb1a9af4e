#include <lib/ctype.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <stdbool.h>
#include <stdint.h>

#if !defined(HOSPES_UNIT_TEST) || defined(UNIT_TEST_PRINTF)

struct output {
    char *buf;
    size_t size;
    size_t len; /* of the whole output, stored or not */
};

enum length { LEN_CHAR, LEN_SHORT, LEN_INT, LEN_LONG };

struct spec {
    bool left, zero, alt, plus, space, upper;
    int width;
    int precision; /* negative: none given */
    enum length length;
};

static void put(struct output *out, char c)
{
    if (out->len + 1 < out->size)
        out->buf[out->len] = c;
    out->len++;
}

static void pad(struct output *out, char c, int n)
{
    while (n-- > 0)
        put(out, c);
}

static void put_string(struct output *out, const struct spec *spec, const char *s)
{
    if (!s)
        s = "(null)";

    int len = spec->precision >= 0 ? strnlen(s, spec->precision) : strlen(s);

    if (!spec->left)
        pad(out, ' ', spec->width - len);
    for (int i = 0; i < len; i++)
        put(out, s[i]);
    if (spec->left)
        pad(out, ' ', spec->width - len);
}

static void put_char(struct output *out, const struct spec *spec, char c)
{
    if (!spec->left)
        pad(out, ' ', spec->width - 1);
    put(out, c);
    if (spec->left)
        pad(out, ' ', spec->width - 1);
}

/* @prefix is the sign or the base's mark: it stands before zero padding, after blank padding. */
static void put_number(struct output *out, const struct spec *spec, uint64_t value, unsigned int base,
                       const char *prefix)
{
    const char *set = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[22];
    int n = 0, zeros = 0, prefix_len = strlen(prefix);

    for (; value; value /= base)
        digits[n++] = set[value % base];
    if (!n && spec->precision != 0)
        digits[n++] = '0';

    if (spec->precision > n)
        zeros = spec->precision - n;
    else if (spec->zero && !spec->left && spec->precision < 0 && spec->width > n + prefix_len)
        zeros = spec->width - n - prefix_len;

    int blanks = spec->width - n - prefix_len - zeros;

    if (!spec->left)
        pad(out, ' ', blanks);
    while (*prefix)
        put(out, *prefix++);
    pad(out, '0', zeros);
    while (n)
        put(out, digits[--n]);
    if (spec->left)
        pad(out, ' ', blanks);
}

static void put_signed(struct output *out, const struct spec *spec, int64_t value)
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;

    put_number(out, spec, magnitude, 10, value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "");
}

/* A number in the format, or * for one among the arguments; kept small enough to add up safely. */
static int parse_count(const char **fmt, va_list *args)
{
    int n = 0;

    if (**fmt == '*') {
        (*fmt)++;
        n = va_arg(*args, int);
        return n > 4096 ? 4096 : n < -4096 ? -4096 : n;
    }
    for (; is_digit(**fmt); (*fmt)++)
        if (n < 4096)
            n = n * 10 + (**fmt - '0');
    return n > 4096 ? 4096 : n;
}

static bool parse_flag(struct spec *spec, char c)
{
    switch (c) {
    case '-':
        spec->left = true;
        return true;
    case '0':
        spec->zero = true;
        return true;
    case '#':
        spec->alt = true;
        return true;
    case '+':
        spec->plus = true;
        return true;
    case ' ':
        spec->space = true;
        return true;
    default:
        return false;
    }
}

/* On x86-64 long, long long, size_t, ptrdiff_t and intmax_t are all 64 bits wide. */
static enum length parse_length(const char **fmt)
{
    switch (**fmt) {
    case 'h':
        (*fmt)++;
        if (**fmt != 'h')
            return LEN_SHORT;
        (*fmt)++;
        return LEN_CHAR;
    case 'l':
        (*fmt)++;
        if (**fmt == 'l')
            (*fmt)++;
        return LEN_LONG;
    case 'z':
    case 't':
    case 'j':
        (*fmt)++;
        return LEN_LONG;
    default:
        return LEN_INT;
    }
}

static void parse_spec(struct spec *spec, const char **fmt, va_list *args)
{
    *spec = (struct spec){.precision = -1};

    while (parse_flag(spec, **fmt))
        (*fmt)++;

    spec->width = parse_count(fmt, args);
    if (spec->width < 0) {
        spec->left = true;
        spec->width = -spec->width;
    }
    if (**fmt == '.') {
        (*fmt)++;
        spec->precision = parse_count(fmt, args);
    }
    spec->length = parse_length(fmt);
}

static int64_t signed_arg(enum length length, va_list *args)
{
    switch (length) {
    case LEN_CHAR:
        return (signed char)va_arg(*args, int);
    case LEN_SHORT:
        return (short)va_arg(*args, int);
    case LEN_INT:
        return va_arg(*args, int);
    default:
        return va_arg(*args, long);
    }
}

static uint64_t unsigned_arg(enum length length, va_list *args)
{
    switch (length) {
    case LEN_CHAR:
        return (unsigned char)va_arg(*args, unsigned int);
    case LEN_SHORT:
        return (unsigned short)va_arg(*args, unsigned int);
    case LEN_INT:
        return va_arg(*args, unsigned int);
    default:
        return va_arg(*args, unsigned long);
    }
}

/* Returns false for a conversion that does not exist. */
static bool convert(struct output *out, struct spec *spec, char conversion, va_list *args)
{
    uint64_t value;

    switch (conversion) {
    case '%':
        put(out, '%');
        return true;
    case 'c':
        put_char(out, spec, va_arg(*args, int));
        return true;
    case 's':
        put_string(out, spec, va_arg(*args, const char *));
        return true;
    case 'd':
    case 'i':
        put_signed(out, spec, signed_arg(spec->length, args));
        return true;
    case 'u':
        put_number(out, spec, unsigned_arg(spec->length, args), 10, "");
        return true;
    case 'o':
        value = unsigned_arg(spec->length, args);
        put_number(out, spec, value, 8, spec->alt && value ? "0" : "");
        return true;
    case 'X':
        spec->upper = true;
        /* fall through */
    case 'x':
        value = unsigned_arg(spec->length, args);
        put_number(out, spec, value, 16, !spec->alt || !value ? "" : spec->upper ? "0X" : "0x");
        return true;
    case 'p':
        spec->zero = true;
        if (!spec->width)
            spec->width = 16;
        put_number(out, spec, (uintptr_t)va_arg(*args, void *), 16, "");
        return true;
    default:
        return false;
    }
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    struct output out = {.buf = buf, .size = size};
    bool good = true;
    va_list ap;

    va_copy(ap, args);
    while (*fmt) {
        const char *start = fmt;
        struct spec spec;

        if (*fmt != '%' || !good) {
            put(&out, *fmt++);
            continue;
        }
        fmt++;
        parse_spec(&spec, &fmt, &ap);
        good = *fmt && convert(&out, &spec, *fmt, &ap);
        /* The arguments can no longer be told apart: show the rest of the format itself. */
        fmt = good ? fmt + 1 : start;
    }
    va_end(ap);

    if (size)
        buf[out.len < size ? out.len : size - 1] = '\0';
    return out.len > INT32_MAX ? INT32_MAX : (int)out.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(buf, size, fmt, args);
    va_end(args);
    return len;
}

#endif

int vscnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    int len = vsnprintf(buf, size, fmt, args);

    if (len < 0 || !size)
        return 0;
    return (size_t)len < size ? len : (int)(size - 1);
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vscnprintf(buf, size, fmt, args);
    va_end(args);
    return len;
}
