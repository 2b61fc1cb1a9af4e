#include <acpi/acpi.h>
#include <base/errno.h>
#include <base/spinlock.h>
#include <boot/cmdline.h>
#include <console/console.h>
#include <console/console_internal.h>
#include <console/keyhandler.h>
#include <console/keys.h>
#include <console/printk.h>
#include <console/ring.h>
#include <console/uart.h>
#include <pv/ioport.h>
#include <cpu/softirq.h>
#include <event/evtchn.h>
#include <irq/irq.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <time/time.h>
#include <time/timer.h>
#include <xen/sysctl.h>

#define PREFIX       "(HV) "
#define EARLY_RING   32768
#define MAX_RING     (64u << 20)
#define INPUT_SIZE   256 /* characters waiting for dom0; a power of two */
#define KEYS_SIZE    16  /* debug keys waiting to be handled */
#define SWITCH_COUNT 3
#define POLL_PERIOD  MILLISECS(20)

static DEFINE_SPINLOCK(console_lock, LOCK_CONSOLE);

static bool opt_sync_console;
BOOT_OPTION_BOOL("sync_console", opt_sync_console);

static bool opt_console_to_ring; /* dom0's output too goes to the ring */
BOOT_OPTION_BOOL("console_to_ring", opt_console_to_ring);

static uint64_t opt_conring_size = EARLY_RING;
BOOT_OPTION_SIZE("conring_size", opt_conring_size, 10);

static char early_ring[EARLY_RING];
static struct char_ring log_ring = {.buf = early_ring, .size = EARLY_RING};

#define UART_DEFAULTS(io, isa_irq)                                                                           \
    .config = {.clock_baud = 115200,                                                                         \
               .data_bits = 8,                                                                               \
               .parity = 'n',                                                                                \
               .stop_bits = 1,                                                                               \
               .io_base = (io),                                                                              \
               .irq = (isa_irq)}

static struct uart uarts[2] = {{UART_DEFAULTS(0x3f8, 4)}, {UART_DEFAULTS(0x2f8, 3)}};

/* All of the following is protected by console_lock. */
static struct uart *console_uart; /* NULL: none, or not opened yet */
static char last_output = '\n';   /* on the serial line and, but for dom0's output, in the ring */
static bool in_panic;

static struct {
    bool to_dom0;
    uint32_t switches; /* switch characters seen in a row */
    uint32_t head, tail;
    char buf[INPUT_SIZE];
    uint32_t nr_keys;
    char keys[KEYS_SIZE];
} input;

/* What the softirq has to tell; set only once softirqs work. */
static bool notify_ready, ring_news, input_news;

static char switch_char = 'a' & 0x1f;
static bool switch_to_dom0 = true;
static struct timer poll_timer;

/* console=: which of the serial ports; the last valid name wins. */
static int selected_port = 0;

static __init int parse_com1(const char *value)
{
    return uart_parse_config(value, &uarts[0].config);
}
BOOT_OPTION_CUSTOM("com1", parse_com1);

static __init int parse_com2(const char *value)
{
    return uart_parse_config(value, &uarts[1].config);
}
BOOT_OPTION_CUSTOM("com2", parse_com2);

/* A list; what a person can see only on a screen is accepted and left to dom0. */
static __init int parse_console(const char *value)
{
    int port = -1;

    while (*value) {
        const char *comma = strchr(value, ',');
        size_t len = comma ? (size_t)(comma - value) : strlen(value);

        if (len == 4 && !strncmp(value, "com1", len))
            port = 0;
        else if (len == 4 && !strncmp(value, "com2", len))
            port = 1;
        else if (!(len == 4 && !strncmp(value, "none", len)) && !(len == 3 && !strncmp(value, "vga", len)))
            return -EINVAL;
        value += len + (comma != NULL);
    }
    selected_port = port;
    return 0;
}
BOOT_OPTION_CUSTOM("console", parse_console);

/* conswitch=<letter>[x]: Ctrl with it switches the input; x: dom0 does not get it at boot. */
static __init int parse_conswitch(const char *value)
{
    if (value[0] < 'a' || value[0] > 'z' || (value[1] && strcmp(value + 1, "x")))
        return -EINVAL;
    switch_char = value[0] & 0x1f;
    switch_to_dom0 = !value[1];
    return 0;
}
BOOT_OPTION_CUSTOM("conswitch", parse_conswitch);

unsigned long console_acquire(void)
{
    if (READ_ONCE(in_panic))
        return 0;
    return spin_lock_irqsave(&console_lock);
}

