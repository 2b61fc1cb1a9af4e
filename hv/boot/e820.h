/* The machine's memory map, as the firmware and loader gave it (ACPI 6.4, 15.1: INT 15h, E820h). */
#ifndef BOOT_E820_H
#define BOOT_E820_H

#include <base/types.h>

#define E820_RAM      1
#define E820_RESERVED 2
#define E820_ACPI     3
#define E820_NVS      4
#define E820_UNUSABLE 5

struct e820_entry { /* layout of the ABI: XENMEM_machine_memory_map gives these to guests */
    uint64_t addr, size;
    uint32_t type;
} __attribute__((packed));

#define E820_MAX 256

struct boot_e820 {
    uint32_t nr;
    struct e820_entry entry[E820_MAX];
};

extern struct boot_e820 host_e820; /* sorted, no overlaps; RAM includes what the VMM uses */

/* One line if entries of the map, as it was given, overlap or wrap. */
void e820_check(const struct boot_e820 *map);

/*
 * Sorts, drops empty entries and RAM that wraps, resolves overlaps (RAM loses to
 * anything else), merges neighbours. Returns the number of RAM bytes.
 */
uint64_t e820_sanitize(struct boot_e820 *map);

/*
 * The first of so many pages of RAM in a row where real mode can reach them, as a frame number; 0: there are
 * none. From 8000h on: what lies lower is the BIOS's and loaders'. Nobody owns them (LOW_MEMORY_END).
 */
uint64_t e820_low_pages(const struct boot_e820 *map, uint32_t count);

#endif
