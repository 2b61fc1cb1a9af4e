/* Every operation of sysctl with right and wrong arguments: errors, sizes, and how what is told fits
 * together. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/arch-x86/xen.h>
#include <xen/domctl.h>
#include <xen/physdev.h>
#include <xen/sysctl.h>

#define UNMAPPED ((void *)0x1000)

static struct xen_sysctl sc;
static uint64_t buffer[2048] __attribute__((aligned(4096)));

static void clear(void)
{
    memset(&sc, 0, sizeof(sc));
    memset(buffer, 0xee, sizeof(buffer));
}

static long sysctl(uint32_t cmd)
{
    sc.cmd = cmd;
    sc.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return HC1(__HYPERVISOR_sysctl, &sc);
}

static uint32_t word(unsigned int n)
{
    return (uint32_t)(buffer[n / 2] >> 32 * (n % 2));
}

/* How many 32-bit words of the buffer were written, up to the first that was not. */
static unsigned int written(void)
{
    unsigned int n = 0;

    while (n < sizeof(buffer) / 4 && word(n) != 0xeeeeeeee)
        n++;
    return n;
}

static void test_form(void)
{
    clear();
    sc.cmd = XEN_SYSCTL_sched_id;
    sc.interface_version = XEN_SYSCTL_INTERFACE_VERSION - 1;
    result_errno("older version", HC1(__HYPERVISOR_sysctl, &sc));
    sc.interface_version = XEN_SYSCTL_INTERFACE_VERSION + 1;
    result_errno("newer version", HC1(__HYPERVISOR_sysctl, &sc));
    result_errno("no argument", HC1(__HYPERVISOR_sysctl, 0));
    result_errno("argument not mapped", HC1(__HYPERVISOR_sysctl, UNMAPPED));
    clear();
    for (uint32_t cmd = 0; cmd < 64; cmd++) {
        static char name[] = "number 00";

        if (cmd && cmd <= XEN_SYSCTL_get_cpu_policy && cmd != 13 && cmd != 24 && cmd != 28)
            continue;
        name[7] = (char)('0' + cmd / 10);
        name[8] = (char)('0' + cmd % 10);
        result_errno(name, sysctl(cmd));
    }
    result_errno("number all ones", sysctl(~0u));
}

