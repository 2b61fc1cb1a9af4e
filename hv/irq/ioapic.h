/* IO-APICs (82093AA and successors): pins, their routing entries (RTEs), GSIs. */
#ifndef IRQ_IOAPIC_H
#define IRQ_IOAPIC_H

#include <base/types.h>

struct irq_desc;

/* Interrupt mode of a pin. */
struct gsi_mode {
    bool level;
    bool active_low;
};

#define RTE_LEVEL      (1UL << 15)
#define RTE_MASKED     (1UL << 16)
#define RTE_REMOTE_IRR (1UL << 14)
#define RTE_PENDING    (1UL << 12)
#define RTE_ACTIVE_LOW (1UL << 13)

/* An RTE of fixed delivery to one CPU in physical mode. APIC IDs above 255 cannot be named in one. */
static inline uint64_t rte_encode(uint8_t vector, uint32_t apicid, struct gsi_mode mode, bool masked)
{
    return vector | (mode.level ? RTE_LEVEL : 0) | (mode.active_low ? RTE_ACTIVE_LOW : 0) |
           (masked ? RTE_MASKED : 0) | (uint64_t)(apicid & 0xff) << 56;
}

/* Boot, after acpi_init(): masks all pins, creates the descriptors. Panics without a usable IO-APIC. */
void ioapic_init(void);

/*
 * Sets a pin's mode, once: -EEXIST when it was set before or is the
 * VMM's own, -EINVAL: no such pin, -EBUSY: bound by a guest.
 */
int gsi_set_mode(uint32_t gsi, struct gsi_mode mode);

/*
 * dom0's view of the registers (PHYSDEVOP_apic_read, _write). base is the
 * IO-APIC's physical address; -EINVAL if there is none. A write to an RTE can
 * set only the mode of a pin that nobody uses; all else is accepted and ignored.
 */
int ioapic_guest_read(paddr_t base, uint32_t reg, uint32_t *value);
int ioapic_guest_write(paddr_t base, uint32_t reg, uint32_t value);

/* Boot: a free GSI becomes an edge-triggered NMI of the boot CPU, for good. -EINVAL, -EBUSY. */
int ioapic_route_nmi(uint32_t gsi);

#endif
