/* unit: hv/boot/dom0_size.c hv/boot/cmdline.c hv/boot/xen_options.c hv/lib/parse.c hv/lib/string.c
 * tests/unit/stubs/printk.c */
#include <unit.h>
#include <base/types.h>
#include <boot/cmdline.h>
#include <boot/dom0.h>
#include <stubs/printk.h>

#define MIB(n) ((uint64_t)(n) << (20 - PAGE_SHIFT))
#define FREE   MIB(4096)

static struct dom0_size choose(const char *options)
{
    clear_messages();
    cmdline_parse(options, false);
    return dom0_choose_size(FREE, 4);
}

/* Runs first: options stay set. */
static void test_default(void **state)
{
    struct dom0_size size = choose("");

    assert_int_equal(size.pages, FREE - MIB(128));
    assert_int_equal(size.max_pages, ~0ul);
    assert_int_equal(size.vcpus, 4);

    /* Of a small machine a sixteenth is kept. */
    assert_int_equal(dom0_choose_size(MIB(160), 1).pages, MIB(150));
}

static void test_memory(void **state)
{
    static const struct {
        const char *option;
        uint64_t pages, max_pages;
    } cases[] = {
        {"dom0_mem=512M", MIB(512), ~0ul},
        {"dom0_mem=524288", MIB(512), ~0ul},
        {"dom0_mem=512M,max:1G", MIB(512), MIB(1024)},
        {"dom0_mem=max:1G", MIB(1024), MIB(1024)},
        {"dom0_mem=max:512M,1G", MIB(512), MIB(512)},
        {"dom0_mem=256M,min:512M", MIB(512), ~0ul},
        {"dom0_mem=min:512M,max:2G,1G", MIB(1024), MIB(2048)},
        {"dom0_mem=-1G", MIB(3072), ~0ul},
        {"dom0_mem=1G,max:-512M", MIB(1024), MIB(3584)},
        {"dom0_mem=64G", FREE - MIB(128), ~0ul},
        {"dom0_mem=25%", FREE / 100 * 25, ~0ul},
        {"dom0_mem=1G+25%", MIB(1024) + FREE / 100 * 25, ~0ul},
        {"dom0_mem=256M,max:50%", MIB(256), FREE / 100 * 50},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dom0_size size = choose(cases[i].option);

        assert_string_equal(messages, "");
        assert_int_equal(size.pages, cases[i].pages);
        assert_int_equal(size.max_pages, cases[i].max_pages);
    }
}

static void test_bad_memory(void **state)
{
    static const char *const bad[] = {
        "dom0_mem",
        "dom0_mem=",
        "dom0_mem=x",
        "dom0_mem=1G,",
        "dom0_mem=1G,2G",
        "dom0_mem=min:",
        "dom0_mem=low:1G",
        "dom0_mem=1GG",
        "dom0_mem=100%",
        "dom0_mem=-5%",
        "dom0_mem=1G+5",
        "dom0_mem=1G+",
        "dom0_mem=5%+1G",
        "dom0_mem=min:1G,min:2G",
        "dom0_mem=99999999999999999999",
        "dom0_mem=--1G",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        choose("dom0_mem=300M,max:400M");

        struct dom0_size size = choose(bad[i]);

        assert_int_equal(message_lines(), 1);
        assert_int_equal(size.pages, MIB(300));
        assert_int_equal(size.max_pages, MIB(400));
    }
}

static void test_vcpus(void **state)
{
    static const struct {
        const char *option;
        uint32_t vcpus;
    } cases[] = {
        {"dom0_max_vcpus=2", 2},   {"dom0_max_vcpus=8", 8},   {"dom0_max_vcpus=1-2", 2},
        {"dom0_max_vcpus=6-8", 6}, {"dom0_max_vcpus=1-8", 4}, {"dom0_max_vcpus=-3", 3},
        {"dom0_max_vcpus=-9", 4},  {"dom0_max_vcpus=5-", 5},  {"dom0_max_vcpus=3-", 4},
    };
    static const char *const bad[] = {"dom0_max_vcpus=0",     "dom0_max_vcpus=x",
                                      "dom0_max_vcpus=4-2",   "dom0_max_vcpus=2,",
                                      "dom0_max_vcpus=1-2-3", "dom0_max_vcpus=4294967296",
                                      "dom0_max_vcpus=8193",  "dom0_max_vcpus=8193-9000"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(choose(cases[i].option).vcpus, cases[i].vcpus);
        assert_string_equal(messages, "");
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        choose("dom0_max_vcpus=2");
        assert_int_equal(choose(bad[i]).vcpus, 2);
        assert_int_equal(message_lines(), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_bad_memory),
        cmocka_unit_test(test_vcpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
