/* unit: hv/console/printk.c hv/console/console.c hv/console/ring.c hv/console/uart.c hv/console/keyhandler.c
 * hv/boot/cmdline.c hv/boot/xen_options.c hv/lib/parse.c hv/lib/string.c hv/lib/printf.c hv/pv/ioport.c */
#include <unit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <acpi/acpi.h>
#include <base/bug.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <console/console.h>
#include <console/keyhandler.h>
#include <console/printk.h>
#include <console/ring.h>
#include <console/uart.h>
#include <console/uart_io.h>
#include <cpu/cpu_info.h>
#include <cpu/softirq.h>
#include <event/evtchn.h>
#include <irq/irq.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <time/lockup.h>
#include <time/time.h>
#include <time/timer.h>
#include <xen/sysctl.h>

/* A 16550 at 0x3f8: what it sent, what it will receive. */
static struct {
    char sent[65536];
    size_t nr_sent;
    uint8_t ier, lcr, scratch;
    bool stuck;         /* the transmitter never gets empty */
    uint32_t tx_budget; /* bytes that it takes before it is busy; ~0: any number */
    const char *input;
    int divisor;
} device = {.tx_budget = ~0u};

#define BASE 0x3f8

static struct cpu_info info;

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

uint8_t uart_in(uint16_t port)
{
    switch (port - BASE) {
    case 0:
        return device.input && *device.input ? *device.input++ : 0;
    case 2:
        return 0xc1;
    case 5:
        return (device.stuck || !device.tx_budget ? 0 : 0x20) | (device.input && *device.input ? 1 : 0);
    case 7:
        return device.scratch;
    default:
        return 0;
    }
}

void uart_out(uint16_t port, uint8_t value)
{
    bool dlab = device.lcr & 0x80;

    switch (port - BASE) {
    case 0:
        if (dlab) {
            device.divisor = (device.divisor & 0xff00) | value;
            break;
        }
        assert_true(device.nr_sent < sizeof(device.sent) - 1);
        device.sent[device.nr_sent++] = value;
        if (device.tx_budget != ~0u && device.tx_budget)
            device.tx_budget--;
        break;
    case 1:
        if (dlab)
            device.divisor = (device.divisor & 0xff) | value << 8;
        else
            device.ier = value;
        break;
    case 3:
        device.lcr = value;
        break;
    case 7:
        device.scratch = value;
        break;
    }
}

void uart_pause(void)
{
}

/* The rest of the VMM, as far as the console needs it. */
static s_time_t clock_ns;
static void (*softirq)(void);
static bool softirq_raised;
static void (*interrupt)(void *);
static uint32_t interrupt_gsi;
static int virqs[64];

s_time_t now(void)
{
    return clock_ns;
}

void open_softirq(enum softirq nr, void (*fn)(void))
{
    assert_int_equal(nr, SOFTIRQ_CONSOLE);
    softirq = fn;
}

void raise_softirq(enum softirq nr)
{
    assert_int_equal(nr, SOFTIRQ_CONSOLE);
    softirq_raised = true;
}

int request_gsi(uint32_t gsi, void (*fn)(void *), void *data)
{
    assert_null(data);
    interrupt_gsi = gsi;
    interrupt = fn;
    return 0;
}

uint32_t acpi_isa_irq_to_gsi(uint32_t irq)
{
    return irq + 100;
}

void send_global_virq(uint32_t virq)
{
    virqs[virq]++;
}

void timer_init(struct timer *t, void (*fn)(void *), void *data, uint32_t cpu)
{
    (void)t, (void)fn, (void)data, (void)cpu;
}

void timer_set(struct timer *t, s_time_t expires)
{
    (void)t, (void)expires;
}

void *alloc_vmm_pages(unsigned int order)
{
    return calloc(1, PAGE_SIZE << order);
}

int copy_to_guest(uint64_t gva, const void *src, size_t len)
{
    if (!gva)
        return -EFAULT;
    memcpy((void *)gva, src, len);
    return 0;
}

void panic(const char *fmt, ...)
{
    (void)fmt;
    mock_assert(0, "panic", "panic", 0);
    abort();
}

void boot_refuse(const char *fmt, ...)
{
    (void)fmt;
    mock_assert(0, "panic", "panic", 0);
    abort();
}

static int watchdog_paused, watchdog_pauses;

