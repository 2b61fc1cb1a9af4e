#include <acpi/acpi.h>
#include <base/compiler.h>
#include <irq/msi_regs.h>
#include <irq/pci_guest.h>
#include <mm/ioremap.h>

#define CF8_EXTENDED 0x7f000000u /* bits 8-11 of the register on some CPUs of AMD's, reserved on others */
#define HEADER_SIZE  256u

static uint64_t table_offset(const struct pci_device *dev)
{
    return pci_read(dev, dev->msix_cap + MSIX_TABLE, 4) & ~7u;
}

static unsigned int table_bar(const struct pci_device *dev)
{
    return pci_read(dev, dev->msix_cap + MSIX_TABLE, 4) & 7;
}

static uint64_t table_size(const struct pci_device *dev)
{
    if (dev->msix_users)
        return dev->msix_size;
    return MSIX_SIZE(pci_read(dev, dev->msix_cap + CAP_CONTROL, 2)) * MSIX_ENTRY_SIZE;
}

/* A virtual function's BARs are not its own, so that its table is known only while it is in use. */
static uint64_t table_address(const struct pci_device *dev)
{
    uint64_t bar;

    if (dev->msix_users)
        return dev->msix_address;
    bar = dev->msix_cap ? pci_memory_bar(dev, table_bar(dev)) : 0;
    return bar ? bar + table_offset(dev) : 0;
}

void pci_guard_msix_table(struct pci_device *dev)
{
    uint64_t start = table_address(dev), last;

    if (!start) {
        iomem_guard_set(&dev->msix_guard, _mfn(0), 0);
        return;
    }
    last = start + table_size(dev) - 1;
    iomem_guard_set(&dev->msix_guard, paddr_to_mfn(_paddr(start)), last / PAGE_SIZE - start / PAGE_SIZE + 1);
}

/* The end of the MSI capability: 6.8.1.2. */
static unsigned int msi_end(const struct pci_device *dev)
{
    uint32_t control = pci_read(dev, dev->msi_cap + CAP_CONTROL, 2);

    return dev->msi_cap + (control & MSI_MASKABLE ? 20u : 12u) + (control & MSI_64BIT ? 4u : 0u);
}

/* Whether the register is (of) the BAR that places the table in use. */
static bool places_table(const struct pci_device *dev, unsigned int reg)
{
    unsigned int low;

    if (!dev->msix_users || dev->is_virtfn || reg < PCI_BAR(0) || reg >= PCI_BARS_END)
        return false;
    low = PCI_BAR(table_bar(dev));
    return reg == low || (reg == low + 4 && (pci_read(dev, low, 4) & 7) == 4);
}

/* It keeps its value; the same may be written again after a reset. */
static bool moves_table(const struct pci_device *dev, unsigned int reg, uint32_t value)
{
    if (reg == PCI_BAR(table_bar(dev)))
        return (value & ~0xfu) != (uint32_t)dev->msix_bar;
    return value != dev->msix_bar >> 32;
}

/*
 * What the double word at reg becomes when dom0 writes `new` to it. Only of registers where a bit that is
 * written with its old value stays as it is.
 */
static uint32_t permitted(const struct pci_device *dev, unsigned int reg, uint32_t old, uint32_t new)
{
    /* A device has entries of one kind: those of MSI-X each use the table. */
    bool uses_msi = dev->entries && dev->msix_users == dev->msix_prepared;
    const uint32_t msi = MSI_ENABLE << 16, msix = MSIX_ENABLE << 16, mask_all = MSIX_MASK_ALL << 16;

    if (dev->msix_cap && reg == dev->msix_cap) {
        new = (old & ~(msix | mask_all)) | (new &(msix | mask_all));
        return (new &msix) && (uses_msi || !dev->entries) ? new | mask_all : new;
    }
    if (dev->msi_cap && reg == dev->msi_cap)
        return uses_msi ? (old & ~msi) | (new &msi) : new & ~msi;
    if (dev->msi_cap && reg > dev->msi_cap && reg < msi_end(dev))
        return uses_msi ? old : new;
    return moves_table(dev, reg, new) ? old : new;
}

