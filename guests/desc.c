/* GDT, LDT and descriptors: what is accepted, what is changed on the way, what is refused. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/sched.h>

#define CODE64 0x00affb000000fffful
#define DATA64 0x00cff3000000fffful
#define CODE32 0x00cffb000000fffful

static uint64_t *gdt, *spare;

static long set_gdt(uint64_t *page, unsigned int entries)
{
    xen_pfn_t frames[16] = {virt_to_mfn(page)};

    return HC2(__HYPERVISOR_set_gdt, frames, entries);
}

static long update_descriptor(void *at, uint64_t desc)
{
    return HC2(__HYPERVISOR_update_descriptor, virt_to_machine(at), desc);
}

static void test_set_gdt(void)
{
    xen_pfn_t frames[16];

    result_errno("set_gdt, writable page", set_gdt(gdt, 512));
    page_make_readonly(gdt);
    result_errno("set_gdt", set_gdt(gdt, 512));
    result_errno("make gdt writable",
                 hc_update_va_mapping((unsigned long)gdt, pte_make(virt_to_mfn(gdt), PTE_DATA), UVMF_INVLPG));
    result_errno("set_gdt of 1 entry", set_gdt(gdt, 1));
    result_errno("set_gdt of 512 entries", set_gdt(gdt, 512));
    for (int i = 0; i < 16; i++)
        frames[i] = virt_to_mfn(gdt);
    result_errno("set_gdt of 14 equal pages", HC2(__HYPERVISOR_set_gdt, frames, 14 * 512));
    result_errno("set_gdt of 7169 entries", HC2(__HYPERVISOR_set_gdt, frames, 14 * 512 + 1));
    result_errno("set_gdt, bad list", HC2(__HYPERVISOR_set_gdt, 0x1000, 512));
    frames[0] = 1ul << 40;
    result_errno("set_gdt, bad frame", HC2(__HYPERVISOR_set_gdt, frames, 512));
    frames[0] = virt_to_mfn(kernel_l4);
    result_errno("set_gdt, page table", HC2(__HYPERVISOR_set_gdt, frames, 512));
    result_errno("set_gdt, shared info",
                 (frames[0] = start_info->shared_info >> 12, HC2(__HYPERVISOR_set_gdt, frames, 512)));
    result_errno("set_gdt of none", set_gdt(gdt, 0));
    result_errno("make unused gdt writable",
                 hc_update_va_mapping((unsigned long)gdt, pte_make(virt_to_mfn(gdt), PTE_DATA), UVMF_INVLPG));
    page_make_readonly(gdt);
    result_errno("set_gdt again", set_gdt(gdt, 512));
}

/* update_descriptor on an entry of the GDT in use: what comes out. */
static void test_descriptors(void)
{
    static const struct {
        const char *name;
        uint64_t desc;
    } cases[] = {
        {"null", 0},
        {"code64 DPL 3", CODE64},
        {"data DPL 3", DATA64},
        {"code32 DPL 3", CODE32},
        {"code64 DPL 0", CODE64 & ~(3ul << 45)},
        {"code64 DPL 1", (CODE64 & ~(3ul << 45)) | (1ul << 45)},
        {"data DPL 0", DATA64 & ~(3ul << 45)},
        {"data DPL 2", (DATA64 & ~(3ul << 45)) | (2ul << 45)},
        {"code64 not accessed", CODE64 & ~(1ul << 40)},
        {"data not accessed", DATA64 & ~(1ul << 40)},
        {"data not present", DATA64 & ~(1ul << 47)},
        {"code64 not present", CODE64 & ~(1ul << 47)},
        {"code with L and D", CODE64 | (1ul << 54)},
        {"conforming code32", CODE32 | (1ul << 42)},
        {"conforming code64", CODE64 | (1ul << 42)},
        {"expand-down data", DATA64 | (1ul << 42)},
        {"code32 with base", CODE32 | (0x1234ul << 16)},
        {"data with base in VMM area's low bits", DATA64 | (0xfful << 56)},
        {"call gate DPL 3", 0x8000ec00e0330000ul | 0x1234},
        {"call gate DPL 0", 0x80008c00e0330000ul | 0x1234},
        {"call gate to null", 0x8000ec0000000000ul},
        {"interrupt gate", 0x8000ee00e0330000ul},
        {"trap gate", 0x8000ef00e0330000ul},
        {"task gate", 0x0000e500e0330000ul},
        {"TSS available", 0x0000e90000000067ul},
        {"TSS busy", 0x0000eb0000000067ul},
        {"LDT", 0x0000e2000000ffff},
        {"system type 0", 0x0000e0000000ffff},
        {"system type 0 not present", 0x000060000000ffff},
        {"system type 13", 0x0000ed000000ffff},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        long ret;

        must("clear", update_descriptor(gdt + 3, 0));
        ret = update_descriptor(gdt + 3, cases[i].desc);
        /* Low 32 bits, then high, each against what was asked. */
        result(cases[i].name, "%e, bits changed %lx", ret, ret ? 0 : gdt[3] ^ cases[i].desc);
    }
    must("clear last", update_descriptor(gdt + 3, 0));
}