void lockup_pause(void)
{
    watchdog_paused++;
    watchdog_pauses++;
}

void lockup_resume(void)
{
    watchdog_paused--;
}

void debug_keys_init(void)
{
}

static void run_softirq(void)
{
    if (softirq_raised) {
        softirq_raised = false;
        softirq();
    }
}

static const char *sent(void)
{
    device.sent[device.nr_sent] = '\0';
    return device.sent;
}

static void clear(void)
{
    device.nr_sent = 0;
}

static uint32_t read_ring(uint32_t *index, bool incremental, bool clear_it, char *buf, uint32_t size)
{
    struct xen_sysctl_readconsole op = {
        .clear = clear_it, .incremental = incremental, .index = *index, .count = size};

    op.buffer.p = buf;
    assert_int_equal(console_read_ring(&op), 0);
    *index = op.index;
    buf[op.count] = '\0';
    return op.count;
}

/* The order of these tests is that of a boot. */

static void test_before_port_is_open(void **state)
{
    (void)state;
    printk("first\n");
    printk_info("not shown by default\n");
    printk_warn("second %d", 2);
    assert_int_equal(device.nr_sent, 0);

    cmdline_parse("com1=57600,8n1 conring_size=64k", false);
    console_init();
    assert_string_equal(sent(), "(HV) first\r\n(HV) second 2");
    assert_int_equal(device.divisor, 2);
    assert_int_equal(device.lcr, 3);
    printk(" and the rest\n");
    assert_string_equal(sent(), "(HV) first\r\n(HV) second 2 and the rest\r\n");
    clear();
}

static int count_lines(const char *text)
{
    int n = 0;

    for (const char *p = sent(); (p = strstr(p, text)); p++)
        n++;
    return n;
}

/* The whole allowance is there from the beginning, and nothing more without time passing. */
static void test_rate_limit_at_boot(void **state)
{
    (void)state;
    assert_int_equal(clock_ns, 0);
    for (int i = 0; i < 12; i++)
        guest_printk(1, "early\n");
    assert_int_equal(count_lines("d1: early"), 10);
    clear();
}

static void test_lines(void **state)
{
    (void)state;
    printk("one\ntwo\n");
    assert_string_equal(sent(), "(HV) one\r\n(HV) two\r\n");
    clear();

    /* dom0's output has no prefix; the VMM's begins on a line of its own, and so does dom0's. */
    console_write_guest("login: ", 7);
    printk("message\n");
    console_write_guest("a\r\nb\n", 5);
    printk("half a line");
    console_write_guest("x\n", 2);
    assert_string_equal(sent(), "login: \r\n(HV) message\r\na\r\nb\r\n(HV) half a line\r\nx\r\n");
    clear();
}

static void test_long_message(void **state)
{
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    printk("%s\n", text);
    assert_int_equal(strlen(sent()), strlen("(HV) ") + PRINTK_MAX - 2 + strlen("\r\n"));
    guest_printk(3, "%s\n", text);
    assert_int_equal(device.sent[device.nr_sent - 1], '\n');
    clear();
}

static void test_interrupts(void **state)
{
    (void)state;
    console_init_late();
    assert_int_equal(interrupt_gsi, 104);
    assert_non_null(interrupt);
    assert_int_equal(device.ier, 1);
    softirq_raised = true;
    run_softirq();
    assert_int_equal(virqs[VIRQ_CON_RING], 1);

    /* A busy line: output waits in the buffer until the interrupt. */
    device.tx_budget = 3;
    printk("buffered, as the line is busy\n");
    assert_int_equal(device.ier, 3);
    assert_true(device.nr_sent < 20);
    device.tx_budget = ~0u;
    interrupt(NULL);
    assert_int_equal(device.ier, 1);
    assert_string_equal(sent(), "(HV) buffered, as the line is busy\r\n");
    clear();

    run_softirq();
    assert_int_equal(virqs[VIRQ_CON_RING], 2);
    run_softirq();
    assert_int_equal(virqs[VIRQ_CON_RING], 2);
    assert_int_equal(virqs[VIRQ_CONSOLE], 0);
}

