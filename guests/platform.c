/* Every operation of platform_op with right and wrong arguments. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/platform.h>

#define UNMAPPED ((void *)0x1000)

static struct xen_platform_op po;
static uint64_t buffer[512] __attribute__((aligned(4096)));

static void clear(void)
{
    memset(&po, 0, sizeof(po));
    memset(buffer, 0, sizeof(buffer));
}

static long platform(uint32_t cmd)
{
    po.cmd = cmd;
    po.interface_version = XENPF_INTERFACE_VERSION;
    return HC1(__HYPERVISOR_platform_op, &po);
}

static void test_form(void)
{
    clear();
    po.cmd = XENPF_get_cpuinfo;
    po.interface_version = XENPF_INTERFACE_VERSION - 1;
    result_errno("older version", HC1(__HYPERVISOR_platform_op, &po));
    po.interface_version = XENPF_INTERFACE_VERSION + 1;
    result_errno("newer version", HC1(__HYPERVISOR_platform_op, &po));
    result_errno("no argument", HC1(__HYPERVISOR_platform_op, 0));
    result_errno("argument not mapped", HC1(__HYPERVISOR_platform_op, UNMAPPED));
    for (uint32_t cmd = 0; cmd < 72; cmd++) {
        static char name[] = "number 00";

        if ((cmd >= 48 && cmd <= 63) || cmd == 17 || (cmd >= 31 && cmd <= 39))
            continue;
        clear();
        name[7] = (char)('0' + cmd / 10);
        name[8] = (char)('0' + cmd % 10);
        result_errno(name, platform(cmd));
    }
    result_errno("number all ones", platform(~0u));
}

static void test_memory_types(void)
{
    clear();
    po.u.add_memtype = (struct xenpf_add_memtype){.mfn = 0xd0000, .nr_mfns = 1, .type = 1};
    result_errno("add a type that writes combine", platform(XENPF_add_memtype));
    clear();
    po.u.add_memtype = (struct xenpf_add_memtype){.mfn = 0xd0000, .nr_mfns = 1, .type = 9};
    result_errno("add an unknown type", platform(XENPF_add_memtype));
    clear();
    result_errno("delete a type", platform(XENPF_del_memtype));
    clear();
    po.u.read_memtype.reg = 1000;
    result_errno("read type 1000", platform(XENPF_read_memtype));
}

static void test_microcode(void)
{
    clear();
    result_errno("microcode of nothing", platform(XENPF_microcode_update));
    po.u.microcode.length = 64;
    po.u.microcode.data.p = buffer;
    result_errno("microcode of zeros", platform(XENPF_microcode_update));
    po.u.microcode.data.p = UNMAPPED;
    result_errno("microcode, bad pointer", platform(XENPF_microcode_update));
    clear();
    po.u.platform_quirk.quirk_id = QUIRK_NOIRQBALANCING;
    result_errno("quirk 1", platform(XENPF_platform_quirk));
    po.u.platform_quirk.quirk_id = QUIRK_IOAPIC_BAD_REGSEL;
    result_errno("quirk 2", platform(XENPF_platform_quirk));
    po.u.platform_quirk.quirk_id = QUIRK_IOAPIC_GOOD_REGSEL;
    result_errno("quirk 3", platform(XENPF_platform_quirk));
    po.u.platform_quirk.quirk_id = 4;
    result_errno("quirk 4", platform(XENPF_platform_quirk));
}

static void efi(const char *name, uint32_t function)
{
    clear();
    po.u.efi_runtime_call.function = function;
    result_errno(name, platform(XENPF_efi_runtime_call));
}

static void firmware(const char *name, uint32_t type, uint32_t index)
{
    clear();
    po.u.firmware_info.type = type;
    po.u.firmware_info.index = index;
    result_errno(name, platform(XENPF_firmware_info));
}

static void test_firmware(void)
{
    efi("efi time", XEN_EFI_get_time);
    efi("efi variable", XEN_EFI_get_variable);
    efi("efi 99", 99);
    firmware("firmware 0", 0, 0);
    firmware("disk 200", XEN_FW_DISK_INFO, 200);
    firmware("signature of disk 200", XEN_FW_DISK_MBR_SIGNATURE, 200);
    firmware("edid 1", XEN_FW_VBEDDC_INFO, 1);
    firmware("efi version", XEN_FW_EFI_INFO, XEN_FW_EFI_VERSION);
    firmware("efi memory", XEN_FW_EFI_INFO, XEN_FW_EFI_MEM_INFO);
    firmware("keyboard", XEN_FW_KBD_SHIFT_FLAGS, 0);
    firmware("keyboard 1", XEN_FW_KBD_SHIFT_FLAGS, 1);
    firmware("firmware 9", 9, 0);
}

static void sleep_(const char *name, uint32_t state, uint32_t flags, uint16_t a, uint16_t b)
{
    clear();
    po.u.enter_acpi_sleep.sleep_state = state;
    po.u.enter_acpi_sleep.flags = flags;
    po.u.enter_acpi_sleep.val_a = a;
    po.u.enter_acpi_sleep.val_b = b;
    result_errno(name, platform(XENPF_enter_acpi_sleep));
}

static void pminfo(const char *name, uint32_t id, uint32_t type, uint32_t flags)
{
    clear();
    po.u.set_pminfo.id = id;
    po.u.set_pminfo.type = type;
    po.u.set_pminfo.u.perf.flags = flags;
    result_errno(name, platform(XENPF_set_processor_pminfo));
}

static void test_power(void)
{
    /* S3 to S5 are not tried: they may work. */
    sleep_("sleep in S0", 0, 0, 0, 0);
    sleep_("sleep in S9", 9, 0, 0, 0);
    sleep_("sleep, unknown flags", 5, 2, 0, 0);
    sleep_("sleep, extended", 9, 1, 0, 0);
    clear();
    result_errno("change_freq of cpu 0", platform(XENPF_change_freq));
    po.u.change_freq.flags = 1;
    result_errno("change_freq, flags", platform(XENPF_change_freq));
    po.u.change_freq.flags = 0;
    po.u.change_freq.cpu = 1000;
    result_errno("change_freq of cpu 1000", platform(XENPF_change_freq));
    clear();
    result_errno("idle time, nothing", platform(XENPF_getidletime));
    ((uint8_t *)buffer)[0] = 0x0f;
    po.u.getidletime.cpumap_nr_cpus = 8;
    po.u.getidletime.cpumap_bitmap.p = (void *)buffer;
    po.u.getidletime.idletime.p = buffer + 64;
    result("idle time", "%e map %x now %d", platform(XENPF_getidletime), ((uint8_t *)buffer)[0],
           po.u.getidletime.now != 0);
    po.u.getidletime.idletime.p = UNMAPPED;
    result_errno("idle time, bad pointer", platform(XENPF_getidletime));
    po.u.getidletime.cpumap_bitmap.p = UNMAPPED;
    result_errno("idle time, bad map", platform(XENPF_getidletime));
    pminfo("pminfo Cx, no CPU", 1000, XEN_PM_CX, 0);
    pminfo("pminfo Px, no CPU", 1000, XEN_PM_PX, 0);
    pminfo("pminfo Cx of nothing", 0, XEN_PM_CX, 0);
    pminfo("pminfo Px of nothing", 0, XEN_PM_PX, 0);
    pminfo("pminfo Tx", 0, XEN_PM_TX, 0);
    pminfo("pminfo PDC of nothing", 0, XEN_PM_PDC, 0);
    pminfo("pminfo 9", 0, 9, 0);
    clear();
    po.u.set_pminfo.type = XEN_PM_PDC;
    po.u.set_pminfo.u.pdc.p = (void *)buffer;
    buffer[0] = 1ul << 32 | 1; /* revision, count */
    result_errno("pminfo PDC", platform(XENPF_set_processor_pminfo));
    po.u.set_pminfo.u.pdc.p = UNMAPPED;
    result_errno("pminfo PDC, bad pointer", platform(XENPF_set_processor_pminfo));
}

