/* unit: hv/irq/apic.c hv/irq/apic_timer.c tests/unit/stubs/printk.c */
/*
 * The local APIC by memory, and by MSRs (x2APIC) with the TSC-deadline timer, which the emulator lacks: a
 * model of the registers fails the test where such a CPU would raise #GP.
 */
#include <unit.h>
#include <string.h>
#include <acpi/acpi.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <irq/apic.h>
#include <irq/irq.h>
#include <mm/iomem.h>
#include <mm/ioremap.h>
#include <time/time.h>

#define MSR_APIC_BASE    0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define BASE             0xfee00000u
#define BOOT_CPU         0x100u
#define ENABLE           0x800u
#define EXTENDED         0x400u

struct cpu_features host_cpu;
struct acpi_madt_info acpi_madt;
uint32_t cpu_to_apicid[MAX_CPUS], cpu_to_acpiid[MAX_CPUS];
uint64_t tsc_khz = 2000000;

static uint64_t apic_base, deadline, icr;
static uint32_t regs[0x400 / 16];
static unsigned int icr_writes, softirqs, by_memory, by_msr;
static s_time_t time_now;
static char page[4096];
static struct cpu_info cpu_info;

struct cpu_info *get_cpu_info(void)
{
    return &cpu_info;
}

static bool x2apic(void)
{
    return apic_base & EXTENDED;
}

/* Registers that x2APIC mode has not, or not for writing: SDM vol 3, table 10-6. */
static bool writable_msr(uint32_t reg)
{
    return reg != APIC_ID && reg != APIC_VERSION && reg != APIC_LDR && reg != APIC_DFR &&
           reg != APIC_ICR_HIGH && (reg < APIC_ISR || reg >= APIC_ESR) && reg != APIC_TIMER_NOW;
}

uint64_t rdmsr(uint32_t msr)
{
    if (msr == MSR_APIC_BASE)
        return apic_base;
    assert_true(x2apic() && msr >= 0x800 && msr < 0x840);
    assert_true((msr - 0x800) * 16 != APIC_DFR && (msr - 0x800) * 16 != APIC_ICR_HIGH);
    by_msr++;
    return regs[msr - 0x800];
}

void wrmsr(uint32_t msr, uint64_t v)
{
    uint32_t reg = (msr - 0x800) * 16;

    if (msr == MSR_APIC_BASE) {
        assert_false(x2apic() && !(v & EXTENDED)); /* not without switching it off */
        apic_base = v;
        return;
    }
    if (msr == MSR_TSC_DEADLINE) {
        deadline = v;
        return;
    }
    assert_true(x2apic() && msr >= 0x800 && msr < 0x840 && writable_msr(reg));
    by_msr++;
    if (reg == APIC_ICR) {
        icr = v;
        icr_writes++;
        return;
    }
    assert_int_equal(v >> 32, 0);
    if (reg == APIC_EOI || reg == APIC_ESR)
        assert_int_equal(v, 0);
    regs[reg / 16] = (uint32_t)v;
}

uint32_t mmio_read32(const volatile void *p)
{
    uint32_t reg = (uint32_t)((const volatile char *)p - page);

    assert_false(x2apic());
    by_memory++;
    return regs[reg / 16];
}

void mmio_write32(volatile void *p, uint32_t v)
{
    uint32_t reg = (uint32_t)((volatile char *)p - page);

    assert_false(x2apic());
    by_memory++;
    regs[reg / 16] = v;
    if (reg == APIC_ICR) {
        icr = (uint64_t)(regs[APIC_ICR_HIGH / 16] >> 24) << 32 | v;
        icr_writes++;
    }
    if (reg == APIC_TIMER_INIT)
        regs[APIC_TIMER_NOW / 16] = v - 1000000;
}

volatile void *ioremap(paddr_t pa, size_t len)
{
    assert_int_equal(paddr_x(pa), BASE);
    return page;
}

void iomem_deny(mfn_t first, uint64_t nr)
{
    assert_int_equal(mfn_x(first), BASE >> 12);
}

void set_direct_vector(uint8_t vector, void (*fn)(struct cpu_user_regs *))
{
}

void udelay(uint32_t us)
{
}

s_time_t now(void)
{
    return time_now += 1000;
}

void raise_softirq(enum softirq nr)
{
    softirqs++;
}

static void have(uint32_t feature)
{
    host_cpu.words[feature / 32] |= 1u << (feature % 32);
}

static void start(uint64_t base)
{
    apic_base = base;
    memset(regs, 0, sizeof(regs));
    regs[APIC_VERSION / 16] = 6u << 16 | 0x15;
    icr_writes = by_memory = by_msr = softirqs = 0;
    apic_init();
}

