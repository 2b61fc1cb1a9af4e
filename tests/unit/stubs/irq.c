#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <acpi/acpi.h>
#include <base/bug.h>
#include <console/printk.h>
#include <control/hypercall.h>
#include <cpu/features.h>
#include <cpu/smp.h>
#include <event/evtchn.h>
#include <irq/apic.h>
#include <irq/ioapic.h>
#include <irq/ioapic_io.h>
#include <irq/irq.h>
#include <mm/iomem.h>
#include <mm/ioremap.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <stubs/irq.h>

struct model_ioapic model_ioapic;
struct domain test_domains[3];
struct vcpu test_vcpus[3];
unsigned int sent[4096];
unsigned int eois;
unsigned int unmasked_ports;
uint64_t eoi_map_page[512];
bool out_of_memory;
long mapped_bytes;

struct acpi_madt_info acpi_madt;
struct cpu_features host_cpu = {.phys_bits = 40};
unsigned int nr_cpus = 4;
uint32_t cpu_to_apicid[MAX_CPUS];
cpumask_t cpu_online_map;

static struct cpu_info cpu_infos[TEST_CPUS];
static uint32_t this_cpu_nr;
static uint8_t irr[TEST_CPUS][256];
static int in_service[TEST_CPUS];
static uint8_t regs_page[PAGE_SIZE];

struct cpu_info *get_cpu_info(void)
{
    return &cpu_infos[this_cpu_nr];
}

void set_cpu(uint32_t cpu)
{
    this_cpu_nr = cpu;
    cpu_infos[cpu].cpu = cpu;
}

static void service_levels(void)
{
    for (uint32_t pin = 0; pin < MODEL_PINS; pin++) {
        uint64_t *rte = &model_ioapic.rte[pin];

        if ((*rte & RTE_LEVEL) && model_ioapic.line[pin] && !(*rte & (RTE_MASKED | RTE_REMOTE_IRR))) {
            *rte |= RTE_REMOTE_IRR;
            irr[(*rte >> 56) - 10][*rte & 0xff] = 1;
        }
    }
}

void apic_eoi(void)
{
    int vector = in_service[this_cpu_nr];

    assert_true(vector >= 0);
    in_service[this_cpu_nr] = -1;
    eois++;
    for (uint32_t pin = 0; pin < MODEL_PINS; pin++)
        if ((int)(model_ioapic.rte[pin] & 0xff) == vector)
            model_ioapic.rte[pin] &= ~RTE_REMOTE_IRR;
    service_levels();
}

bool apic_in_service(uint8_t vector)
{
    return in_service[this_cpu_nr] == vector;
}

void model_run(void)
{
    uint32_t old = this_cpu_nr;

    for (unsigned int i = 0; i < TEST_CPUS * 256; i++) {
        uint32_t cpu = i / 256, vector = i % 256;
        struct cpu_user_regs regs = {.entry_vector = vector};

        if (!irr[cpu][vector])
            continue;
        irr[cpu][vector] = 0;
        set_cpu(cpu);
        in_service[cpu] = (int)vector;
        do_irq(&regs);
        assert_int_equal(in_service[cpu], -1);
        i = (unsigned int)-1; /* from the start */
    }
    set_cpu(old);
}

void model_line(uint32_t pin, bool on)
{
    uint64_t rte = model_ioapic.rte[pin];
    bool rises = on && !model_ioapic.line[pin];

    model_ioapic.line[pin] = on;
    if (!(rte & RTE_LEVEL) && rises && !(rte & RTE_MASKED))
        irr[(rte >> 56) - 10][rte & 0xff] = 1;
    service_levels();
    model_run();
}

void model_pulse(uint32_t pin)
{
    model_line(pin, true);
    model_line(pin, false);
}

void model_message(uint64_t address, uint32_t data)
{
    assert_int_equal(address >> 20, 0xfee);
    assert_int_equal(data & ~0xffu, 0);
    irr[(address >> 12 & 0xff) - 10][data & 0xff] = 1;
    model_run();
}

uint32_t ioapic_mmio_read(const volatile void *p)
{
    uint32_t n = model_ioapic.index;

    assert_ptr_equal(p, regs_page + IOAPIC_DATA);
    if (n == 1)
        return (MODEL_PINS - 1) << 16 | 0x20;
    assert_in_range(n, 0x10, 0x10 + 2 * MODEL_PINS - 1);
    return (uint32_t)(model_ioapic.rte[(n - 0x10) / 2] >> (n % 2 * 32));
}

