/* sysctl: what the machine is. */
#include <base/errno.h>
#include <control/policy.h>
#include <control/sysctl.h>
#include <cpu/cpuid_policy.h>
#include <cpu/smp.h>
#include <domain/domain.h>
#include <irq/pci.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <sched/sched.h>
#include <time/time.h>

BUILD_BUG_ON(FEATURESET_WORDS != ARRAY_SIZE(((struct cpu_features *)0)->words));

/* At a time: the tools come again with the rest. */
#define MAX_PCI_DEVICES 256u

/* Extended topology (SDM vol 2, CPUID leaf 0Bh): level 0 is threads, level 1 cores. */
#define LEAF_TOPOLOGY 0xb

struct topology {
    uint32_t threads, cores;           /* of a core, of a socket */
    uint32_t core_shift, socket_shift; /* of an APIC ID */
};

/* Without the leaf each CPU counts as a core, all in one socket. */
static struct topology topology(void)
{
    struct topology t = {.threads = 1, .cores = nr_cpus, .core_shift = 0, .socket_shift = 31};
    struct cpuid_regs smt, core;

    if (host_cpu.max_leaf < LEAF_TOPOLOGY)
        return t;
    smt = cpuid_count(LEAF_TOPOLOGY, 0);
    core = cpuid_count(LEAF_TOPOLOGY, 1);
    if (!(smt.b & 0xffff) || !(core.b & 0xffff))
        return t;
    t.threads = smt.b & 0xffff;
    t.cores = (core.b & 0xffff) / t.threads;
    t.core_shift = smt.a & 31;
    t.socket_shift = core.a & 31;
    return t;
}

static uint64_t claimed_pages(void)
{
    uint64_t claimed = 0;
    uint32_t next = 0;
    struct domain *d;

    while (next < DOMID_FIRST_RESERVED && (d = domain_find_next((domid_t)next)) != NULL) {
        claimed += d->mm.claimed;
        next = d->id + 1u;
        domain_put(d);
    }
    return claimed;
}

static int physinfo(struct xen_sysctl_physinfo *p)
{
    struct topology t = topology();

    memset(p, 0, sizeof(*p));
    p->threads_per_core = t.threads;
    p->cores_per_socket = t.cores;
    p->nr_cpus = nr_cpus;
    p->max_cpu_id = nr_cpus - 1;
    p->nr_nodes = 1;
    p->cpu_khz = (uint32_t)tsc_khz;
    p->capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2;
    p->total_pages = total_pages;
    p->free_pages = free_page_count();
    p->outstanding_pages = claimed_pages();
    p->max_mfn = max_page - 1;
    memcpy(p->hw_cap, host_cpu.words, sizeof(p->hw_cap));
    return 0;
}

/* A null array asks for the number only. */
static int cpu_topology(struct xen_sysctl_cputopoinfo *c)
{
    uint64_t gva = guest_handle_va(c->cputopo);
    uint32_t room = c->num_cpus;
    struct topology t = topology();

    c->num_cpus = nr_cpus;
    for (uint32_t cpu = 0; gva && cpu < MIN(room, nr_cpus); cpu++) {
        uint32_t id = cpu_to_apicid[cpu];
        struct xen_sysctl_cputopo out = {
            .core = (id & (BIT(t.socket_shift) - 1)) >> t.core_shift,
            .socket = id >> t.socket_shift,
        };

        if (copy_to_guest_index(gva, cpu, &out))
            return -EFAULT;
    }
    return 0;
}

/* One node with all the memory. */
static int numa(struct xen_sysctl_numainfo *n)
{
    uint64_t memory = guest_handle_va(n->meminfo), distance = guest_handle_va(n->distance);
    struct xen_sysctl_meminfo m = {.memsize = total_pages << PAGE_SHIFT,
                                   .memfree = free_page_count() << PAGE_SHIFT};
    const uint32_t self = 10; /* ACPI, SLIT: the distance to itself */

    if (n->num_nodes && memory && copy_to_guest(memory, &m, sizeof(m)))
        return -EFAULT;
    if (n->num_nodes && distance && copy_to_guest(distance, &self, sizeof(self)))
        return -EFAULT;
    n->num_nodes = 1;
    return 0;
}

static int pci_topology(struct xen_sysctl_pcitopoinfo *p)
{
    uint64_t devs = guest_handle_va(p->devs), nodes = guest_handle_va(p->nodes);

    if (!devs || !nodes)
        return -EINVAL;
    p->num_devs = MIN(p->num_devs, MAX_PCI_DEVICES);
    for (uint32_t i = 0; i < p->num_devs; i++) {
        physdev_pci_device_t dev;
        uint32_t node;

        if (copy_from_guest_index(&dev, devs, i))
            return -EFAULT;
        pci_devices_lock();
        node = pci_device_find((struct pci_address){dev.seg, dev.bus, dev.devfn}) ? 0 : XEN_INVALID_DEV;
        pci_devices_unlock();
        if (copy_to_guest_index(nodes, i, &node))
            return -EFAULT;
    }
    return 0;
}

