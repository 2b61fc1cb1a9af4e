/* What dom0 asks of the firmware: parts of HYPERVISOR_platform_op (<xen/platform.h>). Callers hold
 * LOCK_DOMCTL. */
#ifndef EFI_PLATFORM_H
#define EFI_PLATFORM_H

#include <base/types.h>

union xenpf_efi_info;
struct xenpf_efi_runtime_call;

/* XEN_FW_EFI_INFO: 0 or -errno; -ENOSYS on a machine that was not started by EFI. */
long efi_firmware_info(uint32_t index, union xenpf_efi_info *info);
/* Boot, after efi_runtime_init(): keeps what the store of variables has, for XEN_EFI_VARINFO_BOOT_SNAPSHOT.
 */
void efi_variables_init(void);
/* XENPF_efi_runtime_call: 0 and the firmware's status in *call, or -errno. */
long efi_runtime_call(struct xenpf_efi_runtime_call *call);

#endif
