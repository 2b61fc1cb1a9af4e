/* unit: hv/cpu/cpuid_policy.c hv/cpu/policy_rules.c hv/cpu/features.c hv/cpu/fpu.c hv/cpu/xstate.c
 *       hv/time/tsc.c hv/time/scale.c tests/unit/stubs/printk.c */
#include "unit.h"
#include <stdlib.h>
#include <string.h>
#include <base/compiler.h>
#include <cpu/control.h>
#include <cpu/cpuid_policy.h>
#include <cpu/fpu.h>
#include <cpu/insn.h>
#include <domain/domain.h>
#include <mm/page.h>
#include <time/clock.h>
#include <time/time.h>
#include <time/tsc.h>
#include "cpuid_recorded.h"

uint64_t max_page = 0x20000, tsc_khz = 2595103;
static struct domain domain = {.is_hardware = true};
static struct vcpu vcpu = {.domain = &domain};
static struct cpu_info info;

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

bool xsaves_works(void)
{
    return false;
}

s_time_t now(void)
{
    return 0;
}

bool tsc_offsets_differ(void)
{
    return false;
}

void time_forget_vcpu(struct vcpu *v)
{
    (void)v;
}

void *xzalloc_bytes(size_t size)
{
    return calloc(1, size);
}

void xfree(void *p)
{
    free(p);
}

static const struct cpuid_row *host_rows;
static unsigned int nr_host_rows;
static uint64_t arch_caps;

struct cpuid_regs cpuid_count(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned int i = 0; i < nr_host_rows; i++) {
        const struct cpuid_row *r = &host_rows[i];

        if (r->leaf == leaf && (r->sub == subleaf || (leaf != 4 && leaf != 7 && leaf != 0xb && leaf != 0xd)))
            return (struct cpuid_regs){r->host[0], r->host[1], r->host[2], r->host[3]};
    }
    return (struct cpuid_regs){0};
}

bool rdmsr_safe(uint32_t msr, uint64_t *v)
{
    *v = arch_caps;
    return msr == 0x10a && arch_caps;
}

bool wrmsr_safe(uint32_t msr, uint64_t v)
{
    (void)msr;
    (void)v;
    return false;
}

static void new_policy(bool hardware)
{
    cpu_policy_free_domain(&domain);
    domain.is_hardware = hardware;
    assert_int_equal(cpu_policy_init_domain(&domain), 0);
}

static void set_host(const struct cpuid_row *rows, unsigned int count)
{
    host_rows = rows;
    nr_host_rows = count;
    memset(&host_cpu, 0, sizeof(host_cpu));
    cpu_features_init();
    fpu_init();
    cpuid_policy_init();
    new_policy(true);
    vcpu.pv = (struct pv_vcpu){.kernel_mode = true, .xcr0 = XCR0_X87 | XCR0_SSE};
}

/* Bits in which we differ on purpose. */
static const struct {
    const struct cpuid_row *rows;
    uint32_t leaf, sub;
    unsigned int reg;
    uint32_t bits;
    const char *why;
} explained[] = {
    {cpuid_skylake, 1, 0, 2, 0x30001000,
     "the emulator's XCR0 names AVX-512 but its CPUID does not: Xen drops AVX"},
    {cpuid_skylake, 7, 0, 1, 0x00000020, "AVX2, the same"},
    {cpuid_skylake, 0xd, 0, 0, 0xffffffff, "the same"},
    {cpuid_skylake, 0xd, 0, 2, 0xffffffff, "the same"},
    {cpuid_skylake, 0xd, 2, 0, 0xffffffff, "the same"},
    {cpuid_skylake, 0xd, 2, 1, 0xffffffff, "the same"},
    {cpuid_skylake, 7, 0, 1, 0x01000000, "Xen hides CLWB on this model"},
    {cpuid_skylake, 7, 0, 3, 0x20000000, "Xen makes up ARCH_CAPS to tell of RSBA"},
    {cpuid_skylake, 0x80000001, 0, 3, 0x00001000, "Xen sets the bit that is MTRR on AMD"},
};