static void test_machine(void)
{
    uint32_t cpus, nodes;

    clear();
    result_errno("physinfo", sysctl(XEN_SYSCTL_physinfo));
    cpus = sc.u.physinfo.nr_cpus;
    result("physinfo, cpus", "%u max %u threads %u nodes %u max %u", cpus, sc.u.physinfo.max_cpu_id,
           sc.u.physinfo.threads_per_core, sc.u.physinfo.nr_nodes, sc.u.physinfo.max_node_id);
    result(
        "physinfo, memory", "free below total %d outstanding %lu max_mfn %d scrub %lu",
        sc.u.physinfo.free_pages < sc.u.physinfo.total_pages, (unsigned long)sc.u.physinfo.outstanding_pages,
        sc.u.physinfo.max_mfn >= sc.u.physinfo.total_pages - 1024, (unsigned long)sc.u.physinfo.scrub_pages);
    result("physinfo, capabilities", "%x arch %x", sc.u.physinfo.capabilities,
           sc.u.physinfo.arch_capabilities);
    clear();
    result("topology, how many", "%e %u", sysctl(XEN_SYSCTL_cputopoinfo), sc.u.cputopoinfo.num_cpus);
    clear();
    sc.u.cputopoinfo.num_cpus = 8;
    set_xen_guest_handle(sc.u.cputopoinfo.cputopo, (void *)buffer);
    result("topology", "%e %u", sysctl(XEN_SYSCTL_cputopoinfo), sc.u.cputopoinfo.num_cpus);
    result("topology, entries", "%u: %u %u %u", written(), word(0), word(1), word(2));
    clear();
    set_xen_guest_handle(sc.u.cputopoinfo.cputopo, (void *)buffer);
    result("topology, no room", "%e %u", sysctl(XEN_SYSCTL_cputopoinfo), sc.u.cputopoinfo.num_cpus);
    sc.u.cputopoinfo.num_cpus = 8;
    sc.u.cputopoinfo.cputopo.p = UNMAPPED;
    result_errno("topology, bad pointer", sysctl(XEN_SYSCTL_cputopoinfo));
    clear();
    result("numa, how many", "%e %u", sysctl(XEN_SYSCTL_numainfo), nodes = sc.u.numainfo.num_nodes);
    clear();
    sc.u.numainfo.num_nodes = 4;
    set_xen_guest_handle(sc.u.numainfo.meminfo, (void *)buffer);
    set_xen_guest_handle(sc.u.numainfo.distance, (void *)(buffer + 1024));
    result("numa", "%e %u", sysctl(XEN_SYSCTL_numainfo), sc.u.numainfo.num_nodes);
    result("numa, entries", "%u free below size %d distance %u", written(), buffer[1] < buffer[0],
           (uint32_t)buffer[1024]);
    clear();
    sc.u.numainfo.num_nodes = 4;
    sc.u.numainfo.meminfo.p = UNMAPPED;
    result_errno("numa, bad pointer", sysctl(XEN_SYSCTL_numainfo));
    clear();
    sc.u.numainfo.num_nodes = 4;
    sc.u.numainfo.distance.p = UNMAPPED;
    result_errno("numa, bad pointer for distances", sysctl(XEN_SYSCTL_numainfo));
    clear();
    sc.u.getcpuinfo.max_cpus = 8;
    set_xen_guest_handle(sc.u.getcpuinfo.info, (void *)buffer);
    result("cpuinfo", "%e %u", sysctl(XEN_SYSCTL_getcpuinfo), sc.u.getcpuinfo.nr_cpus);
    result("cpuinfo, entries", "%u", written());
    clear();
    result("cpuinfo, no room", "%e %u", sysctl(XEN_SYSCTL_getcpuinfo), sc.u.getcpuinfo.nr_cpus);
    sc.u.getcpuinfo.max_cpus = 8;
    sc.u.getcpuinfo.info.p = UNMAPPED;
    result_errno("cpuinfo, bad pointer", sysctl(XEN_SYSCTL_getcpuinfo));
}

static void test_heap(void)
{
    static const struct {
        const char *name;
        uint32_t min, max;
        int32_t node;
    } cases[] = {{"heap", 0, 0, 0},
                 {"heap of all nodes", 0, 0, -1},
                 {"heap of node 1", 0, 0, 1},
                 {"heap of node 64", 0, 0, 64},
                 {"heap of node -2", 0, 0, -2},
                 {"heap below 32 bits", 0, 32, 0},
                 {"heap above 32 bits", 33, 0, 0},
                 {"heap of 20 to 32 bits", 20, 32, 0},
                 {"heap below 20 bits", 0, 20, 0},
                 {"heap, crossed", 32, 20, 0},
                 {"heap of 200 bits", 0, 200, 0}};
    uint64_t all = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        long ret;

        clear();
        sc.u.availheap.min_bitwidth = cases[i].min;
        sc.u.availheap.max_bitwidth = cases[i].max;
        sc.u.availheap.node = cases[i].node;
        ret = sysctl(XEN_SYSCTL_availheap);
        if (!i)
            all = sc.u.availheap.avail_bytes;
        result(cases[i].name, "%e %s", ret,
               sc.u.availheap.avail_bytes == 0     ? "none"
               : sc.u.availheap.avail_bytes == all ? "all"
                                                   : "some");
    }
}

