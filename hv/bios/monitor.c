#include <base/compiler.h>
#include <bios/call.h>
#include <bios/monitor.h>
#include <lib/string.h>

#define INT_VIDEO  0x10
#define VBE_DDC    0x4f15
#define VBE_DONE   0x004f /* supported, and it worked */
#define DDC_REPORT 0      /* in BL */
#define DDC_READ   1

struct bios_monitor bios_monitor __ro_after_init;

static bool __init ddc_call(uint32_t function, struct bios_registers *r)
{
    r->eax = VBE_DDC;
    r->ebx = function;
    bios_call(INT_VIDEO, r);
    return (uint16_t)r->eax == VBE_DONE;
}

void __init bios_monitor_read(void)
{
    struct bios_registers report = {0}, r = {0};
    const void *edid;

    if (!ddc_call(DDC_REPORT, &report))
        return;
    bios_monitor.capabilities = (uint8_t)report.ebx;
    bios_monitor.transfer_time = (uint8_t)(report.ebx >> 8);
    edid = bios_buffer(&r.es);
    if (!ddc_call(DDC_READ, &r))
        return;
    memcpy(bios_monitor.edid, edid, EDID_SIZE);
    bios_monitor.has_edid = true;
}
