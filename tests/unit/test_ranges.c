/* unit: hv/lib/ranges.c */
#include <string.h>

#include <lib/ranges.h>
#include <unit.h>

#define NUMBERS 600

static struct range_set set;
static bool model[NUMBERS + 2];

static void check(void)
{
    for (uint32_t i = 0; i < set.nr; i++) {
        assert_true(set.range[i].first <= set.range[i].last);
        if (i)
            assert_true(set.range[i].first > set.range[i - 1].last + 1);
    }
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert_int_equal(ranges_contain(&set, n, n), model[n]);
}

static void test_random(void **state)
{
    uint32_t seed = 1;

    (void)state;
    memset(&set, 0, sizeof(set));
    memset(model, 0, sizeof(model));
    for (unsigned int round = 0; round < 20000; round++) {
        uint64_t first, last;
        bool all = true, any = false, add;

        seed = seed * 1664525 + 1013904223;
        first = (seed >> 8) % NUMBERS;
        seed = seed * 1664525 + 1013904223;
        last = first + (seed >> 8) % (round % 50 ? 4 : 100);
        if (last >= NUMBERS)
            last = NUMBERS - 1;
        for (uint64_t n = first; n <= last; n++)
            all &= model[n], any |= model[n];
        assert_int_equal(ranges_contain(&set, first, last), all);
        assert_int_equal(ranges_overlap(&set, first, last), any);
        add = seed >> 31;
        if (add ? ranges_add(&set, first, last) : ranges_remove(&set, first, last))
            memset(&model[first], add, last - first + 1);
        else
            assert_int_equal(set.nr, RANGES_MAX);
        if (round % 50 == 0)
            check();
    }
    check();
}

static void test_ends(void **state)
{
    (void)state;
    memset(&set, 0, sizeof(set));
    assert_true(ranges_add(&set, 0, UINT64_MAX));
    assert_true(ranges_contain(&set, 0, UINT64_MAX));
    assert_true(ranges_remove(&set, UINT64_MAX, UINT64_MAX));
    assert_true(ranges_remove(&set, 0, 0));
    assert_true(ranges_contain(&set, 1, UINT64_MAX - 1));
    assert_false(ranges_contain(&set, 0, 1));
    assert_true(ranges_add(&set, UINT64_MAX, UINT64_MAX));
    assert_int_equal(set.nr, 1);
    assert_true(ranges_remove(&set, 0, UINT64_MAX));
    assert_int_equal(set.nr, 0);
}

static void test_full(void **state)
{
    (void)state;
    memset(&set, 0, sizeof(set));
    for (uint64_t i = 0; i < RANGES_MAX; i++)
        assert_true(ranges_add(&set, i * 4, i * 4 + 2));
    assert_false(ranges_add(&set, 10000, 10000));
    assert_false(ranges_remove(&set, 1, 1));
    assert_true(ranges_contain(&set, 0, 2));
    assert_true(ranges_add(&set, 3, 3));
    assert_int_equal(set.nr, RANGES_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
