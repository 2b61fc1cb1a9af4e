/* unit: tests/unit/renamed/printf.c */
#include <stdio.h>
#include <string.h>
#include <unit.h>

int hv_vsnprintf(char *buf, size_t size, const char *fmt, va_list args);
int hv_snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int scnprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Formats with ours and with the host's: both must agree in text and length. */
#define SAME(...)                                                                                            \
    do {                                                                                                     \
        char ours[256], theirs[256];                                                                         \
        int n = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                               \
        assert_int_equal(hv_snprintf(ours, sizeof(ours), __VA_ARGS__), n);                                   \
        assert_string_equal(ours, theirs);                                                                   \
    } while (0)

static void test_integers(void **state)
{
    static const long values[] = {
        0, 1, -1, 9, 10, 0x7fffffff, -0x80000000l, INT64_MAX, INT64_MIN, 0x123456789abcdef};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        long v = values[i];

        SAME("%d %u %x %X %o %i", (int)v, (int)v, (int)v, (int)v, (int)v, (int)v);
        SAME("%ld %lu %lx %lX %lo", v, v, v, v, v);
        SAME("%lld %llu %llx", (long long)v, (long long)v, (long long)v);
        SAME("%hd %hu %hhd %hhu", (short)v, (unsigned short)v, (signed char)v, (unsigned char)v);
        SAME("%zu %zd %jd %tx", (size_t)v, (ssize_t)v, (intmax_t)v, (ptrdiff_t)v);
        SAME("%#x %#lx %#o %#X", (int)v, v, (int)v, (int)v);
        SAME("%+d % d %+ld", (int)v, (int)v, v);
        SAME("[%12d] [%-12d] [%012d] [%3d]", (int)v, (int)v, (int)v, (int)v);
        SAME("[%20lx] [%-20lx] [%020lx] [%#20lx] [%#020lx]", v, v, v, v, v);
        SAME("[%.5d] [%8.5d] [%-8.5d] [%.0d] [%.0x]", (int)v, (int)v, (int)v, (int)v, (int)v);
        SAME("[%*d] [%-*d] [%.*d]", 14, (int)v, 14, (int)v, 3, (int)v);
    }
    SAME("[%*d]", -6, 42);
    SAME("[%.*d]", -6, 42);
}

static void test_strings(void **state)
{
    const char *volatile null = NULL;
    char raw[3] = {'a', 'b', 'c'};

    (void)state;
    SAME("%s|%10s|%-10s|%.2s|%10.2s|%.0s", "abc", "abc", "abc", "abc", "abc", "abc");
    SAME("%c|%5c|%-5c|", 'x', 'y', 'z');
    SAME("100%% %s", "sure");
    SAME("%s", null);
    SAME("%.3s", raw); /* precision bounds an unterminated string */
    SAME("%s", "");
}

static void test_pointer(void **state)
{
    char buf[64];

    (void)state;
    hv_snprintf(buf, sizeof(buf), "%p", (void *)0xffff820000001000ul);
    assert_string_equal(buf, "ffff820000001000");
    hv_snprintf(buf, sizeof(buf), "%p", (void *)0x1000);
    assert_string_equal(buf, "0000000000001000");
}

static void test_bounds(void **state)
{
    char buf[8];

    (void)state;
    memset(buf, 'x', sizeof(buf));
    assert_int_equal(hv_snprintf(buf, 4, "%d", 1234567), 7);
    assert_memory_equal(buf, "123\0xxxx", 8);
    assert_int_equal(hv_snprintf(buf, 1, "abc"), 3);
    assert_memory_equal(buf, "\00023\0xxxx", 8);
    assert_int_equal(hv_snprintf(NULL, 0, "%s", "counted"), 7);
    assert_int_equal(hv_snprintf(buf, 8, "1234567"), 7);
    assert_string_equal(buf, "1234567");

    assert_int_equal(scnprintf(buf, 4, "%d", 1234567), 3);
    assert_int_equal(scnprintf(buf, 4, "%d", 12), 2);
    assert_int_equal(scnprintf(buf, 0, "%d", 12), 0);
}

static void test_bad_formats(void **state)
{
    static const struct {
        const char *fmt, *out;
    } cases[] = {
        {"a%", "a%"}, {"a%q%d", "a%q%d"}, {"%-", "%-"}, {"%.", "%."}, {"%n", "%n"}, {"%l", "%l"},
    };
    char buf[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *volatile fmt = cases[i].fmt;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        hv_snprintf(buf, sizeof(buf), fmt);
#pragma GCC diagnostic pop
        assert_string_equal(buf, cases[i].out);
    }
}

static void test_huge_width(void **state)
{
    volatile int huge = 0x7fffffff, tiny = -0x7fffffff - 1;
    char buf[16];

    (void)state;
    assert_int_equal(hv_snprintf(buf, sizeof(buf), "%*d", huge, 1), 4096);
    assert_string_equal(buf, "               ");
    assert_int_equal(hv_snprintf(buf, sizeof(buf), "%*d", tiny, 1), 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),    cmocka_unit_test(test_strings),
        cmocka_unit_test(test_pointer),     cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_bad_formats), cmocka_unit_test(test_huge_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
