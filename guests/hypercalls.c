/* Every hypercall number with absurd arguments, then the small families with good and bad ones. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/domctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define UNMAPPED     0x1000ul
#define IN_VMM       0xffff820000000000ul
#define NONCANONICAL 0x900000000000ul

static char scratch[4096] __attribute__((aligned(4096)));

static void result_number(const char *what, unsigned int nr, long ret)
{
    char name[48];
    size_t n = strlen(what);

    memcpy(name, what, n);
    name[n++] = ' ';
    if (nr >= 10)
        name[n++] = (char)('0' + nr / 10);
    name[n++] = (char)('0' + nr % 10);
    name[n] = 0;
    result_errno(name, ret);
}

/* Calls that do with any arguments what must not happen here: leave, or lose the callbacks. */
static bool harmful(unsigned int nr)
{
    return nr == __HYPERVISOR_iret || nr == __HYPERVISOR_set_callbacks;
}

static void test_numbers(void)
{
    static const struct {
        const char *name;
        unsigned long value;
    } patterns[] = {
        {"all ones", ~0ul},
        {"unmapped", UNMAPPED},
        {"in VMM", IN_VMM},
        {"noncanonical", NONCANONICAL},
    };

    for (unsigned int p = 0; p < ARRAY_SIZE(patterns); p++)
        for (unsigned int nr = 0; nr < 64; nr++) {
            unsigned long v = patterns[p].value;

            if (!harmful(nr))
                result_number(patterns[p].name, nr, hypercall5(nr, v, v, v, v, v));
        }
    HC1(__HYPERVISOR_fpu_taskswitch, 0);
    HC1(__HYPERVISOR_set_timer_op, 0);
    result_errno("number 64", hypercall5(64, 0, 0, 0, 0, 0));
    result_errno("number 1000", hypercall5(1000, 0, 0, 0, 0, 0));
    result_errno("number all ones", hypercall5(~0ul, 0, 0, 0, 0, 0));
    result_errno("number with high bits",
                 hypercall5(0x100000000ul | __HYPERVISOR_xen_version, 0, 0, 0, 0, 0));
}

/* Pointers that touch two pages of which the second is missing. */
static void test_straddle(void)
{
    char *page = page_alloc();
    char *next = page + PAGE_SIZE;
    struct mmu_update *u = (void *)(next - 8);
    uint64_t old = *pte_of((unsigned long)next, 1);

    must("unmap next", hc_update_va_mapping((unsigned long)next, 0, UVMF_INVLPG));
    result_errno("mmu_update across a hole", HC4(__HYPERVISOR_mmu_update, u, 1, 0, DOMID_SELF));
    result_errno("console write across a hole", HC3(__HYPERVISOR_console_io, CONSOLEIO_write, 64, next - 1));
    result_errno("version string across a hole",
                 HC2(__HYPERVISOR_xen_version, XENVER_capabilities, next - 8));
    must("map next", hc_update_va_mapping((unsigned long)next, old, UVMF_INVLPG));
    page_make_readonly(page);
    result_errno("version string to read-only page",
                 HC2(__HYPERVISOR_xen_version, XENVER_capabilities, page));
    result_errno("version string to page table",
                 HC2(__HYPERVISOR_xen_version, XENVER_capabilities, kernel_l4));
    page_make_writable(page);
}

static void test_multicall(void)
{
    static struct multicall_entry m[8];
    struct multicall_entry inner = {.op = __HYPERVISOR_xen_version};

    m[0] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .result = 1, .args = {XENVER_version}};
    m[1] = (struct multicall_entry){.op = 63, .result = 1};
    m[2] = (struct multicall_entry){.op = 1000, .result = 1};
    m[3] = (struct multicall_entry){
        .op = __HYPERVISOR_multicall, .result = 1, .args = {(unsigned long)&inner, 1}};
    m[4] = (struct multicall_entry){
        .op = __HYPERVISOR_xen_version, .result = 1, .args = {XENVER_capabilities, UNMAPPED}};
    m[5] = (struct multicall_entry){.op = __HYPERVISOR_sched_op, .result = 1, .args = {SCHEDOP_yield}};
    m[6] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .result = 1, .args = {XENVER_pagesize}};
    result_errno("multicall", HC2(__HYPERVISOR_multicall, m, 7));
    for (unsigned int i = 0; i < 7; i++)
        result_number("multicall entry", i, (long)m[i].result);
    result_errno("multicall of none", HC2(__HYPERVISOR_multicall, m, 0));
    result_errno("multicall, bad pointer", HC2(__HYPERVISOR_multicall, UNMAPPED, 1));
    result_errno("multicall, in VMM", HC2(__HYPERVISOR_multicall, IN_VMM, 1));
    result_errno("multicall, huge count", HC2(__HYPERVISOR_multicall, IN_VMM, ~0ul));
    m[0].op = ~0ul;
    result_errno("multicall, op all ones", HC2(__HYPERVISOR_multicall, m, 1));
    result_number("multicall entry", 9, (long)m[0].result);
}