static void test_pci(void)
{
    physdev_pci_device_t *devs = (void *)(buffer + 1024);

    clear();
    result("pci topology of none", "%e %u", sysctl(XEN_SYSCTL_pcitopoinfo), sc.u.pcitopoinfo.num_devs);
    clear();
    devs[0] = (physdev_pci_device_t){0, 0, 0};
    devs[1] = (physdev_pci_device_t){0, 99, 0};
    sc.u.pcitopoinfo.num_devs = 2;
    sc.u.pcitopoinfo.devs.p = devs;
    sc.u.pcitopoinfo.nodes.p = (void *)buffer;
    result("pci topology", "%e %u", sysctl(XEN_SYSCTL_pcitopoinfo), sc.u.pcitopoinfo.num_devs);
    result("pci topology, nodes", "%x %x", word(0), word(1));
    sc.u.pcitopoinfo.num_devs = 2;
    sc.u.pcitopoinfo.nodes.p = UNMAPPED;
    result("pci topology, bad pointer", "%e %u", sysctl(XEN_SYSCTL_pcitopoinfo), sc.u.pcitopoinfo.num_devs);
    sc.u.pcitopoinfo.nodes.p = (void *)buffer;
    sc.u.pcitopoinfo.devs.p = UNMAPPED;
    result("pci topology, bad devices", "%e %u", sysctl(XEN_SYSCTL_pcitopoinfo), sc.u.pcitopoinfo.num_devs);
    sc.u.pcitopoinfo.devs.p = NULL;
    result("pci topology, no devices", "%e %u", sysctl(XEN_SYSCTL_pcitopoinfo), sc.u.pcitopoinfo.num_devs);
    sc.u.pcitopoinfo.devs.p = devs;
    sc.u.pcitopoinfo.nodes.p = NULL;
    result("pci topology, no nodes", "%e %u", sysctl(XEN_SYSCTL_pcitopoinfo), sc.u.pcitopoinfo.num_devs);
}

static void featureset(const char *name, uint32_t index, uint32_t room, void *where)
{
    long ret;

    clear();
    sc.u.cpu_featureset.index = index;
    sc.u.cpu_featureset.nr_features = room;
    sc.u.cpu_featureset.features.p = where;
    ret = sysctl(XEN_SYSCTL_get_cpu_featureset);
    result(name, "%e %u written %u", ret, sc.u.cpu_featureset.nr_features, written());
}

static void policy(const char *name, uint32_t index, uint32_t nr_leaves, void *leaves, uint32_t nr_msrs,
                   void *msrs)
{
    long ret;

    clear();
    sc.u.cpu_policy.index = index;
    sc.u.cpu_policy.nr_leaves = nr_leaves;
    sc.u.cpu_policy.nr_msrs = nr_msrs;
    sc.u.cpu_policy.leaves.p = leaves;
    sc.u.cpu_policy.msrs.p = msrs;
    ret = sysctl(XEN_SYSCTL_get_cpu_policy);
    result(name, "%e leaves %s msrs %u", ret,
           sc.u.cpu_policy.nr_leaves == nr_leaves ? "as asked"
           : sc.u.cpu_policy.nr_leaves == 120     ? "120"
                                                  : "some",
           sc.u.cpu_policy.nr_msrs);
}

static void test_cpu(void)
{
    clear();
    result("levelling caps", "%e %x", sysctl(XEN_SYSCTL_get_cpu_levelling_caps),
           sc.u.cpu_levelling_caps.caps);
    featureset("featureset, how many", 0, 0, NULL);
    featureset("featureset raw", 0, 64, buffer);
    featureset("featureset host", 1, 64, buffer);
    featureset("featureset pv", 2, 64, buffer);
    featureset("featureset hvm", 3, 64, buffer);
    featureset("featureset pv max", 4, 64, buffer);
    featureset("featureset hvm max", 5, 64, buffer);
    featureset("featureset 6", 6, 64, buffer);
    featureset("featureset, little room", 1, 3, buffer);
    featureset("featureset, no room", 1, 0, buffer);
    featureset("featureset, bad pointer", 1, 64, UNMAPPED);
    policy("policy, how many", 0, 0, NULL, 0, NULL);
    policy("policy raw", 0, 120, buffer, 2, buffer + 1024);
    policy("policy host", 1, 120, buffer, 2, buffer + 1024);
    policy("policy pv max", 2, 120, buffer, 2, buffer + 1024);
    policy("policy pv default", 4, 120, buffer, 2, buffer + 1024);
    policy("policy 6", 6, 120, buffer, 2, buffer + 1024);
    policy("policy, leaves only", 4, 120, buffer, 0, NULL);
    policy("policy, msrs only", 4, 0, NULL, 2, buffer);
    policy("policy, little room", 4, 3, buffer, 2, buffer + 1024);
    policy("policy, little room for msrs", 4, 120, buffer, 1, buffer + 1024);
    policy("policy, bad pointer", 4, 120, UNMAPPED, 2, buffer + 1024);
    policy("policy, bad pointer for msrs", 4, 120, buffer, 2, UNMAPPED);
    clear();
    sc.u.cpu_policy._rsvd = 1;
    result_errno("policy, reserved", sysctl(XEN_SYSCTL_get_cpu_policy));
}

