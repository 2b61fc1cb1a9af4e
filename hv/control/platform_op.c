/*
 * HYPERVISOR_platform_op (<xen/platform.h>): what the hardware domain's kernel
 * tells the VMM about the machine and asks of it.
 */
#include <acpi/power.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <bios/bios.h>
#include <control/control_lock.h>
#include <control/hypercall.h>
#include <cpu/features.h>
#include <cpu/smp.h>
#include <domain/domain.h>
#include <efi/platform.h>
#include <efi/system.h>
#include <lib/string.h>
#include <lib/symbols.h>
#include <mm/guest_access.h>
#include <mm/page.h>
#include <time/time.h>
#include <xen/platform.h>

#define MSR_IA32_TSC         0x10
#define MAX_RESOURCE_ENTRIES 3
#define NS_PER_SECOND        1000000000u

static bool cpu_present(uint32_t cpu)
{
    return cpu < nr_cpus;
}

static long set_time(uint64_t secs, uint32_t nsecs, uint64_t system_time)
{
    time_set_wallclock(secs + nsecs / NS_PER_SECOND, nsecs % NS_PER_SECOND, system_time);
    return 0;
}

static long firmware_info(struct xenpf_firmware_info *info)
{
    if (info->type == XEN_FW_EFI_INFO)
        return efi_firmware_info(info->index, &info->u.efi_info);
    return bios_firmware_info(info);
}

static long get_cpuinfo(struct xenpf_pcpuinfo *info)
{
    uint32_t cpu;

    info->max_present = nr_cpus - 1;
    if (!cpu_present(info->xen_cpuid)) {
        info->flags = XEN_PCPU_FLAGS_INVALID;
        info->apic_id = info->acpi_id = ~0u;
        return 0;
    }
    cpu = (uint32_t)index_nospec(info->xen_cpuid, nr_cpus);
    info->flags = cpumask_test(&cpu_online_map, cpu) ? XEN_PCPU_FLAGS_ONLINE : 0;
    info->apic_id = cpu_to_apicid[cpu];
    info->acpi_id = cpu_to_acpiid[cpu];
    return 0;
}

static long get_cpu_version(struct xenpf_pcpu_version *v)
{
    struct cpuid_regs r = cpuid_count(0, 0);

    v->max_present = nr_cpus - 1;
    memset(v->vendor_id, 0, sizeof(v->vendor_id));
    v->family = v->model = v->stepping = 0;
    if (!cpu_present(v->xen_cpuid))
        return 0;
    memcpy(v->vendor_id, &r.b, 4);
    memcpy(v->vendor_id + 4, &r.d, 4);
    memcpy(v->vendor_id + 8, &r.c, 4);
    v->family = host_cpu.family;
    v->model = host_cpu.model;
    v->stepping = host_cpu.stepping;
    return 0;
}

/* CPUs are all brought up at boot and stay up. */
static long cpu_online(uint32_t cpu)
{
    return cpu_present(cpu) ? 0 : -EINVAL;
}

static long cpu_offline(uint32_t cpu)
{
    return cpu_present(cpu) ? -EOPNOTSUPP : -EINVAL;
}

/*
 * The VMM has no drivers for C- and P-states: what dom0 read from ACPI is
 * checked for being about a CPU that exists, and not used.
 */
static long set_processor_pminfo(const struct xenpf_set_processor_pminfo *info)
{
    uint32_t pdc[2]; /* revision, number of words that follow */

    switch (info->type) {
    case XEN_PM_PDC:
        return copy_from_guest(pdc, guest_handle_va(info->u.pdc), sizeof(pdc));
    case XEN_PM_CX:
    case XEN_PM_PX:
        for (uint32_t cpu = 0; cpu < nr_cpus; cpu++)
            if (cpu_to_acpiid[cpu] == info->id)
                return 0;
        return -EINVAL;
    case XEN_PM_TX:
        return -ENOSYS;
    default:
        return -EINVAL;
    }
}

static long core_parking(struct xenpf_core_parking *p)
{
    switch (p->type) {
    case XEN_CORE_PARKING_GET:
        p->idle_nums = 0;
        return 0;
    case XEN_CORE_PARKING_SET:
        return p->idle_nums ? -EOPNOTSUPP : 0;
    default:
        return -EINVAL;
    }
}

/* The one resource there is: the time. The VMM's own MSRs are nobody's business. */
static int resource_access(struct xenpf_resource_entry *e)
{
    if (e->rsvd)
        return -EINVAL;
    switch (e->u.cmd) {
    case XEN_RESOURCE_OP_MSR_READ:
        if (e->idx >> 32)
            return -EINVAL;
        if (e->idx != MSR_IA32_TSC)
            return -EPERM;
        e->val = now();
        return 0;
    case XEN_RESOURCE_OP_MSR_WRITE:
        return -EPERM;
    default:
        return -EOPNOTSUPP;
    }
}

