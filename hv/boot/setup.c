#include <acpi/acpi.h>
#include <acpi/power.h>
#include <base/bug.h>
#include <bios/bios.h>
#include <boot/cmdline.h>
#include <boot/dom0.h>
#include <boot/e820.h>
#include <boot/boot_info.h>
#include <boot/setup.h>
#include <boot/smpboot.h>
#include <console/console.h>
#include <console/printk.h>
#include <control/hypercall.h>
#include <cpu/control.h>
#include <cpu/cpuid_policy.h>
#include <cpu/desc.h>
#include <cpu/features.h>
#include <cpu/fpu.h>
#include <cpu/insn.h>
#include <cpu/machine_check.h>
#include <cpu/smap.h>
#include <cpu/smp.h>
#include <cpu/spec_ctrl.h>
#include <cpu/stack.h>
#include <domain/domain.h>
#include <efi/platform.h>
#include <efi/runtime.h>
#include <efi/system.h>
#include <event/dump.h>
#include <grant/dump.h>
#include <irq/irq.h>
#include <lib/string.h>
#include <mm/audit.h>
#include <mm/boot_alloc.h>
#include <mm/frametable.h>
#include <mm/page_alloc.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <mm/vmm_paging.h>
#include <mm/xpti.h>
#include <pv/traps.h>
#include <sched/sched.h>
#include <time/dump.h>
#include <time/lockup.h>
#include <time/time.h>

#define MIN_RAM (64UL << 20)

/* Local APICs and what devices write to for an interrupt: SDM vol 3, 11.11.1. */
#define MSI_WINDOW      0xfee00000
#define MSI_WINDOW_SIZE 0x100000

extern const char _start[], _end[], _sinit[], _einit[];
extern char cpu0_stack[STACK_BLOCK_SIZE];
extern uintptr_t __stack_chk_guard;
extern void __stack_chk_fail(void);

uintptr_t __stack_chk_guard __ro_after_init = 0x595e9fbd94fda766;

void __stack_chk_fail(void)
{
    panic("stack overwritten in the function that returns to %p", __builtin_return_address(0));
}

static char gdt_page0[PAGE_SIZE] __aligned(4096) __section(".data.page_aligned");

/* Before anything that may fault: this CPU's identity, descriptor tables, exceptions. */
static void __init early_cpu(void)
{
    struct cpu_info *info = get_cpu_info();

    memset(info, 0, sizeof(*info));
    desc_alloc_cpu(0, paddr_to_virt(_paddr((uint64_t)gdt_page0 - VMM_IMAGE_START)));
    idt_init();
    desc_init_cpu(0, (uint64_t)cpu0_stack);
}

static void __init reserve_boot_memory(void)
{
    boot_alloc_reserve(0, LOW_MEMORY_END, "low memory");
    boot_alloc_reserve((uint64_t)_start - VMM_IMAGE_START, (uint64_t)_end - VMM_IMAGE_START,
                       "the VMM's image");
    for (uint32_t i = 0; i < boot_info.nr_modules; i++)
        boot_alloc_reserve(boot_info.module[i].start, boot_info.module[i].end, "a module");
}

static void __init move_modules(void)
{
    for (uint32_t i = 0; i < boot_info.nr_modules; i++) {
        struct boot_module *m = &boot_info.module[i];
        uint64_t size = m->end - m->start;
        void *copy;

        if (!boot_info_must_move(m))
            continue;
        copy = mfn_to_virt(boot_alloc(DIV_ROUND_UP(size, PAGE_SIZE), 1));
        memcpy(copy, boot_peek(m->start, size), size);
        m->start = paddr_x(mfn_to_paddr(virt_to_mfn(copy)));
        m->end = m->start + size;
    }
}

static void __init memory_init(void)
{
    uint64_t ram;

    e820_check(&host_e820);
    ram = e820_sanitize(&host_e820);
    if (ram < MIN_RAM)
        boot_refuse("too little memory: %lu MiB of RAM, %lu are needed", ram >> 20, MIN_RAM >> 20);
    for (uint32_t i = 0; i < host_e820.nr; i++)
        if (host_e820.entry[i].type == E820_RAM)
            boot_alloc_add(host_e820.entry[i].addr, host_e820.entry[i].addr + host_e820.entry[i].size);
    boot_info_check_modules((uint64_t)_start - VMM_IMAGE_START, (uint64_t)_end - VMM_IMAGE_START);
    reserve_boot_memory();
    move_modules();
    vmm_paging_init();
    frametable_init();
    boot_alloc_finish(free_frame_range);
    vmm_paging_use_page_allocator();
    printk_info("%lu MiB RAM, %lu MiB free\n", ram >> 20, free_page_count() >> (20 - PAGE_SHIFT));
}

