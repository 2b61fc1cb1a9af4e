/* Privileged instructions in guest kernel mode: which are emulated, how, and which trap. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/physdev.h>

#define XEN_CPUID_LEAF(n) (0x40000000u + (n))

static long set_iopl(unsigned int iopl)
{
    struct physdev_set_iopl s = {.iopl = iopl};

    return HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &s);
}

static void test_interrupt_flag(void)
{
    vcpu_info()->evtchn_upcall_mask = 0;
    TRY("cli", ::: "memory");
    result_trap("cli, iopl 0");
    TRY("inb $0x80, %%al", ::: "rax");
    result_trap("in, iopl 0");
    result_errno("set_iopl to 1", set_iopl(1));
    TRY("cli", ::: "memory");
    result_trap("cli");
    result("mask after cli", "%d", vcpu_info()->evtchn_upcall_mask);
    vcpu_info()->evtchn_upcall_mask = 1;
    TRY("sti", ::: "memory");
    result_trap("sti");
    result("mask after sti", "%d", vcpu_info()->evtchn_upcall_mask);
    vcpu_info()->evtchn_upcall_mask = 1;
}

static void test_flags(void)
{
    unsigned long flags;

    TRY("pushfq; popq %0", : "=r"(flags)::"memory");
    result("pushf, events off", "%lx", flags & ~0x8d5ul);
    TRY("pushq $0x3002; popfq; pushfq; popq %0", : "=r"(flags)::"memory", "cc");
    result("popf of IOPL 3, no IF", "%lx traps %u", flags & ~0x8d5ul, trap.count);
    __asm__ volatile("pushq $0x202; popfq" ::: "cc");
    TRY("pushq $0x4202; popfq; pushfq; popq %0", : "=r"(flags)::"memory", "cc");
    result("popf of NT", "%lx traps %u", flags & ~0x8d5ul, trap.count);
    __asm__ volatile("pushq $0x202; popfq" ::: "cc");
    TRY("pushq $0x40202; popfq; pushfq; popq %0", : "=r"(flags)::"memory", "cc");
    result("popf of AC", "%lx traps %u", flags & ~0x8d5ul, trap.count);
    __asm__ volatile("pushq $0x202; popfq" ::: "cc");
}

USER_CODE(u_in, "inb $0x80, %al\n int3");
USER_CODE(u_out, "outb %al, $0x80\n int3");
USER_CODE(u_cli, "cli\n int3");
USER_CODE(u_pushf, "pushfq\n popq %rax\n int3");

static void user_flags(const char *name, const void *code)
{
    user_run(code);
    result(name, "vector %lu error %lx rip+%ld rflags %lx", trap.first.vector, trap.first.error_code,
           (long)(trap.first.rip - trap_start), trap.first.rflags & ~0x8d5ul);
}

static void test_iopl(void)
{
    static uint8_t bitmap[8192];
    struct physdev_set_iobitmap b = {.nr_ports = 65536};

    trap_set(3, 3, true);
    user_flags("user in, iopl 0", u_in);
    result_errno("set_iopl 1", set_iopl(1));
    user_flags("user in, iopl 1", u_in);
    TRY("pushfq; popq %%rax", ::: "rax", "memory");
    result_errno("set_iopl 3", set_iopl(3));
    user_flags("user in, iopl 3", u_in);
    user_flags("user out, iopl 3", u_out);
    user_flags("user cli, iopl 3", u_cli);
    user_run(u_pushf);
    result("user pushf, iopl 3", "%lx frame rflags %lx", trap.first.rax & ~0x8d5ul,
           trap.first.rflags & ~0x8d5ul);
    result_errno("set_iopl 4", set_iopl(4));
    result_errno("set_iopl 0", set_iopl(0));
    set_xen_guest_handle(b.bitmap, bitmap);
    result_errno("set_iobitmap, all allowed", HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &b));
    user_flags("user in, bitmap allows", u_in);
    bitmap[0x10] = 1;
    user_flags("user in, bitmap denies 0x80", u_in);
    b.nr_ports = 65537;
    result_errno("set_iobitmap of 65537", HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &b));
    b.nr_ports = 0;
    result_errno("set_iobitmap of none", HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &b));
    user_flags("user in, no bitmap", u_in);
    HC2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_architectural_iopl);
    user_flags("user in, architectural iopl", u_in);
    {
        struct iret_context ctx = user_context(u_in, false);

        ctx.rflags = 0x3202;
        user_enter_recorded(&ctx);
        result("user in, iret set iopl 3", "vector %lu rflags %lx", trap.first.vector,
               trap.first.rflags & ~0x8d5ul);
        TRY("ud2", ::: "memory");
        result("kernel frame then", "rflags %lx", trap.first.rflags & ~0x8d5ul);
    }
    HC2(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_architectural_iopl);
    set_iopl(1);
}

/* Port 0x80 is harmless; 0x71 after 0x70 reads the clock's registers; unassigned ports read as ones. */
static void test_ports(void)
{
    uint32_t v = 0;
    static uint8_t buffer[16];
    unsigned long rdi, rcx;

    TRY("outb %b0, $0x80", ::"a"(0x12));
    result_trap("outb imm");
    TRY("outb %b0, %w1", ::"a"(0x12), "d"(0x80));
    result_trap("outb dx");
    TRY("outw %w0, %w1", ::"a"(0x12), "d"(0x80));
    result_trap("outw dx");
    TRY("outl %0, %w1", ::"a"(0x12), "d"(0x84));
    result_trap("outl dx");
    TRY("inb %w1, %b0", : "=a"(v) : "d"(0x5f0), "0"(0));
    result("inb unassigned", "%x traps %u", v, trap.count);
    TRY("inw %w1, %w0", : "=a"(v) : "d"(0x5f0), "0"(0));
    result("inw unassigned", "%x traps %u", v, trap.count);
    TRY("inl %w1, %0", : "=a"(v) : "d"(0x5f0), "0"(0));
    result("inl unassigned", "%x traps %u", v, trap.count);
    TRY("inb $0x64, %b0", : "=a"(v) : "0"(0));
    result("inb keyboard controller", "traps %u", trap.count);
    TRY("inb $0x20, %b0", : "=a"(v) : "0"(0));
    result("inb 8259", "%x traps %u", v, trap.count);
    TRY("outb %b0, $0x21", ::"a"(0xff));
    result_trap("outb 8259");
    TRY("inb $0x40, %b0", : "=a"(v) : "0"(0));
    result("inb 8254", "%x traps %u", v, trap.count);
    TRY("inb %w1, %b0", : "=a"(v) : "d"(0x3fd), "0"(0));
    result("inb console's serial port", "%x traps %u", v, trap.count);
    TRY("outb %b0, %w1", ::"a"('!'), "d"(0x3f8));
    result_trap("outb console's serial port");
    TRY("outl %0, %w1", ::"a"(0x80000000), "d"(0xcf8));
    result_trap("outl PCI address");
    TRY("inl %w1, %0", : "=a"(v) : "d"(0xcf8), "0"(0));
    result("inl PCI address", "%x traps %u", v, trap.count);
    TRY("inl %w1, %0", : "=a"(v) : "d"(0xcfc), "0"(0));
    result("inl PCI data", "%x traps %u", v, trap.count);
    TRY("inw %w1, %w0", : "=a"(v) : "d"(0xcfe), "0"(0));
    result("inw PCI data, high", "%x traps %u", v, trap.count);
    memset(buffer, 0, sizeof(buffer));
    TRY("cld; rep insb", : "=D"(rdi), "=c"(rcx) : "d"(0x5f0), "0"(buffer), "1"(5ul) : "memory");
    result("rep insb of 5", "rcx %lu rdi+%lu data %x %x traps %u", rcx, rdi - (unsigned long)buffer,
           buffer[4], buffer[5], trap.count);
    TRY("cld; rep insl", : "=D"(rdi), "=c"(rcx) : "d"(0x5f0), "0"(buffer), "1"(2ul) : "memory");
    result("rep insl of 2", "rcx %lu rdi+%lu data %x %x traps %u", rcx, rdi - (unsigned long)buffer,
           buffer[7], buffer[8], trap.count);
    TRY("cld; rep outsb", : "=S"(rdi), "=c"(rcx) : "d"(0x80), "0"(buffer), "1"(7ul) : "memory");
    result("rep outsb of 7", "rcx %lu rsi+%lu traps %u", rcx, rdi - (unsigned long)buffer, trap.count);
    TRY("std; rep outsw; cld", : "=S"(rdi), "=c"(rcx) : "d"(0x80), "0"(buffer + 8), "1"(3ul) : "memory");
    result("rep outsw of 3, backwards", "rcx %lu rsi-%lu traps %u", rcx, (unsigned long)buffer + 8 - rdi,
           trap.count);
    TRY("cld; rep insb", : "=D"(rdi), "=c"(rcx) : "d"(0x5f0), "0"(0x1000), "1"(2ul) : "memory");
    result_trap("rep insb to unmapped");
    result("cr2 of it", "%lx", trap.cr2);
    TRY("cld; rep insb", : "=D"(rdi), "=c"(rcx) : "d"(0x5f0), "0"(0xffff820000000000), "1"(2ul) : "memory");
    result("rep insb to VMM", "vector %lu", trap.first.vector);
}