static void test_domains(void)
{
    struct xen_domctl_getdomaininfo *info = (void *)buffer;

    clear();
    sc.u.getdomaininfolist.max_domains = 4;
    sc.u.getdomaininfolist.buffer.p = info;
    result("domain list", "%e %u", sysctl(XEN_SYSCTL_getdomaininfolist), sc.u.getdomaininfolist.num_domains);
    result("domain list, first", "%u flags %x", info[0].domain, info[0].flags);
    clear();
    sc.u.getdomaininfolist.first_domain = 1;
    sc.u.getdomaininfolist.max_domains = 4;
    sc.u.getdomaininfolist.buffer.p = info;
    result("domain list from 1", "%e %u", sysctl(XEN_SYSCTL_getdomaininfolist),
           sc.u.getdomaininfolist.num_domains);
    sc.u.getdomaininfolist.first_domain = 0x7ff5;
    result("domain list from the end", "%e %u", sysctl(XEN_SYSCTL_getdomaininfolist),
           sc.u.getdomaininfolist.num_domains);
    sc.u.getdomaininfolist.first_domain = 0;
    sc.u.getdomaininfolist.max_domains = 0;
    result("domain list of none", "%e %u", sysctl(XEN_SYSCTL_getdomaininfolist),
           sc.u.getdomaininfolist.num_domains);
    sc.u.getdomaininfolist.max_domains = 4;
    sc.u.getdomaininfolist.buffer.p = UNMAPPED;
    result_errno("domain list, bad pointer", sysctl(XEN_SYSCTL_getdomaininfolist));
    clear();
    result("sched_id", "%e %u", sysctl(XEN_SYSCTL_sched_id), sc.u.sched_id.sched_id);
}

static long cpupool(uint32_t op, uint32_t id, uint32_t arg)
{
    clear();
    sc.u.cpupool_op.op = op;
    sc.u.cpupool_op.cpupool_id = id;
    sc.u.cpupool_op.cpu = arg;
    sc.u.cpupool_op.domid = arg;
    sc.u.cpupool_op.sched_id = 5; /* credit */
    sc.u.cpupool_op.cpumap.bitmap.p = (void *)buffer;
    sc.u.cpupool_op.cpumap.nr_bits = 64;
    return sysctl(XEN_SYSCTL_cpupool_op);
}