/* The number of entries done; the first that failed says why. */
static long resource_op(const struct xenpf_resource_op *op)
{
    uint64_t gva = guest_handle_va(op->entries);

    if (op->nr_entries > MAX_RESOURCE_ENTRIES)
        return -EINVAL;
    if (!cpu_present(op->cpu))
        return -ENODEV;
    for (uint32_t i = 0; i < op->nr_entries; i++) {
        struct xenpf_resource_entry e;
        int rc;

        if (copy_from_guest_index(&e, gva, i))
            return -EFAULT;
        rc = resource_access(&e);
        if (rc)
            e.u.ret = rc;
        if (copy_to_guest_index(gva, i, &e))
            return -EFAULT;
        if (rc)
            return i;
    }
    return op->nr_entries;
}

static long get_symbol(struct xenpf_symdata *s)
{
    struct symbol sym;
    uint32_t len;

    if (s->symnum && !symbol_by_index(s->symnum - 1, &sym))
        return -ERANGE;
    if (!symbol_by_index(s->symnum, &sym)) {
        s->namelen = 0; /* symnum unchanged: the end */
        return 0;
    }
    len = strlen(sym.name);
    if (copy_to_guest(guest_handle_va(s->name), sym.name, MIN(s->namelen, len + 1)))
        return -EFAULT;
    s->namelen = len;
    s->symnum++;
    s->address = sym.start;
    s->type = 't'; /* the table holds functions only */
    return 0;
}

static long platform_op(struct xen_platform_op *op)
{
    switch (op->cmd) {
    case XENPF_settime32:
        return set_time(op->u.settime32.secs, op->u.settime32.nsecs, op->u.settime32.system_time);
    case XENPF_settime64:
        if (op->u.settime64.mbz)
            return -EINVAL;
        return set_time(op->u.settime64.secs, op->u.settime64.nsecs, op->u.settime64.system_time);
    case XENPF_read_memtype:
        return -EINVAL; /* no variable MTRRs are given out */
    case XENPF_add_memtype:
    case XENPF_del_memtype:
        return -ENXIO;
    case XENPF_microcode_update:
        return -ENODEV;
    case XENPF_platform_quirk:
        /* About interrupt balancing and a bug of old IO-APICs, neither of which concern us. */
        return op->u.platform_quirk.quirk_id >= QUIRK_NOIRQBALANCING &&
                       op->u.platform_quirk.quirk_id <= QUIRK_IOAPIC_GOOD_REGSEL
                   ? 0
                   : -EINVAL;
    case XENPF_firmware_info:
        return firmware_info(&op->u.firmware_info);
    case XENPF_efi_runtime_call:
        return efi_runtime_call(&op->u.efi_runtime_call);
    case XENPF_enter_acpi_sleep:
        return acpi_enter_sleep(&op->u.enter_acpi_sleep);
    case XENPF_set_processor_pminfo:
        return set_processor_pminfo(&op->u.set_pminfo);
    case XENPF_get_cpuinfo:
        return get_cpuinfo(&op->u.pcpu_info);
    case XENPF_get_cpu_version:
        return get_cpu_version(&op->u.pcpu_version);
    case XENPF_cpu_online:
        return cpu_online(op->u.cpu_ol.cpuid);
    case XENPF_cpu_offline:
        return cpu_offline(op->u.cpu_ol.cpuid);
    case XENPF_core_parking:
        return core_parking(&op->u.core_parking);
    case XENPF_resource_op:
        return resource_op(&op->u.resource_op);
    case XENPF_get_symbol:
        return get_symbol(&op->u.symdata);
    default:
        return -ENOSYS; /* also what needs hot-plug or the kernel to govern frequencies */
    }
}

/* Operations with results in the structure. */
static bool has_output(uint32_t cmd)
{
    switch (cmd) {
    case XENPF_efi_runtime_call:
    case XENPF_firmware_info:
    case XENPF_get_cpuinfo:
    case XENPF_get_cpu_version:
    case XENPF_core_parking:
    case XENPF_get_symbol:
        return true;
    default:
        return false;
    }
}

long hc_platform_op(struct hypercall_args *args)
{
    struct xen_platform_op op;
    long rc;

    if (copy_from_guest(&op, args->a[0], sizeof(op)))
        return -EFAULT;
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return -EACCES;
    if (!control_lock())
        return -ERESTART;
    rc = platform_op(&op);
    control_unlock();
    if (rc >= 0 && has_output(op.cmd) && copy_to_guest(args->a[0], &op, sizeof(op)))
        return -EFAULT;
    return rc;
}
