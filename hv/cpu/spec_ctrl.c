#include <cpu/spec_ctrl.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <cpu/control.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/mitigate.h>
#include <cpu/msr.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <mm/xpti.h>

#define BY_CPU (-1) /* no option: what the CPU needs */

static __initdata int8_t opt_xpti_dom0 = BY_CPU, opt_xpti_domu = BY_CPU;
static __initdata int8_t opt_rsb = BY_CPU, opt_verw = BY_CPU, opt_ibpb = BY_CPU, opt_ibrs = BY_CPU;

bool spec_ibpb __ro_after_init;
static bool use_ibrs __ro_after_init;
static uint32_t entry_flags __ro_after_init;
static DEFINE_PER_CPU(uint64_t, last_domain);

/* All measures of the VMM's own off; what was given an option of its own before stays. */
static __init void all_off(void)
{
    opt_rsb = opt_verw = opt_ibpb = opt_ibrs = 0;
    if (opt_xpti_dom0 == BY_CPU)
        opt_xpti_dom0 = 0;
    if (opt_xpti_domu == BY_CPU)
        opt_xpti_domu = 0;
    l1tf_choose(0, 0);
}

/* Names of Xen's list that do nothing here: guests cannot use the MSR, or it is about guests of another kind.
 */
static __init bool has_no_meaning(const char *item)
{
    static const char *const names[] = {
        "hvm",     "msr-sc",      "ibpb-entry", "bhb-entry",     "bti-thunk", "ssbd",
        "psfd",    "eager-fpu",   "l1d-flush",  "branch-harden", "srb-lock",  "stibp",
        "gds-mit", "unpriv-mmio", "div-scrub",  "lock-harden",   "bhi-dis-s", "bp-spec"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *name = names[i], *s = strncmp(item, "no-", 3) ? item : item + 3;
        size_t n = strlen(name);

        if (!strncmp(s, name, n) && (!s[n] || s[n] == '='))
            return true;
    }
    return false;
}

/* One of "name", "no-name", "name=bool" and "name=pv=bool" ("pv" is the only kind of guest). */
static __init int item_value(const char *item, const char *name)
{
    size_t n = strlen(name);

    if (!strncmp(item, name, n) && item[n] == '=') {
        int value = parse_named_bool(item + n + 1, "pv");

        if (value >= 0)
            return value;
        if (!strncmp(item + n + 1, "hvm", 3) || !strncmp(item + n + 1, "no-hvm", 6))
            return BY_CPU;
    }
    return parse_named_bool(item, name);
}

static __init int parse_spec_ctrl_item(const char *item)
{
    static const struct {
        const char *name;
        int8_t *opt;
    } items[] = {
        {"rsb", &opt_rsb},   {"md-clear", &opt_verw}, {"verw", &opt_verw},
        {"ibpb", &opt_ibpb}, {"ibrs", &opt_ibrs},
    };
    int value = parse_bool(item);

    if (value == -EINVAL)
        value = parse_named_bool(item, "xen");
    if (value == 0) {
        all_off();
        return 0;
    }
    if (value > 0)
        return -EINVAL; /* as on Xen: "yes" would not say what */
    value = parse_named_bool(item, "pv");
    if (value >= 0) {
        opt_rsb = opt_verw = (int8_t)value;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
        value = item_value(item, items[i].name);
        if (value >= BY_CPU) {
            *items[i].opt = (int8_t)value;
            return 0;
        }
    }
    return has_no_meaning(item) ? 0 : -EINVAL;
}

static __init int parse_spec_ctrl(const char *value)
{
    return parse_items(value, parse_spec_ctrl_item);
}
BOOT_OPTION_CUSTOM("spec-ctrl", parse_spec_ctrl);

static __init int parse_xpti_item(const char *item)
{
    int value = strcmp(item, "default") ? parse_bool(item) : BY_CPU, dom0_value, domu_value;

    if (value != -EINVAL) {
        opt_xpti_dom0 = opt_xpti_domu = (int8_t)value;
        return 0;
    }
    dom0_value = parse_named_bool(item, "dom0");
    domu_value = parse_named_bool(item, "domu");
    if (dom0_value >= 0)
        opt_xpti_dom0 = (int8_t)dom0_value;
    if (domu_value >= 0)
        opt_xpti_domu = (int8_t)domu_value;
    return dom0_value >= 0 || domu_value >= 0 ? 0 : -EINVAL;
}