static void by_memory_mapped_registers(void **state)
{
    start(BASE | BOOT_CPU);
    assert_int_equal(apic_base, BASE | BOOT_CPU | ENABLE);
    assert_true(by_memory && !by_msr);
    assert_int_equal(regs[APIC_DFR / 16], 0xffffffff);
    regs[APIC_ID / 16] = 7u << 24;
    assert_int_equal(apic_id_self(), 7);
    cpu_to_apicid[3] = 9;
    send_ipi(3, 0xf1);
    assert_int_equal(icr >> 32, 9);
    assert_int_equal(icr & 0xff, 0xf1);
}

static void timer_by_countdown(void **state)
{
    apic_timer_init();
    assert_int_equal(regs[APIC_LVT_TIMER / 16] & APIC_TIMER_TSC_DEADLINE, 0);
    apic_timer_set(time_now + 1000000);
    assert_true(regs[APIC_TIMER_INIT / 16] > 0);
    apic_timer_set(0);
    assert_int_equal(regs[APIC_TIMER_INIT / 16], 0);
}

static void x2apic_chosen(void **state)
{
    have(X86_FEATURE_X2APIC);
    have(X86_FEATURE_HYPERVISOR);
    start(BASE | BOOT_CPU);
    assert_int_equal(apic_base, BASE | BOOT_CPU | ENABLE | EXTENDED);
    assert_true(by_msr && !by_memory);
    assert_int_equal(regs[APIC_SVR / 16] & 0x100, 0x100);
    assert_int_equal(regs[APIC_LVT_LINT1 / 16], APIC_LVT_NMI);
    assert_int_equal(regs[APIC_LVT_LINT0 / 16], APIC_LVT_MASKED);
}

static void x2apic_left_by_firmware(void **state)
{
    memset(&host_cpu, 0, sizeof(host_cpu));
    have(X86_FEATURE_X2APIC);
    start(BASE | BOOT_CPU | ENABLE | EXTENDED);
    assert_true(x2apic() && by_msr && !by_memory);
    /* Another CPU comes out of its reset with it off. */
    apic_base = BASE;
    apic_init_cpu();
    assert_int_equal(apic_base, BASE | ENABLE | EXTENDED);
}

static void x2apic_interrupts(void **state)
{
    /* All 32 bits of the ID count, and one write sends. */
    regs[APIC_ID / 16] = 0x12345;
    assert_int_equal(apic_id_self(), 0x12345);
    cpu_to_apicid[5] = 0x10003;
    icr_writes = 0;
    send_ipi(5, 0xf2);
    assert_int_equal(icr_writes, 1);
    assert_int_equal(icr >> 32, 0x10003);
    assert_int_equal(icr & 0xfffff, 0x40f2);
    send_ipi_nmi_allbutself();
    assert_int_equal(icr & 0xc0700, 0xc0400);
    icr_writes = 0;
    apic_start_cpu(0x10004, 0x99);
    assert_int_equal(icr_writes, 3);
    assert_int_equal(icr >> 32, 0x10004);
    assert_int_equal(icr & 0x7ff, 0x699);
    apic_eoi();
    regs[APIC_ISR / 16 + 2] = 1u << 5;
    assert_true(apic_in_service(69));
    assert_false(apic_in_service(70));
}

static void tsc_deadline(void **state)
{
    uint64_t before;

    have(X86_FEATURE_TSC_DEADLINE);
    deadline = 99;
    apic_timer_init();
    assert_int_equal(regs[APIC_LVT_TIMER / 16] & (APIC_TIMER_TSC_DEADLINE | APIC_LVT_MASKED),
                     APIC_TIMER_TSC_DEADLINE);
    assert_int_equal(deadline, 0);
    /* 2 GHz. */
    before = rdtsc();
    apic_timer_set(time_now + 1001000);
    assert_in_range(deadline, before + 2000000, rdtsc() + 2000001);
    before = rdtsc();
    apic_timer_set(time_now + SECONDS(3600)); /* in steps */
    assert_in_range(deadline, before + 2000000000, rdtsc() + 2000000001);
    softirqs = 0;
    apic_timer_set(time_now - 5);
    assert_int_equal(softirqs, 1);
    apic_timer_set(0);
    assert_int_equal(deadline, 0);
    apic_timer_init_cpu();
    assert_int_equal(regs[APIC_TIMER_DIV / 16], 0); /* not touched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_memory_mapped_registers),
        cmocka_unit_test(timer_by_countdown),
        cmocka_unit_test(x2apic_chosen),
        cmocka_unit_test(x2apic_left_by_firmware),
        cmocka_unit_test(x2apic_interrupts),
        cmocka_unit_test(tsc_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
