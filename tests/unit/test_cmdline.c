/* unit: hv/boot/cmdline.c hv/boot/xen_options.c hv/lib/parse.c hv/lib/string.c tests/unit/stubs/printk.c */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <stubs/printk.h>

static bool flag, other_flag = true;
static uint32_t number;
static uint64_t size;
static char name[8];
static char seen[64];

BOOT_OPTION_BOOL("flag", flag);
BOOT_OPTION_BOOL("other-flag", other_flag);
BOOT_OPTION_UINT("number", number);
BOOT_OPTION_SIZE("size", size, 20);
BOOT_OPTION_STRING("name", name);

static int parse_custom(const char *value)
{
    if (!strcmp(value, "bad"))
        return -EINVAL;
    strcat(seen, "[");
    strcat(seen, value);
    strcat(seen, "]");
    return 0;
}
BOOT_OPTION_CUSTOM("custom", parse_custom);

static int parse_vital(const char *value)
{
    return *value == 'x' ? 0 : -EINVAL;
}
BOOT_OPTION_ESSENTIAL("vital", parse_vital);

static int reset(void **state)
{
    (void)state;
    flag = false;
    other_flag = true;
    number = 7;
    size = 5;
    strcpy(name, "none");
    seen[0] = '\0';
    clear_messages();
    return 0;
}

static void parse(const char *line)
{
    reset(NULL);
    cmdline_parse(line, false);
}

static void test_bool(void **state)
{
    static const char *const on[] = {"flag",      "flag=1",      "flag=yes",     "flag=on",
                                     "flag=true", "flag=enable", "no-flag flag", "flag="};
    static const char *const off[] = {"no-flag",    "flag=0",       "flag=no",     "flag=off",
                                      "flag=false", "flag=disable", "flag no-flag"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
        parse(on[i]);
        assert_true(flag);
        assert_string_equal(messages, "");
    }
    for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
        parse(off[i]);
        assert_false(flag);
        assert_string_equal(messages, "");
    }
    parse("no-other_flag");
    assert_false(other_flag);
}

static void test_values(void **state)
{
    (void)state;
    parse("  number=0x20 size=3G\tname=abc custom custom=a,b=c no-custom ");
    assert_int_equal(number, 32);
    assert_int_equal(size, 3ull << 30);
    assert_string_equal(name, "abc");
    assert_string_equal(seen, "[][a,b=c][no]");
    assert_string_equal(messages, "");

    parse("size=3");
    assert_int_equal(size, 3 << 20);
    parse("number=4294967295");
    assert_int_equal(number, UINT32_MAX);
}

static void test_bad_values(void **state)
{
    static const char *const bad[] = {"flag=maybe",    "number=",   "number",
                                      "number=12x",    "number=-1", "number=4294967296",
                                      "size=x",        "size=1MM",  "size=99999999999999999999",
                                      "name=12345678", "custom=bad"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const char *eq = strchr(bad[i], '=');
        char option[16] = "", *value = eq ? strdup(eq + 1) : strdup("");

        parse(bad[i]);
        assert_int_equal(message_lines(), 1);
        strncpy(option, bad[i], eq ? (size_t)(eq - bad[i]) : strlen(bad[i]));
        assert_non_null(strstr(messages, option));
        assert_non_null(strstr(messages, value));
        assert_false(flag);
        assert_int_equal(number, 7);
        assert_int_equal(size, 5);
        assert_string_equal(name, "none");
        assert_string_equal(seen, "");
        free(value);
    }
}

static void test_unknown(void **state)
{
    (void)state;
    parse("what flag no-such=3 no-number no-");
    assert_true(flag);
    assert_int_equal(number, 7);
    assert_int_equal(message_lines(), 4);
    assert_non_null(strstr(messages, "\"what\""));
    assert_non_null(strstr(messages, "\"no-such\""));
    assert_non_null(strstr(messages, "\"no-number\""));
}

