/* Hypercalls that set a vCPU's bases, stacks, callbacks and debug registers: answers and read-back. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/callback.h>
#include <xen/nmi.h>

#define NONCANONICAL 0x8000000000000000ul
#define VMM_ADDRESS  0xffff830000000000ul

static const struct {
    const char *name;
    unsigned long value;
} addresses[] = {
    {"low", 0x1000},
    {"user top", 0x7fffffffffff},
    {"noncanonical low", 0x800000000000},
    {"noncanonical", NONCANONICAL},
    {"m2p", MACH2PHYS_VIRT_START},
    {"vmm", VMM_ADDRESS},
    {"kernel", 0xffffffff80001000},
    {"top", ~0ul},
};

static void each_address(const char *what, unsigned int nr, unsigned long first, unsigned long last_is_second)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
        char name[80];
        size_t n = strlen(what);

        memcpy(name, what, n);
        name[n++] = ' ';
        memcpy(name + n, addresses[i].name, strlen(addresses[i].name) + 1);
        result_errno(name, last_is_second ? HC2(nr, first, addresses[i].value)
                                          : HC3(nr, addresses[i].value, first, first));
    }
}

static uint64_t msr_read(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static void segment_bases(void)
{
    static const char *const names[] = {"fs base", "gs user base", "gs kernel base", "gs user selector"};
    static char fs_data[64] = "fs data";

    for (unsigned int which = 0; which < 3; which++)
        each_address(names[which], __HYPERVISOR_set_segment_base, which, 1);
    for (unsigned int which = 0; which < 3; which++)
        HC2(__HYPERVISOR_set_segment_base, which, 0);
    for (unsigned int which = 4; which < 6; which++)
        result_errno(which == 4 ? "segment base 4" : "segment base 5",
                     HC2(__HYPERVISOR_set_segment_base, which, 0x1000));
    result_errno("segment base ~0", HC2(__HYPERVISOR_set_segment_base, ~0u, 0x1000));
    result_errno("segment base 1<<32", HC2(__HYPERVISOR_set_segment_base, 1ul << 32, 0x1000));
    result_errno("fs base data", HC2(__HYPERVISOR_set_segment_base, 0, fs_data));
    {
        char c;
        __asm__ volatile("movb %%fs:1, %0" : "=r"(c));
        result("read through fs", "%c", c);
        result("msr fs base reads it", "%d", msr_read(0xc0000100) == (unsigned long)fs_data);
    }
    result_errno("gs kernel base data", HC2(__HYPERVISOR_set_segment_base, 2, fs_data + 3));
    {
        char c;
        __asm__ volatile("movb %%gs:0, %0" : "=r"(c));
        result("read through gs", "%c", c);
        result("msr gs base reads it", "%d", msr_read(0xc0000101) == (unsigned long)fs_data + 3);
    }
    HC2(__HYPERVISOR_set_segment_base, 1, 0x123456);
    result("msr kernel gs base reads user base", "%lx", msr_read(0xc0000102));
}

static void gs_selector(unsigned int selector, const char *name)
{
    uint16_t gs = 0x7777;
    long rc;

    HC2(__HYPERVISOR_set_segment_base, 1, 0x123456);
    rc = HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, selector);
    __asm__ volatile("movw %%gs, %0" : "=r"(gs));
    result(name, "%ld: gs %x user base %lx kernel base kept %d", rc, gs, msr_read(0xc0000102),
           msr_read(0xc0000101) == 0xffffffff80000000);
}

static void gs_selectors(void)
{
    HC2(__HYPERVISOR_set_segment_base, 2, 0xffffffff80000000);
    gs_selector(0, "gs selector 0");
    gs_selector(3, "gs selector 3");
    gs_selector(FLAT_RING3_DS32, "gs selector ds32");
    gs_selector(FLAT_RING3_CS64, "gs selector cs64");
    gs_selector(FLAT_RING3_DS32 & ~3u, "gs selector ds32 rpl 0");
    gs_selector(0xfffb, "gs selector beyond");
    gs_selector(0xe010, "gs selector vmm ds");
    gs_selector(0x13, "gs selector empty");
    gs_selector(0x17, "gs selector ldt");
    gs_selector(0x10000 | FLAT_RING3_DS32, "gs selector high bits");
}

/* The first use of an LDT page may be by this hypercall. */
static void gs_selector_of_ldt(void)
{
    uint64_t *ldt = page_alloc();
    unsigned long hole = (unsigned long)page_hole();

    ldt[1] = 0x0140f3f23456ffff; /* based at 0x1f23456 */
    page_make_readonly(ldt);
    must("set ldt", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 512));
    gs_selector(0xf, "gs selector in the ldt");
    gs_selector(0xc, "gs selector in the ldt, rpl 0");
    gs_selector(0x17, "gs selector empty in the ldt");
    HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0);
    must("set ldt over a hole", mmuext(MMUEXT_SET_LDT, hole, 512));
    gs_selector(0xf, "gs selector in unmapped ldt");
    TRY("movw %w0, %%ds", ::"r"(0x1f));
    result("fault in the ldt", "vector %lu error %lx, cr2 is base plus %ld", trap.first.vector,
           trap.first.error_code, (long)(trap.cr2 - hole));
    must("set ldt off", mmuext(MMUEXT_SET_LDT, 0, 0));
}

