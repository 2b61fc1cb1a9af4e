/* Collects the VMM's messages instead of printing them; a panic ends the test that caused it. */
#include <unit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <base/bug.h>
#include <console/printk.h>
#include <stubs/printk.h>

char messages[16384];

void clear_messages(void)
{
    messages[0] = '\0';
}

int message_lines(void)
{
    int n = 0;

    for (const char *p = messages; *p; p++)
        n += *p == '\n';
    return n;
}

static void collect(const char *fmt, va_list args)
{
    size_t used = strlen(messages);

    vsnprintf(messages + used, sizeof(messages) - used, fmt, args);
}

void printk(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    collect(fmt, args);
    va_end(args);
}

void printk_level(enum log_level level, const char *fmt, ...)
{
    va_list args;

    (void)level;
    va_start(args, fmt);
    collect(fmt, args);
    va_end(args);
}

void guest_printk_level(enum log_level level, domid_t domid, const char *fmt, ...)
{
    va_list args;

    (void)level;
    (void)domid;
    va_start(args, fmt);
    collect(fmt, args);
    va_end(args);
}

/* For expect_assert_failure(). */
static void __attribute__((noreturn)) fail_in(const char *what, const char *fmt, va_list args)
{
    collect(fmt, args);
    mock_assert(0, messages, what, 0);
    abort();
}

void panic(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fail_in("panic", fmt, args);
}

void boot_refuse(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fail_in("boot_refuse", fmt, args);
}
