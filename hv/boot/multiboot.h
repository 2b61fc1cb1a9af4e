/*
 * What the loader gave us, whichever protocol it spoke.
 */
#ifndef BOOT_MULTIBOOT_H
#define BOOT_MULTIBOOT_H

#include <base/types.h>

struct boot_module {
    uint64_t start, end; /* physical, bytes; below 4 GiB */
    const char *cmdline; /* with the module's name as first word */
};

#define MAX_MODULES 8

struct boot_info {
    const char *loader;
    const char *cmdline;
    uint32_t nr_modules;
    struct boot_module module[MAX_MODULES];
};

extern struct boot_info boot_info;

/*
 * Copies everything of use out of the loader's structures (they lie in memory
 * that will be allocated) into boot_info and host_e820. Panics naming what is
 * missing or broken.
 */
void multiboot_parse(void);

#endif
