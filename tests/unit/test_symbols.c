/* unit: hv/lib/symbols.c hv/lib/printf.c */
#include <lib/symbols.h>
#include <unit.h>

#define BASE 0xffff820040000000ul

const uint32_t symbol_count = 4;
const uint64_t symbol_base = BASE;
const uint32_t symbol_offsets[] = {0, 0x40, 0x100, 0x200};
const uint32_t symbol_sizes[] = {0x30, 0, 0x80, 0};
const uint32_t symbol_names[] = {0, 6, 12, 18};
const char symbol_strings[] = "first\0label\0third\0last";

static const char *at(uint64_t addr)
{
    static char buf[SYMBOL_TEXT_MAX];

    return symbol_format(buf, sizeof(buf), addr);
}

static void test_inside(void **state)
{
    (void)state;
    assert_string_equal(at(BASE), "first+0/0x30");
    assert_string_equal(at(BASE + 0x2f), "first+0x2f/0x30");
    assert_string_equal(at(BASE + 0x40), "label+0/0xc0");
    assert_string_equal(at(BASE + 0xff), "label+0xbf/0xc0");
    assert_string_equal(at(BASE + 0x101), "third+0x1/0x80");
}

static void test_outside(void **state)
{
    struct symbol sym;

    (void)state;
    assert_false(symbol_lookup(BASE - 1, &sym));
    assert_false(symbol_lookup(0, &sym));
    assert_false(symbol_lookup(BASE + 0x30, &sym));
    assert_false(symbol_lookup(BASE + 0x180, &sym));
    assert_false(symbol_lookup(BASE + 0x200, &sym)); /* the last one has no known size */
    assert_false(symbol_lookup(UINT64_MAX, &sym));
    assert_string_equal(at(BASE + 0x30), "first+0x30/0x30");
    assert_string_equal(at(BASE + 0x31), "0xffff820040000031");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
