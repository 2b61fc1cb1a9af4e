/* Each exception and bounce frame that kernel and user mode of a PV guest can cause. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/callback.h>
#include <xen/nmi.h>
#include <xen/vcpu.h>

#define NONCANONICAL 0x8000000000000000ul

static void kernel_faults(void)
{
    static uint16_t control = 0x37b; /* zero-divide unmasked */
    static uint8_t hole_dummy;
    char *hole = page_hole();
    void *readonly = page_alloc();

    page_make_readonly(readonly);
    TRY("xorl %%ecx, %%ecx; divl %%ecx", ::: "rax", "rcx", "rdx");
    result_frame("kernel divide error");
    TRY("int3", ::: "memory");
    result_frame("kernel int3");
    TRY(".byte 0xcd, 3", ::: "memory");
    result_frame("kernel int 3, two bytes");
    TRY(".byte 0xcd, 4", ::: "memory");
    result_frame("kernel int 4");
    TRY("int $0x80", ::: "memory");
    result_frame("kernel int 0x80, DPL 0");
    TRY("ud2", ::: "memory");
    result_frame("kernel ud2");
    HC1(__HYPERVISOR_fpu_taskswitch, 1);
    TRY("fninit", ::: "memory");
    result_frame("kernel fpu with TS");
    TRY("fninit", ::: "memory");
    result_frame("kernel fpu after #NM");
    TRY("fldcw %0; fldz; fld1; fdivp; fwait", ::"m"(control));
    result("kernel x87 divide by zero", "vector %lu error %lx", trap.first.vector, trap.first.error_code);
    __asm__ volatile("fninit");
    TRY("movq (%0), %%rax", ::"r"(NONCANONICAL) : "rax");
    result_frame("kernel noncanonical read");
    TRY("movq %0, %%rbp; movq (%%rbp), %%rax", ::"r"(NONCANONICAL) : "rax", "rbp");
    result_frame("kernel noncanonical stack read");
    TRY("jmp *%0", ::"r"(NONCANONICAL));
    result("kernel noncanonical jump", "vector %lu error %lx rip is %s", trap.first.vector,
           trap.first.error_code,
           trap.first.rip == NONCANONICAL ? "target"
           : trap.first.rip == trap_start ? "jump"
                                          : "else");
    TRY("movw %w0, %%ds", ::"r"(0xfffb));
    result_frame("kernel ds beyond GDT limit");
    TRY("movb (%0), %%al", ::"r"(hole + 0x123) : "rax");
    result_frame("kernel page fault, read");
    result("cr2 of that", "%d", trap.cr2 == (uint64_t)hole + 0x123);
    TRY("movb %%al, (%0)", ::"r"(hole + 0x456) : "memory");
    result_frame("kernel page fault, write");
    TRY("movb %%al, (%0)", ::"r"(readonly) : "memory");
    result_frame("kernel page fault, write of read-only");
    TRY("jmp *%0", ::"r"(hole));
    result("kernel page fault, fetch", "vector %lu error %lx rip is target %d", trap.first.vector,
           trap.first.error_code, trap.first.rip == (uint64_t)hole);
    must("map nx", hc_update_va_mapping((unsigned long)hole,
                                        pte_make(virt_to_mfn(&hole_dummy), PTE_DATA | PTE_NX), UVMF_INVLPG));
    TRY("jmp *%0", ::"r"(hole));
    result("kernel page fault, fetch of nx", "vector %lu error %lx rip is target %d", trap.first.vector,
           trap.first.error_code, trap.first.rip == (uint64_t)hole);
    TRY("movb (%0), %%al", ::"r"(0x7ffffffff000ul) : "rax");
    result_frame("kernel page fault, low half, no tables");
}

