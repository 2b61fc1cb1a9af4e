#include <base/errno.h>
#include <console/uart.h>
#include <console/uart_io.h>
#include <lib/ctype.h>
#include <lib/parse.h>

enum uart_register {
    UART_DATA = 0, /* with LCR_DLAB: divisor, low byte */
    UART_IER = 1,  /* with LCR_DLAB: divisor, high byte */
    UART_IIR = 2,  /* read */
    UART_FCR = 2,  /* write */
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_SCRATCH = 7,
};

#define IER_RX         0x01
#define IER_TX_EMPTY   0x02
#define IIR_NONE       0x01
#define IIR_FIFO       0xc0
#define FCR_ENABLE     0x01
#define FCR_CLEAR      0x06
#define FCR_TRIGGER_14 0xc0
#define LCR_STOP2      0x04
#define LCR_DLAB       0x80
#define MCR_DTR_RTS    0x03
#define MCR_OUT2       0x08 /* on a PC: connects the interrupt line */
#define LSR_DATA       0x01
#define LSR_TX_EMPTY   0x20

/*
 * Status reads before a transmitter counts as dead.  A port read takes about 1 us on real
 * machines, a byte at 1200 baud 8 ms, a full FIFO 140 ms.
 */
#define TX_PATIENCE 500000
/* The same for who does not wait but comes again: longer, as an emulated line may stand still with its
 * reader. */
#define TX_PATIENCE_NS 10000000000

static uint8_t reg_read(const struct uart *uart, enum uart_register reg)
{
    return uart_in(uart->config.io_base + reg);
}

static void reg_write(const struct uart *uart, enum uart_register reg, uint8_t value)
{
    uart_out(uart->config.io_base + reg, value);
}

static void set_ier(struct uart *uart, uint8_t ier)
{
    if (uart->ier != ier)
        reg_write(uart, UART_IER, ier);
    uart->ier = ier;
}

static int parity_bits(char parity)
{
    switch (parity) {
    case 'n':
        return 0 << 3;
    case 'o':
        return 1 << 3;
    case 'e':
        return 3 << 3;
    case 'm':
        return 5 << 3;
    case 's':
        return 7 << 3;
    default:
        return -EINVAL;
    }
}

static int parse_baud(const char **s, struct uart_config *config)
{
    uint64_t n;

    if ((*s)[0] == 'a' && (*s)[1] == 'u' && (*s)[2] == 't' && (*s)[3] == 'o') {
        config->baud = 0;
        *s += 4;
    } else if (is_digit(**s)) {
        if (parse_u64(*s, s, 10, &n) || !n || n > UINT32_MAX)
            return -EINVAL;
        config->baud = n;
    }
    if (**s == '/') {
        /* The clock in Hz; one bit takes 16 of its ticks. */
        if (parse_u64(*s + 1, s, 10, &n) || n < 16 || n > UINT32_MAX)
            return -EINVAL;
        config->clock_baud = n / 16;
    }
    return 0;
}

static int parse_frame(const char **s, struct uart_config *config)
{
    const char *p = *s;

    if (p[0] < '5' || p[0] > '8' || parity_bits(p[1]) < 0 || p[2] < '1' || p[2] > '2')
        return -EINVAL;
    config->data_bits = p[0] - '0';
    config->parity = p[1];
    config->stop_bits = p[2] - '0';
    *s += 3;
    return 0;
}

static int parse_field(unsigned int field, const char **s, struct uart_config *config)
{
    uint64_t n;

    switch (field) {
    case 0:
        return parse_baud(s, config);
    case 1:
        return parse_frame(s, config);
    case 2:
        if (parse_u64(*s, s, 0, &n) || !n || n > 0xfff8)
            return -EINVAL;
        config->io_base = n;
        return 0;
    case 3:
        if (parse_u64(*s, s, 10, &n) || n > 15)
            return -EINVAL;
        config->irq = n;
        return 0;
    default:
        return -EINVAL;
    }
}

int uart_parse_config(const char *value, struct uart_config *config)
{
    struct uart_config parsed = *config;

    for (unsigned int field = 0;; field++) {
        /* A field left empty keeps its default. */
        if (*value != ',' && *value && parse_field(field, &value, &parsed))
            return -EINVAL;
        if (!*value)
            break;
        if (*value++ != ',')
            return -EINVAL;
    }
    if (parsed.baud > parsed.clock_baud)
        return -EINVAL;
    *config = parsed;
    return 0;
}

