/* Multiboot 2 (specification 2.0, section 3.6): a list of tags. */
#include <base/bug.h>
#include <base/compiler.h>
#include <boot/boot_info.h>
#include <boot/e820.h>
#include <console/printk.h>
#include <efi/memory.h>
#include <lib/string.h>

enum {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_LOADER = 2,
    TAG_MODULE = 3,
    TAG_MMAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_EFI64 = 12,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15,
    TAG_EFI_MMAP = 17,
    TAG_EFI_BS = 18,
};

#define TAG_ALIGN 8
/* Command lines, maps and tables: far less than this. */
#define MAX_INFO (16u << 20)

struct tag {
    uint32_t type, size; /* with these two fields, without padding */
};

struct tag_module {
    struct tag tag;
    uint32_t start, end;
    char cmdline[];
};

struct tag_mmap {
    struct tag tag;
    uint32_t entry_size, entry_version;
    char entries[];
};

struct mmap_entry {
    uint64_t addr, size;
    uint32_t type, reserved;
};

struct tag_efi64 {
    struct tag tag;
    uint64_t system_table;
};

struct tag_efi_mmap {
    struct tag tag;
    uint32_t descriptor_size, descriptor_version;
    char map[];
};

#define FRAMEBUFFER_RGB  1
#define FRAMEBUFFER_TEXT 2
struct tag_framebuffer {
    struct tag tag;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel, type;
    uint16_t reserved;
    /* FRAMEBUFFER_RGB only: */
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
};

static bool odd_tag_named __initdata;

/* One line for all of them; what they would have told is absent. */
static bool __init long_enough(const struct tag *tag, size_t needed)
{
    if (tag->size >= needed)
        return true;
    if (!odd_tag_named)
        printk_warn("multiboot 2: tag %u has only %u bytes, not used\n", tag->type, tag->size);
    odd_tag_named = true;
    return false;
}

static void __init take_module(const struct tag *tag)
{
    const struct tag_module *m = (const void *)tag;

    if (tag->size < sizeof(*m))
        boot_refuse("multiboot 2: module %u's tag has only %u bytes", boot_info.nr_modules, tag->size);
    boot_add_module(m->start, m->end,
                    boot_info.nr_modules < MAX_MODULES
                        ? boot_keep_string(m->cmdline, tag->size - sizeof(*m), "a module's command line")
                        : "");
}

static void __init take_mmap(const struct tag *tag)
{
    const struct tag_mmap *t = (const void *)tag;
    struct mmap_entry e;

    if (!long_enough(tag, sizeof(*t)) || host_e820.nr)
        return;
    if (t->entry_size < sizeof(e))
        boot_refuse("memory map: the loader gave entries of %u bytes", t->entry_size);
    for (uint64_t pos = sizeof(*t); pos + t->entry_size <= tag->size; pos += t->entry_size) {
        memcpy(&e, (const char *)tag + pos, sizeof(e));
        boot_add_memory(e.addr, e.size, e.type);
    }
}

static void __init take_efi_mmap(const struct tag *tag)
{
    const struct tag_efi_mmap *t = (const void *)tag;

    if (long_enough(tag, sizeof(*t)) && !host_e820.nr)
        efi_memory_map_read(t->map, tag->size - sizeof(*t), t->descriptor_size);
}

static void __init take_efi64(const struct tag *tag)
{
    const struct tag_efi64 *t = (const void *)tag;

    if (!long_enough(tag, sizeof(*t)))
        return;
    boot_info.has_efi = true;
    boot_info.efi_system_table = t->system_table;
}