static void test_full_buffer(void **state)
{
    static char block[1024];
    size_t before;

    (void)state;
    memset(block, '.', sizeof(block));
    device.tx_budget = 0;
    assert_true(console_tx_ready(sizeof(block)));
    while (console_tx_ready(sizeof(block)))
        console_write_guest(block, sizeof(block));
    assert_int_equal(device.nr_sent, 0);

    /* The device does not recover: output is given up, and the writer goes on. */
    for (int i = 0; i < 40; i++)
        console_write_guest(block, sizeof(block));
    device.tx_budget = ~0u;
    interrupt(NULL);
    before = device.nr_sent;
    assert_true(before > 0 && before <= UART_TX_BUFFER);
    console_write_guest("back\n", 5);
    assert_string_equal(sent() + device.nr_sent - 6, "back\r\n");
    clear();
}

/* dom0 does not write while the line is busy, but it does not wait for one that sends nothing for ever. */
static void test_dead_line_and_dom0(void **state)
{
    static char block[1024];

    (void)state;
    memset(block, '.', sizeof(block));
    clock_ns += SECONDS(100);
    clear();
    device.tx_budget = 0;
    while (console_tx_ready(sizeof(block)))
        console_write_guest(block, sizeof(block));
    /* Slow is not dead. */
    for (int i = 0; i < 20; i++) {
        clock_ns += SECONDS(9);
        assert_false(console_tx_ready(sizeof(block)));
        device.tx_budget = 1;
    }
    device.tx_budget = 0;
    assert_false(console_tx_ready(sizeof(block)));
    clock_ns += SECONDS(11);
    assert_true(console_tx_ready(sizeof(block)));
    /* Once that is known there is no more waiting, until something is sent again. */
    for (int i = 0; i < 40; i++) {
        assert_true(console_tx_ready(sizeof(block)));
        console_write_guest(block, sizeof(block));
    }
    device.tx_budget = 1;
    while (console_tx_ready(sizeof(block)))
        console_write_guest(block, sizeof(block));
    device.tx_budget = ~0u;
    interrupt(NULL);
    assert_true(console_tx_ready(sizeof(block)));
    console_write_guest("back\n", 5);
    assert_string_equal(sent() + device.nr_sent - 6, "back\r\n");
    clear();
}

static void receive(const char *input)
{
    device.input = input;
    interrupt(NULL);
    run_softirq();
}

static char keys[32];

static void note_key(char key)
{
    strncat(keys, &key, 1);
}

static void talk_key(char key)
{
    for (int i = 0; i < KEY_LINES + 7; i++) {
        key_printk("line %d ", i);
        key_printk("of many\n");
    }
}

/* However much a handler has to say, its answer has an end, and the next key has room again. */
static void test_long_answer(void **state)
{
    (void)state;
    register_keyhandler('l', talk_key, "talk");
    for (int round = 0; round < 2; round++) {
        watchdog_pauses = 0;
        clear();
        handle_keypress('l');
        assert_null(strstr(sent(), "line 1000 of many"));
        assert_non_null(strstr(sent(), "... and 7 lines more"));
        assert_int_equal(watchdog_paused, 0);
        assert_int_equal(watchdog_pauses, 1);
    }
}

static void test_input(void **state)
{
    char buf[400];

    (void)state;
    register_keyhandler('k', note_key, "note it");
    clear();
    register_keyhandler('k', note_key, "again");
    register_keyhandler('h', note_key, "taken");
    register_keyhandler('\n', note_key, "not printable");
    assert_non_null(strstr(sent(), "again"));
    assert_non_null(strstr(sent(), "taken"));
    assert_non_null(strstr(sent(), "not printable"));
    clear();

    /* Before dom0 runs, input is for the debug keys. */
    receive("k?\xff");
    assert_string_equal(keys, "k");
    receive("h");
    assert_non_null(strstr(sent(), "key 'k': note it"));
    handle_keypress('k');
    assert_string_equal(keys, "kk");

    console_start_dom0();
    receive("ls\r");
    assert_int_equal(virqs[VIRQ_CONSOLE], 1);
    assert_int_equal(console_read_guest(buf, 2), 2);
    assert_memory_equal(buf, "ls", 2);
    assert_int_equal(console_read_guest(buf, 10), 1);
    assert_int_equal(console_read_guest(buf, 10), 0);
    assert_string_equal(keys, "kk");

    /* The switch: only three in a row. */
    receive("\1\1x\1\1\1k");
    assert_string_equal(keys, "kkk");
    receive("\1\1\1k");
    assert_string_equal(keys, "kkk");
    assert_int_equal(console_read_guest(buf, sizeof(buf)), 4);
    assert_memory_equal(buf, "\1\1xk", 4);
}

