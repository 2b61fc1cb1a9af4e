/* unit: hv/boot/screen.c tests/unit/stubs/printk.c */
#include <unit.h>
#include <string.h>
#include <boot/screen.h>
#include <mm/ioremap.h>
#include <xen/xen.h>

struct boot_info boot_info;
static uint8_t bda[256];

const void *map_firmware(paddr_t pa, size_t len)
{
    assert_int_equal(paddr_x(pa), 0x400);
    assert_true(len <= sizeof(bda));
    return bda;
}

void vunmap_range(const volatile void *va, size_t len)
{
}

static int reset(void **state)
{
    memset(&boot_info, 0, sizeof(boot_info));
    memset(bda, 0, sizeof(bda));
    return 0;
}

static void set_bda(uint8_t mode, uint8_t columns, uint8_t last_row, uint8_t font)
{
    bda[0x49] = mode;
    bda[0x4a] = columns;
    bda[0x50] = 5;
    bda[0x51] = 7;
    bda[0x84] = last_row;
    bda[0x85] = font;
}

static void test_bios_text(void **state)
{
    dom0_vga_console_info_t info;

    set_bda(3, 80, 24, 16);
    assert_int_equal(screen_describe(&info), sizeof(info));
    assert_int_equal(info.video_type, XEN_VGATYPE_TEXT_MODE_3);
    assert_int_equal(info.u.text_mode_3.rows, 25);
    assert_int_equal(info.u.text_mode_3.columns, 80);
    assert_int_equal(info.u.text_mode_3.font_height, 16);
    assert_int_equal(info.u.text_mode_3.cursor_x, 5);
    assert_int_equal(info.u.text_mode_3.cursor_y, 7);

    /* No screen: nothing is said of one. Under EFI there is no such area at all. */
    set_bda(0, 0, 0, 0);
    assert_int_equal(screen_describe(&info), 0);
    set_bda(0x13, 40, 24, 8);
    assert_int_equal(screen_describe(&info), 0);
    set_bda(3, 80, 24, 16);
    boot_info.has_efi = true;
    assert_int_equal(screen_describe(&info), 0);
}

static void test_loader_text(void **state)
{
    dom0_vga_console_info_t info;

    boot_info.screen =
        (struct boot_screen){.kind = SCREEN_TEXT, .address = 0xb8000, .width = 80, .height = 50};
    assert_int_equal(screen_describe(&info), sizeof(info));
    assert_int_equal(info.u.text_mode_3.rows, 50);
    set_bda(3, 80, 24, 16); /* which knows the cursor */
    screen_describe(&info);
    assert_int_equal(info.u.text_mode_3.cursor_y, 7);
}

static void test_pixels(void **state)
{
    dom0_vga_console_info_t info = {0};
    struct boot_screen *s = &boot_info.screen;

    *s = (struct boot_screen){.kind = SCREEN_PIXELS,
                              .address = 0x7fc0000000,
                              .pitch = 4096,
                              .width = 1000,
                              .height = 768,
                              .bits_per_pixel = 32,
                              .red = {16, 8},
                              .green = {8, 8},
                              .blue = {0, 8}};
    boot_info.has_efi = true;
    assert_int_equal(screen_describe(&info), sizeof(info));
    assert_int_equal(info.video_type, XEN_VGATYPE_EFI_LFB);
    assert_int_equal(info.u.vesa_lfb.lfb_base, 0xc0000000);
    assert_int_equal(info.u.vesa_lfb.ext_lfb_base, 0x7f);
    assert_int_equal(info.u.vesa_lfb.lfb_size, 48); /* units of 64 KiB */
    assert_int_equal(info.u.vesa_lfb.bytes_per_line, 4096);
    assert_int_equal(info.u.vesa_lfb.red_pos, 16);
    boot_info.has_efi = false;
    screen_describe(&info);
    assert_int_equal(info.video_type, XEN_VGATYPE_VESA_LFB);

    s->width = 70000;
    assert_int_equal(screen_describe(&info), 0);
    s->width = 1000;
    s->pitch = 0;
    assert_int_equal(screen_describe(&info), 0);
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_bios_text), TEST(test_loader_text), TEST(test_pixels)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
