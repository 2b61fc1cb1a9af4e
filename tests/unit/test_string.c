/* unit: tests/unit/renamed/string.c */
#include <stdlib.h>
#include <string.h>
#include <unit.h>

void *hv_memcpy(void *dst, const void *src, size_t n);
void *hv_memmove(void *dst, const void *src, size_t n);
void *hv_memset(void *dst, int c, size_t n);
int hv_memcmp(const void *a, const void *b, size_t n);
void *hv_memchr(const void *s, int c, size_t n);
size_t hv_strlen(const char *s);
size_t hv_strnlen(const char *s, size_t max);
int hv_strcmp(const char *a, const char *b);
int hv_strncmp(const char *a, const char *b, size_t n);
char *hv_strchr(const char *s, int c);
char *hv_strrchr(const char *s, int c);
char *hv_strstr(const char *haystack, const char *needle);
size_t hospes_strlcpy(char *dst, const char *src, size_t size);

#define MAX 131

static unsigned char pattern[MAX * 3];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = i * 37 + 11;
    return 0;
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void test_memcpy(void **state)
{
    (void)state;
    for (size_t n = 0; n <= MAX; n++) {
        for (size_t offset = 0; offset < 9; offset++) {
            unsigned char ours[sizeof(pattern)] = {0}, theirs[sizeof(pattern)] = {0};

            assert_ptr_equal(hv_memcpy(ours + offset, pattern + 3, n), ours + offset);
            memcpy(theirs + offset, pattern + 3, n);
            assert_memory_equal(ours, theirs, sizeof(ours));
        }
    }
}

static void test_memmove_overlaps(void **state)
{
    (void)state;
    for (size_t n = 0; n <= MAX; n++) {
        for (size_t dst = 0; dst <= MAX; dst++) {
            unsigned char ours[sizeof(pattern)], theirs[sizeof(pattern)];

            memcpy(ours, pattern, sizeof(pattern));
            memcpy(theirs, pattern, sizeof(pattern));
            assert_ptr_equal(hv_memmove(ours + dst, ours + MAX / 2, n), ours + dst);
            memmove(theirs + dst, theirs + MAX / 2, n);
            assert_memory_equal(ours, theirs, sizeof(ours));
        }
    }
}

static void test_memset(void **state)
{
    (void)state;
    for (size_t n = 0; n <= MAX; n++) {
        unsigned char ours[sizeof(pattern)] = {0}, theirs[sizeof(pattern)] = {0};

        assert_ptr_equal(hv_memset(ours + 1, 0x1a5, n), ours + 1);
        memset(theirs + 1, 0xa5, n);
        assert_memory_equal(ours, theirs, sizeof(ours));
    }
}

static void test_memcmp(void **state)
{
    (void)state;
    for (size_t n = 0; n <= MAX; n++) {
        unsigned char other[sizeof(pattern)];

        memcpy(other, pattern, sizeof(pattern));
        assert_int_equal(hv_memcmp(other, pattern, n), 0);
        for (size_t i = 0; i < n; i++) {
            other[i] ^= 0x80;
            if (i + 1 < n)
                other[i + 1] ^= 0x80;
            assert_int_equal(sign(hv_memcmp(other, pattern, n)), sign(memcmp(other, pattern, n)));
            assert_int_equal(hv_memcmp(other, pattern, i), 0);
            memcpy(other, pattern, sizeof(pattern));
        }
    }
}

static void test_memchr(void **state)
{
    (void)state;
    assert_ptr_equal(hv_memchr(pattern, pattern[5], 10), pattern + 5);
    assert_null(hv_memchr(pattern, pattern[5], 5));
    assert_null(hv_memchr(pattern, pattern[0], 0));
}

static void test_lengths(void **state)
{
    /* Exactly sized, so that reading past the end is caught. */
    char *s = strdup("seven..");

    (void)state;
    assert_int_equal(hv_strlen(s), 7);
    assert_int_equal(hv_strnlen(s, 100), 7);
    assert_int_equal(hv_strnlen(s, 3), 3);
    assert_int_equal(hv_strnlen(s, 0), 0);
    free(s);

    char raw[4] = "abcd";

    assert_int_equal(hv_strnlen(raw, 4), 4);
}

static void test_compare(void **state)
{
    static const char *const strings[] = {"", "a", "ab", "abc", "abd", "b", "\xff", "a\xff"};
    const size_t count = sizeof(strings) / sizeof(strings[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(sign(hv_strcmp(strings[i], strings[j])), sign(strcmp(strings[i], strings[j])));
            for (size_t n = 0; n < 5; n++)
                assert_int_equal(sign(hv_strncmp(strings[i], strings[j], n)),
                                 sign(strncmp(strings[i], strings[j], n)));
        }
    }
}

static void test_find(void **state)
{
    const char *s = "a=b=c";

    (void)state;
    assert_ptr_equal(hv_strchr(s, '='), s + 1);
    assert_ptr_equal(hv_strrchr(s, '='), s + 3);
    assert_ptr_equal(hv_strchr(s, 0), s + 5);
    assert_ptr_equal(hv_strrchr(s, 0), s + 5);
    assert_null(hv_strchr(s, 'x'));
    assert_null(hv_strrchr(s, 'x'));
    assert_ptr_equal(hv_strstr(s, "b="), s + 2);
    assert_ptr_equal(hv_strstr(s, ""), s);
    assert_null(hv_strstr(s, "c="));
    assert_null(hv_strstr("", "c"));
}

static void test_strlcpy(void **state)
{
    char buf[8];

    (void)state;
    memset(buf, 'x', sizeof(buf));
    assert_int_equal(hospes_strlcpy(buf, "abc", sizeof(buf)), 3);
    assert_memory_equal(buf, "abc\0xxxx", 8);
    assert_int_equal(hospes_strlcpy(buf, "0123456789", sizeof(buf)), 10);
    assert_string_equal(buf, "0123456");
    assert_int_equal(hospes_strlcpy(buf, "zz", 0), 2);
    assert_string_equal(buf, "0123456");
    assert_int_equal(hospes_strlcpy(buf, "zz", 1), 2);
    assert_string_equal(buf, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memcpy),  cmocka_unit_test(test_memmove_overlaps),
        cmocka_unit_test(test_memset),  cmocka_unit_test(test_memcmp),
        cmocka_unit_test(test_memchr),  cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_compare), cmocka_unit_test(test_find),
        cmocka_unit_test(test_strlcpy),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