static void test_input_overflow(void **state)
{
    static char flood[1001];
    char buf[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(flood) - 1; i++)
        flood[i] = 'a' + i % 26;
    receive(flood);
    assert_int_equal(console_read_guest(buf, sizeof(buf)), 256);
    assert_memory_equal(buf, flood, 256);
    while (*device.input)
        interrupt(NULL);
    console_read_guest(buf, sizeof(buf));
}

static void test_read_ring(void **state)
{
    char buf[70000];
    uint32_t index = 0, n;

    (void)state;
    n = read_ring(&index, false, false, buf, sizeof(buf) - 1);
    assert_int_equal(n, strlen(buf));
    assert_memory_equal(buf, "(HV) first\n(HV) second 2 and the rest\n", 38);
    assert_null(strstr(buf, "login"));

    assert_int_equal(read_ring(&index, true, false, buf, 100), 0);
    printk("news\n");
    assert_int_equal(read_ring(&index, true, false, buf, 4), 4);
    assert_string_equal(buf, "(HV)");
    assert_int_equal(read_ring(&index, true, true, buf, 100), 6);
    assert_string_equal(buf, " news\n");
    assert_int_equal(read_ring(&index, false, false, buf, 100), 0);

    /* An index from long ago starts at the oldest. */
    printk("later\n");
    index = 0x80000000;
    assert_int_equal(read_ring(&index, true, false, buf, 100), 11);

    struct xen_sysctl_readconsole op = {.count = 10};

    op.buffer.p = NULL;
    assert_int_equal(console_read_ring(&op), -EFAULT);
    clear();
}

static void test_rate_limit(void **state)
{
    (void)state;
    clock_ns = SECONDS(100);
    clear();
    for (int i = 0; i < 1000; i++)
        guest_printk(7, "bad guest\n");
    assert_int_equal(count_lines("(HV) d7: bad guest\r\n"), 10);
    guest_printk_info(7, "detail\n");
    guest_printk_debug(7, "detail\n");
    assert_int_equal(count_lines("detail"), 0);

    /* After a pause more, with a note on what was left out. */
    clock_ns += MILLISECS(1100);
    for (int i = 0; i < 10; i++)
        guest_printk(15, "bad guest\n");
    assert_int_equal(count_lines("(HV) 990 messages suppressed\r\n"), 1);
    assert_int_equal(count_lines("d15: bad guest"), 2);
    clock_ns += SECONDS(1000);
    for (int i = 0; i < 100; i++)
        guest_printk(9, "bad guest\n");
    assert_int_equal(count_lines("d9: bad guest"), 10);
    clear();
}

/* What one guest causes hides neither what others have to say nor the VMM's own messages. */
static void test_rate_limit_of_others(void **state)
{
    (void)state;
    cmdline_parse("loglvl=error/warning guest_loglvl=none/warning", false);
    clock_ns += SECONDS(100);
    clear();
    for (int i = 0; i < 1000; i++)
        guest_printk(7, "bad guest\n");
    guest_printk(8, "watchdog expired\n");
    printk_warn("of the machine\n");
    assert_int_equal(count_lines("(HV) d8: watchdog expired\r\n"), 1);
    assert_int_equal(count_lines("(HV) of the machine\r\n"), 1);
    /* However many guests there are, all together have an end. */
    clear();
    for (uint32_t i = 0; i < 10000; i++)
        guest_printk((domid_t)(i % 1000), "one of many\n");
    assert_in_range(count_lines("one of many"), 10, 80);
    clear();
}

static void test_levels(void **state)
{
    static const struct {
        const char *option;
        int vmm, guest;
    } cases[] = {
        {"loglvl=all guest_loglvl=all", 4, 4},
        {"loglvl=none guest_loglvl=none", 0, 0},
        {"loglvl=error guest_loglvl=error/warning", 1, 2},
        {"loglvl=info guest_loglvl=none/all", 3, 4},
        {"loglvl=warning/debug guest_loglvl=info", 4, 3},
        {"loglvl=bad guest_loglvl=info/bad", 4, 3}, /* as before */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        clock_ns += SECONDS(1000);
        cmdline_parse(cases[i].option, false);
        clear();
        printk_err("vmm\n");
        printk_warn("vmm\n");
        printk_info("vmm\n");
        printk_debug("vmm\n");
        guest_printk_level(LOG_ERR, 1, "guest\n");
        guest_printk(1, "guest\n");
        guest_printk_info(1, "guest\n");
        guest_printk_debug(1, "guest\n");
        assert_int_equal(count_lines("(HV) vmm"), cases[i].vmm);
        assert_int_equal(count_lines("(HV) d1: guest"), cases[i].guest);
    }
    clear();
}

