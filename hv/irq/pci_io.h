/* Memory access for PCI, beside that by ports; unit tests put models of devices here. */
#ifndef IRQ_PCI_IO_H
#define IRQ_PCI_IO_H

#include <base/types.h>
#include <cpu/port_io.h>

#define PCI_CF8 0xcf8
#define PCI_CFC 0xcfc

#ifdef HOSPES_UNIT_TEST

uint32_t pci_mmio_read(const volatile void *p, unsigned int bytes);
void pci_mmio_write(volatile void *p, unsigned int bytes, uint32_t value);

#else

static inline uint32_t pci_mmio_read(const volatile void *p, unsigned int bytes)
{
    return bytes == 4   ? *(const volatile uint32_t *)p
           : bytes == 2 ? *(const volatile uint16_t *)p
                        : *(const volatile uint8_t *)p;
}

static inline void pci_mmio_write(volatile void *p, unsigned int bytes, uint32_t value)
{
    if (bytes == 4)
        *(volatile uint32_t *)p = value;
    else if (bytes == 2)
        *(volatile uint16_t *)p = (uint16_t)value;
    else
        *(volatile uint8_t *)p = (uint8_t)value;
}

#endif
#endif