static __init int parse_xpti(const char *value)
{
    return parse_items(value, parse_xpti_item);
}
BOOT_OPTION_CUSTOM("xpti", parse_xpti);

static __init bool choose(int8_t opt, bool needed)
{
    return opt == BY_CPU ? needed : opt;
}

/* As choose(), for what only some CPUs can do: the option cannot make it so. */
static __init bool choose_if(int8_t opt, bool needed, bool possible, const char *what)
{
    if (opt > 0 && !possible)
        printk_warn("spec-ctrl=%s: this CPU has no such feature, not used\n", what);
    return possible && choose(opt, needed);
}

/* AMD and its kin check rights before they forward what was read; Intel says so of newer CPUs (SDM vol 4,
 * 10AH). */
static __init bool open_to_meltdown(void)
{
    return host_cpu.vendor != VENDOR_AMD && !cpu_has(RDCL_NO);
}

/*
 * Where VERW does more than its old self: MDS (CVE-2018-12126 and its kin), TAA
 * (CVE-2019-11135) where there are transactions, and MMIO stale data
 * (CVE-2022-21166), for the sake of domains with devices. Elsewhere it changes
 * nothing and may be forced.
 */
static __init bool verw_helps(void)
{
    bool taa = cpu_has(RTM) && !cpu_has(TAA_NO), stale = cpu_has(FB_CLEAR) && !cpu_has(FBSDP_NO);

    return cpu_has(MD_CLEAR) && (!cpu_has(MDS_NO) || taa || stale);
}

void __init spec_ctrl_init(void)
{
    bool has_ibpb = cpu_has(IBRSB) || cpu_has(IBPB);
    bool has_ibrs = (cpu_has(EIBRS) && cpu_has(IBRSB)) || cpu_has(AUTO_IBRS);

    xpti_dom0 = choose(opt_xpti_dom0, open_to_meltdown());
    xpti_domu = choose(opt_xpti_domu, open_to_meltdown());
    if (xpti_enabled()) {
        entry_flags |= MIT_XPTI;
        host_cr4 &= ~CR4_PGE;
    }
    if (choose(opt_verw, verw_helps()))
        entry_flags |= MIT_VERW;
    if (choose(opt_rsb, !cpu_has(SMEP)))
        entry_flags |= MIT_RSB;
    spec_ibpb = choose_if(opt_ibpb, has_ibpb, has_ibpb, "ibpb");
    use_ibrs = choose_if(opt_ibrs, has_ibrs, has_ibrs, "ibrs");
    mitigate_patch(entry_flags);
}

/*
 * Branch target injection (CVE-2017-5715): in the modes that stay on, the CPU
 * keeps what ring 3 trained from ring 0 by itself (SDM vol 4, 48H, "enhanced
 * IBRS"; APM vol 2, 3.1.7, EFER.AIBRSE).
 */
void spec_ctrl_init_cpu(void)
{
    if (!use_ibrs)
        return;
    if (cpu_has(AUTO_IBRS))
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AIBRSE);
    else
        wrmsr(MSR_SPEC_CTRL, SPEC_CTRL_IBRS);
}

/*
 * What one guest trained must not steer the branches of another, nor its
 * returns (CVE-2017-5715 between domains): indirect branch predictors are
 * emptied by the barrier (SDM vol 4, 49H), the return stack, which the barrier
 * of some CPUs leaves alone, by filling it.
 */
void spec_ctrl_barrier(const struct domain *next)
{
    if (this_cpu(last_domain) == next->serial)
        return;
    this_cpu(last_domain) = next->serial;
    wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
    mitigate_fill_return_stack();
}

static __init const char *for_whom(bool of_dom0, bool of_others)
{
    return of_dom0 && of_others ? "all" : of_dom0 ? "dom0" : of_others ? "all but dom0" : "none";
}

void __init spec_ctrl_report(void)
{
    printk("Speculation: page tables split for %s (xpti), L1TF checks for %s, buffers %s on exit (verw), "
           "return stack "
           "%s on entry (rsb), IBPB between domains %s, IBRS %s; PCID %s\n",
           for_whom(xpti_dom0, xpti_domu), for_whom(l1tf_dom0, l1tf_domu),
           entry_flags & MIT_VERW ? "cleared" : "kept", entry_flags & MIT_RSB ? "filled" : "kept",
           spec_ibpb ? "on" : "off", use_ibrs ? "on" : "off", pcid_enabled ? "on" : "off");
}