static void test_version(void)
{
    static const struct {
        const char *name;
        unsigned int op;
    } ops[] = {
        {"extraversion", XENVER_extraversion},
        {"compile_info", XENVER_compile_info},
        {"capabilities", XENVER_capabilities},
        {"changeset", XENVER_changeset},
        {"platform_parameters", XENVER_platform_parameters},
        {"get_features", XENVER_get_features},
        {"guest_handle", XENVER_guest_handle},
        {"commandline", XENVER_commandline},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
        memset(scratch, 0, sizeof(scratch));
        result(ops[i].name, "%e, null %e, unmapped %e, in VMM %e",
               HC2(__HYPERVISOR_xen_version, ops[i].op, scratch), HC2(__HYPERVISOR_xen_version, ops[i].op, 0),
               HC2(__HYPERVISOR_xen_version, ops[i].op, UNMAPPED),
               HC2(__HYPERVISOR_xen_version, ops[i].op, IN_VMM));
    }
    HC2(__HYPERVISOR_xen_version, XENVER_commandline, scratch);
    result("command line has console=com1", "%d", strstr(scratch, "console=com1") != NULL);
    result("build_id has a length", "%d", HC2(__HYPERVISOR_xen_version, XENVER_build_id, 0) > 0);
    result_errno("version with a pointer", HC2(__HYPERVISOR_xen_version, XENVER_version, UNMAPPED));
    result_errno("xen_version 11", HC2(__HYPERVISOR_xen_version, 11, 0));
}

static void test_console(void)
{
    result_errno("console write of 0", HC3(__HYPERVISOR_console_io, CONSOLEIO_write, 0, scratch));
    result_errno("console write, unmapped", HC3(__HYPERVISOR_console_io, CONSOLEIO_write, 5, UNMAPPED));
    result_errno("console write, in VMM", HC3(__HYPERVISOR_console_io, CONSOLEIO_write, 5, IN_VMM));
    result_errno("console write, negative", HC3(__HYPERVISOR_console_io, CONSOLEIO_write, ~0ul, UNMAPPED));
    result_errno("console read", HC3(__HYPERVISOR_console_io, CONSOLEIO_read, 16, scratch));
    result_errno("console read, unmapped", HC3(__HYPERVISOR_console_io, CONSOLEIO_read, 16, UNMAPPED));
    result_errno("console read, huge", HC3(__HYPERVISOR_console_io, CONSOLEIO_read, 1u << 31, scratch));
    result_errno("console command 2", HC3(__HYPERVISOR_console_io, 2, 1, scratch));
}

static void test_sched(void)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_poweroff};
    struct sched_watchdog w = {.id = 0, .timeout = 100};
    struct sched_remote_shutdown r = {.domain_id = 1};
    struct sched_pin_override p = {.pcpu = 0};
    long id;

    result_errno("yield", HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0));
    result_errno("yield with pointer", HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, UNMAPPED));
    result_errno("shutdown_code", HC2(__HYPERVISOR_sched_op, SCHEDOP_shutdown_code, &s));
    result_errno("shutdown, unmapped", HC2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, UNMAPPED));
    result_errno("shutdown_code, unmapped", HC2(__HYPERVISOR_sched_op, SCHEDOP_shutdown_code, UNMAPPED));
    id = HC2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &w);
    result_errno("watchdog new", id);
    w.id = (uint32_t)id;
    result_errno("watchdog poke", HC2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &w));
    w.timeout = 0;
    result_errno("watchdog off", HC2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &w));
    result_errno("watchdog off again", HC2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &w));
    w.id = 99;
    result_errno("watchdog 99", HC2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &w));
    result_errno("watchdog, unmapped", HC2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, UNMAPPED));
    result_errno("remote shutdown of absent", HC2(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &r));
    result_errno("pin override", HC2(__HYPERVISOR_sched_op, SCHEDOP_pin_override, &p));
    result_errno("pin override again", HC2(__HYPERVISOR_sched_op, SCHEDOP_pin_override, &p));
    p.pcpu = -1;
    result_errno("pin override off", HC2(__HYPERVISOR_sched_op, SCHEDOP_pin_override, &p));
    p.pcpu = 77;
    result_errno("pin override to absent", HC2(__HYPERVISOR_sched_op, SCHEDOP_pin_override, &p));
    result_errno("sched_op 8", HC2(__HYPERVISOR_sched_op, 8, scratch));
    result_errno("sched_op_compat yield", HC2(__HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0));
    result_errno("sched_op_compat 3", HC2(__HYPERVISOR_sched_op_compat, 3, 0));
}