static void kernel_single_step(void)
{
    trap_clear();
    trap_continue = true;
    __asm__ volatile(
        "pushfq; orl $0x100, (%%rsp); popfq; movq $1f, trap_start(%%rip); 1: nop; pushfq; andl $~0x100, "
        "(%%rsp); popfq; nop" ::
            : "memory", "cc");
    trap_continue = false;
    result("kernel single step", "traps %u vector %lu rflags.TF %d", trap.count, trap.first.vector,
           !!(trap.first.rflags & 0x100));
}

/* Which of the arguments' registers survive, and where the frame lies on a misaligned stack. */
static void kernel_registers(void)
{
    const struct regs *r = &trap.first;

    TRY("movq $0x11, %%rax; movq $0x12, %%rbx; movq $0x13, %%rcx; movq $0x14, %%rdx; movq $0x15, %%rsi;"
        "movq $0x16, %%rdi; movq $0x18, %%r8; movq $0x19, %%r9; movq $0x1a, %%r10; movq $0x1b, %%r11;"
        "movq $0x1c, %%r12; movq $0x1d, %%r13; movq $0x1e, %%r14; movq $0x1f, %%r15; ud2",
        ::
            : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
    result("kernel registers", "%lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx", r->rax, r->rbx,
           r->rcx, r->rdx, r->rsi, r->rdi, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15);
    for (unsigned long skew = 0; skew < 16; skew += 4) {
        static char stack[4096] __attribute__((aligned(4096)));
        unsigned long top = (unsigned long)stack + 2048 + skew;

        TRY("movq %%rsp, %%r15; movq %0, %%rsp; ud2; 88: movq %%r15, %%rsp; movq $0, trap_resume(%%rip)",
            ::"r"(top)
            : "r15", "memory");
        result(skew == 0   ? "frame with rsp 0 mod 16"
               : skew == 4 ? "frame with rsp 4 mod 16"
               : skew == 8 ? "frame with rsp 8 mod 16"
                           : "frame with rsp 12 mod 16",
               "rsp as it was %d, ss slot ends %ld below it", r->rsp == top, (long)(top - (trap.frame + 40)));
    }
}

static void kernel_masks(void)
{
    trap_set(6, 4, true);
    vcpu_info()->evtchn_upcall_mask = 0;
    TRY("ud2", ::: "memory");
    result_frame("kernel ud2, mask flag, events on");
    vcpu_info()->evtchn_upcall_mask = 1;
    TRY("ud2", ::: "memory");
    result_frame("kernel ud2, mask flag, events off");
    trap_set(6, 0, true);
    vcpu_info()->evtchn_upcall_mask = 0;
    TRY("ud2", ::: "memory");
    result_frame("kernel ud2, events on");
    result("mask after iret from that", "%d", vcpu_info()->evtchn_upcall_mask);
    vcpu_info()->evtchn_upcall_mask = 1;
    TRY("ud2", ::: "memory");
    result_frame("kernel ud2, events off");
    result("mask after iret with IF off", "%d", vcpu_info()->evtchn_upcall_mask);
    trap_set_cs(6, 0, FLAT_KERNEL_CS64 & ~3, (unsigned long)0);
    trap_set(6, 0, true);
}

static void nmi(void)
{
    struct xennmi_callback cb = {.handler_address = (unsigned long)nmi_callback};

    result_errno("nmi_op register", HC2(__HYPERVISOR_nmi_op, XENNMI_register_callback, &cb));
    trap_clear();
    trap_continue = true;
    result_errno("send_nmi", HC3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0));
    trap_continue = false;
    result("nmi", "count %u vector %lx error %lx cs %lx mask %d", trap.count, trap.first.vector,
           trap.first.error_code, trap.first.cs, trap.upcall_mask);
    result_errno("nmi_op unregister", HC2(__HYPERVISOR_nmi_op, XENNMI_unregister_callback, 0));
    result_errno("nmi_op unknown", HC2(__HYPERVISOR_nmi_op, 7, 0));
    trap_clear();
    result_errno("send_nmi without callback", HC3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0));
    result("nmi without callback", "count %u", trap.count);
    trap_clear();
    trap_continue = true;
    result_errno("callback nmi", callback_register(CALLBACKTYPE_nmi, 0, nmi_callback));
    HC2(__HYPERVISOR_xen_version, 0, 0);
    trap_continue = false;
    result("nmi pending meanwhile", "count %u", trap.count);
}

