/* HYPERVISOR_xen_version: who we are and what we can (<xen/version.h>, <xen/features.h>). */
#include <base/compiler.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <control/hypercall.h>
#include <control/version.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/layout.h>
#include <xen/version.h>

/* What an unprivileged domain reads where it may not know. */
#define DENIED "<denied>"

static long text_to_guest(uint64_t gva, const char *text, size_t size)
{
    char buf[64] = "";

    strlcpy(buf, text, sizeof(buf));
    return copy_to_guest(gva, buf, size) ? -EFAULT : 0;
}

static long version_compile_info(uint64_t gva)
{
    struct xen_compile_info info = {.compile_by = VERSION_COMPILE_BY};

    strlcpy(info.compiler, VERSION_COMPILER, sizeof(info.compiler));
    return copy_to_guest(gva, &info, sizeof(info)) ? -EFAULT : 0;
}

/* Only 64-bit paravirtual guests so far; each entry is followed by a space. */
static long version_capabilities(uint64_t gva)
{
    static const xen_capabilities_info_t info = "xen-3.0-x86_64 ";

    return copy_to_guest(gva, info, sizeof(info)) ? -EFAULT : 0;
}

static long version_platform_parameters(uint64_t gva)
{
    struct xen_platform_parameters p = {.virt_start = VMM_VIRT_START};

    return copy_to_guest(gva, &p, sizeof(p)) ? -EFAULT : 0;
}

static long version_features(uint64_t gva)
{
    struct xen_feature_info f;

    if (copy_from_guest(&f, gva, sizeof(f)))
        return -EFAULT;
    if (f.submap_idx)
        return -EINVAL;
    f.submap = BIT(XENFEAT_pae_pgdir_above_4gb) | BIT(XENFEAT_mmu_pt_update_preserve_ad) |
               BIT(XENFEAT_highmem_assist) | BIT(XENFEAT_gnttab_map_avail_bits) |
               BIT(XENFEAT_memory_op_vnode_supported) | BIT(XENFEAT_direct_mapped);
    if (current->domain->is_hardware)
        f.submap |= BIT(XENFEAT_dom0);
    return copy_to_guest(gva, &f, sizeof(f)) ? -EFAULT : 0;
}

static long version_commandline(uint64_t gva)
{
    const char *line = current->domain->is_privileged ? cmdline_saved() : DENIED;
    size_t len = strnlen(line, sizeof(xen_commandline_t) - 1);

    if (copy_to_guest(gva, line, len) || clear_guest(gva + len, sizeof(xen_commandline_t) - len))
        return -EFAULT;
    return 0;
}

/* The note that the linker made (System V ABI, note section): header, name "GNU", then the id. */
static const uint8_t *build_id(uint32_t *len)
{
    extern const uint32_t __start_build_id[], __stop_build_id[];
    uint32_t words = __stop_build_id - __start_build_id;

    if (words < 4 || 16 + __start_build_id[1] > words * sizeof(uint32_t))
        return NULL;
    *len = __start_build_id[1];
    return (const uint8_t *)(__start_build_id + 4);
}

static long version_build_id(uint64_t gva)
{
    struct xen_build_id arg;
    const uint8_t *id;
    uint32_t len;

    if (!current->domain->is_privileged)
        return -EPERM;
    id = build_id(&len);
    if (!id)
        return -ENODATA;
    if (!gva)
        return len;
    if (copy_from_guest(&arg.len, gva, sizeof(arg.len)))
        return -EFAULT;
    if (!arg.len)
        return -EINVAL;
    if (arg.len < len)
        return -ENOBUFS;
    return copy_to_guest(gva + offsetof(struct xen_build_id, buf), id, len) ? -EFAULT : (long)len;
}

long hc_xen_version(struct hypercall_args *args)
{
    uint64_t gva = args->a[1];

    switch ((uint32_t)args->a[0]) {
    case XENVER_version:
        return VERSION_NUMBER;
    case XENVER_extraversion:
        return text_to_guest(gva, VERSION_EXTRA, sizeof(xen_extraversion_t));
    case XENVER_compile_info:
        return version_compile_info(gva);
    case XENVER_capabilities:
        return version_capabilities(gva);
    case XENVER_changeset:
        return text_to_guest(gva, "", sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters:
        return version_platform_parameters(gva);
    case XENVER_get_features:
        return version_features(gva);
    case XENVER_pagesize:
        return gva ? -EINVAL : (long)PAGE_SIZE;
    case XENVER_guest_handle:
        return copy_to_guest(gva, current->domain->handle, sizeof(xen_domain_handle_t)) ? -EFAULT : 0;
    case XENVER_commandline:
        return version_commandline(gva);
    case XENVER_build_id:
        return version_build_id(gva);
    default:
        return -ENOSYS;
    }
}
