#include <base/errno.h>
#include <efi/memory.h>
#include <efi/platform.h>
#include <efi/system.h>
#include <mm/guest_access.h>
#include <xen/platform.h>

/* As much of the name as there is room for; it is terminated only if all of it fits. */
static long vendor(union xenpf_efi_info *info)
{
    uint32_t n = MIN(info->vendor.bufsz / (uint32_t)sizeof(uint16_t), efi_system.vendor_length);

    info->vendor.revision = efi_system.firmware_revision;
    return copy_to_guest(guest_handle_va(info->vendor.name), efi_system.vendor, n * sizeof(uint16_t))
               ? -EFAULT
               : 0;
}

/* The range's kind, and how far from addr on it holds. */
static long mem_info(union xenpf_efi_info *info)
{
    const struct efi_range *r = efi_memory_find(info->mem.addr);
    uint64_t left;

    if (!r)
        return -ESRCH;
    left = r->size - (info->mem.addr - r->start);
    info->mem.size = MIN(info->mem.size, left);
    info->mem.attr = r->attributes;
    info->mem.type = r->type;
    return 0;
}

long efi_firmware_info(uint32_t index, union xenpf_efi_info *info)
{
    if (!efi_system.present)
        return -ENOSYS;
    switch (index) {
    case XEN_FW_EFI_VERSION:
        info->version = efi_system.revision;
        return 0;
    case XEN_FW_EFI_RT_VERSION:
        if (!efi_system.runtime_revision)
            return -EOPNOTSUPP;
        info->version = efi_system.runtime_revision;
        return 0;
    case XEN_FW_EFI_CONFIG_TABLE:
        info->cfg.addr = efi_system.config_table;
        info->cfg.nent = efi_system.nr_config;
        return 0;
    case XEN_FW_EFI_VENDOR:
        return vendor(info);
    case XEN_FW_EFI_MEM_INFO:
        return mem_info(info);
    case XEN_FW_EFI_PCI_ROM:
        return -ESRCH; /* the loader ended the boot services, which alone know of ROMs */
    case XEN_FW_EFI_APPLE_PROPERTIES:
        return -ENODATA;
    default:
        return -EINVAL;
    }
}
