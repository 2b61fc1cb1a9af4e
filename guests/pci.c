/*
 * PCI in dom0: devices made known, MSI and MSI-X by map_pirq, and what of the configuration space and of the
 * MSI-X table dom0 may write while the VMM uses them. Devices: 4 has MSI (one message) and MSI-X, 5 has MSI
 * (sixteen) and MSI-X, 6 nothing.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/physdev.h>

#define DEVFN(slot) ((slot) << 3)
#define CARD        DEVFN(4)
#define USB         DEVFN(5)
#define PLAIN       DEVFN(6)
#define NOTHING     DEVFN(20)

#define COMMAND  0x04
#define BAR(n)   (0x10 + 4 * (n))
#define INT_LINE 0x3c
#define PCIEXBAR 0x60 /* of the host bridge: where the memory-mapped configuration space is */
#define CAP_MSI  5
#define CAP_MSIX 17
#define FIXED    50 /* pirqs beyond all GSIs */

static uint64_t ecam;

static void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" ::"a"(v), "d"(port));
}

static void outw(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" ::"a"(v), "d"(port));
}

static void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "d"(port));
}

static uint32_t inl(uint16_t port)
{
    uint32_t v;

    __asm__ volatile("inl %1, %0" : "=a"(v) : "d"(port));
    return v;
}

static void select(uint8_t devfn, unsigned int reg)
{
    outl(0xcf8, 0x80000000u | (uint32_t)devfn << 8 | (reg & 0xfc));
}

static uint32_t conf_read(uint8_t devfn, unsigned int reg)
{
    select(devfn, reg);
    return inl(0xcfc) >> 8 * (reg & 3);
}

static void conf_write(uint8_t devfn, unsigned int reg, uint32_t value, unsigned int bytes)
{
    uint16_t port = (uint16_t)(0xcfc + (reg & 3));

    select(devfn, reg);
    if (bytes == 4)
        outl(port, value);
    else if (bytes == 2)
        outw(port, (uint16_t)value);
    else
        outb(port, (uint8_t)value);
}

static unsigned int capability(uint8_t devfn, uint8_t id)
{
    unsigned int pos = conf_read(devfn, 0x34) & 0xfc;

    while (pos && (conf_read(devfn, pos) & 0xff) != id)
        pos = conf_read(devfn, pos + 1) & 0xfc;
    return pos;
}

static uint64_t bar_address(uint8_t devfn, unsigned int n)
{
    uint32_t low = conf_read(devfn, BAR(n));

    return (low & 6) == 4 ? (uint64_t)conf_read(devfn, BAR(n + 1)) << 32 | (low & ~15u) : low & ~15u;
}

static uint64_t table_bar(uint8_t devfn)
{
    return bar_address(devfn, conf_read(devfn, capability(devfn, CAP_MSIX) + 4) & 7);
}

static uint64_t table_address(uint8_t devfn)
{
    return table_bar(devfn) + (conf_read(devfn, capability(devfn, CAP_MSIX) + 4) & ~7u);
}

/* Sets memory decoding; what it was. */
static bool decode(uint8_t devfn, bool on)
{
    uint16_t command = (uint16_t)conf_read(devfn, COMMAND);

    conf_write(devfn, COMMAND, on ? command | 2u : command & ~2u, 2);
    return command & 2;
}

static long physdev(unsigned int cmd, void *arg)
{
    return HC2(__HYPERVISOR_physdev_op, cmd, arg);
}

static long device_op(unsigned int cmd, uint16_t seg, uint8_t devfn)
{
    struct physdev_pci_device d = {.seg = seg, .devfn = devfn};

    return physdev(cmd, &d);
}

static long device_add(uint16_t seg, uint8_t devfn, uint32_t flags)
{
    struct physdev_pci_device_add d = {.seg = seg, .devfn = devfn, .flags = flags};

    return physdev(PHYSDEVOP_pci_device_add, &d);
}

