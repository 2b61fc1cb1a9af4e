/* Whether the CPU is open to L1 Terminal Fault (Intel, CVE-2018-3620 and -3646). */
#include <console/printk.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <mm/validate.h>

#define MSR_ARCH_CAPABILITIES 0x10a
#define ARCH_CAPS_RDCL_NO     BIT(0) /* SDM vol 4: not open to Rogue Data Cache Load, nor to L1TF */

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

void __init l1tf_init(void)
{
    if (host_cpu.vendor != VENDOR_INTEL || host_cpu.family != 6 || small_core(host_cpu.model))
        return;
    if (cpu_has(ARCH_CAPS) && (rdmsr(MSR_ARCH_CAPABILITIES) & ARCH_CAPS_RDCL_NO))
        return;
    l1tf_vulnerable = true;
    printk_info("CPU is open to L1TF: non-present page-table entries of guests are checked\n");
}
