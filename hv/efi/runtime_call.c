/*
 * XENPF_efi_runtime_call: the guest's arguments are copied in once and bounded, the firmware works on the
 * copies, results are copied out. What the firmware answers is in `status`; an errno means that it was not
 * asked, or faulted.
 */
#include <base/compiler.h>
#include <base/errno.h>
#include <efi/platform.h>
#include <efi/runtime.h>
#include <efi/system.h>
#include <efi/types.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <xen/platform.h>

#define MAX_NAME 2048u        /* bytes of a variable's name, with the terminating character */
#define MAX_DATA (256u << 10) /* bytes of a variable: above what firmware stores */

#define FLASH_ATTRIBUTES                                                                                     \
    (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)
#define UEFI_2_0 (2u << 16)

_Static_assert(sizeof(struct xenpf_efi_guid) == sizeof(EFI_GUID), "the same layout");

static EFI_TIME to_efi_time(const struct xenpf_efi_time *t)
{
    return (EFI_TIME){.Year = t->year,
                      .Month = t->month,
                      .Day = t->day,
                      .Hour = t->hour,
                      .Minute = t->min,
                      .Second = t->sec,
                      .Nanosecond = t->ns,
                      .TimeZone = t->tz,
                      .Daylight = t->daylight};
}

static struct xenpf_efi_time from_efi_time(const EFI_TIME *t)
{
    return (struct xenpf_efi_time){.year = t->Year,
                                   .month = t->Month,
                                   .day = t->Day,
                                   .hour = t->Hour,
                                   .min = t->Minute,
                                   .sec = t->Second,
                                   .ns = t->Nanosecond,
                                   .tz = t->TimeZone,
                                   .daylight = t->Daylight};
}

static long get_time(struct xenpf_efi_runtime_call *call)
{
    EFI_TIME_CAPABILITIES caps = {0};
    EFI_TIME time = {0};
    int rc;

    if (call->misc)
        return -EINVAL;
    rc = EFI_CALL(EFI_GetTime, &call->status, (uint64_t)&time, (uint64_t)&caps);
    if (rc || call->status)
        return rc;
    call->u.get_time.time = from_efi_time(&time);
    call->u.get_time.resolution = caps.Resolution;
    call->u.get_time.accuracy = caps.Accuracy;
    call->misc = caps.SetsToZero ? XEN_EFI_GET_TIME_SET_CLEARS_NS : 0;
    return 0;
}

static long set_time(struct xenpf_efi_runtime_call *call)
{
    EFI_TIME time = to_efi_time(&call->u.set_time);

    if (call->misc)
        return -EINVAL;
    return EFI_CALL(EFI_SetTime, &call->status, (uint64_t)&time);
}

static long get_wakeup_time(struct xenpf_efi_runtime_call *call)
{
    uint8_t enabled = 0, pending = 0;
    EFI_TIME time = {0};
    int rc;

    if (call->misc)
        return -EINVAL;
    rc = EFI_CALL(EFI_GetWakeupTime, &call->status, (uint64_t)&enabled, (uint64_t)&pending, (uint64_t)&time);
    if (rc || call->status)
        return rc;
    call->u.get_wakeup_time = from_efi_time(&time);
    call->misc =
        (enabled ? XEN_EFI_GET_WAKEUP_TIME_ENABLED : 0) | (pending ? XEN_EFI_GET_WAKEUP_TIME_PENDING : 0);
    return 0;
}

static long set_wakeup_time(struct xenpf_efi_runtime_call *call)
{
    EFI_TIME time = to_efi_time(&call->u.set_wakeup_time);
    bool enable = call->misc & XEN_EFI_SET_WAKEUP_TIME_ENABLE;
    bool keep = call->misc & XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY;

    if (call->misc & ~(XEN_EFI_SET_WAKEUP_TIME_ENABLE | XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY))
        return -EINVAL;
    return EFI_CALL(EFI_SetWakeupTime, &call->status, enable, keep ? 0 : (uint64_t)&time);
}

static long next_count(struct xenpf_efi_runtime_call *call)
{
    uint32_t count = 0;
    int rc;

    if (call->misc)
        return -EINVAL;
    rc = EFI_CALL(EFI_GetNextHighMonotonicCount, &call->status, (uint64_t)&count);
    if (!rc && !call->status)
        call->misc = count;
    return rc;
}

/* The name up to its end into name[], which is MAX_NAME bytes. */
static int copy_name(uint16_t *name, uint64_t gva)
{
    for (uint32_t i = 0; i < MAX_NAME / sizeof(*name); i++) {
        if (copy_from_guest(&name[i], gva + i * sizeof(*name), sizeof(*name)))
            return -EFAULT;
        if (!name[i])
            return 0;
    }
    return -E2BIG;
}

/* Buffers for a variable's name and data; NULL if there is no memory. */
static uint16_t *alloc_buffers(uint64_t data_size)
{
    return xzalloc_bytes(MAX_NAME + data_size);
}

static void *data_of(uint16_t *buffers)
{
    return (char *)buffers + MAX_NAME;
}

