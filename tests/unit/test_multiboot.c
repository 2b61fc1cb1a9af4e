/* unit: hv/boot/multiboot.c hv/boot/multiboot2.c hv/boot/boot_info.c hv/boot/e820.c hv/efi/memory.c
 * hv/lib/string.c tests/unit/stubs/printk.c */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <base/bug.h>
#include <boot/boot_info.h>
#include <boot/e820.h>
#include <efi/memory.h>
#include <stubs/printk.h>

/* The loader's memory, from physical address 0 on. */
static uint8_t memory[65536] __attribute__((aligned(8)));
static uint32_t used;

const void *boot_peek(uint64_t paddr, uint64_t size)
{
    return paddr + size <= sizeof(memory) ? memory + paddr : NULL;
}

static int reset(void **state)
{
    memset(memory, 0xee, sizeof(memory));
    memset(&boot_info, 0, sizeof(boot_info));
    host_e820.nr = 0;
    used = 8;
    clear_messages();
    return 0;
}

/* A tag with some of its bytes given, and more of them than it says if size is smaller. */
static void add_tag(uint32_t type, uint32_t size, const void *body, uint32_t body_size)
{
    memcpy(memory + used, &type, 4);
    memcpy(memory + used + 4, &size, 4);
    memcpy(memory + used + 8, body, body_size);
    used = (used + 8 + body_size + 7) & ~7u;
}

static void add(uint32_t type, const void *body, uint32_t size)
{
    add_tag(type, 8 + size, body, size);
}

static void finish(void)
{
    uint32_t size[2];

    add(0, "", 0);
    size[0] = used;
    size[1] = 0;
    memcpy(memory, size, 8);
}

static void parse(void)
{
    multiboot2_parse(memory, sizeof(memory));
}

static void add_mmap(void)
{
    struct {
        uint32_t entry_size, version;
        struct {
            uint64_t addr, size;
            uint32_t type, reserved;
        } entry[4];
    } map = {
        24, 0, {{0, 0x9f000, 1, 0}, {0x100000, 0x7ff00000, 1, 0}, {0xfffc0000, 0x40000, 2, 0}, {5, 0, 0, 0}}};

    add(6, &map, sizeof(map));
}

static void add_module(uint32_t start, uint32_t end, const char *cmdline)
{
    uint32_t body[16] = {start, end};

    strcpy((char *)(body + 2), cmdline);
    add(3, body, 8 + strlen(cmdline) + 1);
}

static void test_typical(void **state)
{
    const uint32_t screen[8] = {0xe0000000, 0, 4096, 1024, 768, 32 | 1 << 8, 0x08100810, 0x0800};
    const uint8_t rgb[] = {16, 8, 8, 8, 0, 8};
    uint8_t fb[32];

    add(1, "loglvl=all x", 13);
    add(2, "GRUB 2.06", 10);
    add_module(0x1000000, 0x1800000, "root=x");
    add_module(0x2000000, 0x2000123, "");
    add_mmap();
    memcpy(fb, screen, sizeof(fb));
    memcpy(fb + 24, rgb, sizeof(rgb));
    add(8, fb, 30);
    add(14, "old RSDP, 20 bytes..", 20);
    add(15, "new RSDP, 36 bytes..................", 36);
    add(99, "unknown", 8);
    finish();
    parse();
    assert_string_equal(messages, "");
    assert_string_equal(boot_info.cmdline, "loglvl=all x");
    assert_string_equal(boot_info.loader, "GRUB 2.06");
    assert_false(boot_info.image_names);
    assert_int_equal(boot_info.nr_modules, 2);
    assert_int_equal(boot_info.module[0].end, 0x1800000);
    assert_string_equal(boot_info.module[0].cmdline, "root=x");
    assert_int_equal(host_e820.nr, 4);
    assert_int_equal(host_e820.entry[3].type, E820_RESERVED);
    assert_int_equal(boot_info.screen.kind, SCREEN_PIXELS);
    assert_int_equal(boot_info.screen.address, 0xe0000000);
    assert_int_equal(boot_info.screen.pitch, 4096);
    assert_int_equal(boot_info.screen.red.position, 16);
    assert_int_equal(boot_info.screen.blue.size, 8);
    assert_int_equal(boot_info.rsdp_length, 36);
    assert_memory_equal(boot_info.rsdp, "new", 3);
    assert_false(boot_info.has_efi);
    e820_sanitize(&host_e820);
    boot_info_check_modules(0x200000, 0x400000);
    assert_false(boot_info_must_move(&boot_info.module[0]));
}