static void callbacks(void)
{
    static const uint16_t types[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 0xffff};
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "ffff"};

    for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
        char name[40] = "unregister type ", name2[40] = "register noncanonical type ",
             name3[40] = "register flags 2 type ";
        struct callback_unregister un = {.type = types[i]};
        struct callback_register re = {.type = types[i], .flags = 0, .address = NONCANONICAL};

        memcpy(name + strlen(name), names[i], 5);
        memcpy(name2 + strlen(name2), names[i], 5);
        memcpy(name3 + strlen(name3), names[i], 5);
        result_errno(name, HC2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &un));
        result_errno(name2, HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &re));
        re.flags = 2;
        re.address = (unsigned long)(types[i] == 0 ? event_callback : failsafe_callback);
        result_errno(name3, HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &re));
    }
    callback_register(CALLBACKTYPE_event, 0, event_callback);
    callback_register(CALLBACKTYPE_failsafe, 0, failsafe_callback);
    callback_register(CALLBACKTYPE_syscall, 0, syscall_callback);
    result_errno("callback_op 2", HC2(__HYPERVISOR_callback_op, 2, 0));
    result_errno("callback_op register, null", HC2(__HYPERVISOR_callback_op, 0, 0));
    result_errno("callback_op unregister, null", HC2(__HYPERVISOR_callback_op, 1, 0));
    each_address("set_callbacks event", __HYPERVISOR_set_callbacks, (unsigned long)failsafe_callback, 0);
    result_errno("set_callbacks",
                 HC3(__HYPERVISOR_set_callbacks, event_callback, failsafe_callback, syscall_callback));
    for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct xennmi_callback cb = {.handler_address = addresses[i].value};
        char name[80] = "nmi_op register ";

        memcpy(name + strlen(name), addresses[i].name, strlen(addresses[i].name) + 1);
        result_errno(name, HC2(__HYPERVISOR_nmi_op, XENNMI_register_callback, &cb));
    }
    HC2(__HYPERVISOR_nmi_op, XENNMI_unregister_callback, 0);
    result_errno("nmi_op register null", HC2(__HYPERVISOR_nmi_op, XENNMI_register_callback, 0));
}

static void trap_tables(void)
{
    struct trap_info t[2] = {{.vector = 200, .flags = 0, .cs = FLAT_KERNEL_CS64, .address = NONCANONICAL}};

    result_errno("trap table noncanonical", HC1(__HYPERVISOR_set_trap_table, t));
    t[0].address = VMM_ADDRESS;
    result_errno("trap table vmm address", HC1(__HYPERVISOR_set_trap_table, t));
    t[0].address = 0x1000;
    t[0].cs = 0;
    result_errno("trap table cs 0", HC1(__HYPERVISOR_set_trap_table, t));
    t[0].cs = 0xe008;
    result_errno("trap table cs vmm", HC1(__HYPERVISOR_set_trap_table, t));
    t[0].cs = 0x10;
    t[0].flags = 0xff;
    result_errno("trap table flags ff", HC1(__HYPERVISOR_set_trap_table, t));
    result_errno("trap table bad pointer", HC1(__HYPERVISOR_set_trap_table, 0x1000));
    result_errno("trap table vmm pointer", HC1(__HYPERVISOR_set_trap_table, VMM_ADDRESS));
    each_address("stack_switch", __HYPERVISOR_stack_switch, 0xe02b, 1);
    result_errno("stack_switch ss 0", HC2(__HYPERVISOR_stack_switch, 0, 0xffffffff80001000));
    result_errno("stack_switch ss vmm", HC2(__HYPERVISOR_stack_switch, 0xe010, 0xffffffff80001000));
    result_errno("stack_switch ss big", HC2(__HYPERVISOR_stack_switch, 0x1e02b, 0xffffffff80001000));
    result_errno("stack_switch",
                 HC2(__HYPERVISOR_stack_switch, 0xe02b, user_kernel_stack + KERNEL_STACK_SIZE));
    result_errno("trap table null", HC1(__HYPERVISOR_set_trap_table, 0));
    trap_setup();
}

static void debugreg_case(unsigned int reg, unsigned long value, const char *name)
{
    long rc = HC2(__HYPERVISOR_set_debugreg, reg, value);

    result(name, "set %ld get %lx", rc, (unsigned long)HC1(__HYPERVISOR_get_debugreg, reg));
}