USER_CODE(u_divide, "xorl %ecx, %ecx\n divl %ecx");
USER_CODE(u_int3, "int3");
USER_CODE(u_int4, ".byte 0xcd, 4");
USER_CODE(u_int80, "int $0x80");
USER_CODE(u_ud2, "ud2");
USER_CODE(u_fninit, "fninit\n int3");
USER_CODE(u_cli, "cli");
USER_CODE(u_hlt, "hlt");
USER_CODE(u_in, "inb $0x80, %al");
USER_CODE(u_cr0, "movq %cr0, %rax");
USER_CODE(u_noncanonical, "movq $-1, %rax\n btr $62, %rax\n movq (%rax), %rbx");
USER_CODE(u_noncanonical_ss, "movq $-1, %rbp\n btr $62, %rbp\n movq (%rbp), %rbx");
USER_CODE(u_read, "movl $0x20000123, %eax\n movb (%rax), %bl");
USER_CODE(u_write, "movl $0x20000123, %eax\n movb %bl, (%rax)");
USER_CODE(u_fetch, "movl $0x20000123, %eax\n jmp *%rax");
USER_CODE(u_kernel_read, "movq $0xffffffff80100000, %rax\n movb (%rax), %bl");
USER_CODE(u_vmm_read, "movq $0xffff800000000000, %rax\n movb (%rax), %bl");
USER_CODE(u_selector, "movl $0xfffb, %eax\n movw %ax, %ds");
USER_CODE(u_syscall, "syscall");
USER_CODE(u_sysenter, "sysenter");
USER_CODE(u_forced_cpuid, ".byte 0x0f,0x0b,0x78,0x65,0x6e\n cpuid\n int3");
USER_CODE(u_popf, "pushq $0x3202\n popfq\n int3");
USER_CODE32(u32_int3, "int3");
USER_CODE32(u32_int80, "int $0x80");
USER_CODE32(u32_into, "movb $0x7f, %al\n incb %al\n into");
USER_CODE32(u32_bound, "pushl $2\n pushl $1\n movl $9, %eax\n bound %eax, (%esp)");
USER_CODE32(u32_syscall, "syscall");
USER_CODE32(u32_sysenter, "sysenter");
USER_CODE32(u32_read, "movl $0x20000123, %eax\n movb (%eax), %bl");
USER_CODE32(u32_ud2, "ud2");
USER_CODE32(u32_limit, "movl $0xffffffff, %eax\n movl (%eax), %ebx");

static void user_case(const char *name, const void *code)
{
    user_run(code);
    result_frame(name);
}

static void user_case32(const char *name, const void *code)
{
    struct iret_context ctx = user_context(code, true);

    user_enter_recorded(&ctx);
    result_frame(name);
}

