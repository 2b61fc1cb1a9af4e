/* unit: hv/irq/msi.c hv/irq/pci.c hv/irq/pci_guest.c hv/irq/irq_desc.c hv/irq/vector.c hv/irq/pirq.c
 * hv/irq/ioapic.c tests/unit/stubs/irq.c */
#include <unit.h>
#include <string.h>
#include <acpi/acpi.h>
#include <base/errno.h>
#include <cpu/features.h>
#include <irq/ioapic.h>
#include <irq/irq_desc.h>
#include <irq/msi.h>
#include <irq/pci.h>
#include <irq/pci_guest.h>
#include <irq/pci_io.h>
#include <irq/pirq.h>
#include <mm/ioremap.h>
#include <stubs/irq.h>

struct acpi_mcfg_info acpi_mcfg;

/* One device at 0:1f.2 with MSI at 0x50, MSI-X at 0x70 (3 entries in BAR 2 at 0x100). */
static const struct pci_address here = {0, 0, 0x1f << 3 | 2};
static uint8_t config[256];
static uint32_t table[64][4];
static uint32_t cf8;
static unsigned int config_writes;
static uint64_t bar2 = 0xfe000000;
static unsigned int unmasked_changes; /* writes to an MSI-X entry that was not masked */

#define TABLE_ADDRESS 0xfe000100

static bool addressed(uint16_t port)
{
    return (cf8 & 0x80ffff00) == (0x80000000u | 0u << 16 | (uint32_t)here.devfn << 8) && port >= PCI_CFC;
}

uint32_t port_in(uint16_t port, unsigned int bytes)
{
    uint32_t value = 0xffffffff;

    if (addressed(port))
        memcpy(&value, &config[(cf8 & 0xfc) + port - PCI_CFC], bytes);
    return bytes == 4 ? value : value & ((1u << bytes * 8) - 1);
}

/* What another CPU does after this one has decided what to write to a register, and before it does. */
static void (*meanwhile)(void);
static uint32_t meanwhile_reg;

static void run_meanwhile(uint32_t reg)
{
    void (*fn)(void) = meanwhile;

    if (!fn || reg != meanwhile_reg)
        return;
    meanwhile = NULL;
    fn();
}

void port_out(uint16_t port, unsigned int bytes, uint32_t value)
{
    if (port == PCI_CF8)
        run_meanwhile(value & 0xfc);
    if (port == PCI_CF8)
        cf8 = value;
    else if (addressed(port)) {
        config_writes++;
        memcpy(&config[(cf8 & 0xfc) + port - PCI_CFC], &value, bytes);
    }
}

static uint32_t *table_word(const volatile void *p)
{
    uint64_t offset = (uint64_t)p - TABLE_ADDRESS;

    assert_true(offset < sizeof(table));
    return &table[0][0] + offset / 4;
}

uint32_t pci_mmio_read(const volatile void *p, unsigned int bytes)
{
    return *table_word(p);
}

void pci_mmio_write(volatile void *p, unsigned int bytes, uint32_t value)
{
    uint32_t *word = table_word(p);

    if ((word - &table[0][0]) % 4 != 3 && !(table[(word - &table[0][0]) / 4][3] & 1))
        unmasked_changes++;
    *word = value;
}

/* Memory-mapped configuration space, and the page of the table. */
#define ECAM 0xe0000000u
static uint64_t written_to, written_value;
static unsigned int writes;

void mmio_write_once(paddr_t pa, unsigned int bytes, uint64_t value)
{
    uint64_t function = (uint64_t)here.devfn << 12;

    writes++;
    written_to = paddr_x(pa);
    written_value = value;
    if (written_to - ECAM - function < sizeof(config))
        memcpy(&config[written_to & 0xff], &value, bytes);
}

static void put(unsigned int reg, unsigned int bytes, uint32_t value)
{
    memcpy(&config[reg], &value, bytes);
}

static uint32_t get(unsigned int reg, unsigned int bytes)
{
    uint32_t value = 0;

    memcpy(&value, &config[reg], bytes);
    return value;
}