static struct physdev_map_pirq mapped;

/* type, device, entry or number of messages, BAR with the table: the pirq or an error. */
static long map(int type, uint8_t devfn, int entry, uint64_t table)
{
    long rc;

    mapped = (struct physdev_map_pirq){.domid = DOMID_SELF,
                                       .type = type,
                                       .index = -1,
                                       .pirq = -1,
                                       .devfn = devfn,
                                       .entry_nr = entry,
                                       .table_base = table};
    rc = physdev(PHYSDEVOP_map_pirq, &mapped);
    return rc ? rc : mapped.pirq;
}

static long map_msi(uint8_t devfn)
{
    return map(MAP_PIRQ_TYPE_MSI, devfn, 0, 0);
}

static long map_msix(uint8_t devfn, int entry)
{
    return map(MAP_PIRQ_TYPE_MSI, devfn, entry, table_bar(devfn));
}

static long unmap(long pirq)
{
    struct physdev_unmap_pirq u = {.domid = DOMID_SELF, .pirq = (int)pirq};

    return physdev(PHYSDEVOP_unmap_pirq, &u);
}

/* Pirqs are numbered as the VMM likes. */
static void result_pirq(const char *name, long pirq)
{
    if (pirq < 0)
        result_errno(name, pirq);
    else
        result(name, "a pirq");
}

static void test_devices(void)
{
    struct physdev_manage_pci old = {.devfn = PLAIN};
    struct physdev_manage_pci_ext ext = {.devfn = PLAIN};

    result("devices", "%x %x %x", conf_read(CARD, 0), conf_read(USB, 0), conf_read(PLAIN, 0));
    result_pirq("map MSI of a device not known", map_msi(CARD));
    result_pirq("map MSI-X of a device not known", map_msix(CARD, 0));
    result_errno("prepare of a device not known", device_op(PHYSDEVOP_prepare_msix, 0, CARD));
    result_errno("release of a device not known", device_op(PHYSDEVOP_release_msix, 0, CARD));
    result_errno("restore of a device not known", device_op(PHYSDEVOP_restore_msi_ext, 0, CARD));
    result_errno("remove of a device not known", device_op(PHYSDEVOP_pci_device_remove, 0, CARD));
    result_errno("add", device_add(0, CARD, 0));
    result_errno("add again", device_add(0, CARD, 0));
    result_errno("add another", device_add(0, USB, 0));
    result_errno("add what is not there", device_add(0, NOTHING, 0));
    result_errno("remove what is not there", device_op(PHYSDEVOP_pci_device_remove, 0, NOTHING));
    result_errno("add of another segment", device_add(1, CARD, 0));
    result_errno("remove of another segment", device_op(PHYSDEVOP_pci_device_remove, 1, CARD));
    result_errno("old add", physdev(PHYSDEVOP_manage_pci_add, &old));
    result_errno("old add again", physdev(PHYSDEVOP_manage_pci_add, &old));
    result_errno("old remove", physdev(PHYSDEVOP_manage_pci_remove, &old));
    result_errno("old remove again", physdev(PHYSDEVOP_manage_pci_remove, &old));
    result_errno("extended add", physdev(PHYSDEVOP_manage_pci_add_ext, &ext));
    ext.is_extfn = 1;
    result_errno("extended add, extended function", physdev(PHYSDEVOP_manage_pci_add_ext, &ext));
}

static long map_page(void *at, uint64_t address)
{
    return hc_update_va_mapping((unsigned long)at, (address & PTE_FRAME) | PTE_DATA | PTE_PCD, UVMF_INVLPG);
}

static bool is_writable(void *at)
{
    return *pte_of((unsigned long)at, 1) & PTE_RW;
}

