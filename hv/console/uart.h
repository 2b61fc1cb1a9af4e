/*
 * 16550 serial port.  Register names and bits: PC16550D data sheet (National Semiconductor).
 *
 * The caller serializes all calls on one port (console.c: LOCK_CONSOLE).
 */
#ifndef CONSOLE_UART_H
#define CONSOLE_UART_H

#include <base/types.h>

#define UART_TX_BUFFER 16384 /* a power of two */

struct uart_config {
    uint32_t baud;       /* 0: keep what the firmware set */
    uint32_t clock_baud; /* baud rate of divisor 1 */
    uint8_t data_bits;   /* 5 to 8 */
    char parity;         /* n o e m s */
    uint8_t stop_bits;   /* 1 or 2 */
    uint16_t io_base;
    uint32_t irq; /* ISA interrupt; 0: polled */
};

struct uart {
    struct uart_config config;
    bool present;
    bool interrupts;           /* enabled for received data */
    bool buffered;             /* transmission is driven by the interrupt */
    bool dead;                 /* did not send for too long: output is dropped until it does */
    uint8_t ier;               /* as last written */
    uint32_t fifo;             /* bytes that may be written when the holding register is empty */
    uint32_t tx_head, tx_tail; /* positions in tx_buf; head - tail bytes are waiting */
    uint32_t stuck_tail;  /* tx_tail when uart_tx_ready() last found too little room, and since when, ns */
    s_time_t stuck_since; /* 0: never */
    char tx_buf[UART_TX_BUFFER];
};

/*
 * Parses Xen's syntax for com1= and com2=,
 *   {<baud>|auto}[/<clock-hz>] [,[DPS] [,[<io-base>] [,[<irq>]]]]
 * over the defaults in *@config.  -EINVAL (nothing is changed) for anything else.
 */
int uart_parse_config(const char *value, struct uart_config *config);

/* Sets the port up, polled.  -ENODEV when nothing answers there. */
int uart_init(struct uart *uart);

/*
 * From here on receive by interrupt and, if @buffered, transmit through the buffer; the caller has
 * the interrupt routed.
 */
void uart_enable_interrupts(struct uart *uart, bool buffered);

/* Back to polling, after all that was buffered has been sent. */
void uart_disable_interrupts(struct uart *uart);

/* Sends a byte, or puts it into the buffer; waits for the line only when the buffer is full. */
void uart_putc(struct uart *uart, char c);

/* Bytes that can be taken without waiting. */
uint32_t uart_tx_room(const struct uart *uart);

/*
 * Whether that many (at most the buffer's size) can be taken, after sending what goes; the caller asks again
 * if not.  Who sends nothing for ten seconds meanwhile counts as dead.
 */
bool uart_tx_ready(struct uart *uart, size_t bytes, s_time_t now);

/* Hands as much of the buffer to the device as it takes now. */
void uart_tx_push(struct uart *uart);

/* Waits until the buffer is empty, or the device seems dead. */
void uart_tx_flush(struct uart *uart);

/* The next received byte, or -1. */
int uart_getc(struct uart *uart);

/* Is there a reason for an interrupt still?  Reading it also acknowledges the transmitter's. */
bool uart_irq_pending(struct uart *uart);

#endif
