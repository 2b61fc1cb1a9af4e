/*
 * dom0's own writes to PCI configuration space and to frames with an MSI-X table. They are done, but for what
 * would change the MSIs that the VMM programs: messages, masks, and where the table is. dom0 may switch a
 * capability on and off.
 */
#ifndef IRQ_PCI_GUEST_H
#define IRQ_PCI_GUEST_H

#include <irq/pci.h>

/* By mechanism 1; arguments as of pci_cf8_write(). Takes LOCK_PCI_DEVICES. */
void pci_guest_cf8_write(uint32_t cf8, unsigned int offset, unsigned int bytes, uint32_t value);

/*
 * A naturally aligned write of 1, 2, 4 or 8 bytes to a machine address in a frame that is write-protected.
 * False, with nothing done: not one of these two, or not of a width that it takes. Takes LOCK_PCI_DEVICES.
 */
bool pci_guest_memory_write(uint64_t address, unsigned int bytes, uint64_t value);

/*
 * Write-protects the frames of the device's MSI-X table, where its BAR has them now. The table of devices is
 * locked. What dom0 has mapped before stays as it is.
 */
void pci_guard_msix_table(struct pci_device *dev);

#endif
