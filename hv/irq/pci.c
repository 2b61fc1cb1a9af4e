#include <acpi/acpi.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <base/spinlock.h>
#include <irq/pci.h>
#include <irq/pci_guest.h>
#include <irq/pci_io.h>
#include <mm/ioremap.h>
#include <mm/page_alloc.h>

#define CF8_ENABLE         0x80000000u
#define ECAM_FUNCTION_SIZE 4096u

/* Address and data register are a pair: no other access may come between. */
static DEFINE_SPINLOCK(pci_lock, LOCK_PCI);

static DEFINE_SPINLOCK(devices_lock, LOCK_PCI_DEVICES);
static struct pci_device *devices;

uint32_t pci_cf8_read(uint32_t cf8, unsigned int offset, unsigned int bytes)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);
    uint32_t value;

    port_out(PCI_CF8, 4, cf8);
    value = port_in((uint16_t)(PCI_CFC + offset), bytes);
    spin_unlock_irqrestore(&pci_lock, flags);
    return value;
}

void pci_cf8_write(uint32_t cf8, unsigned int offset, unsigned int bytes, uint32_t value)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);

    port_out(PCI_CF8, 4, cf8);
    port_out((uint16_t)(PCI_CFC + offset), bytes, value);
    spin_unlock_irqrestore(&pci_lock, flags);
}

static uint32_t cf8_of(struct pci_address a, unsigned int reg)
{
    return CF8_ENABLE | (uint32_t)a.bus << 16 | (uint32_t)a.devfn << 8 | (reg & 0xfc);
}

uint32_t pci_read(const struct pci_device *dev, unsigned int reg, unsigned int bytes)
{
    if (dev->ecam)
        return pci_mmio_read(dev->ecam + reg, bytes);
    return pci_cf8_read(cf8_of(dev->address, reg), reg & 3, bytes);
}

void pci_write(const struct pci_device *dev, unsigned int reg, unsigned int bytes, uint32_t value)
{
    if (dev->ecam)
        pci_mmio_write(dev->ecam + reg, bytes, value);
    else
        pci_cf8_write(cf8_of(dev->address, reg), reg & 3, bytes, value);
}