static void user_faults(void)
{
    const struct regs *r = &trap.first;

    user_case("user divide error", u_divide);
    user_case("user int3, DPL 0", u_int3);
    user_case("user int 4, DPL 0", u_int4);
    user_case("user int 0x80, DPL 0", u_int80);
    trap_set(3, 3, true);
    trap_set(4, 3, true);
    trap_set(0x80, 3, true);
    user_case("user int3, DPL 3", u_int3);
    user_case("user int 4, DPL 3", u_int4);
    user_case("user int 0x80, DPL 3", u_int80);
    result("user registers at int 0x80", "%lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx", r->rax,
           r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14,
           r->r15);
    result("user frame at top of kernel stack", "%d",
           trap.frame + 40 == (uint64_t)user_kernel_stack + KERNEL_STACK_SIZE);
    trap_set(0x80, 3 | 4, true);
    user_case("user int 0x80, DPL 3, mask flag", u_int80);
    trap_set(0x80, 1, true);
    user_case("user int 0x80, DPL 1", u_int80);
    trap_set(0x80, 2, true);
    user_case("user int 0x80, DPL 2", u_int80);
    user_case("user ud2", u_ud2);
    HC1(__HYPERVISOR_fpu_taskswitch, 1);
    user_case("user fpu with TS", u_fninit);
    user_case("user fpu after that", u_fninit);
    user_case("user cli", u_cli);
    user_case("user hlt", u_hlt);
    user_case("user in", u_in);
    user_case("user read of cr0", u_cr0);
    user_case("user noncanonical read", u_noncanonical);
    user_case("user noncanonical stack read", u_noncanonical_ss);
    user_case("user page fault, read", u_read);
    result("cr2 of the user fault", "%lx", trap.cr2);
    user_case("user page fault, write", u_write);
    user_case("user read of kernel", u_kernel_read);
    user_case("user bad selector", u_selector);
    user_case("user forced cpuid", u_forced_cpuid);
    user_case("user popf with IOPL 3 and no IF", u_popf);
    user_run(u_fetch);
    result("user page fault, fetch", "vector %lu error %lx rip %lx", r->vector, r->error_code, r->rip);
    user_run(u_vmm_read);
    result_vector("user read of m2p");
}

static void user_faults32(void)
{
    user_case32("compat int3", u32_int3);
    trap_set(0x80, 3, true);
    user_case32("compat int 0x80", u32_int80);
    user_case32("compat into", u32_into);
    user_case32("compat bound", u32_bound);
    user_case32("compat ud2", u32_ud2);
    user_case32("compat page fault", u32_read);
    user_case32("compat limit", u32_limit);
}

static void user_syscalls(void)
{
    const struct regs *r = &trap.first;

    result_errno("register syscall", callback_register(CALLBACKTYPE_syscall, 0, syscall_callback));
    user_case("user syscall", u_syscall);
    result("user syscall rcx is rip, r11", "%d %lx rax %lx", r->rcx == r->rip, r->r11 & ~0x8d5ul, r->rax);
    callback_register(CALLBACKTYPE_syscall, CALLBACKF_mask_events, syscall_callback);
    user_case("user syscall, mask flag", u_syscall);
    user_case32("compat syscall, none registered", u32_syscall);
    result_errno("register syscall32", callback_register(CALLBACKTYPE_syscall32, 0, syscall32_callback));
    user_case32("compat syscall", u32_syscall);
    callback_register(CALLBACKTYPE_syscall32, CALLBACKF_mask_events, syscall32_callback);
    user_case32("compat syscall, mask flag", u32_syscall);
    user_case32("compat sysenter, none registered", u32_sysenter);
    result_errno("register sysenter", callback_register(CALLBACKTYPE_sysenter, 0, sysenter_callback));
    user_case32("compat sysenter", u32_sysenter);
    user_case("user sysenter", u_sysenter);
    callback_register(CALLBACKTYPE_sysenter, CALLBACKF_mask_events, sysenter_callback);
    user_case32("compat sysenter, mask flag", u32_sysenter);
    result_errno("register type 3",
                 callback_register(CALLBACKTYPE_sysenter_deprecated, 0, sysenter_callback));
    result_errno("register type 6", callback_register(6, 0, sysenter_callback));
    result_errno("register type 8", callback_register(8, 0, sysenter_callback));
}

extern const char kernel_target[];
__asm__(".text\nkernel_target: ud2");

static void iret_case(const char *name, struct iret_context ctx)
{
    user_enter_recorded(&ctx);
    result_frame(name);
}

