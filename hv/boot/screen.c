#include <base/compiler.h>
#include <boot/screen.h>
#include <console/printk.h>
#include <mm/ioremap.h>
#include <xen/xen.h>

#define BDA             0x400
#define BDA_SIZE        0x100
#define BDA_MODE        0x49
#define BDA_COLUMNS     0x4a /* 2 bytes */
#define BDA_CURSOR      0x50 /* column, row of page 0 */
#define BDA_LAST_ROW    0x84
#define BDA_FONT_HEIGHT 0x85 /* 2 bytes */

#define LFB_UNIT 0x10000 /* of lfb_size */

bool __init screen_bios_text(const uint8_t *bda, struct bios_text_mode *text)
{
    *text = (struct bios_text_mode){.mode = bda[BDA_MODE],
                                    .columns = bda[BDA_COLUMNS],
                                    .rows = bda[BDA_LAST_ROW] + 1,
                                    .font_height = bda[BDA_FONT_HEIGHT],
                                    .cursor_x = bda[BDA_CURSOR],
                                    .cursor_y = bda[BDA_CURSOR + 1]};
    /* Modes 2 and 3 are text in 80 columns, 7 is its monochrome form; rows and font are there since EGA. */
    return (text->mode == 2 || text->mode == 3 || text->mode == 7) && text->columns == 80 &&
           text->rows >= 25 && text->font_height && text->cursor_x < text->columns &&
           text->cursor_y < text->rows;
}

static uint32_t __init describe_text(struct dom0_vga_console_info *info)
{
    const struct boot_screen *s = &boot_info.screen;
    struct bios_text_mode text = {0};
    const uint8_t *bda = boot_info.has_efi ? NULL : map_firmware(_paddr(BDA), BDA_SIZE);
    bool known = bda && screen_bios_text(bda, &text);

    if (bda)
        vunmap_range(bda, BDA_SIZE);
    if (!known && s->kind != SCREEN_TEXT)
        return 0;
    if (!known)
        text = (struct bios_text_mode){.columns = s->width, .rows = s->height, .font_height = 16};
    info->video_type = XEN_VGATYPE_TEXT_MODE_3;
    info->u.text_mode_3.font_height = text.font_height;
    info->u.text_mode_3.cursor_x = text.cursor_x;
    info->u.text_mode_3.cursor_y = text.cursor_y;
    info->u.text_mode_3.rows = text.rows;
    info->u.text_mode_3.columns = text.columns;
    return sizeof(*info);
}

static uint32_t __init describe_pixels(struct dom0_vga_console_info *info)
{
    const struct boot_screen *s = &boot_info.screen;
    uint64_t size = (uint64_t)s->pitch * s->height;

    if (s->width > UINT16_MAX || s->height > UINT16_MAX || s->pitch > UINT16_MAX || !size || !s->address)
        return 0;
    info->video_type = boot_info.has_efi ? XEN_VGATYPE_EFI_LFB : XEN_VGATYPE_VESA_LFB;
    info->u.vesa_lfb.width = s->width;
    info->u.vesa_lfb.height = s->height;
    info->u.vesa_lfb.bytes_per_line = s->pitch;
    info->u.vesa_lfb.bits_per_pixel = s->bits_per_pixel;
    info->u.vesa_lfb.lfb_base = (uint32_t)s->address;
    info->u.vesa_lfb.ext_lfb_base = s->address >> 32;
    info->u.vesa_lfb.lfb_size = DIV_ROUND_UP(size, LFB_UNIT);
    info->u.vesa_lfb.red_pos = s->red.position;
    info->u.vesa_lfb.red_size = s->red.size;
    info->u.vesa_lfb.green_pos = s->green.position;
    info->u.vesa_lfb.green_size = s->green.size;
    info->u.vesa_lfb.blue_pos = s->blue.position;
    info->u.vesa_lfb.blue_size = s->blue.size;
    return sizeof(*info);
}

uint32_t __init screen_describe(struct dom0_vga_console_info *info)
{
    uint32_t size = boot_info.screen.kind == SCREEN_PIXELS ? describe_pixels(info) : describe_text(info);

    if (size && info->video_type == XEN_VGATYPE_TEXT_MODE_3)
        printk_info("Screen: text, %ux%u\n", info->u.text_mode_3.columns, info->u.text_mode_3.rows);
    else if (size)
        printk_info("Screen: %ux%u, %u bits per pixel, at %#lx\n", info->u.vesa_lfb.width,
                    info->u.vesa_lfb.height, info->u.vesa_lfb.bits_per_pixel, boot_info.screen.address);
    return size;
}