static void test_update_targets(void)
{
    result_errno("update misaligned", HC2(__HYPERVISOR_update_descriptor, virt_to_machine(gdt) + 4, DATA64));
    result_errno("update in data page", update_descriptor(spare + 2, DATA64));
    result("data page holds", "%d", spare[2] == DATA64);
    result_errno("update in data page, call gate", update_descriptor(spare + 2, 0x8000ec00e0330000ul));
    result_errno("update in page table", update_descriptor(kernel_l4 + 5, DATA64));
    result_errno("update in shared info",
                 HC2(__HYPERVISOR_update_descriptor, start_info->shared_info + 0xf00, 0));
    result_errno("update out of range", HC2(__HYPERVISOR_update_descriptor, 1ul << 50, DATA64));
    result_errno("update frame of the VMM or free", HC2(__HYPERVISOR_update_descriptor, 0x200000, DATA64));
    TRY("movq $0, (%0)", ::"r"(gdt) : "memory");
    result_trap("direct write to gdt");
}

static void load_ds(const char *name, unsigned int selector)
{
    unsigned int seen = 0;

    TRY("movw %w1, %%ds; movw %%ds, %w0", : "=r"(seen) : "r"(selector));
    if (trap.count)
        result_trap(name);
    else
        result(name, "loaded %x", seen);
    __asm__ volatile("movw %w0, %%ds" ::"r"(0));
}

static void load_all(void)
{
    update_descriptor(gdt + 3, DATA64);
    update_descriptor(gdt + 4, CODE64);
    update_descriptor(gdt + 5, DATA64 & ~(1ul << 47));
    update_descriptor(gdt + 6, CODE32 & ~(1ul << 41)); /* execute-only */
    load_ds("ds data RPL 3", 0x1b);
    load_ds("ds data RPL 0", 0x18);
    load_ds("ds data RPL 1", 0x19);
    load_ds("ds readable code", 0x23);
    load_ds("ds not present", 0x2b);
    load_ds("ds execute-only", 0x33);
    load_ds("ds empty", 0x3b);
    load_ds("ds null RPL 3", 3);
    load_ds("ds of the VMM's CS64", 0xe008);
    load_ds("ds flat", FLAT_RING3_SS64);
    load_ds("ds beyond limit", 0xfffb);
    load_ds("ds second page of gdt", 0x1003);
    TRY("movw %w0, %%ss", ::"r"(0x2b));
    result_trap("ss not present");
    TRY("movw %w0, %%ss", ::"r"(0x23));
    result_trap("ss code");
    TRY("movw %w0, %%ss; movw %%bx, %%ss", ::"r"(0x1b), "b"(FLAT_RING3_SS64));
    result_trap("ss data");
    TRY("pushq $0x23; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1: pushq %0; leaq 2f(%%rip), %%rax; "
        "pushq %%rax; lretq; 2:",
        ::"i"(FLAT_RING3_CS64)
        : "rax", "memory");
    result_trap("far return through own code selector");
    TRY("movq %%rsp, %%rbx; pushq $0x3b; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1: 88: movq %%rbx, "
        "%%rsp; movq $0, "
        "trap_resume(%%rip)",
        ::
            : "rax", "rbx", "memory");
    result_trap("far return to empty selector");
}