static void test_com_syntax(void **state)
{
    static const struct uart_config defaults = {
        .clock_baud = 115200, .data_bits = 8, .parity = 'n', .stop_bits = 1, .io_base = 0x3f8, .irq = 4};
    static const char *const bad[] = {"abc",
                                      "0",
                                      "115200x",
                                      "115200,9n1",
                                      "115200,8x1",
                                      "115200,8n3",
                                      "115200,8n",
                                      "115200,8n1,0",
                                      "115200,8n1,0x10000",
                                      "115200,8n1,pci",
                                      "115200,8n1,0x3f8,16",
                                      "115200,8n1,0x3f8,4,0:1.0",
                                      "1152000",
                                      "115200/8",
                                      "9600;8n1"};
    struct uart_config config = defaults;

    (void)state;
    assert_int_equal(uart_parse_config("9600/14745600,7e2,0x2e8,11", &config), 0);
    assert_int_equal(config.baud, 9600);
    assert_int_equal(config.clock_baud, 921600);
    assert_int_equal(config.data_bits, 7);
    assert_int_equal(config.parity, 'e');
    assert_int_equal(config.stop_bits, 2);
    assert_int_equal(config.io_base, 0x2e8);
    assert_int_equal(config.irq, 11);

    config = defaults;
    assert_int_equal(uart_parse_config("115200,,,0", &config), 0);
    assert_int_equal(config.baud, 115200);
    assert_int_equal(config.io_base, 0x3f8);
    assert_int_equal(config.irq, 0);
    assert_int_equal(uart_parse_config("auto", &config), 0);
    assert_int_equal(config.baud, 0);
    assert_int_equal(uart_parse_config("", &config), 0);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        config = defaults;
        assert_int_equal(uart_parse_config(bad[i], &config), -EINVAL);
        assert_memory_equal(&config, &defaults, sizeof(config));
    }
}

static void test_ring(void **state)
{
    char small[8], large[16], out[17] = "";
    struct char_ring ring = {.buf = small, .size = 8, .begin = 0xfffffffa, .end = 0xfffffffa};
    uint32_t pos = ring.begin;

    (void)state;
    for (char c = 'a'; c <= 'j'; c++)
        ring_put(&ring, c);
    assert_int_equal(ring_copy(&ring, &pos, out, 16), 8); /* the first two are gone */
    assert_memory_equal(out, "cdefghij", 8);
    assert_int_equal(ring_copy(&ring, &pos, out, 16), 0);

    ring_grow(&ring, large, 16);
    for (char c = 'k'; c <= 'r'; c++)
        ring_put(&ring, c);
    pos = ring.begin + 1;
    assert_int_equal(ring_copy(&ring, &pos, out, 16), 15);
    assert_memory_equal(out, "defghijklmnopqr", 15);
    pos = ring.end + 1;
    assert_int_equal(ring_copy(&ring, &pos, out, 3), 3);
    assert_memory_equal(out, "cde", 3);
}

static void test_panic(void **state)
{
    (void)state;
    device.tx_budget = 5;
    clear();
    console_write_guest("half", 4);
    printk("before\n");
    device.tx_budget = ~0u;
    console_force_unlock();
    printk("panic\n");
    assert_string_equal(sent(), "half\r\n(HV) before\r\n(HV) panic\r\n");
    assert_int_equal(device.ier, 0);
    console_force_unlock();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_com_syntax),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_before_port_is_open),
        cmocka_unit_test(test_rate_limit_at_boot),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_message),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_dead_line_and_dom0),
        cmocka_unit_test(test_long_answer),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_input_overflow),
        cmocka_unit_test(test_read_ring),
        cmocka_unit_test(test_rate_limit),
        cmocka_unit_test(test_rate_limit_of_others),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