uint8_t pci_find_capability(const struct pci_device *dev, uint8_t id)
{
    uint8_t pos;

    if (!(pci_read(dev, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
        return 0;
    pos = (uint8_t)pci_read(dev, PCI_CAP_POINTER, 1) & 0xfc;
    /* 192 bytes beyond the header, at least 4 for each: more steps than 48 are a loop. */
    for (unsigned int step = 0; step < 48 && pos >= 0x40; step++) {
        uint32_t head = pci_read(dev, pos, 2);

        if ((head & 0xff) == id)
            return pos;
        if ((head & 0xff) == 0xff)
            return 0;
        pos = (uint8_t)(head >> 8) & 0xfc;
    }
    return 0;
}

uint64_t pci_memory_bar(const struct pci_device *dev, unsigned int index)
{
    uint32_t low;

    /* Bridges have two BARs, devices six. */
    if (dev->is_virtfn || index >= ((pci_read(dev, PCI_HEADER_TYPE, 1) & 0x7f) == 0 ? 6u : 2u))
        return 0;
    low = pci_read(dev, PCI_BAR(index), 4);
    if (low & 1) /* I/O ports */
        return 0;
    if ((low & 6) != 4)
        return low & ~0xfu;
    if (index == 5)
        return 0;
    return (uint64_t)pci_read(dev, PCI_BAR(index + 1), 4) << 32 | (low & ~0xfu);
}

void pci_devices_lock(void)
{
    spin_lock(&devices_lock);
}

void pci_devices_unlock(void)
{
    spin_unlock(&devices_lock);
}

struct pci_device *pci_device_find(struct pci_address a)
{
    struct pci_device *dev = devices;

    while (dev && (dev->address.seg != a.seg || dev->address.bus != a.bus || dev->address.devfn != a.devfn))
        dev = dev->next;
    return dev;
}

struct pci_device *pci_device_with_table_at(mfn_t mfn)
{
    struct pci_device *dev = devices;

    while (dev && !iomem_guard_covers(&dev->msix_guard, mfn))
        dev = dev->next;
    return dev;
}

/* Physical address of the function's page in memory-mapped configuration space; 0 if the tables name none. */
static uint64_t ecam_address(struct pci_address a)
{
    for (uint32_t i = 0; i < acpi_mcfg.nr; i++) {
        const struct acpi_mcfg_entry *e = &acpi_mcfg.entries[i];

        if (e->segment == a.seg && a.bus >= e->start_bus && a.bus <= e->end_bus)
            return e->address + ((uint64_t)a.bus << 20 | (uint64_t)a.devfn << 12);
    }
    return 0;
}

/* Mechanism 1 reaches segment 0 only. */
static int map_config_space(struct pci_device *dev)
{
    uint64_t address;

    if (dev->address.seg == 0)
        return 0;
    address = ecam_address(dev->address);
    if (!address)
        return -ENODEV;
    dev->ecam = ioremap(_paddr(address), ECAM_FUNCTION_SIZE);
    return dev->ecam ? 0 : -ENOMEM;
}

static void device_free(struct pci_device *dev)
{
    iomem_guard_set(&dev->msix_guard, _mfn(0), 0);
    if (dev->ecam)
        vunmap_range(dev->ecam, ECAM_FUNCTION_SIZE);
    xfree(dev);
}

int pci_device_add(struct pci_address address, bool is_virtfn)
{
    struct pci_device *dev;
    int rc = 0;

    pci_devices_lock();
    if (pci_device_find(address))
        goto out;
    rc = -ENOMEM;
    dev = xzalloc(struct pci_device);
    if (!dev)
        goto out;
    dev->address = address;
    dev->is_virtfn = is_virtfn;
    rc = map_config_space(dev);
    if (!rc && !is_virtfn && pci_read(dev, PCI_VENDOR_ID, 2) == 0xffff)
        rc = -ENODEV;
    if (rc) {
        device_free(dev);
        goto out;
    }
    dev->next = devices;
    devices = dev;
    dev->msi_cap = pci_find_capability(dev, PCI_CAP_MSI);
    dev->msix_cap = pci_find_capability(dev, PCI_CAP_MSIX);
    pci_guard_msix_table(dev);
out:
    pci_devices_unlock();
    return rc;
}

int pci_device_remove(struct pci_address address)
{
    struct pci_device *dev, **link = &devices;
    int rc = 0;

    pci_devices_lock();
    dev = pci_device_find(address);
    if (!dev) {
        rc = -ENODEV;
    } else if (dev->msix_users || dev->entries) {
        rc = -EBUSY;
    } else {
        while (*link != dev)
            link = &(*link)->next;
        *link = dev->next;
        device_free(dev);
    }
    pci_devices_unlock();
    return rc;
}

void __init pci_protect_config_space(void)
{
    for (uint32_t i = 0; i < acpi_mcfg.nr; i++) {
        const struct acpi_mcfg_entry *e = &acpi_mcfg.entries[i];
        uint64_t first = e->address + ((uint64_t)e->start_bus << 20);

        if (e->end_bus >= e->start_bus)
            iomem_set_read_only(paddr_to_mfn(_paddr(first)), (e->end_bus - e->start_bus + 1ul)
                                                                 << (20 - PAGE_SHIFT));
    }
}

int pci_mmcfg_confirm(uint64_t address, uint16_t segment, uint8_t start_bus, uint8_t end_bus)
{
    for (uint32_t i = 0; i < acpi_mcfg.nr; i++) {
        const struct acpi_mcfg_entry *e = &acpi_mcfg.entries[i];

        if (e->segment == segment && e->start_bus == start_bus && e->end_bus == end_bus)
            return e->address == address ? 0 : -EIO;
    }
    return -ENODEV;
}