static void debugregs(void)
{
    static const struct {
        unsigned int reg;
        unsigned long value;
        const char *name;
    } cases[] = {
        {0, 0, "dr0 0"},
        {0, 0x1000, "dr0 low"},
        {1, 0x7fffffffffff, "dr1 user top"},
        {2, NONCANONICAL, "dr2 noncanonical"},
        {3, VMM_ADDRESS, "dr3 vmm"},
        {3, MACH2PHYS_VIRT_START, "dr3 m2p"},
        {3, 0xffff880000000000, "dr3 kernel"},
        {0, ~0ul, "dr0 top"},
        {4, 0, "dr4 0"},
        {4, 0x1000, "dr4"},
        {5, 0, "dr5 0"},
        {5, 0x1000, "dr5"},
        {6, 0, "dr6 0"},
        {6, 0xffff0ff0, "dr6 default"},
        {6, 0xf, "dr6 f"},
        {6, 0xe00f, "dr6 e00f"},
        {6, 0xffffffff, "dr6 ffffffff"},
        {6, 0x100000000, "dr6 bit 32"},
        {6, ~0ul, "dr6 all"},
        {7, 0, "dr7 0"},
        {7, 0x400, "dr7 400"},
        {7, 0x1, "dr7 L0"},
        {7, 0x2, "dr7 G0"},
        {7, 0xff, "dr7 all enables"},
        {7, 0x100, "dr7 LE"},
        {7, 0x300, "dr7 LE GE"},
        {7, 0x2000, "dr7 GD"},
        {7, 0x800, "dr7 bit 11"},
        {7, 0x1000, "dr7 bit 12"},
        {7, 0xc000, "dr7 bits 14 15"},
        {7, 0x20000, "dr7 io 0 disabled"},
        {7, 0x20002, "dr7 io 0 enabled"},
        {7, 0x10000, "dr7 write 0 disabled"},
        {7, 0x10001, "dr7 write 0"},
        {7, 0xd0001, "dr7 write 4 bytes"},
        {7, 0xfffff0ff & ~0xfcff, "dr7 many"},
        {7, 0xffffffff, "dr7 ffffffff"},
        {7, 0x100000001, "dr7 bit 32"},
        {7, ~0ul, "dr7 all"},
        {8, 0, "dr8"},
        {15, 0, "dr15"},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
        debugreg_case(cases[i].reg, cases[i].value, cases[i].name);
    HC2(__HYPERVISOR_set_debugreg, 7, 0);
    result("get_debugreg ~0", "%lx", (unsigned long)HC1(__HYPERVISOR_get_debugreg, ~0u));
    result("get_debugreg 1<<32", "%lx", (unsigned long)HC1(__HYPERVISOR_get_debugreg, 1ul << 32));
}

/* Breakpoints that the guest sets fire, and say so in DR6. */
static void breakpoints(void)
{
    static volatile uint64_t watched;

    HC2(__HYPERVISOR_set_debugreg, 6, 0xffff0ff0);
    HC2(__HYPERVISOR_set_debugreg, 0, &watched);
    result_errno("watch writes of 8 bytes", HC2(__HYPERVISOR_set_debugreg, 7, 0x90001));
    trap_clear();
    trap_continue = true;
    watched = 1;
    __asm__ volatile("nop");
    trap_continue = false;
    result("write watched", "count %u vector %lu error %lx dr6 %lx dr7 %lx", trap.count, trap.first.vector,
           trap.first.error_code, (unsigned long)HC1(__HYPERVISOR_get_debugreg, 6),
           (unsigned long)HC1(__HYPERVISOR_get_debugreg, 7));
    HC2(__HYPERVISOR_set_debugreg, 7, 0);
    trap_clear();
    watched = 2;
    result("write not watched", "count %u", trap.count);
    {
        unsigned long dr6, dr7, dr0;

        __asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
        __asm__ volatile("movq %%dr7, %0" : "=r"(dr7));
        __asm__ volatile("movq %%dr0, %0" : "=r"(dr0));
        result("mov from dr", "dr6 %lx dr7 %lx dr0 is watched %d", dr6, dr7, dr0 == (unsigned long)&watched);
    }
    watched = FLAT_KERNEL_SS64;
    HC2(__HYPERVISOR_set_debugreg, 6, 0xffff0ff0);
    HC2(__HYPERVISOR_set_debugreg, 7, 0xb0001); /* reads and writes of 8 bytes */
    trap_clear();
    trap_continue = true;
    {
        unsigned long version = __HYPERVISOR_xen_version;

        __asm__ volatile("movw %1, %%ss; syscall"
                         : "+a"(version)
                         : "m"(watched), "D"(0ul)
                         : "rcx", "r11", "memory");
        trap_continue = false;
        result("mov ss from a watched place, then a hypercall", "traps %u vector %lu version %lx", trap.count,
               trap.first.vector, version);
    }
    HC2(__HYPERVISOR_set_debugreg, 7, 0);
    TRY("movq %%dr4, %%rax", ::: "rax");
    result_frame("mov from dr4");
    TRY("movq %0, %%dr0", ::"r"(VMM_ADDRESS));
    result_frame("mov vmm to dr0");
    TRY("movq %0, %%dr0", ::"r"(0x1000ul));
    result_frame("mov low to dr0");
    TRY("movq %0, %%dr7", ::"r"(0x100000000ul));
    result_frame("mov high to dr7");
}

void guest_main(void)
{
    user_setup();
    segment_bases();
    gs_selectors();
    gs_selector_of_ldt();
    callbacks();
    trap_tables();
    debugregs();
    breakpoints();
    finish();
}
