#include "lib.h"
#include "event.h"
#include "hypercall.h"
#include "mm.h"
#include "pv_console.h"
#include <xen/sched.h>

void *memset(void *dst, int c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile char *)dst)[i] = (char)c;
    return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile char *)dst)[i] = ((const char *)src)[i];
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int d = ((const unsigned char *)a)[i] - ((const unsigned char *)b)[i];

        if (d)
            return d;
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

const char *strstr(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (; *text; text++)
        if (!memcmp(text, word, n))
            return text;
    return NULL;
}

#define XEN_ERRNO(name, value) {#name, value},
static const struct {
    const char *name;
    int value;
} errno_names[] = {
#include <xen/errno.h>
};

static const char *errno_name(long value)
{
    for (size_t i = 0; i < ARRAY_SIZE(errno_names); i++)
        if (errno_names[i].value == value)
            return errno_names[i].name;
    return NULL;
}

struct line {
    char text[512];
    size_t len;
};

static void put(struct line *l, char c)
{
    if (l->len < sizeof(l->text))
        l->text[l->len++] = c;
}

static void put_string(struct line *l, const char *s)
{
    while (*s)
        put(l, *s++);
}

static void put_number(struct line *l, unsigned long v, unsigned int base, int width)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (width-- > n)
        put(l, '0');
    while (n)
        put(l, digits[--n]);
}

static void put_errno(struct line *l, long v)
{
    const char *name = v < 0 ? errno_name(-v) : NULL;

    if (name) {
        put(l, '-');
        put_string(l, name);
        return;
    }
    if (v < 0) {
        put(l, '-');
        v = -v;
    }
    put_number(l, (unsigned long)v, 10, 0);
}

static void format(struct line *l, const char *fmt, va_list ap)
{
    for (; *fmt; fmt++) {
        bool is_long = false;
        int width = 0;
        long v;

        if (*fmt != '%') {
            put(l, *fmt);
            continue;
        }
        while (*++fmt >= '0' && *fmt <= '9')
            width = width * 10 + *fmt - '0';
        for (; *fmt == 'l'; fmt++)
            is_long = true;
        switch (*fmt) {
        case 's':
            put_string(l, va_arg(ap, const char *));
            break;
        case 'c':
            put(l, (char)va_arg(ap, int));
            break;
        case 'e':
            put_errno(l, va_arg(ap, long));
            break;
        case 'd':
            v = is_long ? va_arg(ap, long) : va_arg(ap, int);
            if (v < 0)
                put(l, '-');
            put_number(l, (unsigned long)(v < 0 ? -v : v), 10, width);
            break;
        case 'u':
            put_number(l, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int), 10, width);
            break;
        case 'x':
            put_number(l, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int), 16, width);
            break;
        default:
            put(l, *fmt);
            break;
        }
    }
}

void (*print_hook)(const char *text, size_t len);
void (*finish_hook)(void);

static void write_line(const struct line *l)
{
    if (print_hook)
        print_hook(l->text, l->len);
    else if (start_info->flags & SIF_INITDOMAIN)
        HC3(__HYPERVISOR_console_io, CONSOLEIO_write, l->len, l->text);
    else
        pv_console_write(l->text, l->len);
}

void print(const char *fmt, ...)
{
    struct line l = {.len = 0};
    va_list ap;

    va_start(ap, fmt);
    format(&l, fmt, ap);
    va_end(ap);
    write_line(&l);
}

const char *result_prefix;

void result(const char *name, const char *fmt, ...)
{
    struct line l = {.len = 0};
    va_list ap;

    put_string(&l, "TEST ");
    if (result_prefix)
        put_string(&l, result_prefix);
    put_string(&l, name);
    put_string(&l, ": ");
    va_start(ap, fmt);
    format(&l, fmt, ap);
    va_end(ap);
    put(&l, '\n');
    write_line(&l);
}

void result_errno(const char *name, long value)
{
    result(name, "%e", value);
}

void audit_point(void)
{
    uint64_t end = system_time() + 10000000000ul;
    char c = 0;

    print("AUDIT\n");
    while (c != 'c' && system_time() < end)
        HC3(__HYPERVISOR_console_io, CONSOLEIO_read, 1, &c);
}

void finish(void)
{
    struct sched_shutdown arg = {.reason = SHUTDOWN_poweroff};

    if (finish_hook)
        finish_hook();
    audit_point();
    print("DONE\n");
    for (;;)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
}
