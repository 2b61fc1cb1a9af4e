/* PCI configuration space, and the devices that the VMM knows of: those with interrupts it programs. */
#ifndef IRQ_PCI_H
#define IRQ_PCI_H

#include <base/types.h>
#include <mm/iomem.h>

struct msi_entry;

struct pci_address {
    uint16_t seg;
    uint8_t bus, devfn;
};

struct pci_device {
    struct pci_device *next;
    struct pci_address address;
    uint8_t msi_cap, msix_cap;    /* offsets, 0: none */
    bool is_virtfn;               /* an SR-IOV virtual function: its BARs are in its physical function */
    volatile uint8_t *ecam;       /* its configuration space, mapped; NULL: reached by mechanism 1 */
    struct msi_entry *entries;    /* MSIs in use */
    volatile uint8_t *msix_table; /* mapped while in use */
    uint32_t msix_users;          /* entries, and a prepare_msix */
    bool msix_prepared;
    /* Of the table, while msix_users: a device that is gone does not tell any more. */
    uint64_t msix_bar, msix_address; /* machine addresses of the BAR that it is in, and its own */
    uint32_t msix_size;              /* bytes */
    struct iomem_guard msix_guard;   /* keeps the table's frames from being mapped writable */
};

/* Configuration registers used here: PCI Local Bus Specification 3.0, 6.1 and 6.7. */
#define PCI_VENDOR_ID       0x00
#define PCI_COMMAND         0x04
#define PCI_COMMAND_MEMORY  0x2u
#define PCI_STATUS          0x06
#define PCI_STATUS_CAP_LIST 0x10u
#define PCI_HEADER_TYPE     0x0e
#define PCI_BAR(n)          (0x10 + 4 * (n))
#define PCI_BARS_END        0x28
#define PCI_CAP_POINTER     0x34
#define PCI_CAP_MSI         0x05
#define PCI_CAP_MSIX        0x11

/*
 * Mechanism 1 with the address register's value as given (bit 31, bus, devfn, register), for bytes 1,
 * 2 or 4 at offset 0-3 of the data register. Takes LOCK_PCI; any context. For the emulation of dom0's
 * accesses too: the hardware's address register does not keep a value between calls.
 */
uint32_t pci_cf8_read(uint32_t cf8, unsigned int offset, unsigned int bytes);
void pci_cf8_write(uint32_t cf8, unsigned int offset, unsigned int bytes, uint32_t value);

/* A naturally aligned register of 1, 2 or 4 bytes. Any context. */
uint32_t pci_read(const struct pci_device *dev, unsigned int reg, unsigned int bytes);
void pci_write(const struct pci_device *dev, unsigned int reg, unsigned int bytes, uint32_t value);

/* Offset of the first capability with that id, or 0. Chains that loop or leave the header end there. */
uint8_t pci_find_capability(const struct pci_device *dev, uint8_t id);
/* The machine address in a memory BAR of an ordinary device; 0 if there is none. */
uint64_t pci_memory_bar(const struct pci_device *dev, unsigned int index);

/*
 * The table of devices. Callers hold the lock for as long as they use a device. LOCK_PCI_DEVICES.
 */
void pci_devices_lock(void);
void pci_devices_unlock(void);
/* NULL if unknown. */
struct pci_device *pci_device_find(struct pci_address address);
/* The device that has its MSI-X table in this frame; NULL if there is none. */
struct pci_device *pci_device_with_table_at(mfn_t mfn);
/*
 * Known already: 0. -ENODEV: nothing there (a virtual function does not show itself: is believed).
 * -ENOMEM.
 */
int pci_device_add(struct pci_address address, bool is_virtfn);
/* -ENODEV: unknown; -EBUSY: has MSIs in use. */
int pci_device_remove(struct pci_address address);
/* Makes memory-mapped configuration space, where the tables name it, read-only. Once, at boot. */
void pci_protect_config_space(void);
/* dom0 confirms a range of memory-mapped configuration space: -ENODEV, or -EIO where only the address
 * differs, unless the tables (MCFG) name it. */
int pci_mmcfg_confirm(uint64_t address, uint16_t segment, uint8_t start_bus, uint8_t end_bus);

#endif
