/* unit: */
#include <lib/bitmap.h>
#include <stdlib.h>
#include <string.h>
#include <unit.h>

#define BITS 200

/* The same bits, one byte each. */
struct model {
    DECLARE_BITMAP(map, BITS);
    unsigned char ref[BITS];
};

static void check(const struct model *m)
{
    unsigned int weight = 0, bit, seen = 0;

    for (unsigned int i = 0; i < BITS; i++) {
        assert_int_equal(bitmap_test(m->map, i), m->ref[i]);
        weight += m->ref[i];
    }
    assert_int_equal(bitmap_weight(m->map, BITS), weight);
    assert_int_equal(bitmap_is_empty(m->map, BITS), weight == 0);
    assert_int_equal(bitmap_is_full(m->map, BITS), weight == BITS);

    bitmap_for_each_set(bit, m->map, BITS)
    {
        assert_true(m->ref[bit]);
        seen++;
    }
    assert_int_equal(seen, weight);
}

static unsigned int model_next(const struct model *m, unsigned int bits, unsigned int start, int v)
{
    for (; start < bits; start++)
        if (m->ref[start] == v)
            return start;
    return bits;
}

static unsigned int model_clear_range(const struct model *m, unsigned int bits, unsigned int count)
{
    for (unsigned int start = 0; start + count <= bits; start++)
        if (model_next(m, start + count, start, 1) == start + count)
            return start;
    return bits;
}

static void random_change(struct model *m)
{
    unsigned int bit = rand() % BITS, count = rand() % (BITS - bit + 1);

    switch (rand() % 10) {
    case 0:
        bitmap_set(m->map, bit);
        m->ref[bit] = 1;
        break;
    case 1:
        bitmap_clear(m->map, bit);
        m->ref[bit] = 0;
        break;
    case 2:
        assert_int_equal(bitmap_test_and_set(m->map, bit), m->ref[bit]);
        m->ref[bit] = 1;
        break;
    case 3:
        assert_int_equal(bitmap_test_and_clear(m->map, bit), m->ref[bit]);
        m->ref[bit] = 0;
        break;
    case 4:
        assert_int_equal(bitmap_test_and_set_atomic(m->map, bit), m->ref[bit]);
        m->ref[bit] = 1;
        break;
    case 5:
        assert_int_equal(bitmap_test_and_clear_atomic(m->map, bit), m->ref[bit]);
        m->ref[bit] = 0;
        break;
    case 6:
        bitmap_set_atomic(m->map, bit);
        m->ref[bit] = 1;
        break;
    case 7:
        bitmap_clear_atomic(m->map, bit);
        m->ref[bit] = 0;
        break;
    case 8:
        bitmap_set_range(m->map, bit, count);
        memset(m->ref + bit, 1, count);
        assert_true(bitmap_range_is_set(m->map, bit, count));
        break;
    default:
        bitmap_clear_range(m->map, bit, count);
        memset(m->ref + bit, 0, count);
        assert_true(bitmap_range_is_clear(m->map, bit, count));
        break;
    }
}

static void test_against_model(void **state)
{
    struct model m = {0};

    (void)state;
    srand(1);
    for (int i = 0; i < 5000; i++) {
        unsigned int bits = rand() % (BITS + 1), start = rand() % BITS, count = 1 + rand() % 40;

        random_change(&m);
        check(&m);
        assert_int_equal(bitmap_find_next_set(m.map, bits, start), model_next(&m, bits, start, 1));
        assert_int_equal(bitmap_find_next_clear(m.map, bits, start), model_next(&m, bits, start, 0));
        assert_int_equal(bitmap_find_clear_range(m.map, bits, count), model_clear_range(&m, bits, count));
    }
}

static void test_whole_maps(void **state)
{
    DECLARE_BITMAP(a, BITS);
    DECLARE_BITMAP(b, BITS);
    DECLARE_BITMAP(c, BITS);

    (void)state;
    bitmap_fill(a, BITS);
    assert_true(bitmap_is_full(a, BITS));
    assert_int_equal(a[BITMAP_LONGS(BITS) - 1], (1ul << (BITS % 64)) - 1);
    bitmap_zero(b, BITS);
    assert_false(bitmap_intersects(a, b, BITS));
    bitmap_set(b, 131);
    assert_true(bitmap_intersects(a, b, BITS));
    bitmap_and(c, a, b, BITS);
    assert_true(bitmap_equal(b, c, BITS));
    bitmap_or(c, a, b, BITS);
    assert_true(bitmap_equal(a, c, BITS));
    bitmap_copy(c, b, BITS);
    assert_int_equal(bitmap_weight(c, BITS), 1);

    /* Bits beyond the end do not count. */
    b[BITMAP_LONGS(BITS) - 1] |= 1ul << 63;
    assert_true(bitmap_equal(b, c, BITS));
    assert_int_equal(bitmap_weight(b, BITS), 1);
    assert_int_equal(bitmap_find_next_set(b, BITS, 132), BITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_whole_maps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
