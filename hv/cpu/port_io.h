/* The machine's ports by width (1, 2 or 4 bytes), and wbinvd; unit tests bring their own. */
#ifndef CPU_PORT_IO_H
#define CPU_PORT_IO_H

#include <base/types.h>

#ifdef HOSPES_UNIT_TEST

uint32_t port_in(uint16_t port, unsigned int bytes);
void port_out(uint16_t port, unsigned int bytes, uint32_t value);
void wbinvd(void);

#else

#include <cpu/insn.h>

static inline uint32_t port_in(uint16_t port, unsigned int bytes)
{
    return bytes == 4 ? inl(port) : bytes == 2 ? inw(port) : inb(port);
}

static inline void port_out(uint16_t port, unsigned int bytes, uint32_t value)
{
    if (bytes == 4)
        outl(port, value);
    else if (bytes == 2)
        outw(port, (uint16_t)value);
    else
        outb(port, (uint8_t)value);
}

static inline void wbinvd(void)
{
    __asm__ __volatile__("wbinvd" ::: "memory");
}

#endif
#endif
