#include <base/compiler.h>
#include <domain/domain.h>
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

bool ioport_access_ok(const struct domain *d, uint16_t port, unsigned int bytes)
{
    if (port + bytes > NR_PORTS)
        return false;
    for (uint32_t p = port; p < port + bytes; p++) {
        if (d->is_hardware ? port_in(denied, p) : !d->pv.ioport_bitmap || !port_in(d->pv.ioport_bitmap, p))
            return false;
    }
    return true;
}
