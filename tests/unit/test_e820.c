/* unit: hv/boot/e820.c tests/unit/stubs/printk.c */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <boot/e820.h>
#include <stubs/printk.h>

#define SPACE 200

static struct boot_e820 map;

static void add(uint64_t addr, uint64_t size, uint32_t type)
{
    map.entry[map.nr++] = (struct e820_entry){addr, size, type};
}

/* What a map says of each unit of a small address space: the highest type wins, 0 is a hole. */
static void paint(const struct boot_e820 *m, uint8_t *space)
{
    memset(space, 0, SPACE);
    for (uint32_t i = 0; i < m->nr; i++)
        for (uint64_t a = m->entry[i].addr; a < m->entry[i].addr + m->entry[i].size && a < SPACE; a++)
            if (space[a] < m->entry[i].type)
                space[a] = m->entry[i].type;
}

static void check_form(void)
{
    for (uint32_t i = 0; i < map.nr; i++) {
        const struct e820_entry *e = &map.entry[i];

        assert_true(e->size > 0);
        assert_true(e->addr + e->size > e->addr);
        if (i + 1 < map.nr) {
            assert_true(e->addr + e->size <= e[1].addr);
            assert_false(e->addr + e->size == e[1].addr && e->type == e[1].type);
        }
    }
}

static void test_typical(void **state)
{
    map.nr = 0;
    add(0x100000, 0x7fe00000 - 0x100000, E820_RAM);
    add(0, 0x9fc00, E820_RAM);
    add(0x9fc00, 0x400, E820_RESERVED);
    add(0x7fe00000, 0, E820_RAM);
    add(0xfffc0000, 0x40000, E820_RESERVED);
    add(UINT64_MAX - 5, 10, E820_RAM); /* wraps */
    assert_int_equal(e820_sanitize(&map), 0x9fc00 + 0x7fe00000 - 0x100000);
    assert_int_equal(map.nr, 4);
    assert_int_equal(map.entry[0].addr, 0);
    assert_int_equal(map.entry[3].addr, 0xfffc0000);
    check_form();
}

static void test_against_model(void **state)
{
    uint8_t before[SPACE], after[SPACE];

    srand(7);
    for (int round = 0; round < 20000; round++) {
        uint64_t ram = 0, expected = 0;

        map.nr = 0;
        for (int i = rand() % 12; i >= 0; i--)
            add(rand() % SPACE, rand() % 60, 1 + rand() % 5);
        paint(&map, before);
        ram = e820_sanitize(&map);
        check_form();
        paint(&map, after);
        assert_memory_equal(before, after, SPACE);
        for (uint32_t i = 0; i < map.nr; i++)
            expected += map.entry[i].type == E820_RAM ? map.entry[i].size : 0;
        assert_int_equal(ram, expected);
    }
}

/* What cannot be is told in one line, and of two that disagree the one that keeps memory out of use is right.
 */
static void test_broken(void **state)
{
    map.nr = 0;
    add(0x100000, 0x7ff00000, E820_RAM);
    add(0x5000, 0, E820_RAM);
    add(0x200000, 0, E820_RESERVED);
    add(0xf0000000, 0x10000000, E820_RESERVED);
    clear_messages();
    e820_check(&map);
    assert_int_equal(message_lines(), 0);

    add(0x1000, 0x8000, E820_RAM);
    add(0x7000, 0x4000, E820_RAM);
    add(0x300000, 0x1000, E820_NVS);
    add(UINT64_MAX - 0xfff, 0x2000, E820_RAM);
    add(0xfffffffff0000000, 0x10000000, E820_RESERVED);
    e820_check(&map);
    assert_int_equal(message_lines(), 1);
    assert_non_null(strstr(messages, "2 entries overlap others, 2 wrap around"));
    assert_int_equal(e820_sanitize(&map), 0x7ff00000 - 0x1000 + 0xa000);
    check_form();
    assert_int_equal(map.entry[map.nr - 1].addr, 0xfffffffff0000000);
    assert_int_equal(map.entry[map.nr - 1].type, E820_RESERVED);
    assert_int_equal(map.entry[0].addr, 0x1000);
    assert_int_equal(map.entry[0].size, 0xa000);
}

static void too_far(uint64_t addr, uint64_t size)
{
    map.nr = 0;
    add(0x100000, 0x7ff00000, E820_RAM);
    add(addr, size, E820_RAM);
    clear_messages();
    expect_assert_failure(e820_sanitize(&map));
    assert_non_null(strstr(messages, "is beyond what this VMM can address"));
}

/* More than the direct map has room for, and what would wrap when it is made whole pages. */
static void test_far(void **state)
{
    too_far(5ul << 40, 0x1000);
    too_far(4ul << 40, (1ul << 40) + 1);
    too_far(1ul << 62, 1ul << 62);
    too_far(UINT64_MAX - 0x7ff, 0x400);
    map.nr = 0;
    add(0x100000, (5ul << 40) - 0x100000, E820_RAM);
    add(1ul << 62, 1ul << 62, E820_RESERVED);
    assert_int_equal(e820_sanitize(&map), (5ul << 40) - 0x100000);
}

/* A full map cannot take the pieces of what is split: they must not become RAM. */
static void test_full(void **state)
{
    uint64_t ram;

    map.nr = 0;
    for (uint32_t i = 0; i < E820_MAX - 1; i++)
        add(0x1000 + i * 0x20, 0x10, E820_RESERVED);
    add(0, 0x100000, E820_RAM);
    ram = e820_sanitize(&map);
    check_form();
    assert_true(map.nr <= E820_MAX);
    assert_true(ram <= 0x100000 - (E820_MAX - 1) * 0x10);
    for (uint32_t i = 0; i < map.nr; i++)
        if (map.entry[i].type == E820_RAM)
            for (uint32_t k = 0; k < E820_MAX - 1; k++)
                assert_true(map.entry[i].addr + map.entry[i].size <= 0x1000 + k * 0x20 ||
                            map.entry[i].addr >= 0x1010 + k * 0x20);
}

/* Where real mode reaches, above what BIOSes and loaders use, in one piece. */
static void test_low_pages(void **state)
{
    map.nr = 0;
    add(0, 0x9fc00, E820_RAM);
    assert_int_equal(e820_low_pages(&map, 1), 8);
    assert_int_equal(e820_low_pages(&map, 2), 8);
    map.nr = 0;
    add(0, 0x8000, E820_RAM);
    add(0x8800, 0x2800, E820_RAM);
    add(0x20000, 0x2fff, E820_RAM);
    add(0x9e000, 0x82000, E820_RAM);
    assert_int_equal(e820_low_pages(&map, 1), 9);
    assert_int_equal(e820_low_pages(&map, 2), 9);
    assert_int_equal(e820_low_pages(&map, 3), 0);
    map.nr = 0;
    add(0, 0x8000, E820_RAM);
    add(0x8000, 0x98000, E820_RESERVED);
    add(0xa0000, 0x10000000, E820_RAM);
    assert_int_equal(e820_low_pages(&map, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typical),   cmocka_unit_test(test_against_model), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_far),       cmocka_unit_test(test_full),          cmocka_unit_test(test_far),
        cmocka_unit_test(test_low_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