USER_CODE(u_int3, "int3");

/* To user mode by selectors of the LDT, each time with none of its pages looked at before. */
static void test_iret_through_ldt(void)
{
    static uint64_t ldt[3][512] __attribute__((aligned(4096)));
    static const struct {
        const char *name;
        uint16_t cs, ss;
    } cases[] = {
        {"iret to ldt code", 0x1f, FLAT_RING3_SS64},
        {"iret to ldt stack", FLAT_RING3_CS64, 0xf},
        {"iret to ldt code and stack", 0x1f, 0xf},
        {"iret to ldt code on another page", 0x101f, 0xf},
        {"iret to data of the ldt as code", 0xf, FLAT_RING3_SS64},
        {"iret to ldt code in a hole", 0x201f, FLAT_RING3_SS64},
    };

    ldt[0][1] = DATA64;
    ldt[0][3] = ldt[1][3] = CODE64;
    page_make_readonly(ldt[0]);
    page_make_readonly(ldt[1]);
    must("unmap", hc_update_va_mapping((unsigned long)ldt[2], 0, UVMF_INVLPG));
    trap_set(3, 3, true);
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iret_context c = user_context(u_int3, false);

        must("set ldt", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 3 * 512));
        c.cs = cases[i].cs;
        c.ss = cases[i].ss;
        user_enter_recorded(&c);
        result(cases[i].name, "vector %lu error %lx cs %lx ss %lx", trap.first.vector, trap.first.error_code,
               trap.first.cs, trap.first.ss);
    }
    mmuext(MMUEXT_SET_LDT, 0, 0);
}

/* The LDT is read lazily: a hole in it shows when a selector is loaded. */
static void test_ldt(void)
{
    uint64_t *ldt = page_alloc();

    load_ds("ldt ds without ldt", 0xf);
    ldt[1] = DATA64;
    ldt[2] = DATA64 & ~(3ul << 45);
    ldt[3] = CODE64;
    result_errno("set ldt, writable page", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 512));
    load_ds("ldt ds, ldt page writable", 0xf);
    page_make_readonly(ldt);
    load_ds("ldt ds", 0xf);
    result("dpl of the other entry", "%lu", ldt[2] >> 45 & 3);
    result_errno("make used ldt writable",
                 hc_update_va_mapping((unsigned long)ldt, pte_make(virt_to_mfn(ldt), PTE_DATA), UVMF_INVLPG));
    load_ds("ldt ds, was DPL 0", 0x17);
    load_ds("ldt ds, code", 0x1f);
    load_ds("ldt ds, beyond limit", 0x1007);
    result_errno("update ldt entry", update_descriptor(ldt + 2, DATA64));
    load_ds("ldt ds, updated", 0x17);
    result_errno("set ldt off", mmuext(MMUEXT_SET_LDT, 0, 0));
    load_ds("ldt ds, off", 0xf);
    result_errno("make unused ldt writable",
                 hc_update_va_mapping((unsigned long)ldt, pte_make(virt_to_mfn(ldt), PTE_DATA), UVMF_INVLPG));
    result_errno("set ldt over unmapped", mmuext(MMUEXT_SET_LDT, (unsigned long)page_hole(), 512));
    load_ds("ldt ds, unmapped", 0xf);
    result("cr2 of it within the ldt", "%d", trap.cr2 != 0);
    mmuext(MMUEXT_SET_LDT, 0, 0);
}

