/*
 * The firmware's system table (UEFI specification 2.10, 4.3): read once at boot, unchanged afterwards. It,
 * the tables it names and their code stay where they are: SetVirtualAddressMap() is not called.
 */
#ifndef EFI_SYSTEM_H
#define EFI_SYSTEM_H

#include <base/types.h>

#define EFI_VENDOR_MAX 100

struct efi_system {
    bool present;
    uint32_t revision, firmware_revision;
    uint64_t config_table; /* physical; EFI_CONFIGURATION_TABLE[nr_config] */
    uint32_t nr_config;
    uint64_t runtime_services;       /* physical */
    uint32_t runtime_revision;       /* 0: none that can be used */
    uint32_t vendor_length;          /* characters, with the terminating one */
    uint16_t vendor[EFI_VENDOR_MAX]; /* UCS-2 */
    uint64_t rsdp;                   /* physical; 0: none */
};

extern struct efi_system efi_system;

/*
 * Boot, before any memory is allocated, as parts of it may lie in memory that is free now. What is broken
 * costs one line and is absent.
 */
void efi_system_read(uint64_t system_table);

#endif