void ioapic_mmio_write(volatile void *p, uint32_t value)
{
    uint32_t n = model_ioapic.index;
    uint64_t *rte;

    if (p == regs_page + IOAPIC_INDEX) {
        model_ioapic.index = value;
        return;
    }
    assert_in_range(n, 0x10, 0x10 + 2 * MODEL_PINS - 1);
    rte = &model_ioapic.rte[(n - 0x10) / 2];
    if (n % 2)
        *rte = (*rte & 0xffffffff) | (uint64_t)value << 32;
    else
        *rte = (*rte & (0xffffffff00000000 | RTE_REMOTE_IRR)) | (value & ~(uint32_t)RTE_REMOTE_IRR);
    /* Software must not change the vector of an entry whose interrupt has not seen its EOI. */
    service_levels();
}

volatile void *ioremap(paddr_t pa, size_t len)
{
    if (paddr_x(pa) == MODEL_IOAPIC_BASE)
        return regs_page;
    /* Beyond it a mapping would fault. */
    assert_true(paddr_x(pa) + len - 1 >= paddr_x(pa) && !((paddr_x(pa) + len - 1) >> host_cpu.phys_bits));
    mapped_bytes += (long)len;
    return (volatile void *)paddr_x(pa);
}

void vunmap_range(const volatile void *va, size_t len)
{
    mapped_bytes -= (long)len;
}

void iomem_deny(mfn_t first, uint64_t nr)
{
}

void iomem_set_read_only(mfn_t first, uint64_t nr)
{
}

bool iomem_read_only(mfn_t mfn)
{
    return false;
}

void iomem_guard_set(struct iomem_guard *guard, mfn_t first, uint64_t nr)
{
    guard->first = mfn_x(first);
    guard->nr = nr;
}

bool iomem_denied(mfn_t mfn)
{
    return false;
}

bool mfn_valid(mfn_t mfn)
{
    return false;
}

void *xzalloc_bytes(size_t size)
{
    return out_of_memory ? NULL : calloc(1, size);
}

void xfree(void *p)
{
    free(p);
}

bool domain_get(struct domain *d)
{
    d->refcount++;
    return true;
}

void domain_put(struct domain *d)
{
    assert_true(d->refcount > 0);
    d->refcount--;
}

bool send_guest_port(struct domain *d, uint32_t port)
{
    assert_in_range(port, 1, 4095);
    sent[port]++;
    return true;
}

int evtchn_unmask(struct domain *d, uint32_t port)
{
    unmasked_ports++;
    return 0;
}

bool hypercall_preempt_check(void)
{
    return true;
}

struct page_info *get_page_from_mfn(mfn_t mfn, const struct domain *d)
{
    static struct page_info page;

    return mfn_x(mfn) == 77 ? &page : NULL;
}

int get_page_type(struct page_info *page, uint64_t type)
{
    assert_int_equal(type, PGT_WRITABLE);
    return 0;
}

void put_page(struct page_info *page)
{
}

void put_page_and_type(struct page_info *page)
{
}

void *mfn_to_virt(mfn_t mfn)
{
    return eoi_map_page;
}

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

void boot_refuse(const char *fmt, ...)
{
    fail_msg("refused: %s", fmt);
    abort();
}

void printk_level(enum log_level level, const char *fmt, ...)
{
}

void stubs_reset(void)
{
    set_cpu(0);
    memset(&acpi_madt, 0, sizeof(acpi_madt));
    acpi_madt.nr_ioapics = 1;
    acpi_madt.ioapics[0] = (struct acpi_ioapic){.address = MODEL_IOAPIC_BASE};
    acpi_madt.nr_overrides = 2;
    acpi_madt.overrides[0] = (struct acpi_override){0, 2, ACPI_ACTIVE_HIGH, ACPI_EDGE};
    acpi_madt.overrides[1] = (struct acpi_override){9, 9, ACPI_ACTIVE_HIGH, ACPI_LEVEL};
    for (uint32_t i = 0; i < TEST_CPUS; i++) {
        cpu_to_apicid[i] = i + 10;
        in_service[i] = -1;
    }
    memset(irr, 0, sizeof(irr));
    memset(sent, 0, sizeof(sent));
    memset(eoi_map_page, 0, sizeof(eoi_map_page));
    memset(&model_ioapic, 0, sizeof(model_ioapic));
    for (uint32_t pin = 0; pin < MODEL_PINS; pin++)
        model_ioapic.rte[pin] = RTE_MASKED;
    for (uint32_t i = 0; i < 3; i++) {
        memset(&test_domains[i], 0, sizeof(test_domains[i]));
        memset(&test_vcpus[i], 0, sizeof(test_vcpus[i]));
        test_domains[i].is_privileged = test_domains[i].is_hardware = i == 0;
        test_vcpus[i].domain = &test_domains[i];
    }
    eois = unmasked_ports = 0;
    out_of_memory = false;
    mapped_bytes = 0;
}