static uint32_t ignored(const struct cpuid_row *rows, const struct cpuid_row *r, unsigned int reg)
{
    uint32_t bits = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(explained); i++)
        if (explained[i].rows == rows && explained[i].leaf == r->leaf && explained[i].sub == r->sub &&
            explained[i].reg == reg)
            bits |= explained[i].bits;
    return bits;
}

static void compare(const struct cpuid_row *rows, unsigned int count)
{
    set_host(rows, count);
    for (unsigned int i = 0; i < count; i++) {
        const struct cpuid_row *r = &rows[i];
        struct cpuid_regs out;

        cpuid_for_guest(&vcpu, r->leaf, r->sub, &out);
        for (unsigned int reg = 0; reg < 4; reg++) {
            uint32_t got = (&out.a)[reg], mask = ~ignored(rows, r, reg);

            if ((got ^ r->xen[reg]) & mask)
                fail_msg("leaf %x/%x register %c: got %08x, Xen shows %08x, host %08x", r->leaf, r->sub,
                         "abcd"[reg], got, r -> xen[reg], r -> host[reg]);
        }
    }
}

static void test_as_recorded(void **state)
{
    (void)state;
    compare(cpuid_max, ARRAY_SIZE(cpuid_max));
    compare(cpuid_epyc, ARRAY_SIZE(cpuid_epyc));
    compare(cpuid_skylake, ARRAY_SIZE(cpuid_skylake));
}

/* Whatever the host says, these never show. */
static void test_never_shown(void **state)
{
    static const uint16_t hidden[] = {
        X86_FEATURE_PSE,     X86_FEATURE_PGE,    X86_FEATURE_PSE36,        X86_FEATURE_MONITOR,
        X86_FEATURE_VMX,     X86_FEATURE_SMX,    X86_FEATURE_PCID,         X86_FEATURE_X2APIC,
        X86_FEATURE_SVM,     X86_FEATURE_SMEP,   X86_FEATURE_SMAP,         X86_FEATURE_UMIP,
        X86_FEATURE_PKU,     X86_FEATURE_OSPKE,  X86_FEATURE_CET_SS,       X86_FEATURE_CET_IBT,
        X86_FEATURE_INVPCID, X86_FEATURE_XSAVES, X86_FEATURE_TSC_DEADLINE, X86_FEATURE_PAGE1GB,
        X86_FEATURE_MPX,     X86_FEATURE_SGX,    X86_FEATURE_PDCM,         X86_FEATURE_DS,
        X86_FEATURE_IBRSB,   X86_FEATURE_LWP,    X86_FEATURE_TSC_ADJUST,
    };

    (void)state;
    set_host(cpuid_max, ARRAY_SIZE(cpuid_max));
    memset(host_cpu.words, 0xff, sizeof(host_cpu.words));
    cpuid_policy_init();
    for (unsigned int hardware = 0; hardware < 2; hardware++) {
        new_policy(hardware);
        for (unsigned int i = 0; i < ARRAY_SIZE(hidden); i++)
            if (pv_guest_has(&vcpu, hidden[i]))
                fail_msg("%s is shown", cpu_feature_name(hidden[i]));
    }
    new_policy(true);
    assert_true(pv_guest_has(&vcpu, X86_FEATURE_MTRR));
    new_policy(false);
    assert_false(pv_guest_has(&vcpu, X86_FEATURE_MTRR));
    assert_false(pv_guest_has(&vcpu, X86_FEATURE_ITSC));
    new_policy(true);
}

/* Nothing is shown that the host lacks, but what a hypervisor adds. */
static void test_subset_of_host(void **state)
{
    (void)state;
    set_host(cpuid_epyc, ARRAY_SIZE(cpuid_epyc));
    for (unsigned int f = 0; f < NR_CPU_FEATURE_BITS; f++)
        if (pv_guest_has(&vcpu, f) && !cpu_feature(f) && f != X86_FEATURE_HYPERVISOR)
            fail_msg("%s is shown", cpu_feature_name(f));
}

