/* domctl and sysctl: CPU policies. */
#include <base/errno.h>
#include <control/policy.h>
#include <cpu/cpuid_policy.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <xen/arch-x86/xen.h>

#define MSR_PLATFORM_INFO     0xce
#define MSR_ARCH_CAPABILITIES 0x10a

#define MAX_BASIC    0xdu
#define MAX_EXTENDED 0x80000021u
#define HV_BASE      0x40000000u

struct leaf_writer {
    uint64_t gva; /* 0: only counted */
    uint32_t room, used;
    bool host;
    int rc;
};

static void emit(struct leaf_writer *w, uint32_t leaf, uint32_t subleaf)
{
    uint32_t sub = subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : subleaf;
    struct cpuid_regs r;
    xen_cpuid_leaf_t out;

    if (w->rc)
        return;
    if (w->gva && w->used == w->room) {
        w->rc = -ENOBUFS;
        return;
    }
    if (leaf > (leaf & 0x80000000 ? host_cpu.max_ext_leaf : leaf < HV_BASE ? host_cpu.max_leaf : ~0u))
        r = (struct cpuid_regs){0};
    else if (w->host)
        r = cpuid_count(leaf, sub);
    else
        cpuid_for_guest(current, leaf, sub, &r);
    out = (xen_cpuid_leaf_t){leaf, subleaf, r.a, r.b, r.c, r.d};
    if (w->gva && copy_to_guest_index(w->gva, w->used, &out))
        w->rc = -EFAULT;
    w->used++;
}

/*
 * Leaves that have subleaves: caches, features, topology, state components. All
 * that a policy can have are written (POLICY_MAX_LEAVES in the end), absent ones
 * as zero: the tools take our number as the room for what they put together.
 */
static uint32_t nr_subleaves(uint32_t leaf)
{
    switch (leaf) {
    case 4:
        return 6;
    case 7:
        return 3;
    case 0xb:
        return 2;
    case 0xd:
        return 63;
    default:
        return 0;
    }
}

static void emit_basic(struct leaf_writer *w, uint32_t leaf)
{
    uint32_t subleaves = nr_subleaves(leaf);

    if (!subleaves)
        emit(w, leaf, XEN_CPUID_NO_SUBLEAF);
    for (uint32_t sub = 0; sub < subleaves; sub++)
        emit(w, leaf, sub);
}

static int write_leaves(bool host, uint64_t gva, uint32_t *nr)
{
    struct leaf_writer w = {.gva = gva, .room = *nr, .host = host};

    for (uint32_t leaf = 0; leaf <= MAX_BASIC; leaf++)
        emit_basic(&w, leaf);
    emit(&w, HV_BASE, XEN_CPUID_NO_SUBLEAF);
    emit(&w, HV_BASE + 0x100, XEN_CPUID_NO_SUBLEAF);
    for (uint32_t leaf = 0x80000000; leaf <= MAX_EXTENDED; leaf++)
        emit(&w, leaf, XEN_CPUID_NO_SUBLEAF);
    *nr = w.used;
    return w.rc;
}

static int write_msrs(bool host, uint64_t gva, uint32_t *nr)
{
    const xen_msr_entry_t msrs[POLICY_MAX_MSRS] = {
        {.idx = MSR_PLATFORM_INFO},
        {.idx = MSR_ARCH_CAPABILITIES, .val = cpuid_policy_arch_caps()},
    };

    if (*nr < POLICY_MAX_MSRS)
        return -ENOBUFS;
    *nr = POLICY_MAX_MSRS;
    return copy_to_guest(gva, msrs, sizeof(msrs));
}

int policy_to_guest(bool host, uint64_t leaves_gva, uint32_t *nr_leaves, uint64_t msrs_gva, uint32_t *nr_msrs)
{
    int rc = 0;

    if (!leaves_gva && !msrs_gva) {
        *nr_leaves = POLICY_MAX_LEAVES;
        *nr_msrs = POLICY_MAX_MSRS;
        return 0;
    }
    if (leaves_gva)
        rc = write_leaves(host, leaves_gva, nr_leaves);
    else
        *nr_leaves = POLICY_MAX_LEAVES;
    if (rc)
        return rc;
    if (msrs_gva)
        return write_msrs(host, msrs_gva, nr_msrs);
    *nr_msrs = POLICY_MAX_MSRS;
    return 0;
}

int policy_check(struct xen_domctl_cpu_policy *p)
{
    p->err_leaf = p->err_subleaf = p->err_msr = ~0u;
    if (p->nr_leaves > POLICY_MAX_LEAVES || p->nr_msrs > POLICY_MAX_MSRS)
        return -E2BIG;
    for (uint32_t i = 0; i < p->nr_leaves; i++) {
        xen_cpuid_leaf_t leaf;

        if (copy_from_guest_index(&leaf, guest_handle_va(p->leaves), i))
            return -EFAULT;
        if ((leaf.leaf & 0x3fffffff) <= 0xffff)
            continue;
        p->err_leaf = leaf.leaf;
        p->err_subleaf = leaf.subleaf;
        return -ERANGE;
    }
    for (uint32_t i = 0; i < p->nr_msrs; i++) {
        xen_msr_entry_t msr;

        if (copy_from_guest_index(&msr, guest_handle_va(p->msrs), i))
            return -EFAULT;
        if (!msr.flags && (msr.idx == MSR_PLATFORM_INFO || msr.idx == MSR_ARCH_CAPABILITIES))
            continue;
        p->err_msr = msr.idx;
        return msr.flags ? -EINVAL : -ERANGE;
    }
    return 0;
}
