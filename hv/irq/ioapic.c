#include <acpi/acpi.h>
#include <base/bug.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <base/spinlock.h>
#include <console/printk.h>
#include <cpu/smp.h>
#include <irq/ioapic.h>
#include <irq/ioapic_io.h>
#include <irq/irq_desc.h>
#include <lib/bitmap.h>
#include <mm/iomem.h>
#include <mm/ioremap.h>

#define NR_ISA_IRQS 16
#define MAX_GSIS    (MAX_IRQS / 2)

#define REG_VERSION   0x01
#define REG_RTE(pin)  (0x10 + 2 * (pin))
#define RTE_MODE(rte) ((rte) >> 8 & 7)
#define RTE_MODE_SMI  2
#define RTE_MODE_NMI  4

struct ioapic {
    volatile uint8_t *regs;
    paddr_t base;
    uint32_t gsi_base;
    uint32_t nr_pins;
};

static struct ioapic ioapics[ACPI_MAX_IOAPICS] __ro_after_init;
static uint32_t nr_ioapics __ro_after_init;

/* Index and data register are a pair: no other access may come between. */
static DEFINE_SPINLOCK(ioapic_lock, LOCK_IOAPIC);

/* Mode of each GSI, under the lock of its descriptor. */
static struct gsi_mode gsi_modes[MAX_GSIS];
static DECLARE_BITMAP(gsi_mode_fixed, MAX_GSIS); /* by gsi_set_mode() */

static uint32_t reg_read(const struct ioapic *io, uint32_t reg)
{
    unsigned long flags = spin_lock_irqsave(&ioapic_lock);
    uint32_t value;

    ioapic_mmio_write(io->regs + IOAPIC_INDEX, reg);
    value = ioapic_mmio_read(io->regs + IOAPIC_DATA);
    spin_unlock_irqrestore(&ioapic_lock, flags);
    return value;
}

static void reg_write(const struct ioapic *io, uint32_t reg, uint32_t value)
{
    unsigned long flags = spin_lock_irqsave(&ioapic_lock);

    ioapic_mmio_write(io->regs + IOAPIC_INDEX, reg);
    ioapic_mmio_write(io->regs + IOAPIC_DATA, value);
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

static const struct ioapic *gsi_ioapic(uint32_t gsi, uint32_t *pin)
{
    for (uint32_t i = 0; i < nr_ioapics; i++) {
        if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].nr_pins) {
            *pin = gsi - ioapics[i].gsi_base;
            return &ioapics[i];
        }
    }
    *pin = 0;
    return NULL;
}

static void gsi_write_low(const struct irq_desc *desc, bool masked)
{
    uint32_t pin;
    const struct ioapic *io = gsi_ioapic(desc->irq, &pin);

    reg_write(io, REG_RTE(pin), (uint32_t)rte_encode(desc->vector, 0, gsi_modes[desc->irq], masked));
}

static void gsi_mask(struct irq_desc *desc)
{
    gsi_write_low(desc, true);
}

static void gsi_unmask(struct irq_desc *desc)
{
    gsi_write_low(desc, false);
}

/* The upper half alone: one write, so the entry is consistent at any moment. */
static void gsi_retarget(struct irq_desc *desc)
{
    uint32_t pin;
    const struct ioapic *io = gsi_ioapic(desc->irq, &pin);

    reg_write(io, REG_RTE(pin) + 1,
              (uint32_t)(rte_encode(0, cpu_to_apicid[desc->cpu], gsi_modes[desc->irq], false) >> 32));
}

static const struct irq_chip gsi_chip = {
    .name = "IO-APIC", .mask = gsi_mask, .unmask = gsi_unmask, .retarget = gsi_retarget};

/* What a pin is if nothing says otherwise: ISA's first sixteen are edge, high; PCI's are level, low. */
static struct gsi_mode default_mode(uint32_t gsi)
{
    bool pci = gsi >= NR_ISA_IRQS;

    return (struct gsi_mode){.level = pci, .active_low = pci};
}

static void __init add_ioapic(const struct acpi_ioapic *info)
{
    struct ioapic *io = &ioapics[nr_ioapics];
    uint32_t version;

    io->base = _paddr(info->address);
    io->gsi_base = info->gsi_base;
    io->regs = ioremap(io->base, PAGE_SIZE);
    if (!io->regs)
        panic("No memory to map IO-APIC %u", info->id);
    version = reg_read(io, REG_VERSION);
    if (version == 0xffffffff) {
        printk_warn("IO-APIC %u at %#x does not answer: ignored\n", info->id, info->address);
        return;
    }
    io->nr_pins = (version >> 16 & 0xff) + 1;
    if (io->gsi_base >= MAX_GSIS || io->gsi_base + io->nr_pins > MAX_GSIS) {
        printk_warn("IO-APIC %u: GSIs from %u on are too high: ignored\n", info->id, io->gsi_base);
        return;
    }
    iomem_set_read_only(paddr_to_mfn(io->base), 1);
    for (uint32_t gsi = io->gsi_base; gsi < io->gsi_base + io->nr_pins; gsi++)
        gsi_modes[gsi] = default_mode(gsi);
    nr_ioapics++;
    printk_info("IO-APIC %u at %#x, version %#x, GSIs %u-%u\n", info->id, info->address, version & 0xff,
                io->gsi_base, io->gsi_base + io->nr_pins - 1);
}