static long get_variable(struct xenpf_efi_runtime_call *call)
{
    uint64_t size = call->u.get_variable.size, room = MIN(size, (uint64_t)MAX_DATA);
    EFI_GUID guid;
    uint32_t attributes = 0;
    uint16_t *name;
    long rc;

    if (call->misc)
        return -EINVAL;
    name = alloc_buffers(room);
    if (!name)
        return -ENOMEM;
    memcpy(&guid, &call->u.get_variable.vendor_guid, sizeof(guid));
    rc = copy_name(name, guest_handle_va(call->u.get_variable.name));
    size = room;
    if (!rc)
        rc = EFI_CALL(EFI_GetVariable, &call->status, (uint64_t)name, (uint64_t)&guid, (uint64_t)&attributes,
                      (uint64_t)&size, room ? (uint64_t)data_of(name) : 0);
    if (!rc) {
        call->misc = attributes;
        call->u.get_variable.size = size;
        if (!call->status &&
            copy_to_guest(guest_handle_va(call->u.get_variable.data), data_of(name), MIN(size, room)))
            rc = -EFAULT;
    }
    xfree(name);
    return rc;
}

static long set_variable(struct xenpf_efi_runtime_call *call)
{
    uint64_t size = call->u.set_variable.size;
    EFI_GUID guid;
    uint16_t *name;
    long rc;

    if (size > MAX_DATA)
        return -E2BIG;
    name = alloc_buffers(size);
    if (!name)
        return -ENOMEM;
    memcpy(&guid, &call->u.set_variable.vendor_guid, sizeof(guid));
    rc = copy_name(name, guest_handle_va(call->u.set_variable.name));
    if (!rc && copy_from_guest(data_of(name), guest_handle_va(call->u.set_variable.data), size))
        rc = -EFAULT;
    if (!rc)
        rc = EFI_CALL(EFI_SetVariable, &call->status, (uint64_t)name, (uint64_t)&guid, call->misc, size,
                      (uint64_t)data_of(name));
    xfree(name);
    return rc;
}

/* size: of the guest's buffer in bytes. The firmware checks that the name in it ends there; ours ends in any
 * case. */
static long get_next_variable_name(struct xenpf_efi_runtime_call *call)
{
    uint64_t gva = guest_handle_va(call->u.get_next_variable_name.name);
    uint64_t room = MIN(call->u.get_next_variable_name.size, (uint64_t)MAX_NAME), size = room;
    EFI_GUID guid;
    uint16_t *name;
    long rc;

    if (call->misc)
        return -EINVAL;
    name = alloc_buffers(sizeof(*name));
    if (!name)
        return -ENOMEM;
    memcpy(&guid, &call->u.get_next_variable_name.vendor_guid, sizeof(guid));
    rc = copy_from_guest(name, gva, room) ? -EFAULT : 0;
    if (!rc)
        rc = EFI_CALL(EFI_GetNextVariableName, &call->status, (uint64_t)&size, (uint64_t)name,
                      (uint64_t)&guid);
    if (!rc) {
        call->u.get_next_variable_name.size = size;
        memcpy(&call->u.get_next_variable_name.vendor_guid, &guid, sizeof(guid));
        if (!call->status && copy_to_guest(gva, name, MIN(size, room)))
            rc = -EFAULT;
    }
    xfree(name);
    return rc;
}

struct store_info {
    uint64_t status, max_store_size, remain_store_size, max_size;
};

static struct store_info at_boot __ro_after_init;

static int query_store(uint32_t attributes, struct store_info *info)
{
    *info = (struct store_info){0};
    return EFI_CALL(EFI_QueryVariableInfo, &info->status, attributes, (uint64_t)&info->max_store_size,
                    (uint64_t)&info->remain_store_size, (uint64_t)&info->max_size);
}

void __init efi_variables_init(void)
{
    if (efi_runtime_usable() && efi_system.runtime_revision >= UEFI_2_0)
        query_store(FLASH_ATTRIBUTES, &at_boot);
}

static long query_variable_info(struct xenpf_efi_runtime_call *call)
{
    uint32_t attr = call->u.query_variable_info.attr;
    struct store_info info = at_boot;
    int rc = 0;

    if (call->misc & ~XEN_EFI_VARINFO_BOOT_SNAPSHOT)
        return -EINVAL;
    if (call->misc && (attr & FLASH_ATTRIBUTES) != FLASH_ATTRIBUTES)
        return -EINVAL;
    if (efi_system.runtime_revision < UEFI_2_0)
        return -EOPNOTSUPP;
    if (!call->misc)
        rc = query_store(attr, &info);
    call->status = info.status;
    call->u.query_variable_info.max_store_size = info.max_store_size;
    call->u.query_variable_info.remain_store_size = info.remain_store_size;
    call->u.query_variable_info.max_size = info.max_size;
    return rc;
}

long efi_runtime_call(struct xenpf_efi_runtime_call *call)
{
    if (!efi_runtime_usable())
        return efi_system.present ? -EOPNOTSUPP : -ENOSYS;
    switch (call->function) {
    case XEN_EFI_get_time:
        return get_time(call);
    case XEN_EFI_set_time:
        return set_time(call);
    case XEN_EFI_get_wakeup_time:
        return get_wakeup_time(call);
    case XEN_EFI_set_wakeup_time:
        return set_wakeup_time(call);
    case XEN_EFI_get_next_high_monotonic_count:
        return next_count(call);
    case XEN_EFI_get_variable:
        return get_variable(call);
    case XEN_EFI_set_variable:
        return set_variable(call);
    case XEN_EFI_get_next_variable_name:
        return get_next_variable_name(call);
    case XEN_EFI_query_variable_info:
        return query_variable_info(call);
    case XEN_EFI_query_capsule_capabilities:
    case XEN_EFI_update_capsule:
        return call->misc ? -EINVAL : -ENOSYS; /* as on Xen: firmware is updated by other ways */
    default:
        return -ENOSYS;
    }
}
