/*
 * A loader between QEMU and the VMM (both multiboot 1): spoils one thing of what firmware and loader hand
 * over, then starts the VMM, which is the first module. On the command line: NAME case=CASE -- the VMM's own
 * command line.
 */
#include <stdint.h>

#define MULTIBOOT_HEADER 0x1badb002u
#define MULTIBOOT_LOADED 0x2badb002u
#define HAS_MEMORY       (1u << 0)
#define HAS_CMDLINE      (1u << 2)
#define HAS_MODULES      (1u << 3)
#define HAS_MAP          (1u << 6)
#define RAM              1
#define RESERVED         2

struct mbi { /* Multiboot specification 0.6.96, 3.3 */
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length,
        mmap_addr;
    uint32_t rest[16];
};

struct module {
    uint32_t start, end, cmdline, pad;
};

struct map_entry {
    uint32_t size;
    uint64_t addr, length;
    uint32_t type;
} __attribute__((packed));

struct elf32 {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version, entry, phoff, shoff, flags;
    uint16_t ehsize, phentsize, phnum;
};

struct elf32_segment {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum, rest[26];
};

__attribute__((section(".multiboot"), used)) static const uint32_t header[3] = {MULTIBOOT_HEADER, 0,
                                                                                -MULTIBOOT_HEADER};

static struct mbi info;
static struct module modules[64];
static struct map_entry map[400];
static uint32_t nr_map;

static void copy(void *to, const void *from, uint32_t n)
{
    __asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static int same(const char *a, const char *b, uint32_t n)
{
    while (n--)
        if (*a++ != *b++)
            return 0;
    return 1;
}

static uint32_t length(const char *s)
{
    uint32_t n = 0;

    while (s[n])
        n++;
    return n;
}

static char *find(char *s, const char *what)
{
    for (; *s; s++)
        if (same(s, what, length(what)))
            return s;
    return 0;
}

static const char *name;

static int is(const char *what)
{
    return same(name, what, length(what)) && name[length(what)] == ' ';
}

static void add(uint64_t addr, uint64_t size, uint32_t type)
{
    map[nr_map++] = (struct map_entry){sizeof(struct map_entry) - 4, addr, size, type};
}

/* ---- ACPI */

static void fix_checksum(struct acpi_header *h)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < h->length; i++)
        sum += ((uint8_t *)h)[i];
    h->checksum -= sum;
}

static struct acpi_header *root(void)
{
    for (char *p = (char *)0xe0000; p < (char *)0x100000; p += 16)
        if (same(p, "RSD PTR ", 8))
            return *(struct acpi_header **)(p + 16);
    return 0;
}

static uint32_t *root_entry(const char *signature)
{
    struct acpi_header *h = root();
    uint32_t *entry = (uint32_t *)(h + 1);

    for (uint32_t i = 0; i < (h->length - sizeof(*h)) / 4; i++)
        if (same(((struct acpi_header *)entry[i])->signature, signature, 4))
            return &entry[i];
    return 0;
}

static uint8_t *last_madt_entry(struct acpi_header *madt)
{
    uint8_t *e = (uint8_t *)madt + 44;

    while (e + e[1] < (uint8_t *)madt + madt->length)
        e += e[1];
    return e;
}

static void spoil_acpi(void)
{
    struct acpi_header *madt = (struct acpi_header *)*root_entry("APIC");
    struct acpi_header *hpet = (struct acpi_header *)*root_entry("HPET");

    if (is("acpi-root-checksum"))
        root()->checksum++;
    if (is("acpi-root-short"))
        root()->length = 8;
    if (is("acpi-madt-checksum"))
        madt->checksum++;
    if (is("acpi-no-madt"))
        madt->signature[0] = 'X', fix_checksum(madt);
    if (is("acpi-length"))
        hpet->length = 0x7fffffff;
    if (is("acpi-nowhere"))
        *root_entry("HPET") = 0xd0000000, fix_checksum(root());
    if (is("acpi-zero-entry"))
        last_madt_entry(madt)[1] = 0, fix_checksum(madt);
    if (is("acpi-long-entry"))
        last_madt_entry(madt)[1] = 200, fix_checksum(madt);
}

/* ---- modules */

