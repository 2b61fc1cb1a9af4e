/* What dom0 asks of a BIOS through the hypervisor: disks, screen, keyboard (boot.py gives the machine three
 * disks). */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/platform.h>
#include <xen/xen.h>

#define UNMAPPED    0x1000ul
#define PARAMS_MAX  128
#define EDID_LENGTH 128

#define INDICES 5

/* In front of the results of one index. */
static const char *const of_index[INDICES] = {"0, ", "1, ", "2, ", "3, ", "4, "};

static struct xen_platform_op op;
static uint8_t buffer[PARAMS_MAX * 2] __attribute__((aligned(4096)));

#define DISK   op.u.firmware_info.u.disk_info
#define MBR    op.u.firmware_info.u.disk_mbr_signature
#define SCREEN op.u.firmware_info.u.vbeddc_info

static long firmware(uint32_t type, uint32_t index)
{
    op.cmd = XENPF_firmware_info;
    op.interface_version = XENPF_INTERFACE_VERSION;
    op.u.firmware_info.type = type;
    op.u.firmware_info.index = index;
    return HC1(__HYPERVISOR_platform_op, &op);
}

static unsigned int touched(void)
{
    unsigned int n = sizeof(buffer);

    while (n && buffer[n - 1] == 0xee)
        n--;
    return n;
}

static long disk(uint32_t index, uint16_t length)
{
    memset(&op, 0xee, sizeof(op));
    memset(buffer, 0xee, sizeof(buffer));
    memcpy(buffer, &length, sizeof(length));
    DISK.edd_params.p = buffer;
    return firmware(XEN_FW_DISK_INFO, index);
}

static void test_disks(void)
{
    for (uint32_t i = 0; i < INDICES; i++) {
        uint64_t sectors;
        long ret = disk(i, 74);

        result_prefix = of_index[i];
        result_errno("disk", ret);
        if (ret)
            continue;
        memcpy(&sectors, buffer + 16, sizeof(sectors));
        result("what it can", "device %x, version %x, interface %x, cylinder %u, head %u, sectors %u",
               DISK.device, DISK.version, DISK.interface_support, DISK.legacy_max_cylinder,
               DISK.legacy_max_head, DISK.legacy_sectors_per_track);
        result("its parameters",
               "%u bytes, length %u, flags %x, cylinders %u, heads %u, per track %u, in all %lu of %u",
               touched(), *(uint16_t *)buffer, *(uint16_t *)(buffer + 2), *(uint32_t *)(buffer + 4),
               *(uint32_t *)(buffer + 8), *(uint32_t *)(buffer + 12), sectors, *(uint16_t *)(buffer + 24));
    }
    result_prefix = NULL;
}

static void length(const char *name, uint16_t length)
{
    long ret = disk(0, length);

    result(name, "%e, %u bytes, length %u", ret, touched(), *(uint16_t *)buffer);
}

static void test_lengths(void)
{
    length("length 0", 0);
    length("length 1", 1);
    length("length 2", 2);
    length("length 3", 3);
    length("length 26", 26);
    length("length 66", 66);
    length("length 128", 128);
    length("length 65535", 0xffff);
    memset(&op, 0, sizeof(op));
    result_errno("no buffer", firmware(XEN_FW_DISK_INFO, 0));
    DISK.edd_params.p = (void *)UNMAPPED;
    result_errno("unmapped buffer", firmware(XEN_FW_DISK_INFO, 0));
    DISK.edd_params.p = (void *)0xffff800000000000ul;
    result_errno("hypervisor's buffer", firmware(XEN_FW_DISK_INFO, 0));
}

static void test_signatures(void)
{
    for (uint32_t i = 0; i < INDICES; i++) {
        long ret;

        memset(&op, 0xee, sizeof(op));
        ret = firmware(XEN_FW_DISK_MBR_SIGNATURE, i);
        result_prefix = of_index[i];
        result("signature", "%e, device %x, %x", ret, MBR.device, MBR.mbr_signature);
    }
    result_prefix = NULL;
}

static void test_screen(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        unsigned int sum = 0; /* of a whole description it is 0 */
        long ret;

        memset(&op, 0, sizeof(op));
        memset(buffer, 0xee, sizeof(buffer));
        SCREEN.edid.p = buffer;
        ret = firmware(XEN_FW_VBEDDC_INFO, i);
        for (unsigned int j = 0; j < EDID_LENGTH; j++)
            sum += buffer[j];
        result_prefix = of_index[i];
        result("screen", "%e, capabilities %x, time %u, %u bytes, sum %u, begins %x %x", ret,
               SCREEN.capabilities, SCREEN.edid_transfer_time, touched(), ret ? 0 : sum & 0xff, buffer[0],
               buffer[1]);
    }
    result_prefix = NULL;
    memset(&op, 0, sizeof(op));
    result_errno("no room for edid", firmware(XEN_FW_VBEDDC_INFO, 0));
    SCREEN.edid.p = (void *)UNMAPPED;
    result_errno("unmapped edid", firmware(XEN_FW_VBEDDC_INFO, 0));
}

static void test_keyboard(void)
{
    memset(&op, 0xee, sizeof(op));
    result_errno("keyboard", firmware(XEN_FW_KBD_SHIFT_FLAGS, 0));
    result("shift flags", "%x", op.u.firmware_info.u.kbd_shift_flags);
    result_errno("second keyboard", firmware(XEN_FW_KBD_SHIFT_FLAGS, 1));
}

void guest_main(void)
{
    test_disks();
    test_lengths();
    test_signatures();
    test_screen();
    test_keyboard();
}
