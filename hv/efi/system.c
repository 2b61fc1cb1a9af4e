#include <boot/boot_info.h>
#include <console/printk.h>
#include <efi/memory.h>
#include <efi/runtime.h>
#include <efi/system.h>
#include <efi/types.h>
#include <lib/string.h>

#define MAX_CONFIG_TABLES 256
#define MAX_ATTRIBUTES    4096

/* UEFI specification 2.10, 4.6.3; the descriptors follow. */
#define MEMORY_ATTRIBUTES_GUID                                                                               \
    {                                                                                                        \
        0xdcfa911d, 0x26eb, 0x469f,                                                                          \
        {                                                                                                    \
            0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20                                                   \
        }                                                                                                    \
    }
struct memory_attributes {
    uint32_t version, nr, descriptor_size, reserved;
};

struct efi_system efi_system __ro_after_init;

/* A table or string of the firmware's, if it lies whole in one range of its memory map. */
static const void *__init firmware_data(const void *pointer, uint64_t size)
{
    uint64_t paddr = (uint64_t)pointer;
    const struct efi_range *r = efi_memory_find(paddr);

    if (!r || size > r->size - (paddr - r->start))
        return NULL;
    return boot_peek(paddr, size);
}

static void __init read_vendor(const void *pointer)
{
    const uint16_t *c;

    while (efi_system.vendor_length < EFI_VENDOR_MAX - 1) {
        c = firmware_data((const uint16_t *)pointer + efi_system.vendor_length, sizeof(*c));
        if (!c || !*c)
            break;
        efi_system.vendor[efi_system.vendor_length++] = *c;
    }
    efi_system.vendor[efi_system.vendor_length++] = 0;
}

/* Without it the firmware's code ranges can be written to during a call: they hold data as well. */
static void __init read_memory_attributes(const void *pointer)
{
    const struct memory_attributes *t = firmware_data(pointer, sizeof(*t));

    if (!t || t->descriptor_size < sizeof(EFI_MEMORY_DESCRIPTOR) || t->nr > MAX_ATTRIBUTES ||
        !firmware_data(pointer, sizeof(*t) + (uint64_t)t->nr * t->descriptor_size)) {
        printk_warn("EFI: memory attributes table at %p, not used\n", pointer);
        return;
    }
    efi_memory_attributes_read(t + 1, t->nr, t->descriptor_size);
}

static void __init read_config_table(const void *pointer, uint64_t nr)
{
    static const EFI_GUID rsdp_1 = ACPI_TABLE_GUID, rsdp_2 = ACPI_20_TABLE_GUID,
                          memory_attributes = MEMORY_ATTRIBUTES_GUID;
    const EFI_CONFIGURATION_TABLE *t;

    if (nr > MAX_CONFIG_TABLES || !(t = firmware_data(pointer, nr * sizeof(*t)))) {
        printk_warn("EFI: %lu configuration tables at %p, not used\n", nr, pointer);
        return;
    }
    efi_system.config_table = (uint64_t)pointer;
    efi_system.nr_config = nr;
    for (uint64_t i = 0; i < nr; i++) {
        if (!memcmp(&t[i].VendorGuid, &rsdp_2, sizeof(rsdp_2)))
            efi_system.rsdp = (uint64_t)t[i].VendorTable;
        else if (!memcmp(&t[i].VendorGuid, &rsdp_1, sizeof(rsdp_1)) && !efi_system.rsdp)
            efi_system.rsdp = (uint64_t)t[i].VendorTable;
        else if (!memcmp(&t[i].VendorGuid, &memory_attributes, sizeof(memory_attributes)))
            read_memory_attributes(t[i].VendorTable);
    }
}

static void __init read_runtime_services(const void *pointer)
{
    const EFI_RUNTIME_SERVICES *rs = firmware_data(pointer, sizeof(*rs));

    if (!rs || rs->Hdr.Signature != EFI_RUNTIME_SERVICES_SIGNATURE) {
        printk_warn("EFI: no runtime services at %p\n", pointer);
        return;
    }
    efi_system.runtime_services = (uint64_t)pointer;
    efi_system.runtime_revision = rs->Hdr.Revision;
    efi_runtime_services_read(rs);
}

void __init efi_system_read(uint64_t system_table)
{
    const EFI_SYSTEM_TABLE *st = firmware_data((const void *)system_table, sizeof(*st));

    if (!st || st->Hdr.Signature != EFI_SYSTEM_TABLE_SIGNATURE) {
        printk_warn("EFI: no system table at %#lx\n", system_table);
        return;
    }
    efi_system.present = true;
    efi_system.revision = st->Hdr.Revision;
    efi_system.firmware_revision = st->FirmwareRevision;
    read_vendor(st->FirmwareVendor);
    read_config_table(st->ConfigurationTable, st->NumberOfTableEntries);
    read_runtime_services(st->RuntimeServices);
    printk_info("EFI %u.%u, %u configuration tables\n", efi_system.revision >> 16,
                (efi_system.revision & 0xffff) / 10, efi_system.nr_config);
}