static void test_cpus(void)
{
    clear();
    result("cpu 0", "%e max %u flags %x", platform(XENPF_get_cpuinfo), po.u.pcpu_info.max_present,
           po.u.pcpu_info.flags);
    clear();
    po.u.pcpu_info.xen_cpuid = 1000;
    result("cpu 1000", "%e flags %x", platform(XENPF_get_cpuinfo), po.u.pcpu_info.flags);
    clear();
    result("version of cpu 0", "%e max %u vendor %d family %d", platform(XENPF_get_cpu_version),
           po.u.pcpu_version.max_present, po.u.pcpu_version.vendor_id[0] != 0, po.u.pcpu_version.family != 0);
    clear();
    po.u.pcpu_version.xen_cpuid = 1000;
    result("version of cpu 1000", "%e vendor %d", platform(XENPF_get_cpu_version),
           po.u.pcpu_version.vendor_id[0] != 0);
    clear();
    result_errno("online cpu 0", platform(XENPF_cpu_online));
    result_errno("offline cpu 0", platform(XENPF_cpu_offline));
    po.u.cpu_ol.cpuid = 1;
    result_errno("online cpu 1", platform(XENPF_cpu_online));
    result_errno("offline cpu 1", platform(XENPF_cpu_offline));
    po.u.cpu_ol.cpuid = 1000;
    result_errno("online cpu 1000", platform(XENPF_cpu_online));
    result_errno("offline cpu 1000", platform(XENPF_cpu_offline));
    clear();
    po.u.cpu_add = (struct xenpf_cpu_hotadd){.apic_id = 0, .acpi_id = 0};
    result_errno("add a cpu that there is", platform(XENPF_cpu_hotadd));
    clear();
    po.u.mem_add = (struct xenpf_mem_hotadd){.spfn = 0x1000, .epfn = 0x1000};
    result_errno("add no memory", platform(XENPF_mem_hotadd));
    clear();
    result("parking", "%e idle %u", platform(XENPF_core_parking), po.u.core_parking.idle_nums);
    po.u.core_parking.type = XEN_CORE_PARKING_GET;
    result("parking, get", "%e idle %u", platform(XENPF_core_parking), po.u.core_parking.idle_nums);
    po.u.core_parking.type = XEN_CORE_PARKING_SET;
    po.u.core_parking.idle_nums = 0;
    result_errno("parking, none", platform(XENPF_core_parking));
    po.u.core_parking.type = 9;
    result_errno("parking 9", platform(XENPF_core_parking));
}

