#include <acpi/acpi.h>
#include <acpi/power.h>
#include <base/errno.h>
#include <console/console.h>
#include <console/printk.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <mm/ioremap.h>
#include <xen/platform.h>

/* PM1 control: ACPI 6.4, section 4.8.3.2.1 */
#define PM1_SLP_EN (1u << 13)

#define SLEEP_S5    5
#define POST_PORT   0x80 /* a write takes about 1 us */
#define KBD_STATUS  0x64
#define KBD_COMMAND 0x64
#define KBD_FULL    0x02
#define KBD_RESET   0xfe
#define RESET_CTL   0xcf9 /* PCI chip sets: bit 1 system reset, bit 2 starts it */
#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_ENABLE  (1u << 31)

static volatile uint8_t *reset_memory, *pm1a_memory, *pm1b_memory;

/* Works without a calibrated clock, and with interrupts off. */
static void wait_microseconds(uint32_t us)
{
    while (us--)
        outb(POST_PORT, 0);
}

static volatile uint8_t *map_register(const struct acpi_register *reg, size_t len)
{
    if (reg->space != ACPI_SPACE_MEMORY || !reg->address || !phys_range_ok(reg->address, len))
        return NULL;
    return (volatile uint8_t *)ioremap(_paddr(reg->address), len);
}

void acpi_power_init(void)
{
    if (!acpi_fadt.present)
        return;
    reset_memory = map_register(&acpi_fadt.reset, 1);
    pm1a_memory = map_register(&acpi_fadt.pm1a_control, 2);
    pm1b_memory = map_register(&acpi_fadt.pm1b_control, 2);
}

static void write_pm1(const struct acpi_register *reg, volatile uint8_t *memory, uint16_t value)
{
    if (memory)
        *(volatile uint16_t *)memory = value;
    else if (reg->space == ACPI_SPACE_IO && reg->address)
        outw(reg->address, value);
}

int acpi_enter_sleep(const struct xenpf_enter_acpi_sleep *sleep)
{
    if (sleep->flags & XENPF_ACPI_SLEEP_EXTENDED)
        return -EPERM; /* the registers of hardware-reduced ACPI */
    if (sleep->sleep_state < 1 || sleep->sleep_state > SLEEP_S5 || sleep->flags)
        return -EINVAL;
    if (sleep->sleep_state != SLEEP_S5)
        return -EOPNOTSUPP;
    if (!(sleep->val_a & PM1_SLP_EN))
        return -EINVAL;
    if (!acpi_fadt.present || !acpi_fadt.pm1a_control.address)
        return -ENODEV;

    printk("Power off\n");
    console_flush();
    local_irq_disable();
    write_pm1(&acpi_fadt.pm1a_control, pm1a_memory, sleep->val_a);
    write_pm1(&acpi_fadt.pm1b_control, pm1b_memory, sleep->val_b);
    wait_microseconds(1000000);
    local_irq_enable();
    printk_err("The machine did not power off\n");
    return -EIO;
}

/* Section 4.8.3.6: device in bits 47-32, function in 31-16, offset in 15-0, always on bus 0. */
static void write_pci_config(uint64_t address, uint8_t value)
{
    uint32_t device = address >> 32 & 0x1f, function = address >> 16 & 7, offset = address & 0xff;

    outl(PCI_ADDRESS, PCI_ENABLE | device << 11 | function << 8 | (offset & ~3u));
    outb(PCI_DATA + (offset & 3), value);
}

static void reset_by_acpi(void)
{
    const struct acpi_register *reg = &acpi_fadt.reset;

    if (!acpi_fadt.present || !reg->address)
        return;
    if (reset_memory)
        *reset_memory = acpi_fadt.reset_value;
    else if (reg->space == ACPI_SPACE_IO)
        outb(reg->address, acpi_fadt.reset_value);
    else if (reg->space == ACPI_SPACE_PCI)
        write_pci_config(reg->address, acpi_fadt.reset_value);
    wait_microseconds(50000);
}

static void reset_by_keyboard(void)
{
    for (int i = 0; i < 100000 && (inb(KBD_STATUS) & KBD_FULL); i++)
        wait_microseconds(1);
    outb(KBD_COMMAND, KBD_RESET);
    wait_microseconds(50000);
}

static void reset_by_chipset(void)
{
    uint8_t value = inb(RESET_CTL) & ~0x06;

    outb(RESET_CTL, value | 0x02);
    wait_microseconds(50);
    outb(RESET_CTL, value | 0x06);
    wait_microseconds(50000);
}

void acpi_reset(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __packed no_idt = {0, 0};

    local_irq_disable();
    reset_by_acpi();
    reset_by_keyboard();
    reset_by_chipset();
    __asm__ __volatile__("lidt %0; int3" : : "m"(no_idt));
    for (;;)
        __asm__ __volatile__("hlt");
}