static void test_vcpu(void)
{
    struct vcpu_register_vcpu_info v = {.mfn = virt_to_mfn(page_alloc()), .offset = 4096 - 32};
    struct vcpu_get_physid physid;

    result_errno("is_up 0", HC3(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 0, 0));
    result_errno("is_up 1", HC3(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0));
    result_errno("is_up 8192", HC3(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 8192, 0));
    result_errno("up 0", HC3(__HYPERVISOR_vcpu_op, VCPUOP_up, 0, 0));
    result_errno("initialise 0, unmapped", HC3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 0, UNMAPPED));
    result_errno("vcpu_info across page", HC3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &v));
    v.offset = 8192;
    result_errno("vcpu_info beyond page", HC3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &v));
    v = (struct vcpu_register_vcpu_info){.mfn = 1ul << 40};
    result_errno("vcpu_info out of range", HC3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &v));
    v.mfn = virt_to_mfn(kernel_l4);
    result_errno("vcpu_info in page table", HC3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &v));
    result_errno("get_physid", HC3(__HYPERVISOR_vcpu_op, VCPUOP_get_physid, 0, &physid));
    result_errno("vcpu_op 14", HC3(__HYPERVISOR_vcpu_op, 14, 0, scratch));
    result_errno("send_nmi to absent", HC3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 5, 0));
}

static long physdev(unsigned int cmd, void *arg)
{
    return HC2(__HYPERVISOR_physdev_op, cmd, arg);
}

static void test_physdev(void)
{
    struct physdev_eoi eoi = {.irq = 100000};
    struct physdev_irq_status_query q = {.irq = 100000};
    struct physdev_irq irq = {.irq = 100000};
    struct physdev_apic apic = {.apic_physbase = 0xfec00000, .reg = 1};
    struct physdev_map_pirq map = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 4000, .pirq = -1};
    struct physdev_unmap_pirq unmap = {.domid = DOMID_SELF, .pirq = 200};
    struct physdev_setup_gsi gsi = {.gsi = 100000};
    struct physdev_get_free_pirq free = {.type = 99};
    struct physdev_pci_mmcfg_reserved mmcfg = {.segment = 77};

    for (unsigned int cmd = 0; cmd < 34; cmd++)
        result_number("physdev unmapped", cmd, physdev(cmd, (void *)UNMAPPED));
    result_errno("eoi of absent pirq", physdev(PHYSDEVOP_eoi, &eoi));
    eoi.irq = 5;
    result_errno("eoi of unbound pirq", physdev(PHYSDEVOP_eoi, &eoi));
    result_errno("status of absent pirq", physdev(PHYSDEVOP_irq_status_query, &q));
    q.irq = 9;
    result_errno("status of pirq 9", physdev(PHYSDEVOP_irq_status_query, &q));
    result_errno("alloc vector for absent", physdev(PHYSDEVOP_alloc_irq_vector, &irq));
    result_errno("apic_read", physdev(PHYSDEVOP_apic_read, &apic));
    result("IO-APIC version register", "%x", apic.value);
    apic.apic_physbase = 0x12340000;
    result_errno("apic_read of absent", physdev(PHYSDEVOP_apic_read, &apic));
    apic.reg = 200;
    apic.apic_physbase = 0xfec00000;
    result_errno("apic_read of register 200", physdev(PHYSDEVOP_apic_read, &apic));
    result_errno("map of absent gsi", physdev(PHYSDEVOP_map_pirq, &map));
    map.index = 9;
    map.pirq = 9;
    result_errno("map of gsi 9", physdev(PHYSDEVOP_map_pirq, &map));
    result_errno("map of gsi 9 again", physdev(PHYSDEVOP_map_pirq, &map));
    map.type = 99;
    result_errno("map of type 99", physdev(PHYSDEVOP_map_pirq, &map));
    map = (struct physdev_map_pirq){.domid = 1, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9};
    result_errno("map for absent domain", physdev(PHYSDEVOP_map_pirq, &map));
    result_errno("unmap of unmapped", physdev(PHYSDEVOP_unmap_pirq, &unmap));
    result_errno("setup of absent gsi", physdev(PHYSDEVOP_setup_gsi, &gsi));
    gsi = (struct physdev_setup_gsi){.gsi = 9, .triggering = 1, .polarity = 0};
    result_errno("setup of gsi 9", physdev(PHYSDEVOP_setup_gsi, &gsi));
    result_errno("setup of gsi 9 again", physdev(PHYSDEVOP_setup_gsi, &gsi));
    result_errno("free pirq of type 99", physdev(PHYSDEVOP_get_free_pirq, &free));
    free.type = MAP_PIRQ_TYPE_GSI;
    result("free pirq for gsi", "%d", physdev(PHYSDEVOP_get_free_pirq, &free) < 0);
    free.type = MAP_PIRQ_TYPE_MSI;
    result_errno("free pirq for msi", physdev(PHYSDEVOP_get_free_pirq, &free));
    result_errno("mmcfg of absent segment", physdev(PHYSDEVOP_pci_mmcfg_reserved, &mmcfg));
}