void console_release(unsigned long flags)
{
    /* Once for a whole message: asking the device about each character would be slow. */
    if (console_uart)
        uart_tx_push(console_uart);
    /* Not taken, or taken by code that the panic interrupted and that will not go on. */
    if (!READ_ONCE(in_panic))
        spin_unlock_irqrestore(&console_lock, flags);
}

static void notify(void)
{
    if (notify_ready && !in_panic)
        raise_softirq(SOFTIRQ_CONSOLE);
}

static void serial_put(char c)
{
    if (c == '\n' && last_output != '\r')
        uart_putc(console_uart, '\r');
    uart_putc(console_uart, c);
}

static void put(char c, bool to_ring)
{
    if (to_ring)
        ring_put(&log_ring, c);
    if (console_uart)
        serial_put(c);
    last_output = c;
}

static void start_line(void)
{
    for (const char *p = PREFIX; *p; p++)
        put(*p, true);
}

/* Is the line that the cursor stands in one of the VMM's? */
static bool our_line;

void console_emit(const char *text, size_t len)
{
    if (last_output != '\n' && !our_line)
        put('\n', opt_console_to_ring);
    our_line = true;
    for (size_t i = 0; i < len; i++) {
        if (last_output == '\n')
            start_line();
        put(text[i], true);
    }
    if (len && !ring_news) {
        ring_news = true;
        notify();
    }
}

void console_write_guest(const char *text, size_t len)
{
    unsigned long flags = console_acquire();

    if (our_line && last_output != '\n')
        put('\n', true);
    our_line = false;
    for (size_t i = 0; i < len; i++)
        put(text[i], opt_console_to_ring);
    console_release(flags);
}

bool console_tx_ready(size_t len)
{
    unsigned long flags = console_acquire();
    bool ready = true;

    /* Each character may need a carriage return as well. */
    if (console_uart)
        ready = uart_tx_ready(console_uart, 2 * len, now());
    console_release(flags);
    return ready;
}

static void announce_input(void)
{
    printk("Console input goes to %s (Ctrl-%c three times switches it)\n",
           input.to_dom0 ? "dom0" : "the VMM's debug keys, 'h' lists them", switch_char + 'A' - 1);
}

static void to_dom0(char c)
{
    /* Nobody reads: the newest characters are lost, as on any serial line. */
    if (input.head - input.tail < INPUT_SIZE)
        input.buf[input.head++ & (INPUT_SIZE - 1)] = c;
    input_news = true;
}

/*
 * Stores a received character for its reader; true if the input changed hands.  Switch characters are
 * held back until it is clear that they are not three.  Lock held.
 */
static bool receive(char c)
{
    if (c == switch_char) {
        if (++input.switches < SWITCH_COUNT)
            return false;
        input.switches = 0;
        input.to_dom0 = !input.to_dom0;
        return true;
    }
    for (; input.switches; input.switches--)
        if (input.to_dom0)
            to_dom0(switch_char);
    if (input.to_dom0)
        to_dom0(c);
    else if (input.nr_keys < KEYS_SIZE)
        input.keys[input.nr_keys++] = c;
    notify();
    return false;
}

static void receive_all(void)
{
    unsigned long flags = console_acquire();
    bool switched = false;
    int c;

    /* No more than the ring holds at once: a flood must not keep this CPU here. */
    for (int i = 0; i < INPUT_SIZE && (c = uart_getc(console_uart)) >= 0; i++)
        switched |= receive(c);
    console_release(flags);
    if (switched)
        announce_input();
}

static void serial_interrupt(void *data)
{
    unsigned long flags;
    bool pending;
    int limit = 64;

    /* The line is edge-triggered: unless every cause is gone, no further interrupt will come. */
    do {
        receive_all();
        flags = console_acquire();
        uart_tx_push(console_uart);
        pending = uart_irq_pending(console_uart);
        console_release(flags);
    } while (pending && --limit);
}

static void poll_serial(void *data)
{
    receive_all();
    timer_set(&poll_timer, now() + POLL_PERIOD);
}

static void console_softirq(void)
{
    char keys[KEYS_SIZE];
    bool to_guest, log;
    uint32_t nr_keys;
    unsigned long flags = console_acquire();

    nr_keys = input.nr_keys;
    memcpy(keys, input.keys, nr_keys);
    input.nr_keys = 0;
    to_guest = input_news;
    log = ring_news;
    input_news = ring_news = false;
    console_release(flags);

    if (log)
        send_global_virq(VIRQ_CON_RING);
    if (to_guest)
        send_global_virq(VIRQ_CONSOLE);
    for (uint32_t i = 0; i < nr_keys; i++)
        handle_keypress(keys[i]);
}

