/* domctl and sysctl: CPU policies. */
#include <base/errno.h>
#include <base/nospec.h>
#include <control/policy.h>
#include <cpu/cpuid_policy.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <xen/arch-x86/xen.h>

#define MSR_PLATFORM_INFO     0xce
#define MSR_ARCH_CAPABILITIES 0x10a

#define PLATFORM_INFO_CPUID_FAULTING BIT(31)

#define HV_BASE  0x40000000u
#define HV2_BASE 0x40000100u
#define EXT_BASE 0x80000000u
#define NO_SUB   XEN_CPUID_NO_SUBLEAF

struct leaf_writer {
    uint64_t gva;
    uint32_t room, used;
    int rc;
};

static void emit(struct leaf_writer *w, uint32_t leaf, uint32_t subleaf, const struct cpuid_regs *r)
{
    xen_cpuid_leaf_t out = {leaf, subleaf, r->a, r->b, r->c, r->d};

    if (w->rc)
        return;
    if (w->used == w->room)
        w->rc = -ENOBUFS;
    else if (copy_to_guest_index(w->gva, w->used++, &out))
        w->rc = -EFAULT;
}

/* Up to the first one that describes no cache, or no level of the topology. */
static void emit_lists(struct leaf_writer *w, const struct cpu_policy *p, uint32_t leaf)
{
    if (leaf == 4) {
        for (uint32_t i = 0; i < POLICY_CACHE_LEAVES; i++) {
            emit(w, 4, i, &p->cache[i]);
            if (!(p->cache[i].a & 0x1f))
                return;
        }
    } else {
        for (uint32_t i = 0; i < POLICY_TOPOLOGY_LEAVES; i++) {
            emit(w, 0xb, i, &p->topology[i]);
            if (!(p->topology[i].c & 0xff00))
                return;
        }
    }
}

static void emit_xstate(struct leaf_writer *w, const struct cpu_policy *p)
{
    uint64_t present = (uint64_t)p->xstate[0].d << 32 | p->xstate[0].a;

    present |= (uint64_t)p->xstate[1].d << 32 | p->xstate[1].c;
    for (uint32_t i = 0; i < POLICY_XSTATE_LEAVES; i++)
        if (i < 2 || (present >> i & 1))
            emit(w, 0xd, i, &p->xstate[i]);
}

static void emit_basic(struct leaf_writer *w, const struct cpu_policy *p, uint32_t leaf)
{
    switch (leaf) {
    case 4:
    case 0xb:
        emit_lists(w, p, leaf);
        break;
    case 7:
        for (uint32_t i = 0; i <= MIN(p->feature[0].a, POLICY_FEATURE_LEAVES - 1); i++)
            emit(w, 7, i, &p->feature[i]);
        break;
    case 0xd:
        emit_xstate(w, p);
        break;
    default:
        emit(w, leaf, NO_SUB, &p->basic[leaf]);
    }
}

static int write_leaves(const struct cpu_policy *p, uint64_t gva, uint32_t *nr)
{
    struct leaf_writer w = {.gva = gva, .room = *nr};
    const struct cpuid_regs hv = {.a = p->hv_limit}, hv2 = {.a = p->hv2_limit};

    for (uint32_t leaf = 0; leaf <= p->basic[0].a; leaf++)
        emit_basic(&w, p, leaf);
    emit(&w, HV_BASE, NO_SUB, &hv);
    emit(&w, HV2_BASE, NO_SUB, &hv2);
    for (uint32_t i = 0; i <= (p->ext[0].a & 0xffff); i++)
        emit(&w, EXT_BASE + i, NO_SUB, &p->ext[i]);
    *nr = w.used;
    return w.rc;
}

static int write_msrs(const struct cpu_policy *p, uint64_t gva, uint32_t *nr)
{
    const xen_msr_entry_t msrs[POLICY_MAX_MSRS] = {
        {.idx = MSR_PLATFORM_INFO, .val = p->cpuid_faulting ? PLATFORM_INFO_CPUID_FAULTING : 0},
        {.idx = MSR_ARCH_CAPABILITIES, .val = cpu_policy_arch_caps(p)},
    };

    if (*nr < POLICY_MAX_MSRS)
        return -ENOBUFS;
    *nr = POLICY_MAX_MSRS;
    return copy_to_guest(gva, msrs, sizeof(msrs));
}

int policy_to_guest(const struct cpu_policy *p, uint64_t leaves_gva, uint32_t *nr_leaves, uint64_t msrs_gva,
                    uint32_t *nr_msrs)
{
    int rc = 0;

    if (leaves_gva)
        rc = write_leaves(p, leaves_gva, nr_leaves);
    else
        *nr_leaves = POLICY_MAX_LEAVES;
    if (rc)
        return rc;
    if (msrs_gva)
        return write_msrs(p, msrs_gva, nr_msrs);
    *nr_msrs = POLICY_MAX_MSRS;
    return 0;
}

