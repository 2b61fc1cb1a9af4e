/* The MSI and MSI-X capabilities and the MSI-X table: PCI Local Bus Specification 3.0, 6.8. */
#ifndef IRQ_MSI_REGS_H
#define IRQ_MSI_REGS_H

/* Offsets within the capabilities. */
#define CAP_CONTROL      2
#define MSI_ENABLE       0x0001u
#define MSI_CAPABLE(c)   ((c) >> 1 & 7)
#define MSI_MULTI_SHIFT  4
#define MSI_MULTI_MASK   0x0070u
#define MSI_64BIT        0x0080u
#define MSI_MASKABLE     0x0100u
#define MSI_ADDRESS      4
#define MSI_ADDRESS_HIGH 8
#define MSIX_ENABLE      0x8000u
#define MSIX_MASK_ALL    0x4000u
#define MSIX_SIZE(c)     (((c)&0x7ff) + 1)
#define MSIX_TABLE       4
/* An entry of the MSI-X table. */
#define MSIX_ENTRY_SIZE    16u
#define MSIX_ENTRY_ADDRESS 0
#define MSIX_ENTRY_HIGH    4
#define MSIX_ENTRY_DATA    8
#define MSIX_ENTRY_CONTROL 12
#define MSIX_ENTRY_MASKED  1u

#endif
