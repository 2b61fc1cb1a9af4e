/* fuzz: hv/boot/multiboot2.c hv/boot/boot_info.c hv/boot/e820.c hv/boot/screen.c hv/efi/memory.c
 * hv/lib/string.c */
/* The input is what the loader left in memory, all of it. What is refused ends there, as the boot does. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <boot/boot_info.h>
#include <boot/e820.h>
#include <boot/screen.h>
#include <efi/memory.h>
#include <mm/ioremap.h>
#include <xen/xen.h>
#define FUZZ_REFUSES
#include "quiet.h"

static jmp_buf refused;

void boot_refuse(const char *fmt, ...)
{
    longjmp(refused, 1);
}

const void *map_firmware(paddr_t pa, size_t len)
{
    return NULL;
}

void vunmap_range(const volatile void *va, size_t len)
{
}

static void use_what_was_taken(void)
{
    dom0_vga_console_info_t screen;

    if (boot_info.nr_modules > MAX_MODULES || boot_info.rsdp_length > RSDP_COPY_MAX ||
        host_e820.nr > E820_MAX)
        abort();
    for (uint32_t i = 0; i < boot_info.nr_modules; i++)
        if (strlen(boot_info.module[i].cmdline) > 8192)
            abort();
    if (strlen(boot_info.cmdline) + strlen(boot_info.loader) > 16384)
        abort();
    screen_describe(&screen);
    efi_memory_find(0x1000);
    for (uint32_t i = 0; efi_runtime_range(i); i++)
        ;
    e820_sanitize(&host_e820);
    boot_info_check_modules(0x200000, 0x300000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t total = size;
    uint8_t *copy;

    if (size < 8)
        return 0;
    copy = malloc(size);
    memcpy(copy, data, size);
    /* Mostly the right length, or little else is reached. */
    if (copy[4] != 0xff)
        memcpy(copy, &total, sizeof(total));
    memset(&boot_info, 0, sizeof(boot_info));
    host_e820.nr = 0;
    if (!setjmp(refused)) {
        multiboot2_parse(copy, size);
        use_what_was_taken();
    }
    free(copy);
    return 0;
}
