/* Tables that name a device's registers: HPET and MCFG. */
#include <acpi/parse.h>
#include <base/compiler.h>
#include <console/printk.h>
#include <cpu/features.h>

/* IA-PC HPET specification 1.0a, 3.2.4 */
#define HPET_ID       36
#define HPET_ADDRESS  40 /* Generic Address Structure */
#define HPET_MIN_TICK 53
#define HPET_LENGTH   56
#define HPET_SIZE     1024 /* of the registers */

/* PCI firmware specification 3.0, 4.1.2 */
#define MCFG_ENTRIES    44
#define MCFG_ENTRY_SIZE 16
#define BUS_SHIFT       20 /* of configuration space; an entry's address is that of bus 0 */

__init void acpi_parse_hpet(const uint8_t *table, uint32_t len, struct acpi_hpet_info *info)
{
    uint64_t address;

    *info = (struct acpi_hpet_info){0};
    if (len < HPET_LENGTH) {
        printk_warn("ACPI: HPET: only %u bytes long, ignored\n", len);
        return;
    }
    address = acpi_get64(table + HPET_ADDRESS + 4);
    if (table[HPET_ADDRESS] != ACPI_SPACE_MEMORY || !address || !phys_range_ok(address, HPET_SIZE)) {
        printk_warn("ACPI: HPET: registers in space %u at %#llx, ignored\n", table[HPET_ADDRESS],
                    (unsigned long long)address);
        return;
    }
    info->present = true;
    info->address = address;
    info->id = acpi_get32(table + HPET_ID);
    info->min_tick = acpi_get16(table + HPET_MIN_TICK);
}

__init void acpi_parse_mcfg(const uint8_t *table, uint32_t len, struct acpi_mcfg_info *info)
{
    *info = (struct acpi_mcfg_info){0};
    for (uint32_t pos = MCFG_ENTRIES; pos < len && len - pos >= MCFG_ENTRY_SIZE; pos += MCFG_ENTRY_SIZE) {
        const uint8_t *e = table + pos;
        struct acpi_mcfg_entry entry = {
            .address = acpi_get64(e), .segment = acpi_get16(e + 8), .start_bus = e[10], .end_bus = e[11]};

        if (!entry.address || entry.end_bus < entry.start_bus ||
            !phys_range_ok(entry.address, (entry.end_bus + 1ull) << BUS_SHIFT)) {
            printk_warn("ACPI: MCFG: segment %u, buses %u to %u at %#llx: ignored\n", entry.segment,
                        entry.start_bus, entry.end_bus, (unsigned long long)entry.address);
            continue;
        }
        if (info->nr == ACPI_MAX_MCFG) {
            printk_warn("ACPI: MCFG: more than %u entries, the rest is ignored\n", info->nr);
            return;
        }
        info->entries[info->nr++] = entry;
    }
}