static void __init take_framebuffer(const struct tag *tag)
{
    const struct tag_framebuffer *f = (const void *)tag;
    struct boot_screen *s = &boot_info.screen;

    if (!long_enough(tag, offsetof(struct tag_framebuffer, red_position)))
        return;
    if (f->type == FRAMEBUFFER_RGB && long_enough(tag, offsetof(struct tag_framebuffer, blue_size) + 1))
        *s = (struct boot_screen){.kind = SCREEN_PIXELS,
                                  .red = {f->red_position, f->red_size},
                                  .green = {f->green_position, f->green_size},
                                  .blue = {f->blue_position, f->blue_size}};
    else if (f->type == FRAMEBUFFER_TEXT)
        s->kind = SCREEN_TEXT;
    else
        return;
    s->address = f->address;
    s->pitch = f->pitch;
    s->width = f->width;
    s->height = f->height;
    s->bits_per_pixel = f->bits_per_pixel;
}

/* The newer kind of RSDP wins; the loader gives copies, not where it found them. */
static void __init take_rsdp(const struct tag *tag)
{
    uint32_t length = tag->size - sizeof(*tag);

    if (boot_info.rsdp_length && tag->type == TAG_ACPI_OLD)
        return;
    boot_info.rsdp_length = MIN(length, (uint32_t)RSDP_COPY_MAX);
    memcpy(boot_info.rsdp, tag + 1, boot_info.rsdp_length);
}

/* Of what comes twice the first is taken, so that no list makes us print without end. */
static void __init take_tag(const struct tag *tag)
{
    const char *text = (const char *)(tag + 1);
    uint64_t length = tag->size - sizeof(*tag);

    switch (tag->type) {
    case TAG_CMDLINE:
        if (!boot_info.cmdline)
            boot_info.cmdline = boot_keep_string(text, length, "the command line");
        break;
    case TAG_LOADER:
        if (!boot_info.loader)
            boot_info.loader = boot_keep_string(text, length, "the loader's name");
        break;
    case TAG_MODULE:
        take_module(tag);
        break;
    case TAG_FRAMEBUFFER:
        take_framebuffer(tag);
        break;
    case TAG_EFI64:
        take_efi64(tag);
        break;
    case TAG_ACPI_OLD:
    case TAG_ACPI_NEW:
        take_rsdp(tag);
        break;
    case TAG_EFI_BS:
        boot_refuse("multiboot 2: EFI's boot services still run, which was not asked for");
    default:
        break;
    }
}

/* Calls take() for each tag; what is not a list of tags ends the boot. */
static void __init walk(const char *info, uint32_t size, void (*take)(const struct tag *))
{
    uint32_t pos = TAG_ALIGN;

    while (size - pos >= sizeof(struct tag)) {
        const struct tag *tag = (const void *)(info + pos);

        if (tag->type == TAG_END)
            return;
        if (tag->size < sizeof(*tag) || tag->size > size - pos)
            boot_refuse("multiboot 2: tag %u at offset %u has %u bytes, %u are left", tag->type, pos,
                        tag->size, size - pos);
        take(tag);
        pos += MIN(ROUND_UP(tag->size, (uint32_t)TAG_ALIGN), size - pos);
    }
    boot_refuse("multiboot 2: the list of tags has no end");
}

static void __init take_efi_map_tag(const struct tag *tag)
{
    if (tag->type == TAG_EFI_MMAP)
        take_efi_mmap(tag);
}

static void __init take_map_tag(const struct tag *tag)
{
    if (tag->type == TAG_MMAP)
        take_mmap(tag);
}

void __init multiboot2_parse(const void *info, uint64_t limit)
{
    uint32_t size = *(const uint32_t *)info;

    boot_info.image_names = false;
    if (size < TAG_ALIGN || size > MAX_INFO || size > limit)
        boot_refuse("multiboot 2: information of %u bytes", size);
    walk(info, size, take_tag);
    boot_info.cmdline = boot_info.cmdline ? boot_info.cmdline : "";
    boot_info.loader = boot_info.loader ? boot_info.loader : "unknown";
    /* The firmware's own map tells more than the loader's extract of it. */
    walk(info, size, take_efi_map_tag);
    if (!host_e820.nr)
        walk(info, size, take_map_tag);
}
