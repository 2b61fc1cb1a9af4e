/* What a PC's BIOS says of disks and the monitor: asked once at boot, as only real mode can, and kept for
 * dom0. */
#ifndef BIOS_BIOS_H
#define BIOS_BIOS_H

#include <base/types.h>

struct xenpf_firmware_info;

/*
 * CPU 0, after memory_init() and before any interrupt controller or exception table of the VMM is relied upon
 * (the BIOS may leave the task register changed). Does nothing on a machine started by EFI or with
 * no-real-mode.
 */
void bios_init(void);

/*
 * XEN_FW_DISK_INFO, XEN_FW_DISK_MBR_SIGNATURE, XEN_FW_VBEDDC_INFO, XEN_FW_KBD_SHIFT_FLAGS (<xen/platform.h>):
 * 0, -ESRCH where the BIOS told nothing under that index, -EFAULT, -EINVAL for another type.
 */
long bios_firmware_info(struct xenpf_firmware_info *info);

#endif