static void test_pools(void)
{
    result("pool 0", "%e id %u sched %u domains %u cpus %lx", cpupool(XEN_SYSCTL_CPUPOOL_OP_INFO, 0, 0),
           sc.u.cpupool_op.cpupool_id, sc.u.cpupool_op.sched_id, sc.u.cpupool_op.n_dom,
           (unsigned long)buffer[0]);
    result_errno("pool 1", cpupool(XEN_SYSCTL_CPUPOOL_OP_INFO, 1, 0));
    result("any pool", "%e id %u", cpupool(XEN_SYSCTL_CPUPOOL_OP_INFO, ~0u, 0), sc.u.cpupool_op.cpupool_id);
    clear();
    sc.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    sc.u.cpupool_op.cpumap.bitmap.p = UNMAPPED;
    sc.u.cpupool_op.cpumap.nr_bits = 64;
    result_errno("pool 0, bad pointer", sysctl(XEN_SYSCTL_cpupool_op));
    clear();
    sc.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    result_errno("pool 0, no map", sysctl(XEN_SYSCTL_cpupool_op));
    result("free cpus", "%e %lx", cpupool(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0, 0), (unsigned long)buffer[0]);
    result_errno("destroy pool 0", cpupool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 0, 0));
    result_errno("destroy pool 1", cpupool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 1, 0));
    result_errno("add cpu 0 to pool 0", cpupool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 0));
    result_errno("add any cpu to pool 0", cpupool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, ~0u));
    result_errno("add cpu 0 to pool 1", cpupool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 1, 0));
    result_errno("add cpu 10000", cpupool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 10000));
    result_errno("remove cpu 10000", cpupool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 10000));
    result_errno("remove the last cpu", cpupool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 0));
    result_errno("remove cpu 0 of pool 1", cpupool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 1, 0));
    result_errno("move dom0 to pool 0", cpupool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, 0));
    result_errno("move dom0 to pool 1", cpupool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1, 0));
    result_errno("move nobody to pool 0", cpupool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, 9));
    result_errno("pool operation 8", cpupool(8, 0, 0));
}

static void test_scheduler(void)
{
    clear();
    sc.u.scheduler_op.sched_id = 6;
    sc.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    result("scheduler", "%e ratelimit %u", sysctl(XEN_SYSCTL_scheduler_op),
           sc.u.scheduler_op.u.sched_credit2.ratelimit_us);
    sc.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_putinfo;
    for (unsigned int i = 0; i < 5; i++) {
        static const uint32_t us[] = {2000, 0, 99, 500000, 500001};
        static const char *const names[] = {"ratelimit 2 ms", "ratelimit off", "ratelimit 99 us",
                                            "ratelimit 500 ms", "ratelimit above"};

        sc.u.scheduler_op.u.sched_credit2.ratelimit_us = us[i];
        result_errno(names[i], sysctl(XEN_SYSCTL_scheduler_op));
    }
    sc.u.scheduler_op.u.sched_credit2.ratelimit_us = 1000;
    result_errno("ratelimit as it was", sysctl(XEN_SYSCTL_scheduler_op));
    sc.u.scheduler_op.cmd = 2;
    result_errno("scheduler operation 2", sysctl(XEN_SYSCTL_scheduler_op));
    sc.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    sc.u.scheduler_op.sched_id = 5;
    result_errno("other scheduler", sysctl(XEN_SYSCTL_scheduler_op));
    sc.u.scheduler_op.sched_id = 6;
    sc.u.scheduler_op.cpupool_id = 1;
    result_errno("scheduler of pool 1", sysctl(XEN_SYSCTL_scheduler_op));
}

static void test_console(void)
{
    uint32_t count;

    clear();
    sc.u.readconsole.count = 100;
    sc.u.readconsole.buffer.p = (void *)buffer;
    result("console", "%e", sysctl(XEN_SYSCTL_readconsole));
    count = sc.u.readconsole.count;
    result("console, got", "%d index %d", count == 100, sc.u.readconsole.index >= 100);
    clear();
    sc.u.readconsole.incremental = 1;
    sc.u.readconsole.index = 5;
    sc.u.readconsole.count = 10;
    sc.u.readconsole.buffer.p = (void *)buffer;
    result("console from 5", "%e count %u index %u", sysctl(XEN_SYSCTL_readconsole), sc.u.readconsole.count,
           sc.u.readconsole.index);
    sc.u.readconsole.index = 0x7fffffff;
    sc.u.readconsole.count = 10;
    result("console from beyond", "%e count %u", sysctl(XEN_SYSCTL_readconsole), sc.u.readconsole.count);
    clear();
    result("console, nothing", "%e count %u", sysctl(XEN_SYSCTL_readconsole), sc.u.readconsole.count);
    sc.u.readconsole.count = 100;
    sc.u.readconsole.buffer.p = UNMAPPED;
    result_errno("console, bad pointer", sysctl(XEN_SYSCTL_readconsole));
    clear();
    result_errno("no debug keys", sysctl(XEN_SYSCTL_debug_keys));
    ((char *)buffer)[0] = '~'; /* nobody's */
    sc.u.debug_keys.nr_keys = 1;
    sc.u.debug_keys.keys.p = (void *)buffer;
    result_errno("debug key", sysctl(XEN_SYSCTL_debug_keys));
    sc.u.debug_keys.keys.p = UNMAPPED;
    result_errno("debug keys, bad pointer", sysctl(XEN_SYSCTL_debug_keys));
}

