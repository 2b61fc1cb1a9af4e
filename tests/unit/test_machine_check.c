/* unit: hv/cpu/machine_check.c hv/control/mca.c tests/unit/stubs/printk.c */
/* Machine checks with a model of the banks: what is fatal, what is told, and how dom0 fetches it. */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <base/bug.h>
#include <control/hypercall.h>
#include <control/mca.h>
#include <cpu/features.h>
#include <cpu/machine_check.h>
#include <cpu/percpu.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <cpu/traps.h>
#include <event/evtchn.h>
#include <mm/guest_access.h>
#include <pv/pv.h>
#include <stubs/printk.h>
#include <time/timer.h>
#include <xen/arch-x86/xen-mca.h>

#define BANKS     4u
#define CORRECTED (MCI_VALID | MCI_ADDR_VALID | MCI_MISC_VALID | 0x9f)

struct cpu_features host_cpu;
uint32_t cpu_to_apicid[MAX_CPUS];
cpumask_t cpu_online_map;
static struct cpu_info cpu_info;
static uint64_t cap, gstatus, gctl, ctl[BANKS], bank[BANKS], address[BANKS], misc[BANKS];
static unsigned int virqs, raised;
static void (*softirq_fn)(void);

struct cpu_info *get_cpu_info(void)
{
    return &cpu_info;
}

void panic_at(const struct cpu_user_regs *regs, const char *fmt, ...)
{
    mock_assert(0, fmt, "panic_at", 0);
    abort();
}

struct cpuid_regs cpuid_count(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_regs){0};
}

uint64_t rdmsr(uint32_t msr)
{
    uint32_t i = (msr - 0x400) / 4;

    switch (msr) {
    case 0x179:
        return cap;
    case 0x17a:
        return gstatus;
    }
    assert_true(msr >= 0x400 && i < BANKS);
    return msr % 4 == 1 ? bank[i] : msr % 4 == 2 ? address[i] : misc[i];
}

void wrmsr(uint32_t msr, uint64_t v)
{
    uint32_t i = (msr - 0x400) / 4;

    if (msr == 0x17a) {
        gstatus = v;
    } else if (msr == 0x17b) {
        gctl = v;
    } else {
        assert_true(msr >= 0x400 && i < BANKS && msr % 4 < 2);
        if (msr % 4 == 1)
            assert_int_equal(v, 0); /* anything else is a #GP */
        *(msr % 4 ? &bank[i] : &ctl[i]) = v;
    }
}

void open_softirq(enum softirq nr, void (*fn)(void))
{
    softirq_fn = fn;
}

void raise_softirq(enum softirq nr)
{
    raised++;
}

void timer_init(struct timer *t, void (*fn)(void *), void *data, uint32_t cpu)
{
}

void timer_set(struct timer *t, s_time_t expires)
{
}

s_time_t now(void)
{
    return 1;
}

void udelay(uint32_t us)
{
}

void send_global_virq(uint32_t virq)
{
    assert_int_equal(virq, VIRQ_MCA);
    virqs++;
}

int copy_to_guest(uint64_t gva, const void *src, size_t len)
{
    memcpy((void *)gva, src, len);
    return 0;
}

int copy_from_guest(void *dst, uint64_t gva, size_t len)
{
    memcpy(dst, (const void *)gva, len);
    return 0;
}

static struct xen_mc mc;
static struct mc_info info;

static uint32_t fetch(uint32_t flags)
{
    struct hypercall_args args = {{(uint64_t)&mc}};
    uint64_t id = mc.u.mc_fetch.fetch_id;

    mc = (struct xen_mc){.cmd = XEN_MC_fetch, .interface_version = XEN_MCA_INTERFACE_VERSION};
    mc.u.mc_fetch.flags = flags;
    mc.u.mc_fetch.fetch_id = id;
    mc.u.mc_fetch.data.p = &info;
    assert_int_equal(hc_mca(&args), 0);
    return mc.u.mc_fetch.flags;
}

static int set_up(void **state)
{
    memset(bank, 0, sizeof(bank));
    memset(address, 0, sizeof(address));
    cap = BANKS | MCG_CAP_CTL | MCG_CAP_RECOVER;
    gstatus = virqs = raised = 0;
    host_cpu.words[X86_FEATURE_MCE / 32] |= 1u << X86_FEATURE_MCE % 32;
    host_cpu.words[X86_FEATURE_MCA / 32] |= 1u << X86_FEATURE_MCA % 32;
    cpumask_set(&cpu_online_map, 0);
    clear_messages();
    mce_init_cpu();
    mce_start();
    return 0;
}

static void severities(void **state)
{
    const uint64_t uc = MCI_VALID | MCI_UNCORRECTED;

    assert_int_equal(mce_severity(cap, 0, ~MCI_VALID), MCE_NONE);
    assert_int_equal(mce_severity(cap, 4, CORRECTED), MCE_CORRECTED);
    assert_int_equal(mce_severity(cap, 0, uc), MCE_HARMLESS);
    assert_int_equal(mce_severity(cap, MCG_IN_PROGRESS | MCG_RESTART, uc | MCI_SIGNALED), MCE_HARMLESS);
    assert_int_equal(mce_severity(cap, MCG_IN_PROGRESS, uc | MCI_SIGNALED), MCE_FATAL);
    assert_int_equal(mce_severity(cap, 5, uc | MCI_SIGNALED | MCI_ACTION), MCE_FATAL);
    assert_int_equal(mce_severity(cap, 5, uc | MCI_CORRUPT), MCE_FATAL);
    assert_int_equal(mce_severity(BANKS, 5, uc | MCI_SIGNALED), MCE_FATAL);
}

