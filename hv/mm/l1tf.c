/*
 * Whether the CPU is open to L1 Terminal Fault (Intel, CVE-2018-3620 and -3646):
 * then a guest's non-present entry that names RAM would be read through.
 */
#include <base/errno.h>
#include <boot/cmdline.h>
#include <cpu/features.h>
#include <lib/string.h>
#include <mm/validate.h>

#define BY_CPU (-1)

static __initdata int opt_dom0 = BY_CPU, opt_domu = BY_CPU;

void __init l1tf_choose(int of_dom0, int of_domu)
{
    if (of_dom0 >= 0)
        opt_dom0 = of_dom0;
    if (of_domu >= 0)
        opt_domu = of_domu;
}

static __init int parse_item(const char *item)
{
    int value = strcmp(item, "default") ? parse_bool(item) : BY_CPU, dom0_value, domu_value;

    if (value != -EINVAL) {
        opt_dom0 = opt_domu = value;
        return 0;
    }
    dom0_value = parse_named_bool(item, "dom0");
    domu_value = parse_named_bool(item, "domu");
    l1tf_choose(dom0_value, domu_value);
    return dom0_value >= 0 || domu_value >= 0 ? 0 : -EINVAL;
}

static __init int parse_pv_l1tf(const char *value)
{
    return parse_items(value, parse_item);
}
BOOT_OPTION_CUSTOM("pv-l1tf", parse_pv_l1tf);

/* Intel's family 6 since Nehalem; its small cores (Bonnell to Goldmont Plus, Xeon Phi) do not forward so. */
static bool __init small_core(uint8_t model)
{
    static const uint8_t models[] = {0x1c, 0x26, 0x27, 0x35, 0x36, 0x37, 0x4a, 0x4c, 0x4d, 0x57,
                                     0x5a, 0x5c, 0x5d, 0x5f, 0x65, 0x6e, 0x75, 0x7a, 0x85};

    for (size_t i = 0; i < ARRAY_SIZE(models); i++)
        if (models[i] == model)
            return true;
    return false;
}

/* RDCL_NO, SDM vol 4, 10AH: not open to Rogue Data Cache Load, nor to L1TF. */
static bool __init open_to_l1tf(void)
{
    return host_cpu.vendor == VENDOR_INTEL && host_cpu.family == 6 && !small_core(host_cpu.model) &&
           !cpu_has(RDCL_NO);
}

/* As on Xen, the domain that owns the hardware is trusted in this unless told otherwise. */
void __init l1tf_init(void)
{
    l1tf_dom0 = opt_dom0 > 0;
    l1tf_domu = opt_domu == BY_CPU ? open_to_l1tf() : opt_domu;
}