static long pmstat(uint32_t type, uint32_t cpu)
{
    clear();
    sc.u.get_pmstat.type = type;
    sc.u.get_pmstat.cpuid = cpu;
    return sysctl(XEN_SYSCTL_get_pmstat);
}

static long pm(uint32_t cmd, uint32_t cpu)
{
    clear();
    sc.u.pm_op.cmd = cmd;
    sc.u.pm_op.cpuid = cpu;
    return sysctl(XEN_SYSCTL_pm_op);
}

static long hotplug(uint32_t op, uint32_t cpu)
{
    clear();
    sc.u.cpu_hotplug.op = op;
    sc.u.cpu_hotplug.cpu = cpu;
    return sysctl(XEN_SYSCTL_cpu_hotplug);
}

static void test_power(void)
{
    result_errno("max px", pmstat(PMSTAT_get_max_px, 0));
    result_errno("px statistics", pmstat(PMSTAT_get_pxstat, 0));
    result_errno("reset px statistics", pmstat(PMSTAT_reset_pxstat, 0));
    result_errno("max cx", pmstat(PMSTAT_get_max_cx, 0));
    result_errno("cx statistics", pmstat(PMSTAT_get_cxstat, 0));
    result_errno("reset cx statistics", pmstat(PMSTAT_reset_cxstat, 0));
    result_errno("max cx of cpu 1000", pmstat(PMSTAT_get_max_cx, 1000));
    result_errno("max px of cpu 1000", pmstat(PMSTAT_get_max_px, 1000));
    result_errno("statistics 0", pmstat(0, 0));
    result_errno("statistics 24", pmstat(0x24, 0));
    result_errno("statistics 14", pmstat(0x14, 0));
    result_errno("cpufreq parameters", pm(GET_CPUFREQ_PARA, 0));
    result_errno("cpufreq governor", pm(SET_CPUFREQ_GOV, 0));
    result_errno("cpufreq parameter", pm(SET_CPUFREQ_PARA, 0));
    result_errno("average frequency", pm(GET_CPUFREQ_AVGFREQ, 0));
    result_errno("smt scheduling", pm(XEN_SYSCTL_pm_op_set_sched_opt_smt, 0));
    result("max cstate", "%e %x", pm(XEN_SYSCTL_pm_op_get_max_cstate, 0), sc.u.pm_op.u.get_max_cstate);
    result_errno("set max cstate", pm(XEN_SYSCTL_pm_op_set_max_cstate, 0));
    result_errno("turbo on", pm(XEN_SYSCTL_pm_op_enable_turbo, 0));
    result_errno("turbo off", pm(XEN_SYSCTL_pm_op_disable_turbo, 0));
    result_errno("pm operation 99", pm(0x99, 0));
    result_errno("pm operation of cpu 1000", pm(XEN_SYSCTL_pm_op_get_max_cstate, 1000));
    result_errno("online cpu 0", hotplug(XEN_SYSCTL_CPU_HOTPLUG_ONLINE, 0));
    result_errno("online cpu 1", hotplug(XEN_SYSCTL_CPU_HOTPLUG_ONLINE, 1));
    result_errno("online cpu 1000", hotplug(XEN_SYSCTL_CPU_HOTPLUG_ONLINE, 1000));
    result_errno("offline cpu 0", hotplug(XEN_SYSCTL_CPU_HOTPLUG_OFFLINE, 0));
    result_errno("offline cpu 1", hotplug(XEN_SYSCTL_CPU_HOTPLUG_OFFLINE, 1));
    result_errno("offline cpu 1000", hotplug(XEN_SYSCTL_CPU_HOTPLUG_OFFLINE, 1000));
    result_errno("smt on", hotplug(XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE, 0));
    result_errno("smt off", hotplug(XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE, 0));
    result_errno("hotplug operation 9", hotplug(9, 0));
}

