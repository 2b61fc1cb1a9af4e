/*
 * What the loader gave us, whichever protocol it spoke.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include <base/types.h>

struct boot_module {
    uint64_t start, end; /* physical, bytes; below 4 GiB */
    const char *cmdline; /* with the module's name as first word if boot_info.image_names */
};

#define MAX_MODULES   8
#define RSDP_COPY_MAX 64

/* The screen as the loader left it. */
struct boot_screen {
    enum { SCREEN_UNKNOWN, SCREEN_TEXT, SCREEN_PIXELS } kind;
    uint64_t address; /* physical, of the frame buffer */
    uint32_t pitch;   /* bytes per line */
    uint32_t width, height;
    uint8_t bits_per_pixel;
    struct {
        uint8_t position, size; /* bits */
    } red, green, blue;
};

struct boot_info {
    const char *loader;
    const char *cmdline;
    bool image_names; /* command lines begin with the name of their file */
    uint32_t nr_modules;
    struct boot_module module[MAX_MODULES];
    struct boot_screen screen;
    bool has_efi;              /* started by EFI firmware of our width */
    uint64_t efi_system_table; /* physical */
    uint32_t rsdp_length;      /* 0: the loader gave no copy of it */
    uint8_t rsdp[RSDP_COPY_MAX];
};

extern struct boot_info boot_info;

/*
 * Copies everything of use out of the loader's structures (they lie in memory
 * that will be allocated) into boot_info and host_e820. Ends the boot with a
 * line that names what is missing or broken.
 */
void boot_info_read(void);

/*
 * Each protocol's part of it. @info: the structure, within @limit bytes of memory that can be read.
 * Multiboot 1's pointers are physical addresses.
 */
void multiboot1_parse(const void *info);
void multiboot2_parse(const void *info, uint64_t limit);

/* Below: firmware's data, the start of other CPUs; never allocated. */
#define LOW_MEMORY_END 0x100000

/* Once host_e820 is in order: modules must be in RAM and clear of each other and of the VMM's image. */
void boot_info_check_modules(uint64_t image_start, uint64_t image_end);
/* Whether it lies where its frames cannot become a domain's: in low memory (GRUB puts small ones there), or
 * off a page. */
bool boot_info_must_move(const struct boot_module *module);

/* Physical memory, until memory_init(); NULL where the boot tables map none (from 4 GiB on). */
const void *boot_peek(uint64_t paddr, uint64_t size);

/* For the protocols' parsers: a copy of a string of at most max bytes, cut short with a warning if there is
 * no room. */
const char *boot_keep_string(const char *s, uint64_t max, const char *what);
void boot_add_module(uint64_t start, uint64_t end, const char *cmdline);
void boot_add_memory(uint64_t addr, uint64_t size, uint32_t type);

#endif