static void msr_read(const char *name, uint32_t index, bool show)
{
    uint32_t low = 0, high = 0;

    TRY("rdmsr", : "=a"(low), "=d"(high) : "c"(index), "0"(0), "1"(0));
    if (trap.count)
        result(name, "vector %lu error %lx", trap.first.vector, trap.first.error_code);
    else if (show)
        result(name, "%lx", ((uint64_t)high << 32) | low);
    else
        result(name, "read");
}

static void msr_write(const char *name, uint32_t index, uint64_t value)
{
    TRY("wrmsr", ::"c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
    if (trap.count)
        result(name, "vector %lu error %lx", trap.first.vector, trap.first.error_code);
    else
        result(name, "written");
}

static void test_msrs(void)
{
    uint64_t value;

    msr_read("rdmsr efer", 0xc0000080, true);
    msr_write("wrmsr efer 0", 0xc0000080, 0);
    msr_read("rdmsr efer after", 0xc0000080, true);
    msr_read("rdmsr star", 0xc0000081, true);
    msr_read("rdmsr lstar", 0xc0000082, true);
    msr_write("wrmsr lstar", 0xc0000082, 0x1000);
    msr_read("rdmsr apic base", 0x1b, true);
    msr_write("wrmsr apic base", 0x1b, 0xfee00900);
    msr_read("rdmsr pat", 0x277, true);
    msr_write("wrmsr pat", 0x277, 0x0007040600070406);
    msr_read("rdmsr misc enable", 0x1a0, false);
    msr_read("rdmsr mtrrcap", 0xfe, false);
    msr_read("rdmsr sysenter cs", 0x174, true);
    msr_write("wrmsr sysenter eip", 0x176, 0x1000);
    msr_read("rdmsr tsc", 0x10, false);
    msr_write("wrmsr tsc", 0x10, 0);
    msr_read("rdmsr unknown", 0x12345, true);
    msr_write("wrmsr unknown", 0x12345, 0);
    msr_read("rdmsr microcode", 0x8b, false);
    msr_write("wrmsr microcode", 0x8b, 0);
    msr_read("rdmsr debugctl", 0x1d9, true);
    msr_read("rdmsr tsc aux", 0xc0000103, false);
    msr_read("rdmsr x2apic id", 0x802, true);
    msr_read("rdmsr mc0 status", 0x401, true);
    msr_read("rdmsr mcg cap", 0x179, false);
    msr_read("rdmsr xen hypercall page", 0x40000000, true);
    msr_write("wrmsr fs base", 0xc0000100, (uint64_t)&value);
    msr_read("rdmsr fs base is it", 0xc0000100, false);
    value = 0xfa57;
    {
        uint64_t seen;

        __asm__ volatile("movq %%fs:0, %0" : "=r"(seen));
        result("through fs", "%lx", seen);
    }
    msr_write("wrmsr fs base noncanonical", 0xc0000100, 0x900000000000);
    msr_write("wrmsr fs base 0", 0xc0000100, 0);
    msr_write("wrmsr gs base", 0xc0000101, (uint64_t)&value);
    msr_write("wrmsr gs base 0", 0xc0000101, 0);
    msr_write("wrmsr kernel gs base", 0xc0000102, 0x1000);
    msr_read("rdmsr kernel gs base", 0xc0000102, true);
    msr_write("wrmsr kernel gs base 0", 0xc0000102, 0);
}

#define READ_CR(name, n)                                                                                     \
    do {                                                                                                     \
        TRY("movq %%cr" #n ", %0", : "=r"(v) : "0"(0));                                                      \
        if (trap.count)                                                                                      \
            result_trap(name);                                                                               \
        else                                                                                                 \
            result(name, "%lx", v);                                                                          \
    } while (0)

static void test_control(void)
{
    uint64_t v = 0, cr0, cr4;

    READ_CR("read cr0", 0);
    cr0 = v;
    READ_CR("read cr2", 2);
    TRY("movq %%cr3, %0", : "=r"(v) : "0"(0));
    result("cr3 is the base of the tables", "%d traps %u", v >> 12 == virt_to_mfn(kernel_l4), trap.count);
    TRY("movq %%cr4, %0", : "=r"(cr4) : "0"(0));
    /* What else CR4 shows depends on the CPU. */
    result("read cr4", "PAE %d OSFXSR %d OSXMMEXCPT %d VME %d traps %u", !!(cr4 & 0x20), !!(cr4 & 0x200),
           !!(cr4 & 0x400), !!(cr4 & 1), trap.count);
    READ_CR("read cr8", 8);
    TRY("movq %0, %%cr0", ::"r"(cr0));
    result_trap("write cr0 same");
    TRY("movq %0, %%cr0", ::"r"(cr0 | 8));
    result_trap("write cr0 with TS");
    READ_CR("read cr0 with TS", 0);
    TRY("fninit", ::: "memory");
    result_trap("fpu after that");
    TRY("movq %0, %%cr0; clts; fninit", ::"r"(cr0 | 8));
    result_trap("clts");
    TRY("movq %0, %%cr0", ::"r"(cr0 & ~0x10000ul));
    result_trap("write cr0 without WP");
    TRY("movq %0, %%cr0", ::"r"(cr0 ^ 4));
    result_trap("write cr0 with EM");
    READ_CR("read cr0 after", 0);
    TRY("movq %0, %%cr2", ::"r"(0x1234ul));
    result_trap("write cr2");
    READ_CR("read cr2 after", 2);
    TRY("movq %0, %%cr3", ::"r"((uint64_t)virt_to_mfn(kernel_l4) << 12));
    result_trap("write cr3 same");
    TRY("movq %0, %%cr3", ::"r"(0x1000ul));
    result_trap("write cr3 bad");
    TRY("movq %0, %%cr4", ::"r"(cr4));
    result_trap("write cr4 same");
    TRY("movq %0, %%cr4", ::"r"(cr4 ^ 0x80));
    result_trap("write cr4 PGE changed");
    TRY("movq %0, %%cr4", ::"r"(cr4 & ~0x20ul));
    result_trap("write cr4 without PAE");
    TRY("movq %0, %%cr8", ::"r"(0ul));
    result_trap("write cr8");
    TRY("smsw %w0", : "=r"(v) : "0"(0ul));
    result_trap("smsw");
    TRY("lmsw %w0", ::"r"(0x3bul));
    result_trap("lmsw with TS");
    READ_CR("cr0 after lmsw", 0);
    HC1(__HYPERVISOR_fpu_taskswitch, 0);
}

static void test_debug_registers(void)
{
    uint64_t v = 0;
    static uint64_t watched;

    TRY("movq %%dr7, %0", : "=r"(v) : "0"(0));
    result("read dr7", "%lx traps %u", v, trap.count);
    TRY("movq %%dr6, %0", : "=r"(v) : "0"(0));
    result("read dr6", "%lx traps %u", v, trap.count);
    TRY("movq %0, %%dr0", ::"r"(&watched));
    result_trap("write dr0");
    TRY("movq %%dr0, %0", : "=r"(v) : "0"(0));
    result("read dr0", "%d", v == (uint64_t)&watched);
    TRY("movq %0, %%dr0", ::"r"(0xffff820000000000));
    result_trap("write dr0 with VMM address");
    TRY("movq %0, %%dr0", ::"r"(0x900000000000));
    result_trap("write dr0, noncanonical");
    TRY("movq %0, %%dr7", ::"r"(0xd0001ul));
    result_trap("write dr7, watch writes");
    trap_clear();
    trap_continue = true;
    __asm__ volatile("movq $1, %0; nop" : "=m"(watched)::"memory");
    trap_continue = false;
    result("watchpoint", "traps %u vector %lu", trap.count, trap.first.vector);
    TRY("movq %%dr6, %0", : "=r"(v) : "0"(0));
    result("dr6 after", "%lx", v);
    TRY("movq %0, %%dr7", ::"r"(0x2000ul));
    result_trap("write dr7 with GD");
    TRY("movq %0, %%dr7", ::"r"(0ul));
    TRY("movq %%dr4, %0", : "=r"(v) : "0"(0));
    result_trap("read dr4");
    result_errno("set_debugreg 0", HC2(__HYPERVISOR_set_debugreg, 0, &watched));
    result("get_debugreg 0", "%d", HC1(__HYPERVISOR_get_debugreg, 0) == (long)&watched);
    result_errno("set_debugreg 0 to VMM", HC2(__HYPERVISOR_set_debugreg, 0, 0xffff820000000000));
    result_errno("set_debugreg 4", HC2(__HYPERVISOR_set_debugreg, 4, 0));
    result_errno("set_debugreg 6", HC2(__HYPERVISOR_set_debugreg, 6, 0));
    result("get_debugreg 6", "%lx", HC1(__HYPERVISOR_get_debugreg, 6));
    result_errno("set_debugreg 7", HC2(__HYPERVISOR_set_debugreg, 7, 0));
    result_errno("set_debugreg 7, GD", HC2(__HYPERVISOR_set_debugreg, 7, 0x2000));
    result_errno("set_debugreg 7, io breakpoint", HC2(__HYPERVISOR_set_debugreg, 7, 0x20001));
    result_errno("set_debugreg 7, high bits", HC2(__HYPERVISOR_set_debugreg, 7, 1ul << 40));
    result("get_debugreg 7", "%lx", HC1(__HYPERVISOR_get_debugreg, 7));
    result_errno("set_debugreg 8", HC2(__HYPERVISOR_set_debugreg, 8, 0));
    result_errno("get_debugreg 8", HC1(__HYPERVISOR_get_debugreg, 8));
    HC2(__HYPERVISOR_set_debugreg, 7, 0);
    HC2(__HYPERVISOR_set_debugreg, 0, 0);
}

static void test_refused(void)
{
    static struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table = {0xfff, 0};

    TRY("wbinvd", ::: "memory");
    result_trap("wbinvd");
    TRY("invd", ::: "memory");
    result_trap("invd");
    TRY("invlpg (%0)", ::"r"(&table) : "memory");
    result_trap("invlpg");
    TRY("lgdt %0", ::"m"(table));
    result_trap("lgdt");
    TRY("lidt %0", ::"m"(table));
    result_trap("lidt");
    TRY("lldt %w0", ::"r"(0));
    result_trap("lldt");
    TRY("ltr %w0", ::"r"(0));
    result_trap("ltr");
    TRY("swapgs", ::: "memory");
    result_trap("swapgs");
    TRY("sysretq", ::: "memory");
    result_trap("sysret");
    TRY("sysexitl", ::: "memory");
    result_vector("sysexitl");
    TRY("rdpmc", ::"c"(0) : "rax", "rdx");
    result_trap("rdpmc");
    TRY("rdtsc", ::: "rax", "rdx");
    result_trap("rdtsc");
    TRY("monitor", ::"a"(&table), "c"(0), "d"(0));
    result_trap("monitor");
    TRY("mwait", ::"a"(0), "c"(0));
    result_trap("mwait");
    TRY("vmcall", ::: "rax");
    result_trap("vmcall");
    TRY("vmmcall", ::: "rax");
    result_trap("vmmcall");
    TRY("vmrun", ::"a"(0) : "memory");
    result_trap("vmrun");
    TRY("xorl %%ecx, %%ecx; xgetbv", ::: "rax", "rcx", "rdx");
    result_trap("xgetbv");
    TRY("xsetbv", ::"a"(1), "d"(0), "c"(0));
    result_trap("xsetbv");
    TRY("clac", ::: "cc");
    result_trap("clac");
    TRY("hlt; nop", ::: "memory");
    result_trap("hlt");
}

static void forced_cpuid(const char *name, uint32_t leaf, uint32_t subleaf, uint32_t mask_a, uint32_t mask_b,
                         uint32_t mask_c, uint32_t mask_d)
{
    uint32_t a, b, c, d;

    TRY(XEN_CPUID, : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(leaf), "2"(subleaf));
    result(name, "%x %x %x %x traps %u", a & mask_a, b & mask_b, c & mask_c, d & mask_d, trap.count);
}

static void test_cpuid(void)
{
    forced_cpuid("cpuid hypervisor base", XEN_CPUID_LEAF(0), 0, ~0u, ~0u, ~0u, ~0u);
    forced_cpuid("cpuid hypervisor version", XEN_CPUID_LEAF(1), 0, ~0u, ~0u, ~0u, ~0u);
    forced_cpuid("cpuid hypervisor features", XEN_CPUID_LEAF(2), 0, ~0u, ~0u, ~0u, ~0u);
    /* What the TSC is good for, in EAX, depends on the machine; ECX is its frequency. */
    forced_cpuid("cpuid hypervisor time 0", XEN_CPUID_LEAF(3), 0, 0, ~0u, 0, ~0u);
    forced_cpuid("cpuid hypervisor hvm", XEN_CPUID_LEAF(4), 0, ~0u, ~0u, ~0u, ~0u);
    forced_cpuid("cpuid hypervisor pv", XEN_CPUID_LEAF(5), 0, ~0u, 0, ~0u, ~0u);
    forced_cpuid("cpuid hypervisor beyond", XEN_CPUID_LEAF(6), 0, ~0u, ~0u, ~0u, ~0u);
    forced_cpuid("cpuid leaf 1, de pse tsc msr pae mce cx8 apic sep mtrr pge mca", 1, 0, 0, 0, 0, 0x00007bfc);
    forced_cpuid("cpuid leaf 1, vmx smx x2apic osxsave hypervisor", 1, 0, 0, 0, 0x88200060, 0);
    forced_cpuid("cpuid leaf 7, smep smap umip pku fsgsbase", 7, 0, 0, 0x00100081, 0x0000000c, 0);
    forced_cpuid("cpuid leaf 0x80000001, svm", 0x80000001, 0, 0, 0, 4, 0x20100800);
    forced_cpuid("cpuid leaf 0x20000000", 0x20000000, 0, ~0u, ~0u, ~0u, ~0u);
}

void guest_main(void)
{
    user_setup();
    vcpu_info()->evtchn_upcall_mask = 1;
    test_interrupt_flag();
    test_flags();
    vcpu_info()->evtchn_upcall_mask = 1;
    test_iopl();
    test_ports();
    test_msrs();
    test_control();
    test_debug_registers();
    test_cpuid();
    test_refused();
}
