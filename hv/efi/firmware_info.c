#include <base/errno.h>
#include <efi/memory.h>
#include <efi/platform.h>
#include <efi/system.h>
#include <mm/guest_access.h>
#include <xen/platform.h>

/* As much of the name as there is room for, terminated. */
static long vendor(union xenpf_efi_info *info)
{
    uint64_t gva = guest_handle_va(info->vendor.name);
    uint32_t room = info->vendor.bufsz / sizeof(uint16_t), n = MIN(room, efi_system.vendor_length);
    const uint16_t end = 0;

    info->vendor.revision = efi_system.firmware_revision;
    if (!n)
        return 0;
    if (copy_to_guest(gva, efi_system.vendor, (n - 1) * sizeof(end)) ||
        copy_to_guest(gva + (n - 1) * sizeof(end), &end, sizeof(end)))
        return -EFAULT;
    return 0;
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
