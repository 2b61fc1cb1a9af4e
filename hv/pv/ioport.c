#include <base/atomic.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <domain/domain.h>
#include <mm/page_alloc.h>
#include <pv/ioport.h>

#define NR_PORTS 0x10000

static uint8_t denied[NR_PORTS / 8] __ro_after_init;

static bool port_in(const uint8_t *bitmap, uint32_t port)
{
    return bitmap[port / 8] >> (port % 8) & 1;
}

void __init ioport_deny(uint16_t first, uint16_t last)
{
    for (uint32_t port = first; port <= last; port++)
        denied[port / 8] |= (uint8_t)(1u << (port % 8));
}

static bool port_ok(const struct domain *d, uint32_t port)
{
    const uint8_t *bitmap = load_acquire(&d->pv.ioport_bitmap);
    bool listed = bitmap && port_in(bitmap, port);

    return d->is_hardware ? !listed && !port_in(denied, port) : listed;
}

bool ioport_access_ok(const struct domain *d, uint16_t port, unsigned int bytes)
{
    if (port + bytes > NR_PORTS)
        return false;
    for (uint32_t p = port; p < port + bytes; p++)
        if (!port_ok(d, p))
            return false;
    return true;
}

/* PCI configuration, and the speaker's gate: guests have these emulated (pv/emulate_io.c). */
static bool emulated(uint32_t port)
{
    return (port >= 0xcf8 && port != 0xcf9 && port <= 0xcff) || port == 0x61;
}

bool ioport_may_give(const struct domain *d, uint32_t first, uint32_t last)
{
    for (uint32_t port = first; port <= last; port++)
        if (!port_ok(d, port) || emulated(port))
            return false;
    return true;
}

int ioport_permit(struct domain *d, uint32_t first, uint32_t last, bool allow)
{
    uint8_t *bitmap = d->pv.ioport_bitmap;

    if (!bitmap) {
        if (allow == d->is_hardware)
            return 0;
        bitmap = xzalloc_array(uint8_t, NR_PORTS / 8);
        if (!bitmap)
            return -ENOMEM;
        store_release(&d->pv.ioport_bitmap, bitmap);
    }
    for (uint32_t port = first; port <= last; port++) {
        uint8_t bit = (uint8_t)(1u << (port % 8));

        if (allow == d->is_hardware)
            bitmap[port / 8] &= (uint8_t)~bit;
        else
            bitmap[port / 8] |= bit;
    }
    if (allow)
        d->mm.drives_devices = true;
    return 0;
}