int uart_init(struct uart *uart)
{
    const struct uart_config *config = &uart->config;
    uint8_t lcr = config->data_bits - 5;

    if (config->stop_bits == 2)
        lcr |= LCR_STOP2;
    lcr |= parity_bits(config->parity);

    uart->present = false;
    reg_write(uart, UART_SCRATCH, 0x5a);
    if (reg_read(uart, UART_SCRATCH) != 0x5a)
        return -ENODEV;

    reg_write(uart, UART_IER, 0);
    if (config->baud) {
        uint32_t divisor = config->clock_baud / config->baud;

        reg_write(uart, UART_LCR, lcr | LCR_DLAB);
        reg_write(uart, UART_DATA, divisor);
        reg_write(uart, UART_IER, divisor >> 8);
    }
    reg_write(uart, UART_LCR, lcr);
    reg_write(uart, UART_FCR, FCR_ENABLE | FCR_CLEAR | FCR_TRIGGER_14);
    uart->fifo = (reg_read(uart, UART_IIR) & IIR_FIFO) == IIR_FIFO ? 16 : 1;
    reg_write(uart, UART_MCR, MCR_DTR_RTS);
    uart->tx_head = uart->tx_tail = 0;
    uart->ier = 0;
    uart->stuck_since = 0;
    uart->interrupts = uart->buffered = uart->dead = false;
    uart->present = true;
    return 0;
}

void uart_enable_interrupts(struct uart *uart, bool buffered)
{
    if (!uart->present)
        return;
    uart->interrupts = true;
    uart->buffered = buffered;
    reg_write(uart, UART_MCR, MCR_DTR_RTS | MCR_OUT2);
    set_ier(uart, IER_RX);
}

void uart_disable_interrupts(struct uart *uart)
{
    if (!uart->present)
        return;
    uart_tx_flush(uart);
    uart->interrupts = uart->buffered = false;
    set_ier(uart, 0);
}

uint32_t uart_tx_room(const struct uart *uart)
{
    return UART_TX_BUFFER - (uart->tx_head - uart->tx_tail);
}

void uart_tx_push(struct uart *uart)
{
    if (!uart->present)
        return;
    while (uart->tx_head != uart->tx_tail && (reg_read(uart, UART_LSR) & LSR_TX_EMPTY)) {
        uart->dead = false;
        for (uint32_t i = 0; i < uart->fifo && uart->tx_head != uart->tx_tail; i++)
            reg_write(uart, UART_DATA, uart->tx_buf[uart->tx_tail++ & (UART_TX_BUFFER - 1)]);
    }
    if (uart->buffered)
        set_ier(uart, IER_RX | (uart->tx_head != uart->tx_tail ? IER_TX_EMPTY : 0));
}

static void give_up(struct uart *uart)
{
    uart->dead = true;
    uart->tx_tail = uart->tx_head;
}

/* Waits until at least one byte has left the buffer; empties it if the device is dead. */
static void wait_for_progress(struct uart *uart)
{
    uint32_t tail = uart->tx_tail;

    for (uint32_t i = 0; i < TX_PATIENCE; i++) {
        uart_tx_push(uart);
        if (uart->tx_tail != tail)
            return;
        if (uart->dead)
            break;
        uart_pause();
    }
    give_up(uart);
}

bool uart_tx_ready(struct uart *uart, size_t bytes, s_time_t now)
{
    uart_tx_push(uart);
    if (uart_tx_room(uart) >= bytes)
        return true;
    if (!uart->stuck_since || uart->stuck_tail != uart->tx_tail) {
        uart->stuck_tail = uart->tx_tail;
        uart->stuck_since = now;
    }
    if (!uart->dead && now - uart->stuck_since < TX_PATIENCE_NS)
        return false;
    give_up(uart);
    return true;
}

void uart_tx_flush(struct uart *uart)
{
    while (uart->present && uart->tx_head != uart->tx_tail)
        wait_for_progress(uart);
}

void uart_putc(struct uart *uart, char c)
{
    if (!uart->present)
        return;
    if (!uart_tx_room(uart))
        wait_for_progress(uart);
    uart->tx_buf[uart->tx_head++ & (UART_TX_BUFFER - 1)] = c;
    if (!uart->buffered)
        uart_tx_flush(uart);
}

int uart_getc(struct uart *uart)
{
    if (!uart->present || !(reg_read(uart, UART_LSR) & LSR_DATA))
        return -1;
    return reg_read(uart, UART_DATA);
}

bool uart_irq_pending(struct uart *uart)
{
    return uart->present && !(reg_read(uart, UART_IIR) & IIR_NONE);
}