size_t console_read_guest(char *buf, size_t len)
{
    unsigned long flags = console_acquire();
    size_t n = 0;

    while (n < len && input.tail != input.head)
        buf[n++] = input.buf[input.tail++ & (INPUT_SIZE - 1)];
    console_release(flags);
    return n;
}

int console_read_ring(struct xen_sysctl_readconsole *op)
{
    uint64_t dst = guest_handle_va(op->buffer);
    uint32_t pos, done = 0, n;
    char chunk[256];
    unsigned long flags = console_acquire();

    pos = op->incremental ? op->index : log_ring.begin;
    console_release(flags);

    for (; done < op->count; done += n) {
        flags = console_acquire();
        n = ring_copy(&log_ring, &pos, chunk, MIN(op->count - done, (uint32_t)sizeof(chunk)));
        console_release(flags);
        if (!n)
            break;
        if (copy_to_guest(dst + done, chunk, n))
            return -EFAULT;
    }

    if (op->clear) {
        flags = console_acquire();
        log_ring.begin = log_ring.end;
        console_release(flags);
    }
    op->count = done;
    op->index = pos;
    return 0;
}

/* Sends what was printed before there was a port. */
static void replay(void)
{
    uint32_t pos = log_ring.begin, n;
    char chunk[64];

    last_output = '\n';
    while ((n = ring_copy(&log_ring, &pos, chunk, sizeof(chunk))))
        for (uint32_t i = 0; i < n; i++) {
            serial_put(chunk[i]);
            last_output = chunk[i];
        }
}

static void open_port(void)
{
    if (console_uart || selected_port < 0 || uart_init(&uarts[selected_port]))
        return;
    console_uart = &uarts[selected_port];
    replay();
}

void console_init(void)
{
    unsigned long flags = console_acquire();

    open_port();
    console_release(flags);
    if (selected_port >= 0 && !console_uart)
        printk_warn("No serial port at %#x: no serial console\n", uarts[selected_port].config.io_base);
}

static void grow_ring(void)
{
    uint64_t wanted = MIN(opt_conring_size, (uint64_t)MAX_RING);
    unsigned int order = 0;
    unsigned long flags;
    char *buf;

    if (wanted <= EARLY_RING)
        return;
    while (PAGE_SIZE << order < wanted)
        order++;
    buf = alloc_vmm_pages(order);
    if (!buf) {
        printk_warn("No memory for a console ring of %llu bytes\n", (unsigned long long)wanted);
        return;
    }
    flags = console_acquire();
    ring_grow(&log_ring, buf, PAGE_SIZE << order);
    console_release(flags);
}

static bool take_interrupt(const struct uart *uart)
{
    uint32_t gsi;

    if (!uart->config.irq)
        return false;
    gsi = acpi_isa_irq_to_gsi(uart->config.irq);
    if (request_gsi(gsi, serial_interrupt, NULL)) {
        printk_warn("Serial interrupt (GSI %u) not available: polling\n", gsi);
        return false;
    }
    return true;
}

void console_init_late(void)
{
    unsigned long flags;
    bool interrupt;

    grow_ring();
    debug_keys_init();
    open_softirq(SOFTIRQ_CONSOLE, console_softirq);

    flags = console_acquire();
    notify_ready = true;
    if (ring_news)
        notify();
    console_release(flags);
    if (!console_uart)
        return;
    ioport_deny(console_uart->config.io_base, console_uart->config.io_base + 7);

    interrupt = take_interrupt(console_uart);
    if (interrupt) {
        flags = console_acquire();
        uart_enable_interrupts(console_uart, !opt_sync_console);
        console_release(flags);
    } else {
        timer_init(&poll_timer, poll_serial, NULL, 0);
        timer_set(&poll_timer, now() + POLL_PERIOD);
    }
    if (opt_sync_console)
        printk_warn("Console output is synchronous (sync_console): slow, for debugging only\n");
}

void console_start_dom0(void)
{
    unsigned long flags = console_acquire();

    input.to_dom0 = switch_to_dom0;
    console_release(flags);
    announce_input();
}

void console_force_unlock(void)
{
    if (READ_ONCE(in_panic))
        return;
    WRITE_ONCE(in_panic, true);
    open_port();
    if (console_uart)
        uart_disable_interrupts(console_uart);
    if (last_output != '\n')
        put('\n', our_line);
}

void console_flush(void)
{
    unsigned long flags = console_acquire();

    if (console_uart)
        uart_tx_flush(console_uart);
    console_release(flags);
}