static void test_platform(void)
{
    struct xen_platform_op op = {.interface_version = XENPF_INTERFACE_VERSION};
    struct xen_domctl dc = {.cmd = XEN_DOMCTL_getdomaininfo,
                            .interface_version = XEN_DOMCTL_INTERFACE_VERSION};
    struct xen_sysctl sc = {.cmd = XEN_SYSCTL_physinfo, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};

    op.cmd = 1000;
    result_errno("platform_op unknown", HC1(__HYPERVISOR_platform_op, &op));
    op.cmd = XENPF_firmware_info;
    op.u.firmware_info.type = 99;
    result_errno("firmware_info type 99", HC1(__HYPERVISOR_platform_op, &op));
    op.u.firmware_info.type = XEN_FW_DISK_INFO;
    op.u.firmware_info.index = 50;
    result_errno("firmware_info disk 50", HC1(__HYPERVISOR_platform_op, &op));
    op.u.firmware_info.type = XEN_FW_EFI_INFO;
    result_errno("firmware_info efi", HC1(__HYPERVISOR_platform_op, &op));
    op.cmd = XENPF_get_cpuinfo;
    op.u.pcpu_info.xen_cpuid = 0;
    result_errno("get_cpuinfo", HC1(__HYPERVISOR_platform_op, &op));
    result("get_cpuinfo of 0", "flags %x max %u", op.u.pcpu_info.flags, op.u.pcpu_info.max_present);
    op.u.pcpu_info.xen_cpuid = 5000;
    result_errno("get_cpuinfo of 5000", HC1(__HYPERVISOR_platform_op, &op));
    op.cmd = XENPF_read_memtype;
    op.u.read_memtype.reg = 200;
    result_errno("read_memtype 200", HC1(__HYPERVISOR_platform_op, &op));
    op.cmd = XENPF_enter_acpi_sleep;
    memset(&op.u, 0xff, sizeof(op.u.enter_acpi_sleep));
    result_errno("enter_acpi_sleep, nonsense", HC1(__HYPERVISOR_platform_op, &op));
    result_errno("domctl getdomaininfo", HC1(__HYPERVISOR_domctl, &dc));
    result("domain and vcpus", "%u %u %u", dc.domain, dc.u.getdomaininfo.max_vcpu_id,
           dc.u.getdomaininfo.nr_online_vcpus);
    dc.domain = 5;
    result_errno("domctl of absent domain", HC1(__HYPERVISOR_domctl, &dc));
    dc.cmd = 9999;
    dc.domain = 0;
    result_errno("domctl unknown", HC1(__HYPERVISOR_domctl, &dc));
    dc.interface_version = 1;
    result_errno("domctl, wrong version", HC1(__HYPERVISOR_domctl, &dc));
    result_errno("sysctl physinfo", HC1(__HYPERVISOR_sysctl, &sc));
    result("cpus", "%u", sc.u.physinfo.nr_cpus);
    sc.cmd = 9999;
    result_errno("sysctl unknown", HC1(__HYPERVISOR_sysctl, &sc));
    sc.interface_version = 1;
    result_errno("sysctl, wrong version", HC1(__HYPERVISOR_sysctl, &sc));
}

void guest_main(void)
{
    test_numbers();
    test_straddle();
    test_multicall();
    test_version();
    test_console();
    test_sched();
    test_vcpu();
    test_physdev();
    test_platform();
}