static void test_image_name(void **state)
{
    (void)state;
    reset(NULL);
    cmdline_parse("/boot/flag number=3", true);
    assert_string_equal(messages, "");
    assert_int_equal(number, 3);
    assert_string_equal(cmdline_saved(), "number=3");

    reset(NULL);
    cmdline_parse("hospes", true);
    assert_string_equal(messages, "");
    assert_string_equal(cmdline_saved(), "");
    cmdline_parse("", true);
    cmdline_parse(NULL, true);
    assert_string_equal(messages, "");
}

/* Debian's GRUB entries have a word where loaders of old put the file's name. */
static void test_placeholder(void **state)
{
    (void)state;
    parse("placeholder number=3 vga=text-80x25 no-hap");
    assert_string_equal(messages, "");
    assert_int_equal(number, 3);
    assert_string_equal(cmdline_saved(), "number=3 vga=text-80x25 no-hap");
    parse("placeholder");
    assert_string_equal(cmdline_saved(), "");
    assert_string_equal(messages, "");
    parse("placeholders");
    assert_int_equal(message_lines(), 1);
    parse("number=3 placeholder");
    assert_string_equal(messages, "");
}

/* Options of Xen that have nothing to act on here. */
static void test_ignored(void **state)
{
    (void)state;
    parse("iommu=no-igfx,verbose ucode=scan no-hap crashkernel=256M vga=current no-x2apic-mode");
    assert_string_equal(messages, "");
    parse("xsm=flask smt=0 iommux");
    assert_int_equal(message_lines(), 3);
    for (uint32_t i = 1; cmdline_ignored[i]; i++)
        assert_true(strcmp(cmdline_ignored[i - 1], cmdline_ignored[i]) < 0);
}

static void test_dom0_args(void **state)
{
    (void)state;
    parse("number=3 --  console=hvc0 flag");
    assert_int_equal(number, 3);
    assert_false(flag);
    assert_string_equal(cmdline_dom0_args(), "console=hvc0 flag");
    assert_string_equal(messages, "");
}

static void test_essential(void **state)
{
    (void)state;
    parse("vital=x");
    assert_string_equal(messages, "");
    expect_assert_failure(parse("vital=y"));
    assert_non_null(strstr(messages, "vital"));
}

static void test_too_long(void **state)
{
    char *line = malloc(CMDLINE_MAX * 2);

    (void)state;
    memset(line, ' ', CMDLINE_MAX * 2);
    memcpy(line, "x number=3", 10);
    line[CMDLINE_MAX + 100] = '\0';
    memcpy(line + CMDLINE_MAX + 50, "flag", 4);
    reset(NULL);
    cmdline_parse(line, true);
    assert_int_equal(number, 3);
    assert_false(flag);
    assert_int_equal(message_lines(), 1);
    assert_non_null(strstr(messages, "cut short"));
    free(line);
}

static void test_for_dom0(void **state)
{
    char line[16];

    (void)state;
    reset(NULL);
    cmdline_parse("x --", true);
    cmdline_for_dom0(line, sizeof(line), "root=/dev/x ro9");
    assert_string_equal(line, "root=/dev/x ro9");
    cmdline_parse("x -- quiet", true);
    cmdline_for_dom0(line, sizeof(line), "root=/dev");
    assert_string_equal(line, "root=/dev quiet");
    assert_int_equal(message_lines(), 0);
    cmdline_for_dom0(line, sizeof(line), "root=/dev/");
    assert_string_equal(line, "root=/dev/ quie");
    assert_int_equal(message_lines(), 1);
    assert_non_null(strstr(messages, "longer than 15 bytes, cut short"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bool),        cmocka_unit_test(test_values),
        cmocka_unit_test(test_bad_values),  cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_image_name),  cmocka_unit_test(test_dom0_args),
        cmocka_unit_test(test_essential),   cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_placeholder), cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_for_dom0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