static long mmcfg(uint64_t address, uint16_t segment, uint8_t first, uint8_t last, uint32_t flags)
{
    struct physdev_pci_mmcfg_reserved r = {
        .address = address, .segment = segment, .start_bus = first, .end_bus = last, .flags = flags};

    return physdev(PHYSDEVOP_pci_mmcfg_reserved, &r);
}

static void test_mmcfg(void)
{
    char *page = page_hole();

    ecam = conf_read(0, PCIEXBAR) & 0xf0000000u;
    result("memory-mapped space", "%lx", ecam);
    result_errno("mmcfg, other address", mmcfg(ecam + (1 << 28), 0, 0, 255, XEN_PCI_MMCFG_RESERVED));
    result_errno("mmcfg, other segment", mmcfg(ecam, 1, 0, 255, XEN_PCI_MMCFG_RESERVED));
    result_errno("mmcfg, other first bus", mmcfg(ecam, 0, 1, 255, XEN_PCI_MMCFG_RESERVED));
    result_errno("mmcfg, other last bus", mmcfg(ecam, 0, 0, 127, XEN_PCI_MMCFG_RESERVED));
    result_errno("mmcfg, last bus before the first", mmcfg(ecam, 0, 5, 1, XEN_PCI_MMCFG_RESERVED));
    result_errno("map before it is confirmed", map_page(page, ecam + ((uint64_t)CARD << 12)));
    result("writable before it is confirmed", "%d", is_writable(page));
    result_errno("mmcfg reserved", mmcfg(ecam, 0, 0, 255, XEN_PCI_MMCFG_RESERVED));
    result_errno("mmcfg reserved again", mmcfg(ecam, 0, 0, 255, XEN_PCI_MMCFG_RESERVED));
}

static void test_msi(void)
{
    long pirq;

    result_pirq("MSI of a device without", map_msi(PLAIN));
    result_pirq("MSI, other segment", map(MAP_PIRQ_TYPE_MSI_SEG, CARD, 0, 0));
    unmap(mapped.pirq);
    mapped.bus = 2 << 16;
    mapped.pirq = -1;
    result_errno("MSI, segment 2", physdev(PHYSDEVOP_map_pirq, &mapped));
    unmap(mapped.pirq);
    result_pirq("unknown type", map(77, CARD, 0, 0));
    result_pirq("GSI, none", map(MAP_PIRQ_TYPE_GSI, 0, 0, 0));
    result_pirq("GSI_SEG and so on", map(MAP_PIRQ_TYPE_UNKNOWN, CARD, 0, 0));
    pirq = map_msi(CARD);
    result_pirq("MSI", pirq);
    result_errno("unmap", unmap(pirq));
    result_errno("unmap again", unmap(pirq));
    result_errno("unmap -1", unmap(-1));
    result_errno("unmap far", unmap(1 << 20));
    mapped = (struct physdev_map_pirq){
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI, .index = -1, .pirq = FIXED, .devfn = CARD};
    result_errno("MSI at a pirq", physdev(PHYSDEVOP_map_pirq, &mapped));
    result("at that pirq", "%d", mapped.pirq == FIXED);
    mapped.devfn = USB;
    result_errno("MSI at the same pirq", physdev(PHYSDEVOP_map_pirq, &mapped));
    result_errno("unmap it", unmap(FIXED));
    mapped.domid = 55;
    result_errno("MSI for no domain", physdev(PHYSDEVOP_map_pirq, &mapped));
}

/* Groups of messages: Xen has them only with interrupt remapping. */
static void multi(const char *name, int messages)
{
    long pirq;

    result_prefix = name;
    pirq = map(MAP_PIRQ_TYPE_MULTI_MSI, USB, messages, 0);
    result_pirq("multi-message", pirq);
    result("number told", "%d", mapped.entry_nr);
    if (pirq >= 0) {
        result("control", "enabled %d, order %u", conf_read(USB, capability(USB, CAP_MSI) + 2) & 1,
               conf_read(USB, capability(USB, CAP_MSI) + 2) >> 4 & 7);
        if (messages > 1)
            result_errno("unmap the second", unmap(pirq + 1));
        result_errno("unmap", unmap(pirq));
    }
    result_prefix = NULL;
}

