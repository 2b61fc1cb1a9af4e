/* unit: hv/cpu/msr_policy.c tests/unit/stubs/printk.c */
#include "unit.h"
#include <string.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <cpu/control.h>
#include <cpu/cpuid_policy.h>
#include <cpu/msr_policy.h>
#include <domain/domain.h>
#include <mm/page_type.h>
#include <pv/segment.h>
#include <pv/traps.h>
#include "msr_recorded.h"

#define MSR_UCODE 0x8b

struct cpu_features host_cpu;
struct page_info *frame_table;
static struct cpu_policy policy;
static struct domain domain = {.is_hardware = true, .cpu_policy = &policy};
static struct vcpu vcpu = {.domain = &domain};
static struct cpu_info info;
static uint64_t bases[3];
static uint64_t arch_caps;

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

/* The emulator's: all of them read as zero but a few. */
bool rdmsr_safe(uint32_t msr, uint64_t *v)
{
    bool amd = host_cpu.vendor == VENDOR_AMD;

    *v = msr == 0x1a0 ? 1 : msr == MSR_UCODE ? (amd ? 0x1000065 : 0x100000000) : 0;
    return true;
}

bool pv_guest_has(const struct vcpu *v, enum cpu_feature f)
{
    return f == X86_FEATURE_RDTSCP || (f == X86_FEATURE_ARCH_CAPS && arch_caps);
}

uint64_t cpu_policy_arch_caps(const struct cpu_policy *p)
{
    return arch_caps;
}

uint64_t guest_tsc(const struct vcpu *v)
{
    return 7;
}

int pv_set_segment_base(struct vcpu *v, uint32_t which, uint64_t base)
{
    if (!is_canonical(base))
        return -EINVAL;
    bases[which] = base;
    return 0;
}

uint64_t pv_get_segment_base(struct vcpu *v, uint32_t which)
{
    return bases[which];
}

struct page_info *get_page_from_mfn(mfn_t mfn, const struct domain *d)
{
    return NULL;
}

int get_page_type(struct page_info *page, uint64_t type)
{
    return -EINVAL;
}

void put_page(struct page_info *page)
{
}

void put_page_and_type(struct page_info *page)
{
}

void *mfn_to_virt(mfn_t mfn)
{
    return NULL;
}

void pv_fill_hypercall_page(void *page)
{
}

static void set_host(enum cpu_vendor vendor)
{
    memset(&host_cpu, 0, sizeof(host_cpu));
    memset(&vcpu.pv, 0, sizeof(vcpu.pv));
    memset(bases, 0, sizeof(bases));
    host_cpu.vendor = vendor;
    vcpu.pv.mcg_cap = guest_mcg_cap_default();
    if (vendor == VENDOR_AMD)
        host_cpu.words[X86_FEATURE_LFENCE_DISPATCH / 32] |= 1u << X86_FEATURE_LFENCE_DISPATCH % 32;
    arch_caps = vendor == VENDOR_INTEL ? 4 : 0;
    domain.is_hardware = true;
}

/* Registers in which we differ on purpose: machine-check banks whose content nobody looks at. */
static bool value_differs(enum cpu_vendor vendor, uint32_t msr)
{
    return vendor == VENDOR_INTEL && msr == 0x179; /* number of banks */
}

static bool can_read(uint32_t msr, uint64_t *value)
{
    return guest_rdmsr(&vcpu, msr, value) == 0;
}

static bool can_write(uint32_t msr, uint64_t value)
{
    return guest_wrmsr(&vcpu, msr, value) == 0;
}

static const struct msr_row *find(const struct msr_row *rows, unsigned int count, uint32_t msr)
{
    for (unsigned int i = 0; i < count; i++)
        if (msr >= rows[i].first && msr <= rows[i].last)
            return &rows[i];
    return NULL;
}

