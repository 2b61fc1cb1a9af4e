#include <acpi/acpi.h>
#include <base/atomic.h>
#include <base/bug.h>
#include <base/compiler.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/smp.h>
#include <irq/apic.h>
#include <irq/irq.h>
#include <mm/iomem.h>
#include <mm/ioremap.h>
#include <time/time.h>

#define MSR_APIC_BASE    0x1b
#define APIC_BASE_X2APIC (1UL << 10)
#define APIC_BASE_ENABLE (1UL << 11)
#define APIC_BASE_ADDR   0x000ffffffffff000UL
#define MSR_X2APIC_FIRST 0x800

#define SVR_ENABLE       0x100u
#define ICR_PENDING      0x01000u
#define ICR_ASSERT       0x04000u
#define ICR_LEVEL        0x08000u
#define ICR_ALL_BUT_SELF 0xc0000u
#define ICR_MODE_NMI     0x00400u
#define ICR_MODE_INIT    0x00500u
#define ICR_MODE_STARTUP 0x00600u

struct apic_ops {
    uint32_t (*read)(uint32_t reg);
    void (*write)(uint32_t reg, uint32_t value);
    void (*icr)(uint32_t apicid, uint32_t low); /* interrupts off */
};

static volatile uint8_t *xapic __ro_after_init;

static uint32_t xapic_read(uint32_t reg)
{
    return mmio_read32(xapic + reg);
}

static void xapic_write(uint32_t reg, uint32_t value)
{
    mmio_write32(xapic + reg, value);
}

/* The command waits in one register: it must have left before the next is written (SDM 10.6.1). */
static void xapic_icr(uint32_t apicid, uint32_t low)
{
    while (xapic_read(APIC_ICR) & ICR_PENDING)
        cpu_relax();
    xapic_write(APIC_ICR_HIGH, apicid << 24);
    xapic_write(APIC_ICR, low);
}

static const struct apic_ops xapic_ops = {xapic_read, xapic_write, xapic_icr};

static uint32_t x2apic_read(uint32_t reg)
{
    return (uint32_t)rdmsr(MSR_X2APIC_FIRST + reg / 16);
}

static void x2apic_write(uint32_t reg, uint32_t value)
{
    wrmsr(MSR_X2APIC_FIRST + reg / 16, value);
}

/*
 * WRMSR to the ICR does not wait for earlier stores, which the receiver of the
 * interrupt must see: SDM vol 3, 10.12.3 asks for MFENCE; LFENCE.
 */
static void x2apic_icr(uint32_t apicid, uint32_t low)
{
    __asm__ __volatile__("mfence; lfence" ::: "memory");
    wrmsr(MSR_X2APIC_FIRST + APIC_ICR / 16, (uint64_t)apicid << 32 | low);
}

static const struct apic_ops x2apic_ops = {x2apic_read, x2apic_write, x2apic_icr};

static const struct apic_ops *ops __ro_after_init = &xapic_ops;

uint32_t apic_read(uint32_t reg)
{
    return ops->read(reg);
}

void apic_write(uint32_t reg, uint32_t value)
{
    ops->write(reg, value);
}

void apic_eoi(void)
{
    ops->write(APIC_EOI, 0);
}

uint32_t apic_id_self(void)
{
    uint32_t id = ops->read(APIC_ID);

    return ops == &x2apic_ops ? id : id >> 24;
}

bool apic_in_service(uint8_t vector)
{
    return ops->read(APIC_ISR + vector / 32 * 16) >> (vector % 32) & 1;
}

static void send_icr(uint32_t apicid, uint32_t low)
{
    uint64_t flags = local_irq_save();

    ops->icr(apicid, low);
    local_irq_restore(flags);
}

void send_ipi(uint32_t cpu, uint8_t vector)
{
    send_icr(cpu_to_apicid[cpu], ICR_ASSERT | vector);
}

void send_ipi_nmi_allbutself(void)
{
    send_icr(0, ICR_ALL_BUT_SELF | ICR_ASSERT | ICR_MODE_NMI);
}

static void wait_icr_idle(void)
{
    for (unsigned int us = 0; ops == &xapic_ops && us < 1000; us += 10) {
        if (!(xapic_read(APIC_ICR) & ICR_PENDING))
            return;
        udelay(10);
    }
}

/* The waits are those of SDM vol 3, 8.4.4.1; a second STARTUP is ignored by a CPU that has taken the first.
 */
void apic_start_cpu(uint32_t apicid, uint8_t page)
{
    send_icr(apicid, ICR_MODE_INIT | ICR_LEVEL | ICR_ASSERT);
    wait_icr_idle();
    udelay(10000);
    for (unsigned int i = 0; i < 2; i++) {
        send_icr(apicid, ICR_MODE_STARTUP | ICR_ASSERT | page);
        wait_icr_idle();
        udelay(200);
    }
}