static void spoil_modules(void)
{
    struct module *last = &modules[info.mods_count - 1];

    if (is("modules-overlap"))
        last->start = modules[0].end - 4096, last->end = modules[0].end + 4096;
    if (is("module-on-vmm"))
        last->start = 0x200000, last->end = 0x201000;
    if (is("module-nowhere"))
        last->start = 0xd0000000, last->end = 0xd0100000;
    if (is("module-in-hole"))
        last->start = 0x9f000, last->end = 0xa1000;
    if (is("module-backwards"))
        last->end = last->start - 1;
    if (is("modules-many"))
        for (; info.mods_count < 64; info.mods_count++)
            modules[info.mods_count] = (struct module){0x3000000, 0x3000000, 0, 0};
}

/* ---- the memory map */

/* The same memory told in pieces: from the top down, overlapping, with entries that say nothing or wrap. */
static void shuffle_map(uint32_t n)
{
    struct map_entry old[32];

    copy(old, map, n * sizeof(*map));
    nr_map = 0;
    add(0x20000000, 0, RAM);
    add(~0ull - 4095, 8192, RAM);
    for (uint32_t i = n; i-- > 0;) {
        uint64_t half = old[i].length / 2 & ~0xfffull;

        add(old[i].addr + half, old[i].length - half, old[i].type);
        add(old[i].addr, half + (old[i].type == RAM ? 0x1000 : 0), old[i].type);
        add(old[i].addr, old[i].length, old[i].type);
    }
    add(0x20000123, 0x4567, RESERVED); /* a hole off page boundaries */
    add(0x21000000, 0x1000, 77);       /* of no known type */
}

static void spoil_map(void)
{
    uint32_t n = nr_map;

    if (is("map-none"))
        info.flags &= ~(HAS_MAP | HAS_MEMORY);
    if (is("map-empty"))
        nr_map = 0, info.flags &= ~HAS_MEMORY;
    if (is("map-shuffled"))
        shuffle_map(n);
    if (is("map-no-ram"))
        for (uint32_t i = 0; i < n; i++)
            map[i].type = RESERVED;
    if (is("map-tiny-ram"))
        for (uint32_t i = 0; i < n; i++)
            if (map[i].addr >= 0x100000 && map[i].type == RAM)
                map[i].length = 0x1800000;
    if (is("map-all-reserved-too"))
        add(0, ~0ull, RESERVED);
    if (is("map-bad-size"))
        map[n - 1].size = 0;
    if (is("map-many"))
        for (uint64_t i = 0; i < 300; i++)
            add(0x30000000 + i * 0x2000, 0x1000, RESERVED);
    if (is("map-sliced"))
        for (uint64_t i = 0; i < 40; i++)
            add(0x30000000 + i * 0x2000, 0x1000, RESERVED);
}

static void __attribute__((noreturn)) start_vmm(const struct elf32 *elf)
{
    const struct elf32_segment *s = (const void *)((const char *)elf + elf->phoff);

    for (uint32_t i = 0; i < elf->phnum; i++) {
        if (s[i].type != 1)
            continue;
        copy((void *)s[i].paddr, (const char *)elf + s[i].offset, s[i].filesz);
        for (uint32_t k = s[i].filesz; k < s[i].memsz; k++)
            ((volatile char *)s[i].paddr)[k] = 0;
    }
    __asm__ __volatile__("jmp *%0" ::"r"(elf->entry), "a"(MULTIBOOT_LOADED), "b"(&info) : "memory");
    __builtin_unreachable();
}

__attribute__((used)) static void shim_main(const struct mbi *given)
{
    const struct module *in = (const struct module *)given->mods_addr;
    char *line = (char *)given->cmdline;

    name = find(line, "case=") + 5;
    info = (struct mbi){.flags = HAS_MEMORY | HAS_CMDLINE | HAS_MODULES | HAS_MAP,
                        .mem_lower = given->mem_lower,
                        .mem_upper = given->mem_upper,
                        .cmdline = (uint32_t)find(line, "-- "),
                        .mods_count = given->mods_count - 1,
                        .mods_addr = (uint32_t)modules};
    copy(modules, in + 1, info.mods_count * sizeof(*modules));
    for (uint32_t at = 0; at < given->mmap_length; at += *(uint32_t *)(given->mmap_addr + at) + 4)
        copy(&map[nr_map++], (void *)(given->mmap_addr + at), sizeof(*map));
    spoil_acpi();
    spoil_modules();
    spoil_map();
    info.mmap_addr = (uint32_t)map;
    info.mmap_length = nr_map * sizeof(*map);
    start_vmm((const struct elf32 *)in[0].start);
}

static char stack[16384];

__attribute__((naked, used)) void _start(void)
{
    __asm__("mov %0, %%esp; push %%ebx; call shim_main; hlt" ::"i"(stack + sizeof(stack)));
}
