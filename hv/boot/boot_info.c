#include <base/bug.h>
#include <base/compiler.h>
#include <boot/boot_info.h>
#include <boot/e820.h>
#include <console/printk.h>
#include <lib/string.h>
#include <mm/page.h>

#define BOOT_MAPPED_END       (4UL << 30)
#define MULTIBOOT2_BOOT_MAGIC 0x36d76289

extern uint32_t multiboot_info_paddr, multiboot_magic;

struct boot_info boot_info __initdata;
static char strings[8192] __initdata;
static size_t strings_used __initdata;
static bool map_full __initdata, modules_full __initdata;

const char *__init boot_keep_string(const char *s, uint64_t max, const char *what)
{
    size_t room = sizeof(strings) - strings_used - 1, len = 0;
    char *copy = strings + strings_used;

    while (len < max && s[len] && len < room)
        len++;
    if (len < max && s[len])
        printk_warn("%s is too long: only its first %zu bytes are used\n", what, len);
    memcpy(copy, s, len);
    copy[len] = 0;
    strings_used += len + (strings_used + len + 1 < sizeof(strings));
    return copy;
}

void __init boot_add_module(uint64_t start, uint64_t end, const char *cmdline)
{
    if (boot_info.nr_modules == MAX_MODULES) {
        if (!modules_full)
            printk_warn("only the first %d modules are used\n", MAX_MODULES);
        modules_full = true;
        return;
    }
    if (end < start)
        boot_refuse("module %u ends before it starts", boot_info.nr_modules);
    boot_info.module[boot_info.nr_modules++] = (struct boot_module){start, end, cmdline};
}

void __init boot_add_memory(uint64_t addr, uint64_t size, uint32_t type)
{
    struct e820_entry *last = host_e820.nr ? &host_e820.entry[host_e820.nr - 1] : NULL;

    if (!type)
        type = E820_RESERVED;
    /* EFI's maps have many neighbours of one kind. One that wraps around is left to e820_sanitize(). */
    if (last && last->type == type && last->addr + last->size == addr && addr + size >= addr) {
        last->size += size;
        return;
    }
    if (host_e820.nr < E820_MAX) {
        host_e820.entry[host_e820.nr++] = (struct e820_entry){addr, size, type};
    } else if (!map_full) {
        printk_warn("memory map: more than %d entries, the rest is not used\n", E820_MAX);
        map_full = true;
    }
}

static bool __init in_ram(uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < host_e820.nr; i++) {
        const struct e820_entry *e = &host_e820.entry[i];

        if (e->type == E820_RAM && start >= e->addr && end <= e->addr + e->size)
            return true;
    }
    return false;
}

static bool __init overlap(uint64_t a_start, uint64_t a_end, uint64_t b_start, uint64_t b_end)
{
    return a_start < b_end && b_start < a_end;
}

void __init boot_info_check_modules(uint64_t image_start, uint64_t image_end)
{
    for (uint32_t i = 0; i < boot_info.nr_modules; i++) {
        uint64_t start = boot_info.module[i].start, end = boot_info.module[i].end;

        if (start == end)
            continue;
        if (!in_ram(ROUND_DOWN(start, PAGE_SIZE), ROUND_UP(end, PAGE_SIZE)))
            boot_refuse("module %u at %#lx-%#lx is not in RAM", i, start, end);
        if (overlap(start, end, image_start, image_end))
            boot_refuse("module %u at %#lx-%#lx overlaps the VMM's image at %#lx-%#lx", i, start, end,
                        image_start, image_end);
        for (uint32_t k = 0; k < i; k++)
            if (overlap(start, end, boot_info.module[k].start, boot_info.module[k].end))
                boot_refuse("module %u at %#lx-%#lx overlaps module %u at %#lx-%#lx", i, start, end, k,
                            boot_info.module[k].start, boot_info.module[k].end);
    }
}

bool __init boot_info_must_move(const struct boot_module *module)
{
    return module->start != module->end && (module->start < LOW_MEMORY_END || module->start & ~PAGE_MASK);
}

#ifndef HOSPES_UNIT_TEST

const void *__init boot_peek(uint64_t paddr, uint64_t size)
{
    return size <= BOOT_MAPPED_END && paddr <= BOOT_MAPPED_END - size ? paddr_to_virt(_paddr(paddr)) : NULL;
}

void __init boot_info_read(void)
{
    const void *info = boot_peek(multiboot_info_paddr, 0);

    if (multiboot_magic == MULTIBOOT2_BOOT_MAGIC)
        multiboot2_parse(info, BOOT_MAPPED_END - multiboot_info_paddr);
    else
        multiboot1_parse(info);
    if (!host_e820.nr)
        boot_refuse("memory map: the loader gave none");
}

#endif
