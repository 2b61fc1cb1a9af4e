/* fuzz: hv/boot/cmdline.c hv/boot/xen_options.c hv/lib/parse.c hv/lib/string.c hv/console/uart.c
 * hv/boot/dom0_size.c */
#include <stdlib.h>
#include <string.h>
#include <boot/cmdline.h>
#include <console/uart.h>
#include <console/uart_io.h>
#include "quiet.h"

static bool flag;
static uint32_t number;
static uint64_t size_option;
static char name[8];
static struct uart_config com = {.clock_baud = 115200, .data_bits = 8, .parity = 'n', .stop_bits = 1};

BOOT_OPTION_BOOL("b", flag);
BOOT_OPTION_UINT("u", number);
BOOT_OPTION_SIZE("s", size_option, 10);
BOOT_OPTION_STRING("n", name);

static int parse_com(const char *value)
{
    return uart_parse_config(value, &com);
}
BOOT_OPTION_CUSTOM("com1", parse_com);

uint8_t uart_in(uint16_t port)
{
    return 0;
}

void uart_out(uint16_t port, uint8_t value)
{
}

void uart_pause(void)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);

    memcpy(line, data, size);
    line[size] = '\0';
    cmdline_parse(line, size & 1);
    free(line);
    if (memchr(name, '\0', sizeof(name)) == NULL || com.baud > com.clock_baud || com.data_bits > 8)
        abort();
    if (strlen(cmdline_saved()) >= CMDLINE_MAX || strlen(cmdline_dom0_args()) >= CMDLINE_MAX)
        abort();
    return 0;
}
