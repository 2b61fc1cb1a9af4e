#include <base/bug.h>
#include <base/compiler.h>
#include <boot/boot_info.h>
#include <boot/e820.h>
#include <console/printk.h>
#include <efi/types.h>
#include <efi/memory.h>
#include <lib/string.h>

#define MAX_RANGES     1024
#define MAX_ATTRIBUTES 256

static struct efi_range ranges[MAX_RANGES] __ro_after_init;
static uint32_t nr_ranges __ro_after_init;

static struct efi_range attributes[MAX_ATTRIBUTES] __initdata;
static uint32_t nr_attributes __initdata;

/* Table 7.10 of the specification: what is whose after ExitBootServices(). */
static uint32_t __init e820_type(const EFI_MEMORY_DESCRIPTOR *d)
{
    switch (d->Type) {
    case EfiLoaderCode:
    case EfiLoaderData:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiConventionalMemory:
        /* Memory that cannot be cached write-back is no RAM for general use. */
        return d->Attribute & EFI_MEMORY_WB && !(d->Attribute & EFI_MEMORY_RUNTIME) ? E820_RAM
                                                                                    : E820_RESERVED;
    case EfiACPIReclaimMemory:
        return E820_ACPI;
    case EfiACPIMemoryNVS:
        return E820_NVS;
    case EfiUnusableMemory:
        return E820_UNUSABLE;
    default:
        return E820_RESERVED;
    }
}

static bool __init descriptor_ok(const EFI_MEMORY_DESCRIPTOR *d)
{
    uint64_t limit = (1UL << 52) / EFI_PAGE_SIZE;

    return !(d->PhysicalStart % EFI_PAGE_SIZE) && d->NumberOfPages && d->NumberOfPages <= limit &&
           d->PhysicalStart / EFI_PAGE_SIZE <= limit - d->NumberOfPages;
}

void __init efi_memory_map_read(const void *map, uint64_t size, uint32_t descriptor_size)
{
    EFI_MEMORY_DESCRIPTOR d;
    uint32_t bad = 0;

    nr_ranges = 0;
    if (descriptor_size < sizeof(d)) {
        printk_warn("EFI: memory map with descriptors of %u bytes, not used\n", descriptor_size);
        return;
    }
    for (uint64_t pos = 0; size - pos >= descriptor_size; pos += descriptor_size) {
        memcpy(&d, (const char *)map + pos, sizeof(d));
        if (!descriptor_ok(&d)) {
            bad++;
            continue;
        }
        boot_add_memory(d.PhysicalStart, d.NumberOfPages * EFI_PAGE_SIZE, e820_type(&d));
        if (nr_ranges == MAX_RANGES) {
            printk_warn("EFI: memory map with more than %u entries, the rest is not used\n", MAX_RANGES);
            break;
        }
        ranges[nr_ranges++] =
            (struct efi_range){d.PhysicalStart, d.NumberOfPages * EFI_PAGE_SIZE, d.Attribute, d.Type};
    }
    if (bad)
        printk_warn("EFI: %u entries of the memory map make no sense, not used\n", bad);
}

void __init efi_memory_attributes_read(const void *descriptors, uint32_t nr, uint32_t descriptor_size)
{
    EFI_MEMORY_DESCRIPTOR d;

    nr_attributes = 0;
    for (uint32_t i = 0; i < nr && nr_attributes < MAX_ATTRIBUTES; i++) {
        memcpy(&d, (const char *)descriptors + (uint64_t)i * descriptor_size, sizeof(d));
        if (descriptor_ok(&d))
            attributes[nr_attributes++] =
                (struct efi_range){d.PhysicalStart, d.NumberOfPages * EFI_PAGE_SIZE, d.Attribute, d.Type};
    }
}

uint64_t __init efi_memory_protection(uint64_t address)
{
    for (uint32_t i = 0; i < nr_attributes; i++)
        if (address >= attributes[i].start && address - attributes[i].start < attributes[i].size)
            return attributes[i].attributes & (EFI_PROTECT_WRITE | EFI_PROTECT_EXECUTE);
    return 0;
}

const struct efi_range *efi_memory_find(uint64_t address)
{
    for (uint32_t i = 0; i < nr_ranges; i++)
        if (address >= ranges[i].start && address - ranges[i].start < ranges[i].size)
            return &ranges[i];
    return NULL;
}

const struct efi_range *efi_runtime_range(uint32_t n)
{
    for (uint32_t i = 0; i < nr_ranges; i++)
        if (ranges[i].attributes & EFI_MEMORY_RUNTIME && !n--)
            return &ranges[i];
    return NULL;
}