static bool shows_osxsave(void)
{
    struct cpuid_regs out;

    cpuid_for_guest(&vcpu, 1, 0, &out);
    return out.c >> 27 & 1;
}

static void test_osxsave(void **state)
{
    (void)state;
    set_host(cpuid_epyc, ARRAY_SIZE(cpuid_epyc));
    assert_true(shows_osxsave());
    vcpu.pv.kernel_mode = false;
    assert_false(shows_osxsave());
    vcpu.pv.cr4_guest = CR4_OSXSAVE;
    assert_true(shows_osxsave());
}

static void test_xen_leaves(void **state)
{
    struct cpuid_regs out;

    (void)state;
    set_host(cpuid_max, ARRAY_SIZE(cpuid_max));
    cpuid_for_guest(&vcpu, 0x40000000, 2, &out);
    assert_int_equal(out.a, 0x40000005);
    assert_int_equal(out.b, 0x566e6558);
    cpuid_for_guest(&vcpu, 0x40000001, 0, &out);
    assert_int_equal(out.a, 0x00040011);
    cpuid_for_guest(&vcpu, 0x40000003, 2, &out);
    assert_int_equal(out.a, tsc_khz);
    cpuid_for_guest(&vcpu, 0x40000005, 0, &out);
    assert_int_equal(out.b, 29); /* 512 MiB */
    cpuid_for_guest(&vcpu, 0x40000006, 0, &out);
    assert_int_equal(out.a | out.b | out.c | out.d, 0);
    cpuid_for_guest(&vcpu, 0x3fffffff, 0, &out);
    assert_int_equal(out.a | out.b | out.c | out.d, 0);
}

static void test_xcr0(void **state)
{
    static const struct {
        uint64_t value;
        bool ok;
    } cases[] = {
        {0, false},
        {1, true},
        {2, false},
        {3, true},
        {5, false},
        {6, false},
        {7, true},
        {0x1f, false},
        {0xe7, false},
        {0x207, false},
        {1UL << 62 | 7, false},
    };

    (void)state;
    set_host(cpuid_max, ARRAY_SIZE(cpuid_max)); /* has AVX, not AVX-512 */
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(fpu_xcr0_valid(cases[i].value), cases[i].ok);
    assert_int_equal(fpu_xsave_size(3), 576);
    assert_int_equal(fpu_xsave_size(7), 832);
    assert_int_equal(fpu_xsavec_size(3), 576);
    assert_int_equal(fpu_xsavec_size(7), 832);
}

/* Compacted: what is not in use takes no room, and some components are aligned. */
static void test_compacted_size(void **state)
{
    static const struct cpuid_row rows[] = {
        {0x0, 0x0, {0xd, 0x756e6547, 0x6c65746e, 0x49656e69}, {0}},
        {0x1, 0x0, {0x50654, 0, 0xfed8320b, 0x0fcbfbfd}, {0}},
        {0x7, 0x0, {0, 1u << 16 | 1u << 5, 0, 0}, {0}},
        {0xd, 0x0, {0xe7, 0, 2688, 0}, {0}},
        {0xd, 0x1, {7, 0, 0, 0}, {0}},
        {0xd, 0x2, {256, 576, 0, 0}, {0}},
        {0xd, 0x5, {60, 1088, 0, 0}, {0}},
        {0xd, 0x6, {512, 1152, 2, 0}, {0}},
        {0xd, 0x7, {1024, 1664, 0, 0}, {0}},
        {0x80000000, 0x0, {0x80000001, 0, 0, 0}, {0}},
        {0x80000001, 0x0, {0, 0, 0x75, 0xedd3fbfd}, {0}},
    };

    (void)state;
    set_host(rows, ARRAY_SIZE(rows));
    assert_int_equal(fpu_xcr0_mask(), 0xe7);
    assert_int_equal(fpu_xsave_size(0xe7), 2688);
    assert_int_equal(fpu_xsavec_size(0xe7), 576 + 256 + 64 + 512 + 1024);
    assert_int_equal(fpu_xsavec_size(0x23), 576 + 60);
    assert_int_equal(fpu_xsavec_size(0x63), 576 + 64 + 512);
    assert_int_equal(fpu_xsavec_size(0x83), 576 + 1024);
}