static void check_one(enum cpu_vendor vendor, const struct msr_row *r, uint32_t msr)
{
    uint64_t value = 0;
    bool readable = can_read(msr, &value), same, flipped;

    same = can_write(msr, readable ? value : 0);
    flipped = can_write(msr, value ^ (readable ? 1 : 0));
    if (readable != (r && r->readable) || (readable && value != r->value && !value_differs(vendor, msr)))
        fail_msg("MSR %x: read %d %lx, recorded %d %lx", msr, readable, value, r && r->readable,
                 r ? r->value : 0);
    if (same != (r && r->write_same) || flipped != (r && r->write_flipped))
        fail_msg("MSR %x: writes accepted %d %d, recorded %d %d", msr, same, flipped, r && r->write_same,
                 r && r->write_flipped);
}

static void compare(enum cpu_vendor vendor, const struct msr_row *rows, unsigned int count)
{
    static const uint32_t swept[][2] = {
        {0, 0xf},
        {0x11, 0x4ff},
        {0x560, 0x5bf},
        {0x600, 0xdff},
        {0x40000000, 0x4000000f},
        {0xc0000080, 0xc00000ff},
        {0xc0000102, 0xc000010f}, /* 100 and 101 were not written in the recording */
        {0xc0010000, 0xc00102ff},
        {0xc0011000, 0xc001103f},
    };

    set_host(vendor);
    for (unsigned int i = 0; i < ARRAY_SIZE(swept); i++)
        for (uint32_t msr = swept[i][0]; msr <= swept[i][1]; msr++)
            check_one(vendor, find(rows, count, msr), msr);
}

static void test_as_recorded(void **state)
{
    compare(VENDOR_AMD, msr_amd, ARRAY_SIZE(msr_amd));
    compare(VENDOR_INTEL, msr_intel, ARRAY_SIZE(msr_intel));
}

static void test_bases(void **state)
{
    uint64_t value;

    set_host(VENDOR_AMD);
    assert_true(can_write(0xc0000100, 0x1000));
    assert_true(can_write(0xc0000101, 0xffffffff80000000));
    assert_true(can_write(0xc0000102, 0x3000));
    assert_int_equal(bases[SEGBASE_FS], 0x1000);
    assert_int_equal(bases[SEGBASE_GS_KERNEL], 0xffffffff80000000);
    assert_int_equal(bases[SEGBASE_GS_USER], 0x3000);
    assert_true(can_read(0xc0000101, &value));
    assert_int_equal(value, 0xffffffff80000000);
    for (uint32_t msr = 0xc0000100; msr <= 0xc0000102; msr++)
        assert_false(can_write(msr, 0x800000000000));
    assert_int_equal(bases[SEGBASE_FS], 0x1000);
}

/* A guest without the machine sees nothing of it, and changes nothing. */
static void test_ordinary_domain(void **state)
{
    uint64_t value = 1;

    set_host(VENDOR_INTEL);
    domain.is_hardware = false;
    assert_true(can_read(MSR_UCODE, &value));
    assert_int_equal(value, 0);
    assert_false(can_write(0x199, 1));
    assert_false(can_write(0x19a, 0));
}

static void test_cpuid_faulting(void **state)
{
    uint64_t value;

    set_host(VENDOR_INTEL);
    assert_false(can_write(0x140, 1));
    policy.cpuid_faulting = true;
    assert_true(can_read(0xce, &value));
    assert_int_equal(value, 1u << 31);
    assert_true(can_write(0x140, 1));
    assert_true(vcpu.pv.cpuid_faulting);
    assert_false(can_write(0x140, 2));
    assert_true(can_read(0x140, &value));
    assert_int_equal(value, 1);
    policy.cpuid_faulting = false;
}

static void test_hypercall_page_of_nobody(void **state)
{
    set_host(VENDOR_AMD);
    assert_false(can_write(MSR_XEN_HYPERCALL_PAGE, 0x1000));
    assert_false(can_write(MSR_XEN_HYPERCALL_PAGE, 0x1001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_recorded),
        cmocka_unit_test(test_bases),
        cmocka_unit_test(test_ordinary_domain),
        cmocka_unit_test(test_cpuid_faulting),
        cmocka_unit_test(test_hypercall_page_of_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