static int set_up_once(void **state)
{
    stubs_reset();
    ioapic_init();
    return 0;
}

static int set_up(void **state)
{
    stubs_reset();
    memset(config, 0, sizeof(config));
    memset(table, 0xff, sizeof(table));
    put(PCI_VENDOR_ID, 4, 0x29228086);
    put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    put(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
    put(PCI_CAP_POINTER, 1, 0x40);
    put(PCI_BAR(2), 4, (uint32_t)bar2);
    put(0x40, 2, 0x5001); /* power management, next 0x50 */
    put(0x50, 2, 0x7000 | PCI_CAP_MSI);
    put(0x52, 2, 0x0186); /* up to 8 messages, 64-bit, masks */
    put(0x70, 2, 0x0000 | PCI_CAP_MSIX);
    put(0x72, 2, 2);         /* 3 entries */
    put(0x74, 4, 0x100 | 2); /* in BAR 2 */
    unmasked_changes = 0;
    assert_int_equal(pci_device_add(here, false), 0);
    assert_int_equal(pirq_domain_init(&test_domains[0]), 0);
    return 0;
}

static int tear_down(void **state)
{
    while (pirq_domain_release(&test_domains[0]) == -ERESTART)
        ;
    pirq_domain_free(&test_domains[0]);
    assert_int_equal(pci_device_remove(here), 0);
    assert_int_equal(pci_device_remove(here), -ENODEV);
    return 0;
}

static void message(void **state)
{
    struct msi_message m = msi_compose(0x41, 7);

    assert_int_equal(m.address, 0xfee07000);
    assert_int_equal(m.data, 0x41);
}

static struct pci_device *device(void)
{
    return pci_device_find(here);
}

static void capability_walk(void **state)
{
    assert_int_equal(pci_find_capability(device(), PCI_CAP_MSI), 0x50);
    assert_int_equal(pci_find_capability(device(), PCI_CAP_MSIX), 0x70);
    assert_int_equal(pci_find_capability(device(), 0x10), 0);
    put(0x70, 2, 0x5000 | PCI_CAP_MSIX); /* a loop */
    assert_int_equal(pci_find_capability(device(), 0x10), 0);
    put(0x40, 2, 0x4001); /* a loop of one */
    assert_int_equal(pci_find_capability(device(), PCI_CAP_MSI), 0);
    put(0x40, 2, 0x1001); /* into the header */
    assert_int_equal(pci_find_capability(device(), PCI_CAP_MSI), 0);
    put(0x40, 2, 0x5301); /* reserved low bits */
    assert_int_equal(pci_find_capability(device(), PCI_CAP_MSI), 0x50);
    put(0x40, 2, 0xffff); /* a device that is gone */
    assert_int_equal(pci_find_capability(device(), PCI_CAP_MSI), 0);
    put(PCI_CAP_POINTER, 1, 0);
    assert_int_equal(pci_find_capability(device(), PCI_CAP_MSI), 0);
    put(PCI_CAP_POINTER, 1, 0x50);
    put(PCI_STATUS, 2, 0);
    assert_int_equal(pci_find_capability(device(), PCI_CAP_MSI), 0);
}

static void bars(void **state)
{
    assert_int_equal(pci_memory_bar(device(), 2), bar2);
    put(PCI_BAR(0), 4, 0xc001);
    assert_int_equal(pci_memory_bar(device(), 0), 0);
    put(PCI_BAR(3), 4, 0xd000000c);
    put(PCI_BAR(4), 4, 0x12);
    assert_int_equal(pci_memory_bar(device(), 3), 0x12d0000000);
    put(PCI_BAR(5), 4, 0xd000000c);
    assert_int_equal(pci_memory_bar(device(), 5), 0);
    assert_int_equal(pci_memory_bar(device(), 6), 0);
    put(PCI_HEADER_TYPE, 1, 0x81);
    assert_int_equal(pci_memory_bar(device(), 2), 0);
}

static void guest_write(unsigned int reg, unsigned int bytes, uint32_t value)
{
    pci_guest_cf8_write(0x80000000u | (uint32_t)here.devfn << 8 | (reg & 0xfc), reg & 3, bytes, value);
}

static void one_message(void **state)
{
    struct domain *d = &test_domains[0];
    int irq = msi_alloc(here, 1), pirq;

    assert_true(irq > 0);
    assert_int_equal(get(0x54, 4), 0xfee0a000);
    assert_int_equal(get(0x58, 4), 0);
    assert_int_equal(get(0x5c, 2), irq_desc_get((uint32_t)irq)->vector);
    assert_int_equal(get(0x60, 4), 1);     /* masked until it is bound */
    assert_int_equal(get(0x52, 2) & 1, 0); /* dom0 switches it on */
    assert_int_equal(msi_alloc(here, 1), -EEXIST);
    assert_int_equal(msix_alloc(here, 0, bar2), -EEXIST);
    assert_int_equal(pci_device_remove(here), -EBUSY);
    pirq = pirq_map_msi(d, (uint32_t)irq, 1, -1);
    assert_int_equal(pirq_bind(d, (uint32_t)pirq, 5, &test_vcpus[0], false), 0);
    assert_int_equal(get(0x60, 4), 0);
    model_message(get(0x54, 4), get(0x5c, 2));
    assert_int_equal(sent[5], 1);
    test_vcpus[0].processor = 2;
    model_message(get(0x54, 4), get(0x5c, 2));
    assert_int_equal(get(0x54, 4), 0xfee0c000);
    model_message(0xfee0a000, get(0x5c, 2)); /* one that was on its way to the old CPU */
    model_message(get(0x54, 4), get(0x5c, 2));
    assert_int_equal(sent[5], 4);
    pirq_unbind(d, (uint32_t)pirq, 5);
    assert_int_equal(get(0x60, 4), 1);
    model_message(get(0x54, 4), get(0x5c, 2));
    assert_int_equal(sent[5], 4);
    /* The device was reset. */
    put(0x54, 4, 0);
    put(0x52, 2, 0x0186);
    assert_int_equal(msi_restore(here), 0);
    assert_int_equal(get(0x54, 4), 0xfee0c000);
    assert_int_equal(get(0x52, 2) & 1, 1);
    assert_int_equal(get(0x60, 4), 1);
    assert_int_equal(pirq_unmap(d, (uint32_t)pirq), 0);
    assert_int_equal(get(0x52, 2) & 1, 0);
    assert_null(irq_desc_get((uint32_t)irq)->chip);
}

static void several_messages(void **state)
{
    struct domain *d = &test_domains[0];
    int irq, pirq;

    assert_int_equal(msi_capacity(here), 8);
    assert_int_equal(msi_alloc(here, 0), -EINVAL);
    assert_int_equal(msi_alloc(here, 9), -EINVAL);
    assert_int_equal(msi_alloc(here, 33), -EINVAL);
    irq = msi_alloc(here, 3);
    assert_true(irq > 0);
    assert_int_equal(get(0x5c, 2) % 4, 0);
    assert_int_equal(get(0x60, 4), 15);
    pirq = pirq_map_msi(d, (uint32_t)irq, 3, -1);
    assert_int_equal(pirq_bind(d, (uint32_t)pirq + 2, 6, &test_vcpus[0], false), 0);
    assert_int_equal(get(0x60, 4), 11);
    test_vcpus[0].processor = 1;
    model_message(get(0x54, 4), get(0x5c, 2) + 2);
    assert_int_equal(sent[6], 1);
    assert_int_equal(get(0x54, 4), 0xfee0a000); /* stays: the others would have to go with it */
    assert_int_equal(get(0x52, 2) >> 4 & 7, 2);
    assert_int_equal(msi_restore(here), 0);
    assert_int_equal(get(0x52, 2) >> 4 & 7, 2);
    assert_int_equal(pirq_unmap(d, (uint32_t)pirq), 0);
    assert_int_equal(pirq_to_irq(d, (uint32_t)pirq + 2), IRQ_NONE);
}

static int group;

static void bind_second(void)
{
    assert_int_equal(pirq_bind(&test_domains[0], (uint32_t)group + 1, 7, &test_vcpus[0], false), 0);
}

static void unbind_second(void)
{
    pirq_unbind(&test_domains[0], (uint32_t)group + 1, 7);
}

/* The mask bits of a group are in one register, but each message has a lock of its own. */
static void masks_at_once(void **state)
{
    struct domain *d = &test_domains[0];
    int irq = msi_alloc(here, 2);

    assert_true(irq > 0);
    group = pirq_map_msi(d, (uint32_t)irq, 2, -1);
    assert_int_equal(get(0x60, 4), 3);
    meanwhile_reg = 0x60;
    meanwhile = bind_second;
    assert_int_equal(pirq_bind(d, (uint32_t)group, 6, &test_vcpus[0], false), 0);
    assert_int_equal(get(0x60, 4), 0);
    meanwhile = unbind_second;
    pirq_unbind(d, (uint32_t)group, 6);
    assert_int_equal(get(0x60, 4), 3);
    meanwhile = bind_second;
    assert_int_equal(msi_restore(here), 0);
    assert_null(meanwhile);
    assert_int_equal(get(0x60, 4), 1);
    assert_int_equal(pirq_unmap(d, (uint32_t)group), 0);
}

static void plain_32_bit_capability(void **state)
{
    int irq;

    put(0x52, 2, 0);
    irq = msi_alloc(here, 1);
    assert_true(irq > 0);
    assert_int_equal(get(0x54, 4), 0xfee0a000);
    assert_int_equal(get(0x58, 2), irq_desc_get((uint32_t)irq)->vector);
    assert_int_equal(get(0x5c, 4), 0);
    msi_free((uint32_t)irq);
}

static void table_entries(void **state)
{
    struct domain *d = &test_domains[0];
    int irq, pirq;

    assert_int_equal(msix_alloc(here, 3, bar2), -EINVAL);
    assert_int_equal(msix_alloc(here, UINT32_MAX, bar2), -EINVAL);
    assert_int_equal(msix_alloc(here, 1, bar2 + 0x1000), -EINVAL);
    irq = msix_alloc(here, 1, bar2);
    assert_true(irq > 0);
    assert_int_equal(msix_alloc(here, 1, bar2), -EEXIST);
    assert_int_equal(msi_alloc(here, 1), -EEXIST);
    assert_int_equal(get(0x72, 2), 0x8002);
    assert_int_equal(table[1][0], 0xfee0a000);
    assert_int_equal(table[1][1], 0);
    assert_int_equal(table[1][3], 1);
    assert_int_equal(table[0][0], 0xffffffff);
    pirq = pirq_map_msi(d, (uint32_t)irq, 1, -1);
    assert_int_equal(pirq_bind(d, (uint32_t)pirq, 8, &test_vcpus[0], false), 0);
    assert_int_equal(table[1][3], 0);
    test_vcpus[0].processor = 3;
    model_message(table[1][0], table[1][2]);
    assert_int_equal(table[1][0], 0xfee0d000);
    assert_int_equal(table[1][3], 0);
    assert_int_equal(unmasked_changes, 0);
    model_message(table[1][0], table[1][2]);
    assert_int_equal(sent[8], 2);
    memset(table, 0, sizeof(table));
    put(0x72, 2, 2);
    assert_int_equal(msi_restore(here), 0);
    assert_int_equal(table[1][0], 0xfee0d000);
    assert_int_equal(table[1][3], 0);
    assert_int_equal(get(0x72, 2), 0x8002);
    assert_int_equal(pirq_unmap(d, (uint32_t)pirq), 0);
    assert_int_equal(table[1][3], 1);
    assert_int_equal(get(0x72, 2), 2);
}

static void table_out_of_reach(void **state)
{
    put(PCI_COMMAND, 2, 0);
    assert_int_equal(msix_alloc(here, 0, bar2), -ENXIO);
    put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    put(PCI_BAR(2), 4, 0xc001);
    assert_int_equal(msix_alloc(here, 0, 0), -EINVAL);
    put(0x50, 2, 0x7005);
    put(0x70, 2, 0x0002);
    assert_int_equal(msix_alloc(here, 0, 0), -ENODEV);
    put(0x50, 2, 0x7002);
    assert_int_equal(msi_alloc(here, 1), -ENODEV);
    assert_int_equal(msi_capacity(here), 0);
}

/* What a BAR says while its size is asked for, or a kernel got wrong: nothing that could be mapped. */
static void table_beyond_memory(void **state)
{
    const uint64_t beyond = 1ull << host_cpu.phys_bits;

    put(PCI_BAR(2), 4, 0x4);
    put(PCI_BAR(3), 4, (uint32_t)(beyond >> 32));
    assert_int_equal(msix_alloc(here, 0, beyond), -EINVAL);
    assert_int_equal(msix_prepare(here), -EINVAL);
    put(PCI_BAR(2), 4, 0xfffff004); /* the table goes over the end of 2^64 */
    put(PCI_BAR(3), 4, 0xffffffff);
    put(0x72, 2, 0x7ff);
    assert_int_equal(msix_alloc(here, 0, ~0xfffull), -EINVAL);
    put(0x74, 4, 0x2000 | 2); /* and begins again at 0x1000 */
    assert_int_equal(msix_alloc(here, 0, ~0xfffull), -EINVAL);
}

/* A device that is gone answers with all ones: what was mapped for it is unmapped, and nothing beside it. */
static void vanished_device(void **state)
{
    int irq = msix_alloc(here, 0, bar2);

    assert_true(irq > 0);
    assert_int_equal(mapped_bytes, 3 * 16);
    put(0x72, 2, 0x81ff); /* another one in its place, with a larger table */
    assert_int_equal(msix_alloc(here, 100, bar2), -EINVAL);
    memset(config, 0xff, sizeof(config));
    pci_guard_msix_table(device());
    assert_non_null(pci_device_with_table_at(_mfn(TABLE_ADDRESS >> PAGE_SHIFT)));
    assert_null(pci_device_with_table_at(_mfn((TABLE_ADDRESS >> PAGE_SHIFT) + 1)));
    assert_int_equal(msix_alloc(here, 3, bar2), -ENODEV);
    msi_free((uint32_t)irq);
    assert_int_equal(mapped_bytes, 0);
}

static void prepared_device(void **state)
{
    int irq;

    assert_int_equal(msix_release(here), -EBUSY);
    assert_int_equal(msix_prepare(here), 0);
    assert_int_equal(msix_prepare(here), -EBUSY);
    irq = msix_alloc(here, 2, bar2);
    assert_true(irq > 0);
    assert_int_equal(msix_release(here), -EBUSY);
    msi_free((uint32_t)irq);
    assert_int_equal(pci_device_remove(here), -EBUSY);
    /* Its driver may take plain MSI after all: dom0 switches that on, and the messages are ours. */
    irq = msi_alloc(here, 1);
    assert_true(irq > 0);
    guest_write(0x54, 4, 0x1234);
    assert_int_equal(get(0x54, 4), 0xfee0a000);
    guest_write(0x52, 2, 0x0187);
    assert_int_equal(get(0x52, 2), 0x0187);
    guest_write(0x72, 2, 0x8002); /* its table has nothing of ours */
    assert_int_equal(get(0x72, 2), 0xc002);
    msi_free((uint32_t)irq);
    assert_int_equal(msix_release(here), 0);
    assert_int_equal(msix_release(here), -EBUSY);
}

static void unknown_devices(void **state)
{
    static const struct pci_address nowhere = {0, 0, 8}, elsewhere = {1, 0, 0};

    assert_int_equal(pci_device_add(here, false), 0);
    assert_int_equal(pci_device_add(nowhere, false), -ENODEV);
    assert_int_equal(pci_device_add(elsewhere, false), -ENODEV); /* a segment without ECAM */
    assert_int_equal(msi_alloc(nowhere, 1), -ENODEV);
    assert_int_equal(msix_alloc(nowhere, 0, 0), -ENODEV);
    assert_int_equal(msi_restore(nowhere), -ENODEV);
    out_of_memory = true;
    assert_int_equal(pci_device_add(nowhere, false), -ENOMEM);
    assert_int_equal(msi_alloc(here, 1), -ENOMEM);
    assert_int_equal(msix_alloc(here, 0, 0), -ENOMEM);
    out_of_memory = false;
    assert_int_equal(pci_device_add(nowhere, true), 0); /* a virtual function does not answer */
    assert_int_equal(pci_device_remove(nowhere), 0);
    acpi_mcfg.nr = 1;
    acpi_mcfg.entries[0] = (struct acpi_mcfg_entry){0xe0000000, 0, 0, 255};
    assert_int_equal(pci_mmcfg_confirm(0xe0000000, 0, 0, 255), 0);
    assert_int_equal(pci_mmcfg_confirm(0xe0000000, 0, 0, 63), -ENODEV);
    assert_int_equal(pci_mmcfg_confirm(0xf0000000, 0, 0, 255), -EIO);
    assert_int_equal(pci_mmcfg_confirm(0xe0000000, 1, 0, 255), -ENODEV);
}

static void guest_and_msi(void **state)
{
    int irq;

    guest_write(0x54, 4, 0x1234); /* nobody uses it yet */
    assert_int_equal(get(0x54, 4), 0x1234);
    guest_write(0x52, 2, 0x01b7); /* but it cannot be switched on */
    assert_int_equal(get(0x52, 2), 0x01b6);
    put(0x52, 2, 0x0187); /* as firmware left it */
    guest_write(0x52, 2, 0x0186);
    assert_int_equal(get(0x52, 2), 0x0186);
    irq = msi_alloc(here, 1);
    guest_write(0x54, 4, 0x1234);
    guest_write(0x58, 4, 1);
    guest_write(0x5d, 1, 7);
    guest_write(0x60, 4, 0);
    assert_int_equal(get(0x54, 4), 0xfee0a000);
    assert_int_equal(get(0x58, 4), 0);
    assert_int_equal(get(0x5c, 2), irq_desc_get((uint32_t)irq)->vector);
    assert_int_equal(get(0x60, 4), 1);
    guest_write(0x52, 2, 0x01d7);
    assert_int_equal(get(0x52, 2), 0x0187); /* on, and no more messages than there are */
    guest_write(0x52, 1, 0x06);
    assert_int_equal(get(0x52, 2), 0x0186);
    guest_write(0x50, 4, 0xffffffff);
    assert_int_equal(get(0x50, 4), 0x01877005);
    /* Bits that other CPUs have as part of the register's number. */
    pci_guest_cf8_write(0x81000000u | (uint32_t)here.devfn << 8 | 0x54, 0, 4, 0x1234);
    assert_int_equal(get(0x54, 4), 0xfee0a000);
    guest_write(0x48, 4, 0xabcd); /* another capability */
    assert_int_equal(get(0x48, 4), 0xabcd);
    msi_free((uint32_t)irq);
}

static void guest_and_msix(void **state)
{
    int irq;

    guest_write(0x72, 2, 0x8002); /* on, so all are masked */
    assert_int_equal(get(0x72, 2), 0xc002);
    irq = msix_alloc(here, 1, bar2);
    assert_true(irq > 0);
    assert_int_equal(table[0][3], 1); /* none but those in use may send */
    guest_write(0x72, 2, 0x87ff);
    assert_int_equal(get(0x72, 2), 0x8002);
    guest_write(0x73, 1, 0xc0);
    assert_int_equal(get(0x72, 2), 0xc002);
    guest_write(PCI_BAR(2), 4, 0xffffffff);
    guest_write(PCI_BAR(2) + 1, 1, 0);
    assert_int_equal(get(PCI_BAR(2), 4), bar2);
    put(PCI_BAR(2), 4, 0); /* the device was reset */
    guest_write(PCI_BAR(2), 4, (uint32_t)bar2);
    assert_int_equal(get(PCI_BAR(2), 4), bar2);
    guest_write(PCI_BAR(3), 4, 0xd0000000); /* another one */
    assert_int_equal(get(PCI_BAR(3), 4), 0xd0000000);
    msi_free((uint32_t)irq);
    guest_write(PCI_BAR(2), 4, 0xfd000000);
    assert_int_equal(get(PCI_BAR(2), 4), 0xfd000000);
    assert_ptr_equal(pci_device_with_table_at(_mfn(0xfd000)), device());
    assert_null(pci_device_with_table_at(_mfn(0xfe000)));
}

/* A port of a switch: behind its two BARs are registers where a bit is cleared by writing it as it is. */
static void guest_and_bridge(void **state)
{
    int irq;

    put(PCI_HEADER_TYPE, 1, 1);
    put(PCI_BAR(0), 4, (uint32_t)bar2);
    put(0x74, 4, 0x100);      /* the table is in BAR 0 */
    put(0x1c, 4, 0x20000000); /* secondary status: received master abort */
    irq = msix_alloc(here, 1, bar2);
    assert_true(irq > 0);
    config_writes = 0;
    guest_write(0x1e, 2, 0x2000);
    assert_int_equal(config_writes, 1);
    guest_write(0x18, 4, 0x00ff0100);
    assert_int_equal(get(0x18, 4), 0x00ff0100);
    guest_write(PCI_BAR(0), 4, 0xfd000000);
    assert_int_equal(get(PCI_BAR(0), 4), bar2);
    msi_free((uint32_t)irq);
}

static void guest_and_memory(void **state)
{
    const uint64_t function = ECAM + ((uint64_t)here.devfn << 12);
    int irq = msix_alloc(here, 1, bar2);

    acpi_mcfg.nr = 1;
    acpi_mcfg.entries[0] = (struct acpi_mcfg_entry){ECAM, 0, 0, 255};
    assert_true(pci_guest_memory_write(function + 0x3c, 1, 11));
    assert_int_equal(get(0x3c, 1), 11);
    assert_true(pci_guest_memory_write(function + 0x72, 2, 0xc7ff));
    assert_int_equal(get(0x72, 2), 0xc002);
    assert_false(pci_guest_memory_write(function + 0x70, 8, 0));
    assert_true(pci_guest_memory_write(function + 0x150, 4, 1));
    assert_int_equal(written_to, function + 0x150);
    assert_false(pci_guest_memory_write(ECAM + (256u << 20), 4, 1));
    /* The table is from 0x100 on, three entries. */
    writes = 0;
    assert_true(pci_guest_memory_write(TABLE_ADDRESS, 4, 1));
    assert_true(pci_guest_memory_write(TABLE_ADDRESS + 0x28, 8, 1));
    assert_int_equal(writes, 0);
    assert_true(pci_guest_memory_write(TABLE_ADDRESS - 4, 4, 5));
    assert_true(pci_guest_memory_write(TABLE_ADDRESS + 0x30, 8, 6));
    assert_int_equal(writes, 2);
    assert_int_equal(written_value, 6);
    assert_false(pci_guest_memory_write(TABLE_ADDRESS + 0x1000, 4, 5));
    msi_free((uint32_t)irq);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message),
        TEST(capability_walk),
        TEST(bars),
        TEST(one_message),
        TEST(several_messages),
        TEST(masks_at_once),
        TEST(plain_32_bit_capability),
        TEST(table_entries),
        TEST(table_out_of_reach),
        TEST(prepared_device),
        TEST(table_beyond_memory),
        TEST(vanished_device),
        TEST(unknown_devices),
        TEST(guest_and_msi),
        TEST(guest_and_msix),
        TEST(guest_and_bridge),
        TEST(guest_and_memory),
    };

    return cmocka_run_group_tests(tests, set_up_once, NULL);
}