static bool has_default(enum cpu_feature f)
{
    return cpu_policy_has(cpu_policy_system(CPU_POLICY_PV_DEFAULT), f);
}

/* A feature that is taken away takes with it what needs it; nothing comes back, nothing else goes. */
static void test_recalculate(void **state)
{
    struct cpu_policy p;

    (void)state;
    set_host(cpuid_epyc, ARRAY_SIZE(cpuid_epyc));
    p = *cpu_policy_system(CPU_POLICY_PV_DEFAULT);
    cpu_policy_recalculate(&p, cpu_policy_system(CPU_POLICY_PV_MAX));
    assert_memory_equal(&p, cpu_policy_system(CPU_POLICY_PV_DEFAULT), sizeof(p));
    assert_true(has_default(X86_FEATURE_AVX2));
    *cpu_policy_word(&p, X86_FEATURE_XSAVE / 32) &= ~(1u << X86_FEATURE_XSAVE % 32);
    *cpu_policy_word(&p, X86_FEATURE_VMX / 32) |= 1u << X86_FEATURE_VMX % 32;
    cpu_policy_recalculate(&p, cpu_policy_system(CPU_POLICY_PV_MAX));
    assert_false(cpu_policy_has(&p, X86_FEATURE_AVX2));
    assert_false(cpu_policy_has(&p, X86_FEATURE_FMA));
    assert_false(cpu_policy_has(&p, X86_FEATURE_VMX));
    assert_true(cpu_policy_has(&p, X86_FEATURE_SSE4_2));
    assert_int_equal(p.xstate[0].a | p.xstate[0].c | p.xstate[2].a, 0);
}

/* What a domain was given is what it may use. */
static void test_policy_limits_use(void **state)
{
    (void)state;
    set_host(cpuid_max, ARRAY_SIZE(cpuid_max));
    new_policy(false);
    assert_int_equal(pv_guest_xcr0_mask(&vcpu), 7);
    assert_int_equal(pv_guest_cr4_mask(&vcpu), CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE);
    *cpu_policy_word(domain.cpu_policy, 1) &= ~(1u << X86_FEATURE_AVX % 32);
    *cpu_policy_word(domain.cpu_policy, 5) = 0;
    cpu_policy_recalculate(domain.cpu_policy, cpu_policy_system(CPU_POLICY_PV_MAX));
    assert_int_equal(pv_guest_xcr0_mask(&vcpu), 3);
    assert_int_equal(pv_guest_cr4_mask(&vcpu), CR4_TSD | CR4_DE | CR4_OSXSAVE);
    *cpu_policy_word(domain.cpu_policy, 1) &= ~(1u << X86_FEATURE_XSAVE % 32);
    cpu_policy_recalculate(domain.cpu_policy, cpu_policy_system(CPU_POLICY_PV_MAX));
    assert_int_equal(pv_guest_xcr0_mask(&vcpu), 3);
    assert_int_equal(pv_guest_cr4_mask(&vcpu), CR4_TSD | CR4_DE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_recorded),       cmocka_unit_test(test_never_shown),
        cmocka_unit_test(test_subset_of_host),    cmocka_unit_test(test_osxsave),
        cmocka_unit_test(test_xen_leaves),        cmocka_unit_test(test_xcr0),
        cmocka_unit_test(test_compacted_size),    cmocka_unit_test(test_recalculate),
        cmocka_unit_test(test_policy_limits_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
