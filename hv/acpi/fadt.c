/* Fixed ACPI Description Table: ACPI 6.4, section 5.2.9, table 5.9. */
#include <acpi/parse.h>
#include <base/compiler.h>
#include <console/printk.h>

#define FADT_REVISION       8
#define FADT_FACS           36
#define FADT_SCI_INT        46
#define FADT_SMI_CMD        48
#define FADT_ACPI_ENABLE    52
#define FADT_PM1A_EVT       56
#define FADT_PM1B_EVT       60
#define FADT_PM1A_CNT       64
#define FADT_PM1B_CNT       68
#define FADT_PM_TMR         76
#define FADT_PM1_EVT_LEN    88
#define FADT_PM1_CNT_LEN    89
#define FADT_PM_TMR_LEN     91
#define FADT_CENTURY        108
#define FADT_IAPC_BOOT_ARCH 109
#define FADT_FLAGS          112
#define FADT_RESET_REG      116
#define FADT_RESET_VALUE    128
#define FADT_X_FACS         132
#define FADT_X_PM1A_EVT     148
#define FADT_X_PM1B_EVT     160
#define FADT_X_PM1A_CNT     172
#define FADT_X_PM1B_CNT     184
#define FADT_X_PM_TMR       208

#define FADT_MIN_LENGTH    116 /* ACPI 1.0 */
#define FADT_TMR_VAL_EXT   (1u << 8)
#define FADT_RESET_REG_SUP (1u << 10)

#define GAS_SIZE 12

/* A register that later revisions describe at @x_offset and all at @offset, as an I/O port. */
static __init struct acpi_register get_register(const uint8_t *table, uint32_t len, uint32_t x_offset,
                                                uint32_t offset, uint8_t bytes)
{
    struct acpi_register reg = {.space = ACPI_SPACE_IO, .bits = bytes * 8};

    if (len >= x_offset + GAS_SIZE) {
        const uint8_t *gas = table + x_offset;

        reg.space = gas[0];
        reg.address = acpi_get64(gas + 4);
        if (reg.space <= ACPI_SPACE_IO && reg.address &&
            (reg.space != ACPI_SPACE_IO || reg.address <= 0xffff))
            return reg;
        reg.space = ACPI_SPACE_IO;
    }
    reg.address = acpi_get32(table + offset);
    if (reg.address > 0xffff) {
        printk_warn("ACPI: FADT: port %#llx at offset %u ignored\n", (unsigned long long)reg.address, offset);
        reg.address = 0;
    }
    return reg;
}

/* The reset register may be in PCI configuration space too: section 4.8.3.6. */
static __init void get_reset(const uint8_t *table, uint32_t len, uint32_t flags, struct acpi_fadt_info *info)
{
    const uint8_t *gas = table + FADT_RESET_REG;

    if (len <= FADT_RESET_VALUE || !(flags & FADT_RESET_REG_SUP))
        return;
    if (gas[0] > ACPI_SPACE_PCI || (gas[0] == ACPI_SPACE_IO && acpi_get64(gas + 4) > 0xffff)) {
        printk_warn("ACPI: FADT: reset register in space %u at %#llx ignored\n", gas[0],
                    (unsigned long long)acpi_get64(gas + 4));
        return;
    }
    info->reset = (struct acpi_register){.space = gas[0], .bits = 8, .address = acpi_get64(gas + 4)};
    info->reset_value = table[FADT_RESET_VALUE];
}

__init void acpi_parse_fadt(const uint8_t *table, uint32_t len, struct acpi_fadt_info *info)
{
    uint32_t flags;
    uint8_t cnt, evt;

    *info = (struct acpi_fadt_info){0};
    if (len < FADT_MIN_LENGTH) {
        printk_warn("ACPI: FADT: only %u bytes long, ignored\n", len);
        return;
    }
    flags = acpi_get32(table + FADT_FLAGS);
    cnt = table[FADT_PM1_CNT_LEN];
    evt = table[FADT_PM1_EVT_LEN];

    info->present = true;
    info->revision = table[FADT_REVISION];
    info->sci_irq = acpi_get16(table + FADT_SCI_INT);
    info->smi_command = acpi_get32(table + FADT_SMI_CMD);
    info->acpi_enable = table[FADT_ACPI_ENABLE];
    info->century = table[FADT_CENTURY];
    if (info->revision >= 3)
        info->iapc_boot_arch = acpi_get16(table + FADT_IAPC_BOOT_ARCH);

    info->pm1a_event = get_register(table, len, FADT_X_PM1A_EVT, FADT_PM1A_EVT, evt);
    info->pm1b_event = get_register(table, len, FADT_X_PM1B_EVT, FADT_PM1B_EVT, evt);
    info->pm1a_control = get_register(table, len, FADT_X_PM1A_CNT, FADT_PM1A_CNT, cnt);
    info->pm1b_control = get_register(table, len, FADT_X_PM1B_CNT, FADT_PM1B_CNT, cnt);
    if (table[FADT_PM_TMR_LEN] == 4) {
        info->pm_timer = get_register(table, len, FADT_X_PM_TMR, FADT_PM_TMR, 4);
        if (info->pm_timer.address)
            info->pm_timer_bits = flags & FADT_TMR_VAL_EXT ? 32 : 24;
    }

    info->facs = acpi_get32(table + FADT_FACS);
    if (len >= FADT_X_FACS + 8 && acpi_get64(table + FADT_X_FACS))
        info->facs = acpi_get64(table + FADT_X_FACS);
    get_reset(table, len, flags, info);
}
