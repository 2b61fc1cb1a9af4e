/* HYPERVISOR_mca (<xen/arch-x86/xen-mca.h>): machine-check telemetry for dom0. */
#include <base/errno.h>
#include <base/spinlock.h>
#include <console/printk.h>
#include <control/hypercall.h>
#include <control/mca.h>
#include <cpu/features.h>
#include <cpu/smp.h>
#include <event/evtchn.h>
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

#define NR_RECORDS 16

static DEFINE_SPINLOCK(records_lock, LOCK_MCA);
static struct kept_record {
    uint64_t id; /* 0: free */
    struct mca_record r;
} records[NR_RECORDS];
static uint64_t last_id;

void mca_report(const struct mca_record *r)
{
    static uint32_t reported;

    spin_lock(&records_lock);
    for (uint32_t i = 0; i < NR_RECORDS; i++) {
        if (records[i].id)
            continue;
        records[i] = (struct kept_record){++last_id, *r};
        break;
    }
    /* A failing part may have much to say: the first few lines tell which it is. */
    if (reported < NR_RECORDS) {
        reported++;
        printk_err("%s machine check on CPU %u, bank %u: status %#lx, address %#lx, misc %#lx\n",
                   r->uncorrected ? "Uncorrected, harmless" : "Corrected", r->cpu, r->bank, r->status,
                   r->address, r->misc);
    }
    spin_unlock(&records_lock);
    send_global_virq(VIRQ_MCA);
}

static void fill_info(struct mc_info *info, const struct mca_record *r)
{
    struct mcinfo_global global = {
        .common = {MC_TYPE_GLOBAL, sizeof(global)},
        .mc_domid = DOMID_XEN,
        .mc_vcpuid = XEN_MC_VCPUID_INVALID,
        .mc_socketid = cpu_to_apicid[r->cpu],
        .mc_apicid = cpu_to_apicid[r->cpu],
        .mc_flags = r->uncorrected ? MC_FLAG_RECOVERABLE : MC_FLAG_CORRECTABLE | MC_FLAG_POLLED,
        .mc_gstatus = r->gstatus,
    };
    struct mcinfo_bank bank = {
        .common = {MC_TYPE_BANK, sizeof(bank)},
        .mc_bank = (uint16_t)r->bank,
        .mc_domid = DOMID_INVALID,
        .mc_status = r->status,
        .mc_addr = r->address,
        .mc_misc = r->misc,
        .mc_tsc = r->tsc,
    };

    memset(info, 0, sizeof(*info));
    info->mi_nentries = 2;
    memcpy(info->mi_data, &global, sizeof(global));
    memcpy((char *)info->mi_data + sizeof(global), &bank, sizeof(bank));
}

/* The oldest record of that kind; false: there is none. */
static bool find_oldest(bool uncorrected, struct kept_record *found)
{
    found->id = 0;
    spin_lock(&records_lock);
    for (uint32_t i = 0; i < NR_RECORDS; i++)
        if (records[i].id && records[i].r.uncorrected == uncorrected &&
            (!found->id || records[i].id < found->id))
            *found = records[i];
    spin_unlock(&records_lock);
    return found->id;
}

static void acknowledge(uint64_t id)
{
    spin_lock(&records_lock);
    for (uint32_t i = 0; id && i < NR_RECORDS; i++)
        if (records[i].id == id)
            records[i].id = 0;
    spin_unlock(&records_lock);
}

static long fetch_oldest(struct xen_mc_fetch *f, bool uncorrected)
{
    struct kept_record found;
    struct mc_info info;

    f->flags = XEN_MC_NODATA;
    f->fetch_id = 0;
    if (!find_oldest(uncorrected, &found))
        return 0;
    fill_info(&info, &found.r);
    if (copy_to_guest(guest_handle_va(f->data), &info, sizeof(info)))
        return -EFAULT;
    f->flags = XEN_MC_OK;
    f->fetch_id = found.id;
    return 0;
}

static long fetch(struct xen_mc_fetch *f)
{
    switch (f->flags & (XEN_MC_NONURGENT | XEN_MC_URGENT | XEN_MC_ACK)) {
    case XEN_MC_NONURGENT:
    case XEN_MC_URGENT:
        return fetch_oldest(f, f->flags & XEN_MC_URGENT);
    case XEN_MC_NONURGENT | XEN_MC_ACK:
    case XEN_MC_URGENT | XEN_MC_ACK:
        acknowledge(f->fetch_id);
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