static long tbuf(uint32_t cmd)
{
    clear();
    sc.u.tbuf_op.cmd = cmd;
    return sysctl(XEN_SYSCTL_tbuf_op);
}

static long offline(uint32_t cmd, uint32_t first, uint32_t last, void *status)
{
    clear();
    sc.u.page_offline.cmd = cmd;
    sc.u.page_offline.start = first;
    sc.u.page_offline.end = last;
    sc.u.page_offline.status.p = status;
    return sysctl(XEN_SYSCTL_page_offline_op);
}

static void with_cmd(const char *name, uint32_t nr, uint32_t cmd)
{
    clear();
    *(uint32_t *)(void *)&sc.u = cmd;
    result_errno(name, sysctl(nr));
}

static void test_others(void)
{
    result("trace info", "%e size %u mask %x", tbuf(XEN_SYSCTL_TBUFOP_get_info), sc.u.tbuf_op.size,
           sc.u.tbuf_op.evt_mask);
    result_errno("trace mask", tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask));
    result_errno("trace disable", tbuf(XEN_SYSCTL_TBUFOP_disable));
    result_errno("trace enable", tbuf(XEN_SYSCTL_TBUFOP_enable));
    result_errno("trace operation 9", tbuf(9));
    result_errno("offline, operation 0", offline(0, 0, 0, buffer));
    result_errno("offline, crossed", offline(sysctl_query_page_offline, 5, 3, buffer));
    result_errno("offline, query", offline(sysctl_query_page_offline, 0x1000, 0x1001, buffer));
    result("offline, states", "%x %x %u", word(0), word(1), written());
    result_errno("offline, query of no RAM",
                 offline(sysctl_query_page_offline, 0xfffffff0, 0xfffffff0, buffer));
    result("offline, state of no RAM", "%x", word(0));
    result_errno("offline, query of VGA", offline(sysctl_query_page_offline, 0xb8, 0xb8, buffer));
    result("offline, state of VGA", "%x", word(0));
    result_errno("offline, query, bad pointer", offline(sysctl_query_page_offline, 0x1000, 0x1000, UNMAPPED));
    with_cmd("perfc reset", XEN_SYSCTL_perfc_op, 1);
    with_cmd("perfc query", XEN_SYSCTL_perfc_op, 2);
    with_cmd("lockprof reset", XEN_SYSCTL_lockprof_op, 1);
    with_cmd("lockprof query", XEN_SYSCTL_lockprof_op, 2);
    with_cmd("coverage size", XEN_SYSCTL_coverage_op, 0);
    with_cmd("coverage 9", XEN_SYSCTL_coverage_op, 9);
    with_cmd("psr_cmt rmid", XEN_SYSCTL_psr_cmt_op, 0);
    with_cmd("psr_cmt enabled", XEN_SYSCTL_psr_cmt_op, 3);
    with_cmd("psr_cmt 9", XEN_SYSCTL_psr_cmt_op, 9);
    with_cmd("psr_alloc l3", XEN_SYSCTL_psr_alloc, 0);
    with_cmd("psr_alloc mba", XEN_SYSCTL_psr_alloc, 2);
    with_cmd("psr_alloc 9", XEN_SYSCTL_psr_alloc, 9);
    with_cmd("livepatch list", XEN_SYSCTL_livepatch_op, 2);
    with_cmd("livepatch upload", XEN_SYSCTL_livepatch_op, 0);
    with_cmd("livepatch 9", XEN_SYSCTL_livepatch_op, 9);
}

void guest_main(void)
{
    test_form();
    test_machine();
    test_heap();
    test_pci();
    test_cpu();
    test_domains();
    test_pools();
    test_scheduler();
    test_console();
    test_power();
    test_others();
}