/* Where the policy has a leaf; NULL for one that no policy has. */
static struct cpuid_regs *place(struct cpu_policy *p, uint32_t leaf, uint32_t sub)
{
    switch (leaf) {
    case 4:
        return sub < POLICY_CACHE_LEAVES ? &p->cache[index_nospec(sub, POLICY_CACHE_LEAVES)] : NULL;
    case 7:
        return sub < POLICY_FEATURE_LEAVES ? &p->feature[index_nospec(sub, POLICY_FEATURE_LEAVES)] : NULL;
    case 0xb:
        return sub < POLICY_TOPOLOGY_LEAVES ? &p->topology[index_nospec(sub, POLICY_TOPOLOGY_LEAVES)] : NULL;
    case 0xd:
        return sub < POLICY_XSTATE_LEAVES ? &p->xstate[index_nospec(sub, POLICY_XSTATE_LEAVES)] : NULL;
    }
    if (sub != NO_SUB)
        return NULL;
    if (leaf < POLICY_BASIC_LEAVES)
        return &p->basic[index_nospec(leaf, POLICY_BASIC_LEAVES)];
    leaf -= EXT_BASE;
    return leaf < POLICY_EXT_LEAVES ? &p->ext[index_nospec(leaf, POLICY_EXT_LEAVES)] : NULL;
}

static int read_leaf(struct cpu_policy *p, const xen_cpuid_leaf_t *leaf)
{
    struct cpuid_regs *r = place(p, leaf->leaf, leaf->subleaf);

    if (r)
        *r = (struct cpuid_regs){leaf->a, leaf->b, leaf->c, leaf->d};
    else if (leaf->leaf == HV_BASE && leaf->subleaf == NO_SUB)
        p->hv_limit = leaf->a;
    else if (leaf->leaf == HV2_BASE && leaf->subleaf == NO_SUB)
        p->hv2_limit = leaf->a;
    else
        return -ERANGE;
    return 0;
}

static int read_msr(struct cpu_policy *p, const xen_msr_entry_t *msr)
{
    if (msr->flags)
        return -EINVAL;
    switch (msr->idx) {
    case MSR_PLATFORM_INFO:
        if (msr->val & ~PLATFORM_INFO_CPUID_FAULTING)
            return -EINVAL;
        p->cpuid_faulting = msr->val;
        return 0;
    case MSR_ARCH_CAPABILITIES:
        p->arch_caps_low = (uint32_t)msr->val;
        p->arch_caps_high = (uint32_t)(msr->val >> 32);
        return 0;
    default:
        return -ERANGE;
    }
}

static int read_lists(struct cpu_policy *p, struct xen_domctl_cpu_policy *op)
{
    int rc = 0;

    for (uint32_t i = 0; i < op->nr_leaves && !rc; i++) {
        xen_cpuid_leaf_t leaf;

        if (copy_from_guest_index(&leaf, guest_handle_va(op->leaves), i))
            return -EFAULT;
        rc = read_leaf(p, &leaf);
        if (rc) {
            op->err_leaf = leaf.leaf;
            op->err_subleaf = leaf.subleaf;
        }
    }
    for (uint32_t i = 0; i < op->nr_msrs && !rc; i++) {
        xen_msr_entry_t msr;

        if (copy_from_guest_index(&msr, guest_handle_va(op->msrs), i))
            return -EFAULT;
        rc = read_msr(p, &msr);
        if (rc)
            op->err_msr = msr.idx;
    }
    return rc;
}

/* What cannot be had at all; features are just left out. */
static int check_limits(const struct cpu_policy *p, const struct cpu_policy *max,
                        struct xen_domctl_cpu_policy *op)
{
    if (p->basic[0].a > max->basic[0].a) {
        op->err_leaf = 0;
    } else if (p->feature[0].a > max->feature[0].a) {
        op->err_leaf = 7;
        op->err_subleaf = 0;
    } else if ((p->ext[0].a & 0xffff) > (max->ext[0].a & 0xffff)) {
        op->err_leaf = EXT_BASE;
    } else if (p->cpuid_faulting && !max->cpuid_faulting) {
        op->err_msr = MSR_PLATFORM_INFO;
    } else {
        return 0;
    }
    return -EINVAL;
}

int policy_from_guest(struct cpu_policy *p, struct xen_domctl_cpu_policy *op)
{
    static struct cpu_policy new; /* LOCK_DOMCTL */
    const struct cpu_policy *max = cpu_policy_system(CPU_POLICY_PV_MAX);
    int rc;

    op->err_leaf = op->err_subleaf = op->err_msr = ~0u;
    if (op->nr_leaves > POLICY_MAX_LEAVES || op->nr_msrs > POLICY_MAX_MSRS)
        return -E2BIG;
    new = *p;
    rc = read_lists(&new, op);
    if (!rc)
        rc = check_limits(&new, max, op);
    if (rc)
        return rc;
    cpu_policy_recalculate(&new, max);
    *p = new;
    return 0;
}
