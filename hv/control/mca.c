/*
 * HYPERVISOR_mca (<xen/arch-x86/xen-mca.h>): machine-check telemetry for dom0.
 * A machine check ends the VMM, so there is never an old one to fetch; what dom0
 * needs to decode one is told truly.
 */
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/features.h>
#include <cpu/smp.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <xen/arch-x86/xen-mca.h>

static void fill_cpu(struct mcinfo_logical_cpu *c, uint32_t cpu)
{
    struct cpuid_regs r = cpuid_count(0, 0), leaf1 = cpuid_count(1, 0), ext = cpuid_count(0x80000001, 0);

    memset(c, 0, sizeof(*c));
    c->mc_cpunr = cpu;
    c->mc_apicid = cpu_to_apicid[cpu];
    c->mc_chipid = cpu_to_apicid[cpu];
    c->mc_ncores = c->mc_ncores_active = c->mc_nthreads = 1;
    c->mc_cpuid_level = r.a;
    c->mc_family = host_cpu.family;
    c->mc_vendor = host_cpu.vendor;
    c->mc_model = host_cpu.model;
    c->mc_step = host_cpu.stepping;
    memcpy(c->mc_vendorid, &r.b, 4);
    memcpy(c->mc_vendorid + 4, &r.d, 4);
    memcpy(c->mc_vendorid + 8, &r.c, 4);
    for (uint32_t i = 0; i < 3 && host_cpu.max_ext_leaf >= 0x80000004; i++) {
        r = cpuid_count(0x80000002 + i, 0);
        memcpy(c->mc_brandid + 16 * i, &r, 16);
    }
    c->mc_cpu_caps[MC_CAPS_STD_EDX] = leaf1.d;
    c->mc_cpu_caps[MC_CAPS_STD_ECX] = leaf1.c;
    c->mc_cpu_caps[MC_CAPS_AMD_EDX] = ext.d;
    c->mc_cpu_caps[MC_CAPS_AMD_ECX] = ext.c;
}

static long physcpuinfo(struct xen_mc_physcpuinfo *info)
{
    uint64_t gva = guest_handle_va(info->info);
    uint32_t room = info->ncpus, cpu, n = 0;

    for_each_online_cpu (cpu) {
        struct mcinfo_logical_cpu c;

        if (gva && n < room) {
            fill_cpu(&c, cpu);
            if (copy_to_guest_index(gva, n, &c))
                return -EFAULT;
        }
        n++;
    }
    /* Without a buffer it asks for the number. */
    info->ncpus = gva ? MIN(n, room) : n;
    return 0;
}

static long fetch(struct xen_mc_fetch *f)
{
    switch (f->flags & (XEN_MC_NONURGENT | XEN_MC_URGENT | XEN_MC_ACK)) {
    case XEN_MC_NONURGENT:
    case XEN_MC_URGENT:
        f->flags = XEN_MC_NODATA;
        f->fetch_id = 0;
        return 0;
    case XEN_MC_NONURGENT | XEN_MC_ACK:
    case XEN_MC_URGENT | XEN_MC_ACK:
        f->flags = XEN_MC_OK;
        return 0;
    default:
        return -EINVAL;
    }
}

long hc_mca(struct hypercall_args *args)
{
    struct xen_mc mc;
    long rc;

    if (copy_from_guest(&mc, args->a[0], sizeof(mc)))
        return -EFAULT;
    if (mc.interface_version != XEN_MCA_INTERFACE_VERSION)
        return -EACCES;
    switch (mc.cmd) {
    case XEN_MC_fetch:
        rc = fetch(&mc.u.mc_fetch);
        break;
    case XEN_MC_physcpuinfo:
        rc = physcpuinfo(&mc.u.mc_physcpuinfo);
        break;
    default:
        return -EINVAL; /* no notification of guests, no injection */
    }
    if (!rc && copy_to_guest(args->a[0], &mc, sizeof(mc)))
        return -EFAULT;
    return rc;
}