static void test_multi(void)
{
    multi("1 ", 1);
    multi("3 ", 3);
    multi("16 ", 16);
    multi("32 ", 32);
    multi("33 ", 33);
    multi("-1 ", -1);
    result_pirq("multi-message MSI-X", map(MAP_PIRQ_TYPE_MULTI_MSI, USB, 2, table_bar(USB)));
    unmap(mapped.pirq);
}

static void test_msix(void)
{
    long pirq, second;
    bool was;

    result_errno("release, not prepared", device_op(PHYSDEVOP_release_msix, 0, CARD));
    was = decode(CARD, false);
    result_errno("prepare without decoding", device_op(PHYSDEVOP_prepare_msix, 0, CARD));
    result_pirq("MSI-X without decoding", map_msix(CARD, 0));
    unmap(mapped.pirq);
    decode(CARD, was || true);
    result_errno("prepare", device_op(PHYSDEVOP_prepare_msix, 0, CARD));
    result_errno("prepare again", device_op(PHYSDEVOP_prepare_msix, 0, CARD));
    pirq = map_msix(CARD, 0);
    result_pirq("MSI-X of a prepared device", pirq);
    result_errno("release in use", device_op(PHYSDEVOP_release_msix, 0, CARD));
    unmap(pirq);
    result_errno("release", device_op(PHYSDEVOP_release_msix, 0, CARD));
    result_errno("release again", device_op(PHYSDEVOP_release_msix, 0, CARD));
    pirq = map_msix(CARD, 0);
    result_pirq("MSI-X", pirq);
    second = map_msix(CARD, 1);
    result_pirq("second entry", second);
    result_pirq("entry beyond", map_msix(CARD, 5));
    result_pirq("entry -1", map_msix(CARD, -1));
    result_errno("prepare in use", device_op(PHYSDEVOP_prepare_msix, 0, CARD));
    result_errno("restore", device_op(PHYSDEVOP_restore_msi_ext, 0, CARD));
    was = decode(CARD, false);
    result_errno("restore without decoding", device_op(PHYSDEVOP_restore_msi_ext, 0, CARD));
    decode(CARD, was);
    result_errno("restore, none there", device_op(PHYSDEVOP_restore_msi_ext, 0, PLAIN));
    unmap(second);
    unmap(pirq);
}

/* Writes a register of the configuration space, says which bits of it changed, and puts it back. */
static void try_write(const char *name, unsigned int reg, uint32_t value, unsigned int bytes)
{
    uint32_t before = conf_read(CARD, reg & ~3u), changed, after;

    conf_write(CARD, reg, value, bytes);
    changed = conf_read(CARD, reg & ~3u) ^ before;
    conf_write(CARD, reg & ~3u, before, 4);
    after = conf_read(CARD, reg & ~3u) ^ before;
    result(name, "changed %x, restored by double word to %x", changed, after);
    conf_write(CARD, reg & ~1u, before >> 8 * (reg & 2), 2);
}

static void try_msi_writes(const char *when)
{
    unsigned int cap = capability(CARD, CAP_MSI);
    uint32_t control = conf_read(CARD, cap + 2) & 0xffff;

    result_prefix = when;
    result("control", "%x", control);
    try_write("MSI enable flipped", cap + 2, control ^ 1, 2);
    try_write("MSI enable flipped, by byte", cap + 2, control ^ 1, 1);
    try_write("MSI enable flipped, by double word", cap, conf_read(CARD, cap) ^ 0x10000, 4);
    try_write("MSI number of messages", cap + 2, control ^ 0x10, 2);
    try_write("MSI high byte of control", cap + 3, 0xff, 1);
    try_write("MSI address", cap + 4, conf_read(CARD, cap + 4) ^ 0x1000, 4);
    try_write("MSI high address", cap + 8, 1, 4);
    try_write("MSI data", cap + 12, (conf_read(CARD, cap + 12) & 0xff) ^ 1, 2);
    try_write("MSI data by byte", cap + 12, conf_read(CARD, cap + 12) ^ 1, 1);
    result_prefix = NULL;
}

