/* Port access of the serial driver; unit tests put a model of the device here. */
#ifndef CONSOLE_UART_IO_H
#define CONSOLE_UART_IO_H

#include <base/types.h>

#ifdef HOSPES_UNIT_TEST

uint8_t uart_in(uint16_t port);
void uart_out(uint16_t port, uint8_t value);
void uart_pause(void);

#else

#include <base/atomic.h>
#include <cpu/insn.h>

static inline uint8_t uart_in(uint16_t port)
{
    return inb(port);
}

static inline void uart_out(uint16_t port, uint8_t value)
{
    outb(port, value);
}

static inline void uart_pause(void)
{
    cpu_relax();
}

#endif
#endif
