/* Port I/O of PV guests. */
#include <pv/emulate_io.h>
#include <cpu/port_io.h>
#include <domain/domain.h>
#include <irq/pci.h>
#include <irq/pci_guest.h>
#include <mm/guest_access.h>
#include <pv/ioport.h>
#include <pv/iopl.h>
#include <pv/pv.h>

#define PORT_PIT_CHANNEL0  0x40
#define PORT_PIT_CHANNEL1  0x41
#define PORT_PIT_CHANNEL2  0x42
#define PORT_PIT_COMMAND   0x43
#define PORT_SPEAKER       0x61
#define PORT_CMOS_INDEX    0x70
#define PORT_CMOS_DATA     0x71
#define PORT_PCI_ADDRESS   0xcf8
#define PORT_PCI_DATA      0xcfc
#define PCI_ADDRESS_ENABLE BIT(31)

static DEFINE_SPINLOCK(cmos_lock, LOCK_CMOS);

static uint32_t all_ones(unsigned int bytes)
{
    return bytes == 4 ? ~0u : (1u << (8 * bytes)) - 1;
}

/* The bitmap is in kernel memory, so a program's access looks at it through the kernel's tables. */
static bool iobitmap_allows(struct vcpu *v, uint16_t port, unsigned int bytes)
{
    uint8_t bits[2] = {0xff, 0xff};
    unsigned int first = port / 8u, last = (port + bytes - 1u) / 8u;
    bool user = !v->pv.kernel_mode, readable;

    if (port + bytes > v->pv.iobitmap_ports)
        return false;
    if (user)
        pv_toggle_mode(v);
    readable = copy_from_guest(bits, v->pv.iobitmap + first, last - first + 1) == 0;
    if (user)
        pv_toggle_mode(v);
    return readable && !((bits[0] | bits[1] << 8) >> (port % 8u) & ((1u << bytes) - 1));
}

bool pv_io_allowed(struct vcpu *v, const struct cpu_user_regs *regs, uint16_t port, unsigned int bytes)
{
    return pv_iopl_allows(v, regs) || iobitmap_allows(v, port, bytes);
}

/*
 * PCI configuration mechanism 1. The address register is the domain's own;
 * the machine's is written only under LOCK_PCI together with each access.
 * Only the hardware domain reaches devices this way.
 */
static bool pci_read_port(struct vcpu *v, uint16_t port, unsigned int bytes, uint32_t *value)
{
    const struct domain *d = v->domain;
    unsigned int offset = port - PORT_PCI_DATA;

    if (port == PORT_PCI_ADDRESS && bytes == 4) {
        *value = d->pv.pci_address;
        return true;
    }
    if (port < PORT_PCI_DATA || offset + bytes > 4)
        return false;
    *value = all_ones(bytes);
    if (d->is_hardware && (d->pv.pci_address & PCI_ADDRESS_ENABLE))
        *value = pci_cf8_read(d->pv.pci_address, offset, bytes);
    return true;
}

static bool pci_write_port(struct vcpu *v, uint16_t port, unsigned int bytes, uint32_t value)
{
    struct domain *d = v->domain;
    unsigned int offset = port - PORT_PCI_DATA;

    if (port == PORT_PCI_ADDRESS && bytes == 4) {
        d->pv.pci_address = value;
        return true;
    }
    if (port < PORT_PCI_DATA || offset + bytes > 4)
        return false;
    if (d->is_hardware && (d->pv.pci_address & PCI_ADDRESS_ENABLE))
        pci_guest_cf8_write(d->pv.pci_address, offset, bytes, value);
    return true;
}

/*
 * Of the interval timer the hardware domain may have channel 2, which drives
 * the speaker; the other channels may be the VMM's. Commands: bits 6-7 select
 * the channel, 3 is a read-back with a mask of channels (8254, "control word").
 */
static bool pit_command_ok(uint8_t command)
{
    return command >> 6 == 2 || (command >> 6 == 3 && (command & 0x0e) == 0x08);
}

/*
 * CMOS. The index is latched per domain and its NMI bit kept from the machine; data is for who has both
 * ports.
 */
static bool cmos_read(const struct domain *d, uint16_t port, uint32_t *value)
{
    if (port == PORT_CMOS_INDEX) {
        *value = d->pv.cmos_index;
        return true;
    }
    *value = all_ones(1);
    if (!ioport_access_ok(d, PORT_CMOS_INDEX, 2))
        return true;
    spin_lock(&cmos_lock);
    port_out(PORT_CMOS_INDEX, 1, d->pv.cmos_index & 0x7f);
    *value = port_in(PORT_CMOS_DATA, 1);
    spin_unlock(&cmos_lock);
    return true;
}

static bool cmos_write(struct domain *d, uint16_t port, uint32_t value)
{
    if (port == PORT_CMOS_INDEX) {
        d->pv.cmos_index = (uint8_t)value;
        return true;
    }
    if (!ioport_access_ok(d, PORT_CMOS_INDEX, 2))
        return true;
    spin_lock(&cmos_lock);
    port_out(PORT_CMOS_INDEX, 1, d->pv.cmos_index & 0x7f);
    port_out(PORT_CMOS_DATA, 1, value);
    spin_unlock(&cmos_lock);
    return true;
}

/*
 * Ports that mean something else to a guest than to the machine. True: done.
 */
static bool special_read(struct vcpu *v, uint16_t port, unsigned int bytes, uint32_t *value)
{
    const struct domain *d = v->domain;

    if ((port & ~7u) == PORT_PCI_ADDRESS)
        return pci_read_port(v, port, bytes, value);
    if (bytes == 1 && (port == PORT_CMOS_INDEX || port == PORT_CMOS_DATA))
        return cmos_read(d, port, value);
    if (bytes != 1 || !d->is_hardware)
        return false;
    switch (port) {
    case PORT_PIT_CHANNEL2:
    case PORT_SPEAKER:
        *value = port_in(port, 1);
        return true;
    case PORT_PIT_CHANNEL0:
    case PORT_PIT_CHANNEL1:
        *value = 0xff;
        return true;
    case PORT_PIT_COMMAND:
        *value = 0;
        return true;
    default:
        return false;
    }
}

static bool special_write(struct vcpu *v, uint16_t port, unsigned int bytes, uint32_t value)
{
    struct domain *d = v->domain;

    if ((port & ~7u) == PORT_PCI_ADDRESS)
        return pci_write_port(v, port, bytes, value);
    if (bytes == 1 && (port == PORT_CMOS_INDEX || port == PORT_CMOS_DATA))
        return cmos_write(d, port, value);
    if (bytes != 1 || !d->is_hardware)
        return false;
    switch (port) {
    case PORT_PIT_CHANNEL2:
    case PORT_SPEAKER:
        port_out(port, 1, value);
        return true;
    case PORT_PIT_CHANNEL0:
    case PORT_PIT_CHANNEL1:
        return true;
    case PORT_PIT_COMMAND:
        if (pit_command_ok((uint8_t)value))
            port_out(port, 1, value);
        return true;
    default:
        return false;
    }
}

uint32_t pv_io_read(struct vcpu *v, uint16_t port, unsigned int bytes)
{
    uint32_t value;

    if (special_read(v, port, bytes, &value))
        return value;
    return ioport_access_ok(v->domain, port, bytes) ? port_in(port, bytes) : all_ones(bytes);
}

void pv_io_write(struct vcpu *v, uint16_t port, unsigned int bytes, uint32_t value)
{
    if (!special_write(v, port, bytes, value) && ioport_access_ok(v->domain, port, bytes))
        port_out(port, bytes, value);
}