/* Init code and data go back to the allocator; nothing of them may be mapped any more. */
static void free_init_memory(void)
{
    uint64_t start = (uint64_t)_sinit - VMM_IMAGE_START, frames = (uint64_t)(_einit - _sinit) / PAGE_SIZE;

    for (const char *p = _sinit; p < _einit; p += PAGE_SIZE)
        vmm_map((uint64_t)p, INVALID_MFN, 0);
    flush_tlb_mask(&cpu_online_map);
    free_frame_range(_mfn(start / PAGE_SIZE), frames);
}

/* The last of boot, on a page that stays: the VMM becomes the idle vCPU of CPU 0. */
static void noinline become_idle(void)
{
    free_init_memory();
    console_start_dom0();
    domain_unpause(dom0);
    reset_stack_and_jump(idle_loop);
}

/* Firmware need not list these in its map; dom0 must not place devices over them. */
static void __init reserve_interrupt_controllers(void)
{
    for (uint32_t i = 0; i < acpi_madt.nr_ioapics; i++)
        boot_add_memory(acpi_madt.ioapics[i].address & PAGE_MASK, PAGE_SIZE, E820_RESERVED);
    boot_add_memory(MSI_WINDOW, MSI_WINDOW_SIZE, E820_RESERVED);
    e820_sanitize(&host_e820);
}

/* From the firmware, else the loader's copy; 0: the BIOS area is searched. */
static uint64_t __init find_rsdp(void)
{
    if (efi_system.rsdp)
        return efi_system.rsdp;
    return boot_info.rsdp_length ? (uint64_t)boot_info.rsdp - VMM_IMAGE_START : 0;
}

/* On the final stack of CPU 0, with guard pages. */
static void __init boot_continue(void)
{
    desc_init_cpu(0, stack_block_va(0));
    if (xpti_init_cpu(0))
        boot_refuse("too little memory: no page tables for the boot CPU's guests");
    cpuid_policy_init();
    smap_patch_init();
    tlb_init();
    pv_nmi_init();
    smp_ipi_init();
    acpi_init(find_rsdp());
    acpi_power_init();
    irq_init();
    mce_init_cpu();
    reserve_interrupt_controllers();
    time_init();
    sched_init();
    domain_init();
    cpumask_set(&cpu_online_map, 0);
    apic_timer_init();
    local_irq_enable();
    console_init_late();
    audit_init();
    event_dump_init();
    grant_dump_init();
    time_dump_init();
    efi_runtime_init();
    efi_variables_init();
    smp_boot_cpus();
    mce_start();
    dom0_create();
    lockup_init();
    vmm_paging_protect();
    reset_stack_and_jump(become_idle);
}

void __init boot_start(void)
{
    early_cpu();
    boot_info_read();
    cmdline_parse(boot_info.cmdline, boot_info.image_names);
    console_init();
    printk("Hospes %s, a virtual machine monitor with the interface of Xen 4.17\n", HOSPES_VERSION);
    printk_info("Loaded by %s; command line: %s\n", boot_info.loader, cmdline_saved());
    cpu_features_init();
    if (boot_info.has_efi)
        efi_system_read(boot_info.efi_system_table);
    l1tf_init();
    spec_ctrl_init();
    pcid_init();
    spec_ctrl_report();
    cpu_control_init();
    fpu_init();
    fpu_init_cpu();
    cpuid_policy_init();
    memory_init();
    bios_init();
    if (stack_block_create(0))
        boot_refuse("too little memory: no stack for the boot CPU");
    cpu_to_apicid[0] = cpuid_count(1, 0).b >> 24;
    /* From here on the boot stack is only memory. */
    __asm__ __volatile__("mov %0, %%rsp; xor %%ebp, %%ebp; jmp *%1"
                         :
                         : "r"(stack_block_info(stack_block_va(0))), "r"(boot_continue)
                         : "memory");
    __builtin_unreachable();
}