static void __init add_override(const struct acpi_override *o)
{
    uint32_t pin;

    if (!gsi_ioapic(o->gsi, &pin)) {
        printk_warn("Interrupt source override of ISA IRQ %u to GSI %u: no such pin\n", o->isa_irq, o->gsi);
        return;
    }
    gsi_modes[o->gsi] =
        (struct gsi_mode){.level = o->trigger == ACPI_LEVEL, .active_low = o->polarity == ACPI_ACTIVE_LOW};
}

static void __init init_pin(const struct ioapic *io, uint32_t pin)
{
    struct irq_desc *desc = irq_desc_get(io->gsi_base + pin);

    /* A pin that firmware uses for SMIs stays as it is, and nobody gets it. */
    if (RTE_MODE(reg_read(io, REG_RTE(pin))) == RTE_MODE_SMI)
        return;
    reg_write(io, REG_RTE(pin), RTE_MASKED);
    desc->chip = &gsi_chip;
    desc->level = gsi_modes[desc->irq].level;
}

void __init ioapic_init(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < acpi_madt.nr_ioapics; i++)
        add_ioapic(&acpi_madt.ioapics[i]);
    for (uint32_t i = 0; i < acpi_madt.nr_overrides; i++)
        add_override(&acpi_madt.overrides[i]);
    for (uint32_t i = 0; i < nr_ioapics; i++)
        count = MAX(count, ioapics[i].gsi_base + ioapics[i].nr_pins);
    if (count == 0)
        boot_refuse("No usable IO-APIC");
    irq_desc_init(count);
    for (uint32_t i = 0; i < nr_ioapics; i++)
        for (uint32_t pin = 0; pin < ioapics[i].nr_pins; pin++)
            init_pin(&ioapics[i], pin);
}

int gsi_set_mode(uint32_t gsi, struct gsi_mode mode)
{
    struct irq_desc *desc = gsi < nr_gsis ? irq_desc_get(gsi) : NULL;
    unsigned long flags;
    int rc = 0;

    if (!desc || !desc->chip)
        return -EINVAL;
    flags = spin_lock_irqsave(&desc->lock);
    if (desc->fn || bitmap_test(gsi_mode_fixed, gsi)) {
        rc = -EEXIST;
    } else if (desc->nr_guests) {
        rc = -EBUSY;
    } else {
        bitmap_set_atomic(gsi_mode_fixed, gsi);
        gsi_modes[gsi] = mode;
        desc->level = mode.level;
        if (desc->vector)
            gsi_mask(desc);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

int __init ioapic_route_nmi(uint32_t gsi)
{
    struct irq_desc *desc = gsi < nr_gsis ? irq_desc_get(gsi) : NULL;
    unsigned long flags;
    uint32_t pin;
    const struct ioapic *io = gsi_ioapic(gsi, &pin);
    int rc = -EBUSY;

    if (!desc || !desc->chip || !io)
        return -EINVAL;
    flags = spin_lock_irqsave(&desc->lock);
    if (!desc->vector && !desc->fn && !desc->nr_guests) {
        desc->chip = NULL; /* nobody gets it */
        reg_write(io, REG_RTE(pin) + 1, cpu_to_apicid[0] << 24);
        reg_write(io, REG_RTE(pin), RTE_MODE_NMI << 8);
        rc = 0;
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

static const struct ioapic *ioapic_by_base(paddr_t base)
{
    for (uint32_t i = 0; i < nr_ioapics; i++)
        if (paddr_x(ioapics[i].base) == paddr_x(base))
            return &ioapics[i];
    return NULL;
}

int ioapic_guest_read(paddr_t base, uint32_t reg, uint32_t *value)
{
    const struct ioapic *io = ioapic_by_base(base);

    if (!io)
        return -EINVAL;
    *value = reg_read(io, reg & 0xff);
    return 0;
}

int ioapic_guest_write(paddr_t base, uint32_t reg, uint32_t value)
{
    const struct ioapic *io = ioapic_by_base(base);
    uint32_t pin = (reg - REG_RTE(0)) / 2;

    if (!io)
        return -EINVAL;
    if (reg < REG_RTE(0) || (reg & 1) || pin >= io->nr_pins)
        return 0;
    /* An unmasked write is the old way to say how a pin is wired; the first to say it decides. */
    if (!(value & RTE_MASKED))
        gsi_set_mode(io->gsi_base + pin,
                     (struct gsi_mode){.level = value & RTE_LEVEL, .active_low = value & RTE_ACTIVE_LOW});
    return 0;
}
