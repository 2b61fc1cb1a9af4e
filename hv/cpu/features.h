/*
 * CPU features, by the numbers of the interface's <xen/arch-x86/cpufeatureset.h>:
 * cpu_has(XSAVE). Filled at boot; a feature switched off by a boot option is
 * absent here.
 */
#ifndef CPU_FEATURES_H
#define CPU_FEATURES_H

#include <base/types.h>
#include <base/compiler.h>

#define XEN_CPUFEATURE(name, value) X86_FEATURE_##name = value,
enum cpu_feature {
#include <xen/arch-x86/cpufeatureset.h>
    NR_CPU_FEATURE_BITS = 19 * 32
};
#undef XEN_CPUFEATURE

enum cpu_vendor { VENDOR_UNKNOWN, VENDOR_INTEL, VENDOR_AMD };

struct cpu_features {
    uint32_t words[NR_CPU_FEATURE_BITS / 32]; /* XEN_CPU_FEATURESET_* order */
    enum cpu_vendor vendor;
    uint32_t max_leaf, max_ext_leaf;
    uint8_t family, model, stepping;
    uint8_t phys_bits, virt_bits;
};

extern struct cpu_features host_cpu;

/*
 * Whether [start, start + len) lies in the CPU's physical address space. A mapping of what does not would
 * fault for reserved bits of its entry (SDM vol 3, 4.5.4).
 */
static inline bool phys_range_ok(uint64_t start, uint64_t len)
{
    uint64_t limit = 1UL << host_cpu.phys_bits;

    return len && start < limit && len <= limit - start;
}

static inline bool cpu_feature(enum cpu_feature f)
{
    return host_cpu.words[f / 32] >> (f % 32) & 1;
}
#define cpu_has(name) cpu_feature(X86_FEATURE_##name)

struct cpuid_regs {
    uint32_t a, b, c, d;
};

#ifdef HOSPES_UNIT_TEST
struct cpuid_regs cpuid_count(uint32_t leaf, uint32_t subleaf); /* a test supplies it */
#else
static inline struct cpuid_regs cpuid_count(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;

    __asm__ __volatile__("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "0"(leaf), "2"(subleaf));
    return r;
}
#endif

/* Reads the boot CPU's features, less those switched off; panics naming one the VMM cannot do without. */
void cpu_features_init(void);
/* A CPU that comes up: false (with a line) if it lacks what the boot CPU has and is used. */
bool cpu_features_match(void);

/* CPUID outside ring 0 raises #GP, on every CPU: each guest sees the policy alone. */
extern bool cpuid_faulting;

/* Name of the enum cpu_feature, as in the interface's header. */
const char *cpu_feature_name(enum cpu_feature f);

#endif