static void refused(const char *pattern)
{
    if (!strstr(messages, pattern))
        fail_msg("no \"%s\" in: %s", pattern, messages);
    assert_int_equal(message_lines(), 0); /* the refusal alone, which our stub does not end with a newline */
}

static void test_broken_lists(void **state)
{
    uint32_t size = 4;

    memcpy(memory, &size, 4);
    expect_assert_failure(parse());
    refused("information of 4 bytes");

    reset(NULL);
    size = 0x40000000;
    memcpy(memory, &size, 4);
    expect_assert_failure(parse());
    refused("information of 1073741824 bytes");

    reset(NULL);
    add_mmap();
    size = used;
    memcpy(memory, &size, 4);
    expect_assert_failure(parse());
    refused("has no end");

    reset(NULL);
    add_tag(1, 0xfffffff8, "x", 2);
    finish();
    expect_assert_failure(parse());
    refused("tag 1 at offset 8 has 4294967288 bytes");

    reset(NULL);
    add_tag(1, 3, "x", 2);
    finish();
    expect_assert_failure(parse());
    refused("has 3 bytes");

    reset(NULL);
    add(3, "abc", 4);
    finish();
    expect_assert_failure(parse());
    refused("module 0's tag has only 12 bytes");

    reset(NULL);
    add(18, "", 0);
    finish();
    expect_assert_failure(parse());
    refused("boot services");
}

/* What is too short for what it should tell is absent, with one line for all of it. */
static void test_short_tags(void **state)
{
    add(8, "abcd", 4);
    add(12, "abcd", 4);
    add(6, "abcd", 4);
    add(17, "abcd", 4);
    add(1, "no end", 6);
    finish();
    parse();
    assert_int_equal(message_lines(), 1);
    assert_non_null(strstr(messages, "tag 8 has only 12 bytes"));
    assert_int_equal(host_e820.nr, 0);
    assert_int_equal(boot_info.screen.kind, SCREEN_UNKNOWN);
    assert_false(boot_info.has_efi);
    assert_string_equal(boot_info.cmdline, "no end");
}

static void test_map_of_small_entries(void **state)
{
    const uint32_t map[] = {8, 0, 1, 2, 3, 4};

    add(6, map, sizeof(map));
    finish();
    expect_assert_failure(parse());
    refused("entries of 8 bytes");
}

static void test_many(void **state)
{
    struct {
        uint32_t entry_size, version;
        struct {
            uint64_t addr, size;
            uint32_t type, reserved;
        } entry[300];
    } map = {24, 0, {{0}}};

    for (uint32_t i = 0; i < 300; i++) {
        map.entry[i].addr = i * 0x3000;
        map.entry[i].size = 0x1000;
        map.entry[i].type = 1;
    }
    add(6, &map, sizeof(map));
    for (uint32_t i = 0; i < 20; i++)
        add_module(0x1000000 + i * 0x2000, 0x1001000 + i * 0x2000, "m");
    finish();
    parse();
    assert_int_equal(host_e820.nr, E820_MAX);
    assert_int_equal(boot_info.nr_modules, MAX_MODULES);
    assert_int_equal(message_lines(), 2);
}