static void start(void **state)
{
    bank[1] = CORRECTED; /* from before */
    gctl = 0;
    host_cpu.vendor = VENDOR_INTEL;
    host_cpu.family = 6;
    host_cpu.model = 0xf;
    memset(ctl, 0, sizeof(ctl));
    mce_init_cpu();
    assert_int_equal(gctl, ~0UL);
    assert_int_equal(ctl[0], 0);
    assert_int_equal(ctl[1], ~0UL);
    assert_int_equal(bank[1], 0);
    host_cpu.model = 0x1a;
    mce_init_cpu();
    assert_int_equal(ctl[0], ~0UL);
}

static void corrected(void **state)
{
    struct mcinfo_global *g = (struct mcinfo_global *)info.mi_data;
    struct mcinfo_bank *b;

    assert_int_equal(fetch(XEN_MC_NONURGENT), XEN_MC_NODATA);
    bank[2] = CORRECTED;
    address[2] = 0x5000;
    bank[3] = MCI_VALID | MCI_UNCORRECTED | MCI_CORRUPT; /* its exception comes */
    softirq_fn();
    assert_int_equal(bank[2], 0);
    assert_true(bank[3] != 0);
    assert_int_equal(virqs, 1);
    assert_int_equal(message_lines(), 1);
    assert_non_null(strstr(messages, "Corrected machine check on CPU 0, bank 2"));
    assert_int_equal(fetch(XEN_MC_URGENT), XEN_MC_NODATA);
    assert_int_equal(fetch(XEN_MC_NONURGENT), XEN_MC_OK);
    assert_int_equal(info.mi_nentries, 2);
    assert_int_equal(g->common.type, MC_TYPE_GLOBAL);
    b = (struct mcinfo_bank *)((char *)g + g->common.size);
    assert_int_equal(b->common.type, MC_TYPE_BANK);
    assert_int_equal(b->mc_bank, 2);
    assert_int_equal(b->mc_status, CORRECTED);
    assert_int_equal(b->mc_addr, 0x5000);
    assert_int_equal(fetch(XEN_MC_NONURGENT | XEN_MC_ACK), XEN_MC_OK);
    assert_int_equal(fetch(XEN_MC_NONURGENT), XEN_MC_NODATA);
    assert_int_equal(fetch(XEN_MC_NONURGENT | XEN_MC_ACK), XEN_MC_OK);
}

/* However many come, memory and lines have an end, and dom0 gets the first ones in order. */
static void flood(void **state)
{
    uint64_t last = 0;
    unsigned int n = 0;

    for (uint32_t i = 0; i < 100; i++) {
        bank[1] = CORRECTED + (i << 16);
        softirq_fn();
    }
    assert_true(message_lines() <= 16);
    for (; fetch(XEN_MC_NONURGENT) == XEN_MC_OK; n++) {
        assert_true(mc.u.mc_fetch.fetch_id > last);
        last = mc.u.mc_fetch.fetch_id;
        fetch(XEN_MC_NONURGENT | XEN_MC_ACK);
    }
    assert_int_equal(n, 16);
}

static void harmless_exception(void **state)
{
    struct cpu_user_regs regs = {0};

    gstatus = MCG_IN_PROGRESS | MCG_RESTART;
    bank[1] = MCI_VALID | MCI_UNCORRECTED | MCI_SIGNALED;
    handle_machine_check(&regs);
    assert_int_equal(gstatus, 0); /* a second one now would be a reset */
    assert_int_equal(raised, 1);
    assert_int_equal(message_lines(), 0);
    softirq_fn();
    assert_int_equal(fetch(XEN_MC_URGENT), XEN_MC_OK);
    fetch(XEN_MC_URGENT | XEN_MC_ACK);
    /* One that is for other CPUs. */
    gstatus = MCG_IN_PROGRESS | MCG_RESTART;
    handle_machine_check(&regs);
    assert_int_equal(gstatus, 0);
    assert_int_equal(raised, 1);
}

static void fatal_exception(void **state)
{
    struct cpu_user_regs regs = {0};

    gstatus = MCG_IN_PROGRESS;
    bank[2] = MCI_VALID | MCI_UNCORRECTED | MCI_CORRUPT;
    expect_assert_failure(handle_machine_check(&regs));
    bank[2] = 0; /* no restart, and no reason */
    expect_assert_failure(handle_machine_check(&regs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(severities, set_up),         cmocka_unit_test_setup(start, set_up),
        cmocka_unit_test_setup(corrected, set_up),          cmocka_unit_test_setup(flood, set_up),
        cmocka_unit_test_setup(harmless_exception, set_up), cmocka_unit_test_setup(fatal_exception, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