static int cpu_info(struct xen_sysctl_getcpuinfo *c)
{
    c->nr_cpus = MIN(c->max_cpus, nr_cpus);
    for (uint32_t cpu = 0; cpu < c->nr_cpus; cpu++) {
        struct xen_sysctl_cpuinfo info = {.idletime = sched_cpu_idle_ns(cpu)};

        if (copy_to_guest_index(guest_handle_va(c->info), cpu, &info))
            return -EFAULT;
    }
    return 0;
}

/* All of it is in node 0; -1 stands for every node. */
static int available_heap(struct xen_sysctl_availheap *a)
{
    bool all = !a->min_bitwidth && !a->max_bitwidth;

    a->avail_bytes = 0;
    if (a->node == 0 || a->node == -1)
        a->avail_bytes =
            (all ? free_page_count() : free_page_count_of_width(a->min_bitwidth, a->max_bitwidth))
            << PAGE_SHIFT;
    return 0;
}

/* NULL: of hardware-assisted guests, which there are none of. */
static const struct cpu_policy *policy_of_featureset(uint32_t index)
{
    switch (index) {
    case XEN_SYSCTL_cpu_featureset_raw:
    case XEN_SYSCTL_cpu_featureset_host:
        return cpu_policy_system(CPU_POLICY_HOST);
    case XEN_SYSCTL_cpu_featureset_pv:
        return cpu_policy_system(CPU_POLICY_PV_DEFAULT);
    case XEN_SYSCTL_cpu_featureset_pv_max:
        return cpu_policy_system(CPU_POLICY_PV_MAX);
    default:
        return NULL;
    }
}

static int feature_set(struct xen_sysctl_cpu_featureset *f)
{
    uint64_t gva = guest_handle_va(f->features);
    uint32_t room = f->nr_features;
    const struct cpu_policy *p = policy_of_featureset(f->index);

    if (f->index > XEN_SYSCTL_cpu_featureset_hvm_max)
        return -EINVAL;
    f->nr_features = FEATURESET_WORDS;
    if (!gva)
        return 0;
    for (uint32_t i = 0; i < MIN(room, FEATURESET_WORDS); i++) {
        uint32_t word = p ? cpu_policy_features(p, i) : 0;

        if (copy_to_guest_index(gva, i, &word))
            return -EFAULT;
    }
    return room < FEATURESET_WORDS ? -ENOBUFS : 0;
}

static int cpu_policy(struct xen_sysctl_cpu_policy *p)
{
    const struct cpu_policy *policy = NULL;

    switch (p->index) {
    case XEN_SYSCTL_cpu_policy_raw:
    case XEN_SYSCTL_cpu_policy_host:
        policy = cpu_policy_system(CPU_POLICY_HOST);
        break;
    case XEN_SYSCTL_cpu_policy_pv_max:
    case XEN_SYSCTL_cpu_policy_hvm_max: /* no such guests: Xen without them answers -EOPNOTSUPP */
        policy = cpu_policy_system(CPU_POLICY_PV_MAX);
        break;
    case XEN_SYSCTL_cpu_policy_pv_default:
    case XEN_SYSCTL_cpu_policy_hvm_default:
        policy = cpu_policy_system(CPU_POLICY_PV_DEFAULT);
        break;
    }
    if (p->_rsvd || !policy)
        return -EINVAL;
    return policy_to_guest(policy, guest_handle_va(p->leaves), &p->nr_leaves, guest_handle_va(p->msrs),
                           &p->nr_msrs);
}

int sysctl_machine(struct xen_sysctl *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_physinfo:
        return physinfo(&op->u.physinfo);
    case XEN_SYSCTL_cputopoinfo:
        return cpu_topology(&op->u.cputopoinfo);
    case XEN_SYSCTL_numainfo:
        return numa(&op->u.numainfo);
    case XEN_SYSCTL_pcitopoinfo:
        return pci_topology(&op->u.pcitopoinfo);
    case XEN_SYSCTL_getcpuinfo:
        return cpu_info(&op->u.getcpuinfo);
    case XEN_SYSCTL_availheap:
        return available_heap(&op->u.availheap);
    case XEN_SYSCTL_get_cpu_levelling_caps:
        op->u.cpu_levelling_caps.caps = cpuid_faulting ? XEN_SYSCTL_CPU_LEVELCAP_faulting : 0;
        return 0;
    case XEN_SYSCTL_get_cpu_featureset:
        return feature_set(&op->u.cpu_featureset);
    case XEN_SYSCTL_get_cpu_policy:
        return cpu_policy(&op->u.cpu_policy);
    default:
        return -ENOSYS;
    }
}