static void resource(const char *name, uint32_t cpu, uint32_t count, uint32_t cmd, uint64_t idx,
                     uint32_t rsvd)
{
    struct xenpf_resource_entry *e = (void *)buffer;
    long ret;

    clear();
    for (unsigned int i = 0; i < 4; i++)
        e[i] = (struct xenpf_resource_entry){.u.cmd = cmd, .idx = idx, .rsvd = rsvd};
    po.u.resource_op.cpu = cpu;
    po.u.resource_op.nr_entries = count;
    po.u.resource_op.entries.p = e;
    ret = platform(XENPF_resource_op);
    result(name, "%e entry %e value %d", ret, (long)e[0].u.ret, e[0].val != 0);
}

static void test_resources(void)
{
    resource("read the time", 0, 1, XEN_RESOURCE_OP_MSR_READ, 0x10, 0);
    resource("read it three times", 0, 3, XEN_RESOURCE_OP_MSR_READ, 0x10, 0);
    resource("read it four times", 0, 4, XEN_RESOURCE_OP_MSR_READ, 0x10, 0);
    resource("read nothing", 0, 0, XEN_RESOURCE_OP_MSR_READ, 0x10, 0);
    resource("read on cpu 1000", 1000, 1, XEN_RESOURCE_OP_MSR_READ, 0x10, 0);
    resource("write the time", 0, 1, XEN_RESOURCE_OP_MSR_WRITE, 0x10, 0);
    resource("read EFER", 0, 1, XEN_RESOURCE_OP_MSR_READ, 0xc0000080, 0);
    resource("read QoS", 0, 1, XEN_RESOURCE_OP_MSR_READ, 0xc8e, 0);
    resource("resource operation 9", 0, 1, 9, 0x10, 0);
    resource("read, reserved", 0, 1, XEN_RESOURCE_OP_MSR_READ, 0x10, 1);
    resource("read beyond numbers", 0, 1, XEN_RESOURCE_OP_MSR_READ, 1ul << 32 | 0x10, 0);
    clear();
    po.u.resource_op.nr_entries = 1;
    po.u.resource_op.entries.p = UNMAPPED;
    result_errno("resource, bad pointer", platform(XENPF_resource_op));
}

static long symbol(uint32_t number, void *name)
{
    clear();
    po.u.symdata.symnum = number;
    po.u.symdata.namelen = 100;
    po.u.symdata.name.p = name;
    return platform(XENPF_get_symbol);
}

static void test_symbols(void)
{
    long ret = symbol(0, buffer);

    result("first symbol", "%e next %d name %d address %d", ret, po.u.symdata.symnum,
           ((char *)buffer)[0] != 0, po.u.symdata.address >= 0xffff820000000000);
    ret = symbol(0x7fffffff, buffer);
    result("symbol beyond the last", "%e number kept %d", ret, po.u.symdata.symnum == 0x7fffffff);
    result_errno("symbol, bad pointer", symbol(0, UNMAPPED));
}

static void test_time(void)
{
    clear();
    po.u.settime64.secs = 1000000000;
    po.u.settime64.system_time = system_time();
    result_errno("settime64", platform(XENPF_settime64));
    po.u.settime64.nsecs = 1000000000;
    result_errno("settime64, nanoseconds", platform(XENPF_settime64));
    po.u.settime64.nsecs = 0;
    po.u.settime64.mbz = 1;
    result_errno("settime64, mbz", platform(XENPF_settime64));
    clear();
    po.u.settime32.secs = 1000000000;
    po.u.settime32.nsecs = 1000000000;
    result_errno("settime32, nanoseconds", platform(XENPF_settime32));
    po.u.settime32.nsecs = 0;
    po.u.settime32.system_time = system_time();
    result_errno("settime32", platform(XENPF_settime32));
}

void guest_main(void)
{
    test_form();
    test_memory_types();
    test_microcode();
    test_firmware();
    test_power();
    test_cpus();
    test_resources();
    test_symbols();
    test_time();
}
