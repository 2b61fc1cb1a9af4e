#include <base/bug.h>
#include <base/compiler.h>
#include <console/printk.h>
#include <control/mca.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/machine_check.h>
#include <cpu/percpu.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <cpu/traps.h>
#include <pv/pv.h>
#include <time/time.h>
#include <time/timer.h>

#define MSR_MCG_CAP       0x179
#define MSR_MCG_STATUS    0x17a
#define MSR_MCG_CTL       0x17b
#define MSR_MCI_CTL(i)    (0x400 + 4 * (i))
#define MSR_MCI_STATUS(i) (0x401 + 4 * (i))
#define MSR_MCI_ADDR(i)   (0x402 + 4 * (i))
#define MSR_MCI_MISC(i)   (0x403 + 4 * (i))

/* What is corrected raises no exception. Often enough for who watches memory wear out. */
#define POLL_PERIOD (10 * (s_time_t)1000000000)

static DEFINE_PER_CPU(struct timer, poll_timer);

static bool has_banks(void)
{
    return cpu_has(MCE) && cpu_has(MCA);
}

static uint32_t nr_banks(void)
{
    return (uint32_t)rdmsr(MSR_MCG_CAP) & MCG_CAP_BANKS;
}

enum mce_severity mce_severity(uint64_t mcg_cap, uint64_t mcg_status, uint64_t status)
{
    if (!(status & MCI_VALID))
        return MCE_NONE;
    if (!(status & MCI_UNCORRECTED))
        return MCE_CORRECTED;
    if ((status & MCI_CORRUPT) || !(mcg_cap & MCG_CAP_RECOVER) || (status & MCI_ACTION))
        return MCE_FATAL;
    /* While a check is in progress the interrupted program must be able to go on. */
    return (mcg_status & MCG_IN_PROGRESS) && !(mcg_status & MCG_RESTART) ? MCE_FATAL : MCE_HARMLESS;
}

static struct mca_record read_bank(uint32_t bank, uint64_t status)
{
    return (struct mca_record){
        .cpu = smp_processor_id(),
        .bank = bank,
        .gstatus = rdmsr(MSR_MCG_STATUS),
        .status = status,
        .address = status & MCI_ADDR_VALID ? rdmsr(MSR_MCI_ADDR(bank)) : 0,
        .misc = status & MCI_MISC_VALID ? rdmsr(MSR_MCI_MISC(bank)) : 0,
        .tsc = rdtsc(),
    };
}

/* Everything that is not fatal is told and taken out of its bank; a fatal one is left to its exception. */
static void look_at_banks(void)
{
    uint64_t cap = rdmsr(MSR_MCG_CAP);

    for (uint32_t i = 0; i < nr_banks(); i++) {
        uint64_t status = rdmsr(MSR_MCI_STATUS(i));
        enum mce_severity severity = mce_severity(cap, 0, status);
        struct mca_record r;

        if (severity != MCE_CORRECTED && severity != MCE_HARMLESS)
            continue;
        r = read_bank(i, status);
        r.uncorrected = severity == MCE_HARMLESS;
        wrmsr(MSR_MCI_STATUS(i), 0);
        mca_report(&r);
    }
}

static void poll(void *data)
{
    look_at_banks();
    timer_set(&this_cpu(poll_timer), now() + POLL_PERIOD);
}

void mce_init_cpu(void)
{
    if (!has_banks())
        return;
    if (rdmsr(MSR_MCG_CAP) & MCG_CAP_CTL)
        wrmsr(MSR_MCG_CTL, ~0UL);
    for (uint32_t i = 0; i < nr_banks(); i++) {
        /* On old CPUs of Intel's the firmware's value of bank 0 stays: 15.3.2.1. */
        if (i || host_cpu.vendor != VENDOR_INTEL || host_cpu.family != 6 || host_cpu.model >= 0x1a)
            wrmsr(MSR_MCI_CTL(i), ~0UL);
        wrmsr(MSR_MCI_STATUS(i), 0);
    }
}

void __init mce_start(void)
{
    uint32_t cpu;

    if (!has_banks())
        return;
    open_softirq(SOFTIRQ_MACHINE_CHECK, look_at_banks);
    for_each_online_cpu (cpu) {
        struct timer *t = &per_cpu(poll_timer, cpu);

        timer_init(t, poll, NULL, cpu);
        timer_set(t, now() + POLL_PERIOD);
    }
}

static void __noreturn die(const struct cpu_user_regs *regs, const struct mca_record *r)
{
    panic_at(regs,
             "machine check on CPU %u (%s, RIP %#lx), bank %u: status %#lx, address %#lx, misc %#lx; "
             "global status %#lx",
             r->cpu, regs_in_guest(regs) ? "guest" : "VMM", regs->rip, r->bank, r->status, r->address,
             r->misc, r->gstatus);
}

/*
 * On its own stack, in the middle of anything: no locks, nothing printed but by panic(). Where all CPUs are
 * interrupted, those that have nothing to say wait for the one that has: its panic() stops them.
 */
void handle_machine_check(struct cpu_user_regs *regs)
{
    uint64_t cap = rdmsr(MSR_MCG_CAP), gstatus = rdmsr(MSR_MCG_STATUS);
    bool found = false;

    for (uint32_t i = 0; i < nr_banks(); i++) {
        uint64_t status = rdmsr(MSR_MCI_STATUS(i));
        enum mce_severity severity = mce_severity(cap, gstatus, status);

        if (severity == MCE_FATAL) {
            struct mca_record r = read_bank(i, status);

            die(regs, &r);
        }
        found |= severity != MCE_NONE;
    }
    if (!(gstatus & MCG_RESTART)) {
        for (unsigned int i = 0; i < 1000; i++)
            udelay(1000);
        panic_at(regs, "machine check on CPU %u (%s, RIP %#lx) with nothing in its banks; global status %#lx",
                 smp_processor_id(), regs_in_guest(regs) ? "guest" : "VMM", regs->rip, gstatus);
    }
    if (found)
        raise_softirq(SOFTIRQ_MACHINE_CHECK);
    wrmsr(MSR_MCG_STATUS, 0);
}
