/*
 * Message-signalled interrupts (PCI Local Bus Specification 3.0, 6.8). The VMM
 * programs a device's MSI or MSI-X capability; dom0 asks it by PHYSDEVOP_map_pirq
 * and only switches the capability on and off.
 */
#ifndef IRQ_MSI_H
#define IRQ_MSI_H

#include <base/types.h>
#include <irq/pci.h>

#define MSI_MAX_MESSAGES 32

struct msi_message {
    uint64_t address;
    uint32_t data;
};

/* Fixed, edge-triggered delivery to one CPU in physical mode: SDM vol 3, 10.11. */
static inline struct msi_message msi_compose(uint8_t vector, uint32_t apicid)
{
    return (struct msi_message){.address = 0xfee00000u | (apicid & 0xff) << 12, .data = vector};
}

/*
 * Gives a device's MSI (nr messages, 1-32) sources of their own and programs it, masked if it can be.
 * The first irq number; -ENODEV: no such device or capability, -EINVAL: more messages than it has,
 * -EEXIST: has MSIs already, -ENOSPC, -ENOMEM. Takes LOCK_PCI_DEVICES.
 */
int msi_alloc(struct pci_address address, uint32_t nr);
/*
 * The same for one entry of its MSI-X table. table_base: machine address of the BAR that holds the
 * table, as dom0 knows it. -ENXIO: memory decoding is off, so the table cannot be reached.
 */
int msix_alloc(struct pci_address address, uint32_t entry, uint64_t table_base);
/* Silences the source (a group by its first irq) and gives it back. Nothing is bound to it. */
void msi_free(uint32_t irq);
/* Sources of the group of which this is the first; 1 if alone; 0 if it is not the first. It is mapped. */
uint32_t msi_group_size(uint32_t irq);
/* How many messages the device's MSI capability offers; 0 without one. */
uint32_t msi_capacity(struct pci_address address);

/* Programs all again after the device lost its state. -ENODEV, -ENXIO. */
int msi_restore(struct pci_address address);
/* A driver domain is to use the device's MSI-X: maps its table. -ENODEV, -EBUSY, -ENXIO, -EINVAL, -ENOMEM. */
int msix_prepare(struct pci_address address);
/* The end of that. -ENODEV; -EBUSY: not prepared, or entries are in use. */
int msix_release(struct pci_address address);

#endif
