#include <base/errno.h>
#include <base/nospec.h>
#include <bios/bios.h>
#include <bios/call.h>
#include <bios/disks.h>
#include <bios/monitor.h>
#include <boot/boot_info.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <xen/platform.h>

#define BDA_KBD_SHIFT_FLAGS 0x17 /* IBM PC/AT, 40:17 */

static uint8_t kbd_shift_flags __ro_after_init; /* as they were at boot */

static bool opt_no_real_mode __initdata;
BOOT_OPTION_BOOL("no-real-mode", opt_no_real_mode);

static bool opt_edid __initdata = true;
/* Each word leaves out one of the two, as in Xen. */
static enum { EDD_OFF, EDD_SKIP_MBR, EDD_ON } opt_edd __initdata = EDD_ON;

static int __init parse_edd(const char *value)
{
    int on = parse_bool(value);

    if (!strcmp(value, "skipmbr"))
        opt_edd = EDD_SKIP_MBR;
    else if (on >= 0)
        opt_edd = on ? EDD_ON : EDD_OFF;
    else
        return -EINVAL;
    return 0;
}
BOOT_OPTION_CUSTOM("edd", parse_edd);

/* "force" is for Xen's checks before it asks, of which there are none here. */
static int __init parse_edid(const char *value)
{
    int on = strcmp(value, "force") ? parse_bool(value) : 1;

    if (on < 0)
        return on;
    opt_edid = on;
    return 0;
}
BOOT_OPTION_CUSTOM("edid", parse_edid);

void __init bios_init(void)
{
    if (boot_info.has_efi)
        return;
    kbd_shift_flags = bios_data(BDA_KBD_SHIFT_FLAGS);
    if (opt_no_real_mode || !bios_call_init())
        return;
    bios_disks_read(opt_edd != EDD_OFF, opt_edd != EDD_SKIP_MBR);
    if (opt_edid)
        bios_monitor_read();
    printk_info("BIOS: %u disks, %u with a master boot record, monitor %s\n", bios_disks.nr_disks,
                bios_disks.nr_signatures, bios_monitor.has_edid ? "known" : "not known");
}

/* The caller's buffer begins with its size, and is told in the same place how much of it is used. */
static long disk_info(struct xenpf_firmware_info *info)
{
    struct bios_disk d;
    uint64_t buffer = guest_handle_va(info->u.disk_info.edd_params);
    uint16_t length;

    if (info->index >= bios_disks.nr_disks)
        return -ESRCH;
    d = bios_disks.disk[index_nospec(info->index, bios_disks.nr_disks)];
    info->u.disk_info.device = d.device;
    info->u.disk_info.version = d.version;
    info->u.disk_info.interface_support = d.interface;
    info->u.disk_info.legacy_max_cylinder = d.max_cylinder;
    info->u.disk_info.legacy_max_head = d.max_head;
    info->u.disk_info.legacy_sectors_per_track = d.sectors_per_track;
    if (copy_from_guest(&length, buffer, sizeof(length)))
        return -EFAULT;
    length = MIN(length, d.params_length);
    memcpy(d.params, &length, sizeof(length));
    return copy_to_guest(buffer, d.params, length) ? -EFAULT : 0;
}

static long signature(struct xenpf_firmware_info *info)
{
    const struct bios_signature *s;

    if (info->index >= bios_disks.nr_signatures)
        return -ESRCH;
    s = &bios_disks.signature[index_nospec(info->index, bios_disks.nr_signatures)];
    info->u.disk_mbr_signature.device = s->device;
    info->u.disk_mbr_signature.mbr_signature = s->signature;
    return 0;
}

static long monitor(struct xenpf_firmware_info *info)
{
    if (info->index || !bios_monitor.has_edid)
        return -ESRCH;
    info->u.vbeddc_info.capabilities = bios_monitor.capabilities;
    info->u.vbeddc_info.edid_transfer_time = bios_monitor.transfer_time;
    return copy_to_guest(guest_handle_va(info->u.vbeddc_info.edid), bios_monitor.edid, EDID_SIZE) ? -EFAULT
                                                                                                  : 0;
}

static long keyboard(struct xenpf_firmware_info *info)
{
    if (info->index)
        return -ESRCH;
    info->u.kbd_shift_flags = kbd_shift_flags;
    return 0;
}

long bios_firmware_info(struct xenpf_firmware_info *info)
{
    switch (info->type) {
    case XEN_FW_DISK_INFO:
        return disk_info(info);
    case XEN_FW_DISK_MBR_SIGNATURE:
        return signature(info);
    case XEN_FW_VBEDDC_INFO:
        return monitor(info);
    case XEN_FW_KBD_SHIFT_FLAGS:
        return keyboard(info);
    default:
        return -EINVAL;
    }
}