static void error_interrupt(struct cpu_user_regs *regs)
{
    static unsigned int reported;
    uint32_t esr;

    ops->write(APIC_ESR, 0); /* latches what has gathered since the last write */
    esr = ops->read(APIC_ESR);
    apic_eoi();
    if (reported < 10) {
        reported++;
        printk_warn("APIC error on CPU%u: ESR %#x\n", smp_processor_id(), esr);
    }
}

/* Firmware or a boot loader may have left with interrupts in service: they would block all lower ones. */
static void ack_leftovers(void)
{
    for (unsigned int round = 0; round < 256; round++) {
        uint32_t any = 0;

        for (uint32_t reg = APIC_ISR; reg < APIC_ISR + 0x80; reg += 16)
            any |= ops->read(reg);
        if (!any)
            return;
        apic_eoi();
    }
}

static void mask_local_sources(void)
{
    uint32_t max_lvt = ops->read(APIC_VERSION) >> 16 & 0xff;

    ops->write(APIC_LVT_TIMER, APIC_LVT_MASKED);
    ops->write(APIC_LVT_LINT0, APIC_LVT_MASKED);
    ops->write(APIC_LVT_LINT1, APIC_LVT_MASKED);
    ops->write(APIC_LVT_ERROR, APIC_LVT_MASKED | VECTOR_ERROR);
    if (max_lvt >= 4)
        ops->write(APIC_LVT_PERF, APIC_LVT_MASKED);
    if (max_lvt >= 5)
        ops->write(APIC_LVT_THERMAL, APIC_LVT_MASKED);
    if (max_lvt >= 6)
        ops->write(APIC_LVT_CMCI, APIC_LVT_MASKED);
}

/* Which of LINT0 and LINT1 carries the platform's NMI; LINT1 where the tables are silent. */
static void route_nmi(void)
{
    uint32_t acpi_id = cpu_to_acpiid[smp_processor_id()];

    if (acpi_madt.nr_lapic_nmis == 0)
        ops->write(APIC_LVT_LINT1, APIC_LVT_NMI);
    for (uint32_t i = 0; i < acpi_madt.nr_lapic_nmis; i++) {
        const struct acpi_lapic_nmi *nmi = &acpi_madt.lapic_nmis[i];

        if (nmi->acpi_id == ACPI_ALL_CPUS || nmi->acpi_id == acpi_id)
            ops->write(nmi->lint ? APIC_LVT_LINT1 : APIC_LVT_LINT0, APIC_LVT_NMI);
    }
}

void apic_init_cpu(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    wrmsr(MSR_APIC_BASE, base);
    if (ops == &x2apic_ops && !(base & APIC_BASE_X2APIC))
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    ops->write(APIC_TPR, 0);
    if (ops == &xapic_ops) {
        ops->write(APIC_DFR, 0xffffffff);
        ops->write(APIC_LDR, 0); /* we address CPUs physically only */
    }
    mask_local_sources();
    ops->write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    ack_leftovers();
    route_nmi();
    ops->write(APIC_ESR, 0);
    ops->write(APIC_LVT_ERROR, VECTOR_ERROR);
}

static int opt_x2apic __initdata = -1; /* -1: not said */

static int __init parse_x2apic(const char *value)
{
    int on = parse_bool(value);

    if (on >= 0)
        opt_x2apic = on;
    return MIN(on, 0);
}
BOOT_OPTION_CUSTOM("x2apic", parse_x2apic);

/*
 * Without interrupt remapping x2APIC is used where the firmware already chose
 * it, which cannot be undone without a reset of the APIC, and in a virtual
 * machine, where it saves an exit per access; elsewhere if it is asked for.
 */
static bool __init want_x2apic(uint64_t base)
{
    if (base & APIC_BASE_X2APIC)
        return true;
    return cpu_has(X2APIC) && (opt_x2apic < 0 ? cpu_has(HYPERVISOR) : opt_x2apic);
}

void __init apic_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    iomem_deny(paddr_to_mfn(_paddr(base & APIC_BASE_ADDR)), 1);
    if (want_x2apic(base)) {
        ops = &x2apic_ops;
    } else {
        xapic = ioremap(_paddr(base & APIC_BASE_ADDR), PAGE_SIZE);
        if (!xapic)
            panic("No memory to map the local APIC");
    }
    set_direct_vector(VECTOR_ERROR, error_interrupt);
    apic_init_cpu();
    printk_info("Local APIC: %s mode, boot CPU has ID %u\n", ops == &x2apic_ops ? "x2APIC" : "xAPIC",
                apic_id_self());
}
