/*
 * The firmware's tables, as the VMM needs them (ACPI specification 6.4).
 *
 * acpi_init() reads them once at boot; afterwards the structures below do not change.  Broken
 * tables cost one line each and are left out; what they would have told is then absent (nr == 0,
 * present == false).
 */
#ifndef ACPI_ACPI_H
#define ACPI_ACPI_H

#include <base/types.h>

#define ACPI_MAX_CPUS      256
#define ACPI_MAX_IOAPICS   64
#define ACPI_MAX_OVERRIDES 32
#define ACPI_MAX_NMIS      16
#define ACPI_MAX_MCFG      32
#define ACPI_MAX_TABLES    128

struct acpi_cpu {
    uint32_t apic_id, acpi_id;
    bool enabled; /* else it may be brought up later, which the VMM does not do */
};

struct acpi_ioapic {
    uint32_t id, gsi_base;
    uint32_t address; /* physical */
};

enum acpi_polarity { ACPI_ACTIVE_HIGH, ACPI_ACTIVE_LOW };
enum acpi_trigger { ACPI_EDGE, ACPI_LEVEL };

struct acpi_override {
    uint8_t isa_irq;
    uint32_t gsi;
    enum acpi_polarity polarity;
    enum acpi_trigger trigger;
};

struct acpi_nmi_source {
    uint32_t gsi;
    enum acpi_polarity polarity;
    enum acpi_trigger trigger;
};

/* A local APIC's input that is wired to NMI; of the CPU with that ACPI id, or of all. */
#define ACPI_ALL_CPUS 0xffffffffu
struct acpi_lapic_nmi {
    uint32_t acpi_id;
    uint8_t lint; /* 0 or 1 */
};

/* MADT, section 5.2.12 */
struct acpi_madt_info {
    bool present;
    bool has_8259;
    uint64_t lapic_address; /* physical */
    uint32_t nr_cpus, nr_ioapics, nr_overrides, nr_nmi_sources, nr_lapic_nmis;
    struct acpi_cpu cpus[ACPI_MAX_CPUS];
    struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
    struct acpi_override overrides[ACPI_MAX_OVERRIDES];
    struct acpi_nmi_source nmi_sources[ACPI_MAX_NMIS];
    struct acpi_lapic_nmi lapic_nmis[ACPI_MAX_NMIS];
};

/* Where a register is: section 5.2.3.2, Generic Address Structure.  Address 0: there is none. */
enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1, ACPI_SPACE_PCI = 2 };

struct acpi_register {
    uint8_t space; /* enum acpi_space */
    uint8_t bits;
    uint64_t address;
};

/* FADT, section 5.2.9 */
struct acpi_fadt_info {
    bool present;
    uint8_t revision;
    uint16_t sci_irq;
    uint32_t smi_command;
    uint8_t acpi_enable;
    struct acpi_register pm_timer;
    uint8_t pm_timer_bits; /* 24 or 32; 0 without a timer */
    struct acpi_register pm1a_control, pm1b_control, pm1a_event, pm1b_event, reset;
    uint8_t reset_value;
    uint16_t iapc_boot_arch; /* bit 1: there is a keyboard controller (revision 3 on) */
    uint8_t century;         /* index of the century in CMOS RAM, 0: none */
    uint64_t facs;           /* physical, 0: none */
};

/* HPET, IA-PC HPET specification 1.0a, 3.2.4 */
struct acpi_hpet_info {
    bool present;
    uint64_t address; /* physical */
    uint32_t id;
    uint16_t min_tick;
};

/* MCFG, PCI firmware specification 3.0, 4.1.2 */
struct acpi_mcfg_entry {
    uint64_t address; /* physical, of bus 0 */
    uint16_t segment;
    uint8_t start_bus, end_bus;
};

struct acpi_mcfg_info {
    uint32_t nr;
    struct acpi_mcfg_entry entries[ACPI_MAX_MCFG];
};

/* A table as it lies in memory, for those that pass tables on. */
struct acpi_table_ref {
    char signature[5];
    uint64_t address; /* physical */
    uint32_t length;
};

extern struct acpi_madt_info acpi_madt;
extern struct acpi_fadt_info acpi_fadt;
extern struct acpi_hpet_info acpi_hpet;
extern struct acpi_mcfg_info acpi_mcfg;

/*
 * Boot CPU.  @rsdp: physical address from the loader, or 0 to search the BIOS area (5.2.5.1).
 * -ENODEV when there is no usable root table.
 */
int acpi_init(uint64_t rsdp);

/* Physical address of the RSDP that was used; 0 if none. */
uint64_t acpi_rsdp(void);

/* The first valid table with that signature, or NULL. */
const struct acpi_table_ref *acpi_find_table(const char *signature);

/* An ISA interrupt's GSI, by the MADT's overrides; the same number without one. */
uint32_t acpi_isa_irq_to_gsi(uint32_t irq);

/* The override for that ISA interrupt, or NULL: edge-triggered, active high, GSI == IRQ. */
const struct acpi_override *acpi_find_override(uint32_t irq);

#endif