static void try_msix_writes(const char *when)
{
    unsigned int cap = capability(CARD, CAP_MSIX);
    uint32_t control = conf_read(CARD, cap + 2) & 0xffff;

    result_prefix = when;
    result("control", "%x", control);
    try_write("MSI-X enable flipped", cap + 2, control ^ 0x8000, 2);
    try_write("MSI-X all masked", cap + 2, control | 0x4000, 2);
    try_write("MSI-X off and masked", cap + 2, (control & ~0x8000u) | 0x4000, 2);
    try_write("MSI-X by byte", cap + 3, (control >> 8) ^ 0x80, 1);
    try_write("MSI-X by double word", cap, conf_read(CARD, cap) ^ 0x80000000, 4);
    try_write("MSI-X table", cap + 4, 0, 4);
    result_prefix = NULL;
}

static void test_config(void)
{
    long pirq;

    try_write("command", COMMAND, conf_read(CARD, COMMAND) ^ 0x400, 2);
    try_write("interrupt line", INT_LINE, conf_read(CARD, INT_LINE) ^ 0xff, 1);
    try_msi_writes("MSI free, ");
    try_msix_writes("MSI-X free, ");
    pirq = map_msi(CARD);
    try_msi_writes("MSI used, ");
    unmap(pirq);
    pirq = map_msix(CARD, 0);
    try_msix_writes("MSI-X used, ");
    unmap(pirq);
    result("MSI-X control at the end", "%x", conf_read(CARD, capability(CARD, CAP_MSIX) + 2) & 0xffff);
}

/* Writes by instructions of several kinds through the memory-mapped configuration space. */
static void test_ecam(void)
{
    char *page = page_hole();
    unsigned int msi = capability(CARD, CAP_MSI), line = conf_read(CARD, INT_LINE) & 0xff;
    uint32_t address;
    long pirq = map_msi(CARD);

    result_errno("map configuration space", map_page(page, ecam + ((uint64_t)CARD << 12)));
    result("configuration space writable", "%d", is_writable(page));
    result("reads", "%x", *(volatile uint32_t *)page);
    TRY("movb %b0, %1", ::"r"(0x5a), "m"(page[INT_LINE]) : "memory");
    result_trap("write of a byte");
    result("written", "%x", conf_read(CARD, INT_LINE) & 0xff);
    TRY("movw %w0, %1", ::"r"(conf_read(CARD, COMMAND) ^ 0x400), "m"(page[COMMAND]) : "memory");
    result_trap("write of a word");
    result("command bit 10", "%d", conf_read(CARD, COMMAND) >> 10 & 1);
    TRY("andw $0xfbff, %0", ::"m"(page[COMMAND]) : "memory");
    result_vector("and");
    result("command bit 10 then", "%d", conf_read(CARD, COMMAND) >> 10 & 1);
    address = conf_read(CARD, msi + 4);
    TRY("movl %0, %1", ::"r"(address ^ 0x1000), "m"(page[msi + 4]) : "memory");
    result_trap("write of the message's address");
    result("address changed", "%d", conf_read(CARD, msi + 4) != address);
    TRY("movw %w0, %1", ::"r"(conf_read(CARD, msi + 2) ^ 0x1), "m"(page[msi + 2]) : "memory");
    result_trap("write of MSI control");
    result("enabled", "%d", conf_read(CARD, msi + 2) & 1);
    TRY("movq %0, %1", ::"r"(0ul), "m"(page[0x100]) : "memory");
    result_vector("write of eight bytes");
    TRY("movl %0, %1", ::"r"(0), "m"(page[INT_LINE + 1]) : "memory");
    result_vector("unaligned write");
    conf_write(CARD, INT_LINE, line, 1);
    unmap(pirq);
    result_errno("unmap configuration space", map_page(page, 0));
    hc_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG);
}

