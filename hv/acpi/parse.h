/*
 * Parsers of single tables.  Each gets a whole table whose header and checksum are good, at least
 * ACPI_HEADER_SIZE bytes long, at any alignment.  Whatever else it says may be wrong.
 */
#ifndef ACPI_PARSE_H
#define ACPI_PARSE_H

#include <acpi/acpi.h>
#include <base/types.h>

#define ACPI_HEADER_SIZE 36 /* section 5.2.6 */

static inline uint16_t acpi_get16(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

static inline uint32_t acpi_get32(const uint8_t *p)
{
    return acpi_get16(p) | (uint32_t)acpi_get16(p + 2) << 16;
}

static inline uint64_t acpi_get64(const uint8_t *p)
{
    return acpi_get32(p) | (uint64_t)acpi_get32(p + 4) << 32;
}

void acpi_parse_madt(const uint8_t *table, uint32_t len, struct acpi_madt_info *info);
void acpi_parse_fadt(const uint8_t *table, uint32_t len, struct acpi_fadt_info *info);
void acpi_parse_hpet(const uint8_t *table, uint32_t len, struct acpi_hpet_info *info);
void acpi_parse_mcfg(const uint8_t *table, uint32_t len, struct acpi_mcfg_info *info);

#endif
