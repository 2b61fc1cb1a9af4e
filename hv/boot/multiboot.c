#include <base/bug.h>
#include <base/compiler.h>
#include <boot/e820.h>
#include <boot/multiboot.h>
#include <console/printk.h>
#include <lib/string.h>
#include <mm/page.h>

/* Multiboot specification 0.6.96, 3.3 */
#define MBI_MEMORY  0x001
#define MBI_CMDLINE 0x004
#define MBI_MODULES 0x008
#define MBI_MMAP    0x040
#define MBI_LOADER  0x200

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

extern uint32_t multiboot_info_paddr;

struct boot_info boot_info __initdata;
static char strings[8192] __initdata;
static size_t strings_used __initdata;

/* Within the 4 GiB that the boot tables map. */
static const void *__init loader_data(uint32_t paddr)
{
    return paddr_to_virt(_paddr(paddr));
}

/* A copy that outlives the loader's memory; cut short, with a warning, if there is no room. */
static const char *__init keep_string(uint32_t paddr, const char *what)
{
    const char *s = loader_data(paddr);
    size_t room = sizeof(strings) - strings_used - 1, len = 0;
    char *copy = strings + strings_used;

    while (s[len] && len < room)
        len++;
    if (s[len])
        printk_warn("%s is too long: only its first %zu bytes are used\n", what, len);
    memcpy(copy, s, len);
    copy[len] = 0;
    strings_used += len + (strings_used + len + 1 < sizeof(strings));
    return copy;
}

static void __init parse_mmap(const struct mbi *mbi)
{
    const char *p = loader_data(mbi->mmap_addr), *end = p + mbi->mmap_length;

    while (p + sizeof(struct mbi_mmap) <= end) {
        const struct mbi_mmap *m = (const void *)p;

        if (m->size < sizeof(*m) - sizeof(m->size))
            panic("memory map: the loader gave an entry of %u bytes", m->size);
        if (host_e820.nr == E820_MAX) {
            printk_warn("memory map: more than %d entries, the rest is not used\n", E820_MAX);
            break;
        }
        host_e820.entry[host_e820.nr++] =
            (struct e820_entry){m->addr, m->len, m->type ? m->type : E820_RESERVED};
        p += m->size + sizeof(m->size);
    }
}

static void __init parse_modules(const struct mbi *mbi)
{
    const struct mbi_module *m = loader_data(mbi->mods_addr);

    for (uint32_t i = 0; i < mbi->mods_count; i++) {
        if (boot_info.nr_modules == MAX_MODULES) {
            printk_warn("only the first %d modules are used\n", MAX_MODULES);
            break;
        }
        if (m[i].end < m[i].start)
            panic("module %u ends before it starts", i);
        boot_info.module[boot_info.nr_modules++] = (struct boot_module){
            m[i].start, m[i].end, m[i].string ? keep_string(m[i].string, "a module's command line") : ""};
    }
}

void __init multiboot_parse(void)
{
    const struct mbi *mbi = loader_data(multiboot_info_paddr);

    boot_info.cmdline = mbi->flags & MBI_CMDLINE ? keep_string(mbi->cmdline, "the command line") : "";
    boot_info.loader =
        mbi->flags & MBI_LOADER ? keep_string(mbi->boot_loader_name, "the loader's name") : "unknown";
    if (mbi->flags & MBI_MMAP)
        parse_mmap(mbi);
    if (!host_e820.nr)
        panic("memory map: the loader gave none");
    if (mbi->flags & MBI_MODULES)
        parse_modules(mbi);
}