/* The table: entry 0 is in use. */
static void write_table(const char *name, volatile uint32_t *entry)
{
    uint32_t before = entry[2], mask = entry[3];

    result_prefix = name;
    TRY("movl %0, %1", ::"r"(before ^ 1), "m"(entry[2]) : "memory");
    result_vector("write to the table");
    result("data changed", "%d", entry[2] != before);
    TRY("movl %0, %1", ::"r"(mask ^ 1), "m"(entry[3]) : "memory");
    result_vector("write to the mask");
    result("mask changed", "%d", (entry[3] ^ mask) & 1);
    entry[2] = before;
    result_prefix = NULL;
}

static void test_table(void)
{
    volatile uint32_t *early = page_hole(), *late = page_hole();
    long pirq;

    result_errno("map table", map_page((void *)early, table_address(CARD)));
    result("table writable", "%d", is_writable((void *)early));
    pirq = map_msix(CARD, 0);
    result("table still writable", "%d", is_writable((void *)early));
    result_errno("map table in use", map_page((void *)late, table_address(CARD)));
    result("table in use writable", "%d", is_writable((void *)late));
    write_table("mapped early, ", early);
    write_table("mapped late, ", late);
    map_page((void *)late, table_address(CARD) + 0x2000);
    result("pending bits writable", "%d", is_writable((void *)late));
    unmap(pirq);
    map_page((void *)late, table_address(CARD));
    result("table writable afterwards", "%d", is_writable((void *)late));
    hc_update_va_mapping((unsigned long)early, 0, UVMF_INVLPG);
    hc_update_va_mapping((unsigned long)late, 0, UVMF_INVLPG);
}

/* The register that places the table, set to what is not the device's. */
static void move_bar(const char *name, uint32_t address)
{
    unsigned int reg = BAR(conf_read(CARD, capability(CARD, CAP_MSIX) + 4) & 7);
    uint32_t before = conf_read(CARD, reg);
    char *page = page_hole();
    long pirq;

    result_prefix = name;
    conf_write(CARD, reg, address, 4);
    result("moved", "%d", (conf_read(CARD, reg) & ~15u) == address);
    pirq = map_msix(CARD, 0);
    result_pirq("MSI-X", pirq);
    if (pirq >= 0)
        unmap(pirq);
    result_errno("map", map_page(page, address));
    hc_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG);
    conf_write(CARD, reg, before, 4);
    result_prefix = NULL;
}

static void test_bars(void)
{
    unsigned int reg = BAR(conf_read(CARD, capability(CARD, CAP_MSIX) + 4) & 7);
    uint32_t before = conf_read(CARD, reg), moved;
    long pirq;

    move_bar("over the local APIC, ", 0xfee00000);
    move_bar("over the IO-APIC, ", 0xfec00000);
    move_bar("over RAM, ", 0x200000);
    move_bar("over the configuration space, ", (uint32_t)ecam);
    move_bar("over nothing, ", 0);
    pirq = map_msix(CARD, 0);
    conf_write(CARD, reg, before + 0x100000, 4);
    moved = conf_read(CARD, reg);
    conf_write(CARD, reg, before, 4);
    result("BAR of a table in use moved", "%d", moved != before);
    unmap(pirq);
}

void guest_main(void)
{
    struct physdev_set_iopl iopl = {.iopl = 1};

    physdev(PHYSDEVOP_set_iopl, &iopl);
    test_devices();
    test_mmcfg();
    test_msi();
    test_multi();
    test_msix();
    test_config();
    test_ecam();
    test_table();
    test_bars();
}