static bool guarded(const struct pci_device *dev, unsigned int reg)
{
    return (dev->msix_cap && reg == dev->msix_cap) ||
           (dev->msi_cap && reg >= dev->msi_cap && reg < msi_end(dev)) || places_table(dev, reg);
}

/* *value becomes what may be written. False: nothing is. The table of devices is locked. */
static bool filter(const struct pci_device *dev, unsigned int reg, unsigned int bytes, uint32_t *value)
{
    unsigned int shift = 8 * (reg & 3), where = reg & ~3u;
    uint32_t width = bytes == 4 ? ~0u : (1u << 8 * bytes) - 1, old, new;

    if (!dev || reg >= HEADER_SIZE || !guarded(dev, where))
        return true;
    old = pci_read(dev, where, 4);
    new = permitted(dev, where, old, (old & ~(width << shift)) | (*value & width) << shift);
    *value = new >> shift &width;
    return *value != (old >> shift & width);
}

static void written(struct pci_device *dev, unsigned int reg)
{
    if (dev && reg >= PCI_BAR(0) && reg < PCI_BARS_END)
        pci_guard_msix_table(dev);
}

void pci_guest_cf8_write(uint32_t cf8, unsigned int offset, unsigned int bytes, uint32_t value)
{
    struct pci_address a = {.bus = (uint8_t)(cf8 >> 16), .devfn = (uint8_t)(cf8 >> 8)};
    unsigned int reg = (cf8 & 0xfc) + offset;
    struct pci_device *dev;

    pci_devices_lock();
    dev = pci_device_find(a);
    /* The bits may have a meaning or not: what is guarded without them is not written. */
    if (cf8 & CF8_EXTENDED ? !dev || !guarded(dev, reg & ~3u) : filter(dev, reg, bytes, &value))
        pci_cf8_write(cf8, offset, bytes, value);
    written(dev, reg);
    pci_devices_unlock();
}

/* The function and register at a machine address in memory-mapped configuration space. */
static bool ecam_decode(uint64_t address, struct pci_address *a, unsigned int *reg)
{
    for (uint32_t i = 0; i < acpi_mcfg.nr; i++) {
        const struct acpi_mcfg_entry *e = &acpi_mcfg.entries[i];
        uint64_t bus = (address - e->address) >> 20;

        if (address < e->address || bus < e->start_bus || bus > e->end_bus)
            continue;
        *a = (struct pci_address){e->segment, (uint8_t)bus, (uint8_t)(address >> 12)};
        *reg = address & 0xfff;
        return true;
    }
    return false;
}

static void ecam_write(uint64_t address, struct pci_address a, unsigned int reg, unsigned int bytes,
                       uint32_t value)
{
    struct pci_device *dev;

    pci_devices_lock();
    dev = pci_device_find(a);
    if (filter(dev, reg, bytes, &value))
        mmio_write_once(_paddr(address), bytes, value);
    written(dev, reg);
    pci_devices_unlock();
}

bool pci_guest_memory_write(uint64_t address, unsigned int bytes, uint64_t value)
{
    struct pci_address a;
    struct pci_device *dev;
    unsigned int reg;
    uint64_t table;

    if (ecam_decode(address, &a, &reg)) {
        if (bytes > 4)
            return false;
        ecam_write(address, a, reg, bytes, (uint32_t)value);
        return true;
    }
    pci_devices_lock();
    dev = pci_device_with_table_at(paddr_to_mfn(_paddr(address)));
    table = dev ? table_address(dev) : 0;
    /* What is beside the table in its page is the driver's. */
    if (dev && (address < table || address >= table + table_size(dev)))
        mmio_write_once(_paddr(address), bytes, value);
    pci_devices_unlock();
    return dev;
}