/* Neighbours of one kind, the second of which goes beyond the end of addresses: the first must stay. */
static void test_neighbour_wraps(void **state)
{
    boot_add_memory(0, 0x1000, E820_RESERVED);
    boot_add_memory(0x1000, UINT64_MAX, E820_RESERVED);
    e820_sanitize(&host_e820);
    assert_int_equal(host_e820.nr, 1);
    assert_int_equal(host_e820.entry[0].addr, 0);
    assert_int_equal(host_e820.entry[0].size, UINT64_MAX);

    host_e820.nr = 0;
    boot_add_memory(0x100000, 0x7ff00000, E820_RAM);
    boot_add_memory(0x80000000, -0x10000000ul, E820_RAM);
    assert_int_equal(e820_sanitize(&host_e820), 0x7ff00000);
}

static void check(uint32_t start, uint32_t end)
{
    reset(NULL);
    add_mmap();
    add_module(0x1000000, 0x1800000, "");
    add_module(start, end, "");
    finish();
    parse();
    e820_sanitize(&host_e820);
    boot_info_check_modules(0x200000, 0x400000);
}

static void test_modules(void **state)
{
    check(0x1800000, 0x1800001);
    assert_false(boot_info_must_move(&boot_info.module[1]));
    check(0x1800010, 0x1800020);
    assert_true(boot_info_must_move(&boot_info.module[1]));
    check(0x3000, 0x9000);
    assert_true(boot_info_must_move(&boot_info.module[1]));
    check(0x3000, 0x3000);
    assert_false(boot_info_must_move(&boot_info.module[1]));
    check(0x400000, 0x1000000);

    expect_assert_failure(check(0x17ff000, 0x1900000));
    refused("overlaps module 0");
    expect_assert_failure(check(0x1200000, 0x1201000));
    refused("overlaps module 0");
    expect_assert_failure(check(0x3ff000, 0x500000));
    refused("overlaps the VMM's image");
    expect_assert_failure(check(0x7fff0000, 0x80001000));
    refused("not in RAM");
    expect_assert_failure(check(0x9e000, 0x9ffff));
    refused("not in RAM");
    expect_assert_failure(check(0xfff00000, 0xffffffff));
    refused("not in RAM");
    expect_assert_failure(check(0x2000000, 0x1f00000));
    refused("module 1 ends before it starts");
}

struct efi_descriptor {
    uint32_t type, pad;
    uint64_t start, virtual_start, pages, attributes, more;
};

#define WB 8
#define RT (1ull << 63)