/* Selectors of the LDT stay loaded while the vCPU stands still, though nothing looked at its page before. */
static void test_ldt_over_switch(void)
{
    static uint64_t ldt[512] __attribute__((aligned(4096)));
    struct sched_poll poll = {.timeout = system_time() + 1000000};
    unsigned int seen[2] = {0, 0};

    ldt[1] = ldt[2] = DATA64;
    page_make_readonly(ldt);
    must("set ldt", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 512));
    __asm__ volatile("movw %w0, %%ds; movw %w1, %%fs" ::"r"(0xf), "r"(0x17));
    must("set ldt again", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 512));
    result_errno("poll", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
    __asm__ volatile("movw %%ds, %w0; movw %%fs, %w1" : "+r"(seen[0]), "+r"(seen[1]));
    result("ldt ds and fs after it", "%x %x", seen[0], seen[1]);
    __asm__ volatile("movw %w0, %%ds; movw %w0, %%fs" ::"r"(0));
    mmuext(MMUEXT_SET_LDT, 0, 0);
}

USER_CODE(u_segments, "movw %fs:0, %ax\n movw %gs:0, %bx\n swapgs\n int3");
USER_CODE(u_fsgs, "movq %fs:0, %rax\n movq %gs:0, %rbx\n int3");

static void test_bases(void)
{
    static uint64_t words[3] __attribute__((section(".userdata,\"aw\",@progbits#"))) = {0xf5, 0x65, 0x6b};
    uint64_t value;

    result_errno("fs base", HC2(__HYPERVISOR_set_segment_base, SEGBASE_FS, &words[0]));
    __asm__ volatile("movq %%fs:0, %0" : "=r"(value));
    result("fs reads", "%lx", value);
    result_errno("gs kernel base", HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, &words[2]));
    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    result("gs reads", "%lx", value);
    result_errno("gs user base",
                 HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, USER_ADDRESS(&words[1])));
    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    result("gs still reads", "%lx", value);
    HC2(__HYPERVISOR_set_segment_base, SEGBASE_FS, USER_ADDRESS(&words[0]));
    trap_set(3, 3, true);
    user_run(u_fsgs);
    result("user fs gs", "%lx %lx, vector %lu", trap.first.rax, trap.first.rbx, trap.first.vector);
    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    result("gs after user mode", "%lx", value);
    user_run(u_segments);
    result_trap("user swapgs");
    result_errno("gs user selector", HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0x1b));
    result_errno("gs user selector null", HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0));
    result_errno("gs user selector empty", HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0x3b));
    result_errno("gs user selector beyond limit",
                 HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0xfffb));
    result_errno("base 4", HC2(__HYPERVISOR_set_segment_base, 4, 0));
    result_errno("fs base noncanonical", HC2(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0x900000000000));
    result_errno("gs kernel base noncanonical",
                 HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, 0x900000000000));
    result_errno("gs user base noncanonical",
                 HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0x900000000000));
    result_errno("fs base in VMM", HC2(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0xffff820000000000));
    result_errno("fs base 0", HC2(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0));
    result_errno("gs kernel base 0", HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, 0));
}

static unsigned int kernel_ss(void)
{
    unsigned int ss = 0;

    __asm__ volatile("movw %%ss, %w0" : "+r"(ss));
    return ss;
}

static void test_stack_switch(void)
{
    result_errno("stack switch", HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS64,
                                     (unsigned long)user_kernel_stack + KERNEL_STACK_SIZE));
    result_errno("stack switch, null ss",
                 HC2(__HYPERVISOR_stack_switch, 0, (unsigned long)user_kernel_stack + KERNEL_STACK_SIZE));
    result_errno("stack switch, ss 0x10",
                 HC2(__HYPERVISOR_stack_switch, 0x10, (unsigned long)user_kernel_stack + KERNEL_STACK_SIZE));
    trap_set(3, 3, true);
    user_run(u_int3);
    result("trap after stack switch with ss 0x10", "vector %lu", trap.first.vector);
    result("ss then", "%x", kernel_ss());
    result_errno("stack switch, noncanonical",
                 HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS64, 0x900000000000));
    result_errno("stack switch back", HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS64,
                                          (unsigned long)user_kernel_stack + KERNEL_STACK_SIZE));
}

void guest_main(void)
{
    user_setup();
    gdt = page_alloc();
    spare = page_alloc();
    test_set_gdt();
    test_descriptors();
    test_update_targets();
    load_all();
    test_ldt();
    test_iret_through_ldt();
    test_ldt_over_switch();
    test_bases();
    test_stack_switch();
}
