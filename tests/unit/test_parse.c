/* unit: hv/lib/parse.c */
#include <base/errno.h>
#include <lib/parse.h>
#include <unit.h>

static void test_u64(void **state)
{
    static const struct {
        const char *text;
        unsigned int base;
        int err;
        uint64_t value;
        int used;
    } cases[] = {
        {"0", 0, 0, 0, 1},
        {"42,", 0, 0, 42, 2},
        {"0x2f8", 0, 0, 0x2f8, 5},
        {"0X2F8g", 0, 0, 0x2f8, 5},
        {"0x2f8", 16, 0, 0x2f8, 5},
        {"2f8", 16, 0, 0x2f8, 3},
        {"017", 0, 0, 15, 3},
        {"017", 10, 0, 17, 3},
        {"0x", 0, 0, 0, 1},
        {"0xg", 0, 0, 0, 1},
        {"18446744073709551615", 0, 0, UINT64_MAX, 20},
        {"0xffffffffffffffff", 0, 0, UINT64_MAX, 18},
        {"18446744073709551616", 0, -ERANGE, 0, 0},
        {"0x10000000000000000", 0, -ERANGE, 0, 0},
        {"99999999999999999999", 0, -ERANGE, 0, 0},
        {"", 0, -EINVAL, 0, 0},
        {"-1", 0, -EINVAL, 0, 0},
        {" 1", 0, -EINVAL, 0, 0},
        {"x1", 0, -EINVAL, 0, 0},
        {"a", 10, -EINVAL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *end = NULL;
        uint64_t value = 77;

        assert_int_equal(parse_u64(cases[i].text, &end, cases[i].base, &value), cases[i].err);
        if (cases[i].err) {
            assert_int_equal(value, 77);
            assert_null(end);
        } else {
            assert_int_equal(value, cases[i].value);
            assert_ptr_equal(end, cases[i].text + cases[i].used);
        }
    }
}

static void test_size(void **state)
{
    static const struct {
        const char *text;
        int err;
        uint64_t value;
        int used;
    } cases[] = {
        {"4", 0, 4096, 1},
        {"4b", 0, 4, 2},
        {"4k", 0, 4096, 2},
        {"512M,", 0, 512ull << 20, 4},
        {"2G", 0, 2ull << 30, 2},
        {"1t", 0, 1ull << 40, 2},
        {"0x10M", 0, 16 << 20, 5},
        {"4x", 0, 4096, 1},
        {"16777216T", -ERANGE, 0, 0},
        {"16777215T", 0, 16777215ull << 40, 9},
        {"M", -EINVAL, 0, 0},
        {"", -EINVAL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *end = NULL;
        uint64_t value = 77;

        assert_int_equal(parse_size(cases[i].text, &end, 10, &value), cases[i].err);
        assert_int_equal(value, cases[i].err ? 77 : cases[i].value);
        assert_ptr_equal(end, cases[i].err ? NULL : cases[i].text + cases[i].used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
