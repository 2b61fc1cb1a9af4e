/* Register access of an IO-APIC; unit tests put a model of the device here. */
#ifndef IRQ_IOAPIC_IO_H
#define IRQ_IOAPIC_IO_H

#include <base/types.h>

#define IOAPIC_INDEX 0x00
#define IOAPIC_DATA  0x10

#ifdef HOSPES_UNIT_TEST

uint32_t ioapic_mmio_read(const volatile void *p);
void ioapic_mmio_write(volatile void *p, uint32_t value);

#else

#include <cpu/insn.h>

static inline uint32_t ioapic_mmio_read(const volatile void *p)
{
    return mmio_read32(p);
}

static inline void ioapic_mmio_write(volatile void *p, uint32_t value)
{
    mmio_write32(p, value);
}

#endif
#endif