static void iret_flags(void)
{
    static const struct {
        const char *name;
        uint64_t rflags;
    } cases[] = {
        {"iret to user, IF", 0x202},       {"iret to user, no IF", 0x002},
        {"iret to user, IOPL 3", 0x3202},  {"iret to user, NT", 0x4202},
        {"iret to user, VM", 0x20202},     {"iret to user, VIF VIP", 0x180202},
        {"iret to user, ID AC", 0x240202}, {"iret to user, bit 1 off", 0x200},
        {"iret to user, TF", 0x302},       {"iret to user, high bits", 0x8000000000000202},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iret_context ctx = user_context(u_int3, false);

        ctx.rflags = cases[i].rflags;
        iret_case(cases[i].name, ctx);
    }
}

/* A good frame but for one register. */
#define IRET_CASE(name, register, value)                                                                     \
    ({                                                                                                       \
        struct iret_context ctx_ = user_context(u_int3, false);                                              \
        ctx_.register = value;                                                                               \
        iret_case(name, ctx_);                                                                               \
    })

static void iret_frames(void)
{
    const struct regs *r = &trap.first;
    struct iret_context ctx = user_context(u_int3, false);

    iret_case("iret to user", ctx);
    result("iret registers", "rax %lx rcx %lx r11 %lx", r->rax, r->rcx, r->r11);
    ctx.flags = VGCF_IN_SYSCALL;
    iret_case("iret to user in syscall", ctx);
    result("iret in syscall registers", "rax %lx rcx-rip %ld r11 %lx", r->rax, (long)(r->rcx - trap_start),
           r->r11);
    IRET_CASE("iret to noncanonical rip", rip, NONCANONICAL);
    ctx = user_context(u_int3, false);
    ctx.rip = 0x20000000;
    user_enter_recorded(&ctx);
    result("iret to unmapped rip", "vector %lu error %lx rip %lx cs %lx", r->vector, r->error_code, r->rip,
           r->cs);
    IRET_CASE("iret to noncanonical rsp", rsp, NONCANONICAL);
    IRET_CASE("iret to empty cs", cs, 0x13);
    IRET_CASE("iret to cs beyond limit", cs, 0xfffb);
    IRET_CASE("iret to data cs", cs, FLAT_KERNEL_SS64);
    IRET_CASE("iret to empty ss", ss, 0x13);
    IRET_CASE("iret to null ss", ss, 0);
    IRET_CASE("iret to code ss", ss, FLAT_USER_CS64);
    ctx = user_context(u_int3, false);
    ctx.cs = FLAT_USER_CS64 & ~2ul;
    ctx.rip = (unsigned long)kernel_target;
    iret_case("iret to cs RPL 1", ctx);
    ctx.cs = FLAT_USER_CS64 & ~1ul;
    iret_case("iret to cs RPL 2", ctx);
    ctx.cs = FLAT_USER_CS64 & ~3ul;
    iret_case("iret to cs RPL 0", ctx);
}

/* What SYSRET cannot restore, asked for as if it could. */
static void iret_in_syscall(void)
{
    struct iret_context ctx = user_context(u_int3, false);

    ctx.flags = VGCF_IN_SYSCALL;
    ctx.rip = NONCANONICAL;
    iret_case("iret in syscall to noncanonical rip", ctx);
    ctx.rip = 0x0000800000000000;
    iret_case("iret in syscall to the first noncanonical rip", ctx);
    ctx.rip = 0xffff7fffffffffff;
    iret_case("iret in syscall to the last noncanonical rip", ctx);
    ctx.rip = 0x8000000000001000;
    iret_case("iret in syscall to rip with bit 63", ctx);
    ctx = user_context(u32_ud2, true);
    ctx.flags = VGCF_IN_SYSCALL;
    iret_case("iret in syscall to 32-bit code", ctx);
}

void guest_main(void)
{
    user_setup();
    kernel_faults();
    kernel_single_step();
    kernel_registers();
    kernel_masks();
    nmi();
    user_faults();
    user_faults32();
    user_syscalls();
    iret_flags();
    iret_frames();
    iret_in_syscall();
}
