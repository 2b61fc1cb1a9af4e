#include <base/bug.h>
#include <base/compiler.h>
#include <boot/e820.h>
#include <console/printk.h>
#include <mm/layout.h>
#include <mm/page.h>

#define LOW_PAGE_FIRST 8    /* frame numbers */
#define LOW_PAGE_END   0xa0 /* 640 KiB */

struct boot_e820 host_e820;

static void sort_by_address(struct boot_e820 *map)
{
    for (uint32_t i = 1; i < map->nr; i++) {
        struct e820_entry e = map->entry[i];
        uint32_t j = i;

        for (; j > 0 && map->entry[j - 1].addr > e.addr; j--)
            map->entry[j] = map->entry[j - 1];
        map->entry[j] = e;
    }
}

static void remove_entry(struct boot_e820 *map, uint32_t i)
{
    map->nr--;
    for (; i < map->nr; i++)
        map->entry[i] = map->entry[i + 1];
}

static bool wraps(const struct e820_entry *e)
{
    return e->addr + e->size < e->addr;
}

/* What wraps is no RAM, but what else it may be is so up to the end of addresses. */
static void drop_invalid(struct boot_e820 *map)
{
    for (uint32_t i = 0; i < map->nr;) {
        struct e820_entry *e = &map->entry[i];

        if (wraps(e) && e->type != E820_RAM)
            e->size = UINT64_MAX - e->addr;
        if (!e->size || wraps(e))
            remove_entry(map, i);
        else
            i++;
    }
}

static bool overlaps_another(const struct boot_e820 *map, uint32_t i)
{
    const struct e820_entry *e = &map->entry[i];

    for (uint32_t k = 0; k < i; k++)
        if (e->size && map->entry[k].size && e->addr < map->entry[k].addr + map->entry[k].size &&
            map->entry[k].addr < e->addr + e->size)
            return true;
    return false;
}

void e820_check(const struct boot_e820 *map)
{
    uint32_t wrapping = 0, overlapping = 0;

    for (uint32_t i = 0; i < map->nr; i++) {
        wrapping += wraps(&map->entry[i]);
        overlapping += overlaps_another(map, i);
    }
    if (wrapping || overlapping)
        printk_warn(
            "memory map: %u entries overlap others, %u wrap around: what one of them reserves is not used\n",
            overlapping, wrapping);
}

static bool insert_entry(struct boot_e820 *map, uint64_t start, uint64_t end, uint32_t type)
{
    if (map->nr == E820_MAX)
        return false;
    map->entry[map->nr++] = (struct e820_entry){start, end - start, type};
    return true;
}

/*
 * Makes a and its successor b disjoint: the type with the higher number wins
 * the common part, so that nothing reserved is ever used as RAM. Returns false
 * when nothing overlapped.
 */
static bool resolve_pair(struct boot_e820 *map, uint32_t i)
{
    struct e820_entry *a = &map->entry[i], *b = &map->entry[i + 1];
    uint64_t a_end = a->addr + a->size, b_end = b->addr + b->size;

    if (b->addr >= a_end)
        return false;
    if (b->type > a->type) {
        uint32_t type = a->type;

        a->size = b->addr - a->addr;
        if (a_end > b_end)
            insert_entry(map, b_end, a_end, type);
    } else if (b_end <= a_end) {
        b->size = 0;
    } else {
        b->addr = a_end;
        b->size = b_end - a_end;
    }
    return true;
}

static void merge_neighbours(struct boot_e820 *map)
{
    for (uint32_t i = 0; i + 1 < map->nr;) {
        struct e820_entry *a = &map->entry[i], *b = &map->entry[i + 1];

        if (a->type == b->type && a->addr + a->size == b->addr) {
            a->size += b->size;
            remove_entry(map, i + 1);
        } else {
            i++;
        }
    }
}

uint64_t e820_sanitize(struct boot_e820 *map)
{
    uint64_t ram = 0;

    drop_invalid(map);
    sort_by_address(map);
    for (uint32_t i = 0; i + 1 < map->nr;) {
        if (resolve_pair(map, i)) {
            drop_invalid(map);
            sort_by_address(map);
            i = 0;
        } else {
            i++;
        }
    }
    merge_neighbours(map);
    for (uint32_t i = 0; i < map->nr; i++) {
        const struct e820_entry *e = &map->entry[i];

        if (e->type != E820_RAM)
            continue;
        /* Before anything is computed from such addresses; nothing wraps any more. */
        if (e->addr + e->size > DIRECTMAP_END - DIRECTMAP_START)
            boot_refuse("memory map: RAM at %#lx is beyond what this VMM can address", e->addr);
        ram += e->size;
    }
    return ram;
}

static bool is_ram(const struct boot_e820 *map, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < map->nr; i++) {
        const struct e820_entry *e = &map->entry[i];

        if (e->type == E820_RAM && start >= e->addr && end <= e->addr + e->size)
            return true;
    }
    return false;
}

uint64_t e820_low_pages(const struct boot_e820 *map, uint32_t count)
{
    for (uint64_t page = LOW_PAGE_FIRST; page + count <= LOW_PAGE_END; page++)
        if (is_ram(map, page * PAGE_SIZE, (page + count) * PAGE_SIZE))
            return page;
    return 0;
}
