/* Multiple APIC Description Table: ACPI 6.4, section 5.2.12. */
#include <acpi/parse.h>
#include <base/compiler.h>
#include <console/printk.h>

#define MADT_LAPIC_ADDRESS 36
#define MADT_FLAGS         40
#define MADT_ENTRIES       44
#define MADT_HAS_8259      1u

enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_NMI_SOURCE = 3,
    MADT_LAPIC_NMI = 4,
    MADT_LAPIC_64BIT = 5,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
};

#define CPU_ENABLED        1u
#define ISA_BUS            0
#define LAPIC_ID_NONE      0xff
#define LAPIC_NMI_ALL_CPUS 0xff

/* Each list's overflow is told once per table. */
struct overflow {
    bool cpus, ioapics, overrides, nmis;
};

static __init bool have_room(uint32_t nr, uint32_t max, bool *told, const char *what)
{
    if (nr < max)
        return true;
    if (!*told)
        printk_warn("ACPI: MADT: more than %u %s, the rest is ignored\n", max, what);
    *told = true;
    return false;
}

/* MPS INTI flags: an ISA interrupt that "conforms to its bus" is active high, edge-triggered. */
static __init enum acpi_polarity polarity(uint16_t flags)
{
    return (flags & 3) == 3 ? ACPI_ACTIVE_LOW : ACPI_ACTIVE_HIGH;
}

static __init enum acpi_trigger trigger(uint16_t flags)
{
    return (flags >> 2 & 3) == 3 ? ACPI_LEVEL : ACPI_EDGE;
}

static __init void add_cpu(struct acpi_madt_info *info, struct overflow *over, uint32_t apic_id,
                           uint32_t acpi_id, uint32_t flags)
{
    /* Firmware lists processors both as local APIC and as x2APIC. */
    for (uint32_t i = 0; i < info->nr_cpus; i++)
        if (info->cpus[i].apic_id == apic_id) {
            info->cpus[i].enabled |= flags & CPU_ENABLED;
            return;
        }
    if (have_room(info->nr_cpus, ACPI_MAX_CPUS, &over->cpus, "CPUs"))
        info->cpus[info->nr_cpus++] =
            (struct acpi_cpu){.apic_id = apic_id, .acpi_id = acpi_id, .enabled = flags & CPU_ENABLED};
}

static __init void add_ioapic(struct acpi_madt_info *info, struct overflow *over, const uint8_t *e)
{
    struct acpi_ioapic ioapic = {.id = e[2], .address = acpi_get32(e + 4), .gsi_base = acpi_get32(e + 8)};

    if (!ioapic.address || ioapic.address == UINT32_MAX) {
        printk_warn("ACPI: MADT: IO-APIC %u has no address, ignored\n", ioapic.id);
        return;
    }
    if (have_room(info->nr_ioapics, ACPI_MAX_IOAPICS, &over->ioapics, "IO-APICs"))
        info->ioapics[info->nr_ioapics++] = ioapic;
}

static __init void add_override(struct acpi_madt_info *info, struct overflow *over, const uint8_t *e)
{
    uint16_t flags = acpi_get16(e + 8);
    struct acpi_override o = {
        .isa_irq = e[3], .gsi = acpi_get32(e + 4), .polarity = polarity(flags), .trigger = trigger(flags)};

    if (e[2] != ISA_BUS || o.isa_irq > 15) {
        printk_warn("ACPI: MADT: override of interrupt %u on bus %u ignored\n", e[3], e[2]);
        return;
    }
    if (have_room(info->nr_overrides, ACPI_MAX_OVERRIDES, &over->overrides, "interrupt overrides"))
        info->overrides[info->nr_overrides++] = o;
}

static __init void add_nmi_source(struct acpi_madt_info *info, struct overflow *over, const uint8_t *e)
{
    uint16_t flags = acpi_get16(e + 2);

    if (have_room(info->nr_nmi_sources, ACPI_MAX_NMIS, &over->nmis, "NMIs"))
        info->nmi_sources[info->nr_nmi_sources++] = (struct acpi_nmi_source){
            .gsi = acpi_get32(e + 4), .polarity = polarity(flags), .trigger = trigger(flags)};
}

static __init void add_lapic_nmi(struct acpi_madt_info *info, struct overflow *over, uint32_t acpi_id,
                                 uint8_t lint)
{
    if (lint > 1) {
        printk_warn("ACPI: MADT: NMI at local APIC input %u ignored\n", lint);
        return;
    }
    if (have_room(info->nr_lapic_nmis, ACPI_MAX_NMIS, &over->nmis, "NMIs"))
        info->lapic_nmis[info->nr_lapic_nmis++] = (struct acpi_lapic_nmi){.acpi_id = acpi_id, .lint = lint};
}

/* The length that an entry of a known type must have; 0 for one that is skipped. */
static __init uint32_t entry_size(uint8_t type)
{
    switch (type) {
    case MADT_LAPIC:
        return 8;
    case MADT_IOAPIC:
        return 12;
    case MADT_OVERRIDE:
        return 10;
    case MADT_NMI_SOURCE:
        return 8;
    case MADT_LAPIC_NMI:
        return 6;
    case MADT_LAPIC_64BIT:
        return 12;
    case MADT_X2APIC:
        return 16;
    case MADT_X2APIC_NMI:
        return 12;
    default:
        return 0;
    }
}

static __init void parse_entry(struct acpi_madt_info *info, struct overflow *over, const uint8_t *e)
{
    switch (e[0]) {
    case MADT_LAPIC:
        if (e[3] != LAPIC_ID_NONE)
            add_cpu(info, over, e[3], e[2], acpi_get32(e + 4));
        break;
    case MADT_IOAPIC:
        add_ioapic(info, over, e);
        break;
    case MADT_OVERRIDE:
        add_override(info, over, e);
        break;
    case MADT_NMI_SOURCE:
        add_nmi_source(info, over, e);
        break;
    case MADT_LAPIC_NMI:
        add_lapic_nmi(info, over, e[2] == LAPIC_NMI_ALL_CPUS ? ACPI_ALL_CPUS : e[2], e[5]);
        break;
    case MADT_LAPIC_64BIT:
        info->lapic_address = acpi_get64(e + 4);
        break;
    case MADT_X2APIC:
        if (acpi_get32(e + 4) != UINT32_MAX)
            add_cpu(info, over, acpi_get32(e + 4), acpi_get32(e + 12), acpi_get32(e + 8));
        break;
    case MADT_X2APIC_NMI:
        add_lapic_nmi(info, over, acpi_get32(e + 4), e[8]);
        break;
    }
}

__init void acpi_parse_madt(const uint8_t *table, uint32_t len, struct acpi_madt_info *info)
{
    struct overflow over = {0};

    *info = (struct acpi_madt_info){0};
    if (len < MADT_ENTRIES) {
        printk_warn("ACPI: MADT: only %u bytes long, ignored\n", len);
        return;
    }
    info->present = true;
    info->lapic_address = acpi_get32(table + MADT_LAPIC_ADDRESS);
    info->has_8259 = acpi_get32(table + MADT_FLAGS) & MADT_HAS_8259;

    for (uint32_t pos = MADT_ENTRIES; pos < len;) {
        const uint8_t *e = table + pos;
        uint32_t left = len - pos;

        if (left < 2 || e[1] < 2 || e[1] > left || e[1] < entry_size(e[0])) {
            printk_warn("ACPI: MADT: broken entry at offset %u, the rest is ignored\n", pos);
            break;
        }
        parse_entry(info, &over, e);
        pos += e[1];
    }
}
