/* The machine's screen, as dom0 is told of it: struct dom0_vga_console_info (<xen/xen.h>). */
#ifndef BOOT_SCREEN_H
#define BOOT_SCREEN_H

#include <base/types.h>
#include <boot/boot_info.h>

struct dom0_vga_console_info;

struct bios_text_mode {
    uint8_t mode, font_height;
    uint8_t columns, rows, cursor_x, cursor_y;
};
/*
 * What the BIOS data area (IBM PC/AT Technical Reference, segment 40h; @bda: 256 bytes) says of the screen;
 * false if it is not in a text mode of 80 columns.
 */
bool screen_bios_text(const uint8_t *bda, struct bios_text_mode *text);

/* Boot: fills *info; the bytes used of it, 0 if nothing is known of a screen. */
uint32_t screen_describe(struct dom0_vga_console_info *info);

#endif