static void test_efi_map(void **state)
{
    struct {
        uint32_t size, version;
        struct efi_descriptor d[16];
    } map = {48,
             1,
             {
                 {7, 0, 0, 0, 0x9f, WB, 0},
                 {3, 0, 0x100000, 0, 0x700, WB, 0}, /* boot services: RAM now */
                 {4, 0, 0x800000, 0, 0x100, WB, 0}, /* and its neighbour */
                 {2, 0, 0x900000, 0, 0x1000, WB, 0},
                 {5, 0, 0x7e000000, 0, 0x10, WB | RT, 0},
                 {6, 0, 0x7e010000, 0, 0x20, WB | RT, 0},
                 {9, 0, 0x7f000000, 0, 0x10, WB, 0},
                 {10, 0, 0x7f010000, 0, 0x10, WB, 0},
                 {8, 0, 0x7f020000, 0, 0x10, WB, 0},
                 {11, 0, 0xffc00000, 0, 0x400, 1 | RT, 0},
                 {7, 0, 0x100000000, 0, 0x10, 1, 0}, /* no RAM: cannot be cached */
                 {7, 0, 0x123, 0, 1, WB, 0},         /* nonsense, and the two below */
                 {7, 0, 0x200000000, 0, 0, WB, 0},
                 {7, 0, 0xfffffffffffff000, 0, 5, WB, 0},
                 {0x80000000, 0, 0x300000000, 0, 1, WB, 0},
                 {7, 0, 0x400000000, 0, 1, WB | RT, 0},
             }};
    const uint64_t system_table = 0x7e010000;

    add_mmap();
    add(12, &system_table, 8);
    add(17, &map, sizeof(map));
    finish();
    parse();
    assert_true(boot_info.has_efi);
    assert_int_equal(boot_info.efi_system_table, system_table);
    assert_int_equal(message_lines(), 1);
    assert_non_null(strstr(messages, "3 entries"));
    e820_sanitize(&host_e820);
    assert_int_equal(host_e820.entry[0].size, 0x9f000);
    assert_int_equal(host_e820.entry[1].addr, 0x100000);
    assert_int_equal(host_e820.entry[1].size, 0x1800000);
    assert_int_equal(host_e820.entry[1].type, E820_RAM);
    assert_int_equal(host_e820.entry[2].type, E820_RESERVED);
    assert_int_equal(host_e820.entry[3].type, E820_ACPI);
    assert_int_equal(host_e820.entry[4].type, E820_NVS);
    assert_int_equal(host_e820.entry[5].type, E820_UNUSABLE);
    for (uint32_t i = 6; i < host_e820.nr; i++)
        assert_int_equal(host_e820.entry[i].type, E820_RESERVED);
    assert_int_equal(efi_runtime_range(0)->start, 0x7e000000);
    assert_int_equal(efi_runtime_range(2)->start, 0xffc00000);
    assert_int_equal(efi_memory_find(0x7e02ffff)->type, 6);
    assert_null(efi_memory_find(0x7e030000));
}

/* Descriptors that are shorter than they may be: the loader's own map is used. */
static void test_efi_map_of_short_descriptors(void **state)
{
    const uint32_t map[20] = {16, 1};

    add(17, map, sizeof(map));
    add_mmap();
    finish();
    parse();
    assert_int_equal(message_lines(), 1);
    assert_int_equal(host_e820.nr, 4);
}

static void put32(uint32_t at, uint32_t value)
{
    memcpy(memory + at, &value, 4);
}

static void multiboot1(const char *loader)
{
    memset(memory, 0, 0x3000);
    put32(0x1000, 0x004 | 0x008 | 0x040 | 0x200);
    put32(0x1000 + 16, 0x2000); /* command line */
    strcpy((char *)memory + 0x2000, "/boot/hospes a b");
    put32(0x1000 + 20, 1); /* modules */
    put32(0x1000 + 24, 0x2100);
    put32(0x2100, 0x1000000);
    put32(0x2104, 0x1800000);
    put32(0x2108, 0x2200);
    strcpy((char *)memory + 0x2200, "kernel c");
    put32(0x1000 + 44, 24); /* map */
    put32(0x1000 + 48, 0x2300);
    put32(0x2300, 20);
    put32(0x2308, 0);
    put32(0x230c, 0x80000000);
    put32(0x2314, 1);
    put32(0x1000 + 64, 0x2400);
    strcpy((char *)memory + 0x2400, loader);
    multiboot1_parse(memory + 0x1000);
}

static void test_multiboot1(void **state)
{
    multiboot1("qemu");
    assert_string_equal(boot_info.cmdline, "/boot/hospes a b");
    assert_string_equal(boot_info.module[0].cmdline, "kernel c");
    assert_true(boot_info.image_names);
    assert_int_equal(host_e820.nr, 1);
    reset(NULL);
    multiboot1("GRUB 2.06-13");
    assert_false(boot_info.image_names);
    reset(NULL);
    multiboot1("GRUB 0.97");
    assert_true(boot_info.image_names);
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_typical),
        TEST(test_broken_lists),
        TEST(test_short_tags),
        TEST(test_many),
        TEST(test_neighbour_wraps),
        TEST(test_modules),
        TEST(test_map_of_small_entries),
        TEST(test_efi_map),
        TEST(test_efi_map_of_short_descriptors),
        TEST(test_multiboot1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
