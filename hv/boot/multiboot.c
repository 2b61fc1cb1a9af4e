/* Multiboot 1 (specification 0.6.96, 3.3). */
#include <base/bug.h>
#include <base/compiler.h>
#include <boot/boot_info.h>
#include <lib/string.h>

#define MBI_CMDLINE 0x004
#define MBI_MODULES 0x008
#define MBI_MMAP    0x040
#define MBI_LOADER  0x200

#define LOADER_END (4UL << 30)

struct mbi {
    uint32_t flags;
    uint32_t mem_lower, mem_upper;
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr;
    uint32_t config_table;
    uint32_t boot_loader_name;
};

struct mbi_module {
    uint32_t start, end, string, reserved;
};

struct mbi_mmap {
    uint32_t size; /* of the entry, without this field */
    uint64_t addr, len;
    uint32_t type;
} __packed;

/* Everything of the loader's is within the 4 GiB that the boot tables map. */
static const void *__init loader_data(uint32_t paddr)
{
    return boot_peek(paddr, 0);
}

static const char *__init keep_string(uint32_t paddr, const char *what)
{
    return boot_keep_string(loader_data(paddr), LOADER_END - paddr, what);
}

static void __init parse_mmap(const struct mbi *mbi)
{
    uint64_t left = MIN((uint64_t)mbi->mmap_length, LOADER_END - mbi->mmap_addr);
    const char *p = loader_data(mbi->mmap_addr), *end = p + left;

    while (p + sizeof(struct mbi_mmap) <= end) {
        const struct mbi_mmap *m = (const void *)p;

        if (m->size < sizeof(*m) - sizeof(m->size))
            boot_refuse("memory map: the loader gave an entry of %u bytes", m->size);
        boot_add_memory(m->addr, m->len, m->type);
        p += m->size + sizeof(m->size);
    }
}

static void __init parse_modules(const struct mbi *mbi)
{
    const struct mbi_module *m = loader_data(mbi->mods_addr);

    for (uint32_t i = 0; i < mbi->mods_count && i <= MAX_MODULES; i++)
        boot_add_module(m[i].start, m[i].end,
                        m[i].string ? keep_string(m[i].string, "a module's command line") : "");
}

void __init multiboot1_parse(const void *info)
{
    const struct mbi *mbi = info;

    boot_info.cmdline = mbi->flags & MBI_CMDLINE ? keep_string(mbi->cmdline, "the command line") : "";
    boot_info.loader =
        mbi->flags & MBI_LOADER ? keep_string(mbi->boot_loader_name, "the loader's name") : "unknown";
    /* GRUB 2 hands on the arguments alone; others begin with the file's name, as GRUB 0.97 did. */
    boot_info.image_names = strncmp(boot_info.loader, "GRUB ", 5) || boot_info.loader[5] == '0';
    if (mbi->flags & MBI_MMAP)
        parse_mmap(mbi);
    if (mbi->flags & MBI_MODULES)
        parse_modules(mbi);
}
