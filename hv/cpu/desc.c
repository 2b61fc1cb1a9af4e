#include <asm_offsets.h>
#include <cpu/cpu_info.h>
#include <cpu/desc.h>
#include <cpu/insn.h>
#include <cpu/percpu.h>
#include <cpu/stack.h>
#include <cpu/traps.h>
#include <mm/page.h>
#include <mm/vmm_paging.h>

struct idt_gate {
    uint16_t offset0, selector;
    uint8_t ist, type;
    uint16_t offset1;
    uint32_t offset2, reserved;
};

struct desc_ptr {
    uint16_t limit;
    uint64_t base;
} __packed;

#define GDT_RESERVED_PAGE_OFFSET 0xe000UL
#define GDT_LIMIT                (15 * PAGE_SIZE - 1)

#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SFMASK         0xc0000084
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_SYSENTER_CS    0x174
#define MSR_SYSENTER_ESP   0x175
#define MSR_SYSENTER_EIP   0x176

/* TF, IF, DF, IOPL, NT, RF, AC: the entry code begins with none of them. */
#define SYSCALL_FLAG_MASK 0x57700UL

static struct idt_gate idt[256] __aligned(4096) __section(".data.ro_after_init");
/* One page per CPU; allocated with the CPU's other areas. */
static uint64_t gdt_pages[MAX_CPUS] __ro_after_init;

static uint64_t *gdt_entry(uint32_t cpu, uint16_t selector)
{
    return (uint64_t *)(gdt_pages[cpu] + ((selector & ~7u) - GDT_RESERVED_PAGE_OFFSET));
}

/* A TSS or LDT descriptor: SDM vol 3, 8.2.3. */
static void set_system_desc(uint64_t *e, uint64_t base, uint32_t limit, uint32_t type)
{
    e[1] = base >> 32;
    e[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)type << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (base >> 24 & 0xff) << 56;
}

static void fill_gdt_page(uint32_t cpu)
{
    *gdt_entry(cpu, VMM_CS) = 0x00af9b000000ffff;
    *gdt_entry(cpu, VMM_DS) = 0x00cf93000000ffff;
    *gdt_entry(cpu, GUEST_CS32) = 0x00cffb000000ffff;
    *gdt_entry(cpu, GUEST_DS) = 0x00cff3000000ffff;
    *gdt_entry(cpu, GUEST_CS64) = 0x00affb000000ffff;
    set_system_desc(gdt_entry(cpu, LDT_SELECTOR), 0, 0, 0x82);
}

mfn_t cpu_gdt_mfn(uint32_t cpu)
{
    return virt_to_mfn((void *)gdt_pages[cpu]);
}

uint64_t cpu_gdt_base(uint32_t cpu)
{
    return gdt_pages[cpu] - GDT_RESERVED_PAGE_OFFSET;
}

void cpu_load_gdt(uint64_t base)
{
    struct desc_ptr p = {.limit = GDT_LIMIT, .base = base};

    __asm__ __volatile__("lgdt %0" : : "m"(p));
}

void cpu_load_ldt(uint64_t base, uint32_t entries)
{
    uint16_t selector = 0;

    if (entries) {
        set_system_desc(gdt_entry(smp_processor_id(), LDT_SELECTOR), base, entries * 8 - 1, 0x82);
        selector = LDT_SELECTOR;
    }
    __asm__ __volatile__("lldt %w0" : : "rm"(selector));
}

uint64_t idt_base(void)
{
    return (uint64_t)idt;
}

static void set_gate(uint32_t vector, uint8_t dpl)
{
    uint64_t entry = (uint64_t)&trap_stubs + vector * 16UL;

    /* Interrupt gates all: IF is off until the entry code has saved the registers. */
    idt[vector] = (struct idt_gate){.offset0 = (uint16_t)entry,
                                    .selector = VMM_CS,
                                    .type = (uint8_t)(0x8e | dpl << 5),
                                    .offset1 = (uint16_t)(entry >> 16),
                                    .offset2 = (uint32_t)(entry >> 32)};
}

void idt_set_ist(uint32_t vector, enum ist ist)
{
    idt[vector].ist = (uint8_t)ist;
}

enum ist idt_get_ist(uint32_t vector)
{
    return idt[vector].ist;
}

void idt_init(void)
{
    for (uint32_t vector = 0; vector < 256; vector++)
        set_gate(vector, 0);
    set_gate(3, 3); /* INT3, INTO and the old system call may come from programs */
    set_gate(4, 3);
    set_gate(0x80, 3);
    idt_set_ist(1, IST_DB);
    idt_set_ist(2, IST_NMI);
    idt_set_ist(8, IST_DF);
    idt_set_ist(18, IST_MCE);
}

static void init_tss(uint64_t block)
{
    struct tss *t = &stack_block_info(block)->tss;

    t->rsp[0] = (uint64_t)stack_block_info(block) + REGS_es;
    t->ist[IST_DF - 1] = block + (STACK_PAGE_DF + 1) * PAGE_SIZE;
    t->ist[IST_NMI - 1] = block + (STACK_PAGE_NMI + 1) * PAGE_SIZE;
    t->ist[IST_MCE - 1] = block + (STACK_PAGE_MCE + 1) * PAGE_SIZE;
    t->ist[IST_DB - 1] = block + (STACK_PAGE_DB + 1) * PAGE_SIZE;
    t->iomap_base = sizeof(*t); /* no bitmap: every port access of ring 3 traps */
}

static void init_syscall(uint64_t block)
{
    struct cpu_info *info = stack_block_info(block);

    info->syscall_stack = (uint64_t)info + REGS_es;
    /* SYSRET takes CS from bits 63:48 plus 16, SS from there plus 8: SDM vol 2, SYSRET. */
    wrmsr(MSR_STAR, (uint64_t)GUEST_CS32 << 48 | (uint64_t)VMM_CS << 32);
    wrmsr(MSR_LSTAR, (uint64_t)&entry_syscall64);
    wrmsr(MSR_CSTAR, (uint64_t)&entry_syscall32);
    wrmsr(MSR_SFMASK, SYSCALL_FLAG_MASK);
    wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)info);
    wrmsr(MSR_SYSENTER_CS, VMM_CS);
    wrmsr(MSR_SYSENTER_ESP, (uint64_t)info + REGS_es);
    wrmsr(MSR_SYSENTER_EIP, (uint64_t)&entry_sysenter);
}

void desc_alloc_cpu(uint32_t cpu, void *page)
{
    gdt_pages[cpu] = (uint64_t)page;
    fill_gdt_page(cpu);
}

void desc_init_cpu(uint32_t cpu, uint64_t stack_block)
{
    struct desc_ptr idtr = {.limit = sizeof(idt) - 1, .base = (uint64_t)idt};

    cpu_load_gdt(cpu_gdt_base(cpu));
    __asm__ __volatile__("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs\n\t"
                         "pushq %2; lea 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
                         :
                         : "r"(VMM_DS), "r"(0), "i"(VMM_CS)
                         : "rax", "memory");
    __asm__ __volatile__("lidt %0" : : "m"(idtr));
    init_tss(stack_block);
    /* LTR marks the descriptor busy; a CPU that comes up again must find it available. */
    set_system_desc(gdt_entry(cpu, TSS_SELECTOR), (uint64_t)&stack_block_info(stack_block)->tss,
                    sizeof(struct tss) - 1, 0x89);
    __asm__ __volatile__("ltr %w0" : : "r"(TSS_SELECTOR));
    cpu_load_ldt(0, 0);
    init_syscall(stack_block);
}
