/* fuzz: hv/acpi/acpi.c hv/acpi/madt.c hv/acpi/fadt.c hv/acpi/devices.c */
/*
 * The input is the memory from physical address 1 MiB on, the RSDP at its start.  Checksums are
 * made good as the tables are mapped, or nothing would ever get past them.
 */
#include <stdlib.h>
#include <string.h>
#include <acpi/acpi.h>
#include <acpi/parse.h>
#include <cpu/features.h>
#include "quiet.h"
#include <mm/ioremap.h>

#define BASE 0x100000

struct cpu_features host_cpu = {.phys_bits = 40};
static const uint8_t *memory;
static size_t memory_size;

static void fix(uint8_t *p, size_t len, size_t at)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += p[i];
    p[at] -= sum;
}

const void *map_firmware(paddr_t pa, size_t len)
{
    uint64_t at = paddr_x(pa) - BASE;
    uint8_t *copy;

    if (paddr_x(pa) < BASE || at > memory_size || len > memory_size - at)
        return NULL;
    copy = malloc(len);
    memcpy(copy, memory + at, len);
    if (at == 0 && len >= 20)
        fix(copy, 20, 8);
    if (at == 0 && len > 36)
        fix(copy, len, 32);
    if (at && len >= ACPI_HEADER_SIZE && acpi_get32(copy + 4) == len)
        fix(copy, len, 9);
    return copy;
}

void vunmap_range(const volatile void *va, size_t len)
{
    free((void *)va);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory = data;
    memory_size = size;
    acpi_init(BASE);
    for (uint32_t irq = 0; irq < 16; irq++)
        acpi_isa_irq_to_gsi(irq);
    if (acpi_madt.nr_cpus > ACPI_MAX_CPUS || acpi_madt.nr_ioapics > ACPI_MAX_IOAPICS)
        abort();

    /* And each parser by itself, on whatever it is. */
    if (size >= ACPI_HEADER_SIZE) {
        acpi_parse_madt(data, size, &acpi_madt);
        acpi_parse_fadt(data, size, &acpi_fadt);
        acpi_parse_hpet(data, size, &acpi_hpet);
        acpi_parse_mcfg(data, size, &acpi_mcfg);
    }
    return 0;
}
