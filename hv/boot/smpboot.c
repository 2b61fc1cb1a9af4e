#include <acpi/acpi.h>
#include <base/atomic.h>
#include <base/bug.h>
#include <boot/cmdline.h>
#include <boot/e820.h>
#include <boot/setup.h>
#include <boot/smpboot.h>
#include <console/printk.h>
#include <cpu/control.h>
#include <cpu/desc.h>
#include <cpu/fpu.h>
#include <cpu/insn.h>
#include <cpu/machine_check.h>
#include <cpu/smp.h>
#include <cpu/stack.h>
#include <irq/irq.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/tlb.h>
#include <mm/vmm_paging.h>
#include <mm/xpti.h>
#include <sched/sched.h>
#include <time/time.h>

#define START_TIMEOUT_MS 1000

extern const char trampoline_start[], trampoline_end[];
extern uint64_t boot_stack_top, boot_entry;
extern pte_t boot_l4[PT_ENTRIES];

static uint32_t opt_maxcpus = MAX_CPUS;
BOOT_OPTION_UINT("maxcpus", opt_maxcpus);
static bool opt_nosmp;
BOOT_OPTION_BOOL("nosmp", opt_nosmp);

static uint64_t trampoline_page; /* its frame, below 1 MiB: a startup IPI names it */

static bool ap_alive;

/* First C code of another CPU: on its own stack, boot tables. */
static void ap_main(void)
{
    uint32_t cpu = smp_processor_id();

    load_cr3((uint64_t)vmm_l4 - VMM_IMAGE_START);
    desc_init_cpu(cpu, stack_block_va(cpu));
    cpu_control_init();
    fpu_init_cpu();
    mce_init_cpu();
    irq_init_cpu();
    get_cpu_info()->current_vcpu = idle_vcpu(cpu);
    cpumask_set(&cpu_online_map, cpu);
    time_init_cpu();
    store_release(&ap_alive, true);
    local_irq_enable();
    reset_stack_and_jump(idle_loop);
}

static bool __init wait_alive(void)
{
    for (uint32_t ms = 0; ms < START_TIMEOUT_MS * 10; ms++) {
        if (load_acquire(&ap_alive))
            return true;
        udelay(100);
    }
    return false;
}

static bool __init start_cpu(uint32_t cpu, uint32_t apicid)
{
    if (percpu_create(cpu) || stack_block_create(cpu) || xpti_init_cpu(cpu) || sched_init_cpu(cpu)) {
        printk_warn("CPU with APIC id %u not started: out of memory\n", apicid);
        return false;
    }
    cpu_to_apicid[cpu] = apicid;
    boot_stack_top = (uint64_t)stack_block_info(stack_block_va(cpu));
    boot_entry = (uint64_t)ap_main;
    ap_alive = false;
    smp_mb();
    apic_start_cpu(apicid, trampoline_page);
    time_sync_cpu(cpu);
    if (wait_alive())
        return true;
    printk_warn("CPU with APIC id %u does not answer: left alone\n", apicid);
    return false;
}

void __init smp_boot_cpus(void)
{
    const struct acpi_madt_info *madt = &acpi_madt;

    trampoline_page = e820_low_pages(&host_e820, 1);
    if (!trampoline_page)
        printk_warn("No RAM below 640 KiB: the other CPUs are not started\n");
    else
        memcpy(mfn_to_virt(_mfn(trampoline_page)), trampoline_start,
               (size_t)(trampoline_end - trampoline_start));
    for (unsigned int slot = VMM_L4_FIRST; slot <= VMM_L4_LAST; slot++)
        boot_l4[slot] = vmm_l4[slot];
    for (uint32_t i = 0; i < madt->nr_cpus; i++) {
        uint32_t apicid = madt->cpus[i].apic_id;

        if (apicid == cpu_to_apicid[0]) {
            cpu_to_acpiid[0] = madt->cpus[i].acpi_id;
            continue;
        }
        if (!madt->cpus[i].enabled || opt_nosmp || !trampoline_page || nr_cpus >= opt_maxcpus ||
            nr_cpus == MAX_CPUS)
            continue;
        cpu_to_acpiid[nr_cpus] = madt->cpus[i].acpi_id;
        /* A number is given only to a CPU that runs, so that CPUs 0 .. nr_cpus-1 are all online. */
        if (start_cpu(nr_cpus, apicid))
            nr_cpus++;
        else
            break; /* its stack and number stay taken: it may still wake up */
    }
    printk_info("%u CPUs\n", nr_cpus);
}
