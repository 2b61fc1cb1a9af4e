/*
 * The firmware's memory map (UEFI specification 2.10, 7.2.3), as the loader got it when it ended boot
 * services.
 */
#ifndef EFI_MEMORY_H
#define EFI_MEMORY_H

#include <base/types.h>

struct efi_range {
    uint64_t start, size; /* bytes, whole 4 KiB pages */
    uint64_t attributes;  /* EFI_MEMORY_* */
    uint32_t type;        /* EFI_MEMORY_TYPE */
};

/*
 * Boot: fills host_e820 and keeps what concerns the firmware at run time. @descriptor_size: distance of one
 * descriptor to the next, at least that of version 1. Broken entries are left out, with one line for all.
 */
void efi_memory_map_read(const void *map, uint64_t size, uint32_t descriptor_size);

/* What the firmware says may be done with its run-time pages (4.6.3, EFI_MEMORY_ATTRIBUTES_TABLE). */
#define EFI_PROTECT_WRITE   0x020000 /* EFI_MEMORY_RO */
#define EFI_PROTECT_EXECUTE 0x004000 /* EFI_MEMORY_XP */

/* Boot: @descriptors as in the map. More than there is room for are left out. */
void efi_memory_attributes_read(const void *descriptors, uint32_t nr, uint32_t descriptor_size);

/* EFI_PROTECT_*; 0 for what the table does not cover. */
uint64_t efi_memory_protection(uint64_t address);

/* The range that an address lies in; NULL if the map has none. */
const struct efi_range *efi_memory_find(uint64_t address);

/* The nth range that the firmware uses at run time; NULL behind the last. */
const struct efi_range *efi_runtime_range(uint32_t n);

#endif
