/*
 * The state of a vCPU in the hands of the toolstack: what comes back of a context that was set, the further
 * contexts that save and restore carry, and what is refused.
 */
#include "common/child.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"

#define TSC_AUX 0xc0000103u

static struct vcpu_guest_context in, out;
static uint64_t area[1024] __attribute__((aligned(64)));
static xen_domctl_vcpu_msr_t msrs[64];

/* It never runs. */
CHILD_FN static void child_nothing(volatile uint64_t *answers)
{
    (void)answers;
    CHILD_END();
}

static long set(uint32_t vcpu, const void *ctxt)
{
    domctl_clear();
    domctl_arg.u.vcpucontext.vcpu = vcpu;
    domctl_arg.u.vcpucontext.ctxt.p = (void *)ctxt;
    return domctl(XEN_DOMCTL_setvcpucontext, CHILD_ID);
}

static long get(uint32_t vcpu, void *ctxt)
{
    domctl_clear();
    domctl_arg.u.vcpucontext.vcpu = vcpu;
    domctl_arg.u.vcpucontext.ctxt.p = ctxt;
    return domctl(XEN_DOMCTL_getvcpucontext, CHILD_ID);
}

#define SAME(field) (memcmp(&in.field, &out.field, sizeof(in.field)) == 0)

static void fill(void)
{
    uint64_t *regs = (uint64_t *)&in.user_regs;

    in = child_context;
    for (unsigned int i = 0; i < 15; i++)
        regs[i] = 0x1111111111111111ul * (i + 1);
    in.user_regs.error_code = 0x1234;
    in.user_regs.entry_vector = 0x56;
    in.user_regs.rip = 0x401234;
    in.user_regs.rflags = 0x3202 | 0xd5; /* IOPL 3 */
    in.user_regs.rsp = 0x404000;
    in.user_regs.ds = in.user_regs.es = FLAT_USER_DS64;
    in.user_regs.fs = in.user_regs.gs = 0;
    in.user_regs.saved_upcall_mask = 1;
    in.trap_ctxt[3] = (struct trap_info){3, 3, FLAT_KERNEL_CS64, 0x400100};
    in.trap_ctxt[200] = (struct trap_info){200, 7, FLAT_KERNEL_CS64, 0x400200};
    in.gdt_frames[0] = child_spare(0);
    in.gdt_frames[1] = child_spare(1);
    in.gdt_ents = 600;
    in.ldt_base = 0xffff880000001000;
    in.ldt_ents = 16;
    in.kernel_ss = FLAT_KERNEL_SS64;
    in.kernel_sp = 0x404800;
    in.ctrlreg[0] = 0x8005003b;
    in.ctrlreg[2] = 0x123456;
    in.ctrlreg[4] = 0x660 | 4 | 8 | 1 << 16;
    in.debugreg[0] = 0x400000;
    in.debugreg[3] = 0x400010;
    in.debugreg[6] = 0xffff0ff0;
    in.debugreg[7] = 0x55 | 0x400;
    in.event_callback_eip = 0x400300;
    in.failsafe_callback_eip = 0x400400;
    in.syscall_callback_eip = 0x400500;
    in.vm_assist = 1 | 1 << 2 | 1 << 5;
    in.fs_base = 0x7f0000001000;
    in.gs_base_kernel = 0xffff880000002000;
    in.gs_base_user = 0x7f0000003000;
    in.flags = VGCF_IN_KERNEL | VGCF_online | VGCF_I387_VALID | VGCF_failsafe_disables_events |
               VGCF_syscall_disables_events;
    memset(&in.fpu_ctxt, 0, sizeof(in.fpu_ctxt));
    in.fpu_ctxt.x[0] = 0x7f;
    in.fpu_ctxt.x[1] = 0x02;
    in.fpu_ctxt.x[25] = 0x1f; /* MXCSR 1F80 */
    in.fpu_ctxt.x[24] = 0x80;
    for (unsigned int i = 160; i < 416; i++)
        in.fpu_ctxt.x[i] = (char)i;
}

static void result_same(const char *name)
{
    result(name, "regs %d rip %d cs %x ss %x rflags %lx rsp %d ds %x error %x vector %x mask %u",
           memcmp(&in.user_regs, &out.user_regs, 15 * 8) == 0, SAME(user_regs.rip), out.user_regs.cs,
           out.user_regs.ss, (unsigned long)out.user_regs.rflags, SAME(user_regs.rsp), out.user_regs.ds,
           out.user_regs.error_code, out.user_regs.entry_vector, out.user_regs.saved_upcall_mask);
}

static void result_rest(const char *name)
{
    result(name, "flags %lx traps %d %x %x ldt %lx %lu gdt %d %lu ss %lx sp %d", (unsigned long)out.flags,
           SAME(trap_ctxt), out.trap_ctxt[3].flags, out.trap_ctxt[200].cs, (unsigned long)out.ldt_base,
           (unsigned long)out.ldt_ents, SAME(gdt_frames), (unsigned long)out.gdt_ents,
           (unsigned long)out.kernel_ss, SAME(kernel_sp));
}

static void result_registers(const char *name)
{
    result(name, "cr0 %lx cr1 %lx cr2 %lx cr3 %d cr4 %lx cr5 %lx", (unsigned long)out.ctrlreg[0],
           (unsigned long)out.ctrlreg[1], (unsigned long)out.ctrlreg[2], SAME(ctrlreg[3]),
           (unsigned long)out.ctrlreg[4], (unsigned long)out.ctrlreg[5]);
}

static void result_debug(const char *name)
{
    result(name, "dr0 %lx dr3 %lx dr4 %lx dr5 %lx dr6 %lx dr7 %lx", (unsigned long)out.debugreg[0],
           (unsigned long)out.debugreg[3], (unsigned long)out.debugreg[4], (unsigned long)out.debugreg[5],
           (unsigned long)out.debugreg[6], (unsigned long)out.debugreg[7]);
}

static void result_entries(const char *name)
{
    result(name, "callbacks %d %d %d assist %lx fs %d gs %d %d fpu %d", SAME(event_callback_eip),
           SAME(failsafe_callback_eip), SAME(syscall_callback_eip), (unsigned long)out.vm_assist,
           SAME(fs_base), SAME(gs_base_kernel), SAME(gs_base_user),
           memcmp(in.fpu_ctxt.x + 160, out.fpu_ctxt.x + 160, 256) == 0);
}

static void test_context(void)
{
    result_errno("get before set", get(0, &out));
    result_errno("get of absent vcpu", get(2, &out));
    result_errno("set of absent vcpu", set(2, &child_context));
    child_load(child_nothing);
    fill();
    result_errno("get of a vcpu without context", get(1, &out));
    result_errno("set with other tables", set(0, &in));
    must("reset", set(0, NULL));
    result_errno("set", set(0, &in));
    result_errno("get", get(0, &out));
    result_same("registers");
    result_rest("tables");
    result_registers("control registers");
    result_debug("debug registers");
    result_entries("entries");
    result_errno("set as it was got", set(0, &out));
    in = out;
    result_errno("get again", get(0, &out));
    result("the same", "%d", memcmp(&in, &out, sizeof(in)) == 0);
    fill();
    in.flags = VGCF_online;
    in.ctrlreg[1] = in.ctrlreg[3];
    result_errno("set, user mode and table", set(0, &in));
    must("reset", set(0, NULL));
    result_errno("set in user mode", set(0, &in));
    result_errno("get in user mode", get(0, &out));
    result_rest("tables in user mode");
    result("cr1 in user mode", "%d %lx", (out.ctrlreg[1] & ~0xffful) == in.ctrlreg[1],
           (unsigned long)out.ctrlreg[1] & 0xfff);
    in.flags = VGCF_IN_KERNEL;
    result_errno("set, not online", set(0, &in));
    in.ctrlreg[1] = 0;
    result_errno("set, without the user table", set(0, &in));
    in = out;
    in.flags = VGCF_IN_KERNEL;
    in.ldt_ents = 17;
    result_errno("set, other LDT", set(0, &in));
    in.ldt_ents = 16;
    in.gdt_ents = 500;
    result_errno("set, other GDT", set(0, &in));
    result_errno("get, not online", get(0, &out));
    result("flags, not online", "%lx", (unsigned long)out.flags);
    result_errno("get to a bad pointer", get(0, (void *)0x1000));
    result_errno("set from a bad pointer", set(0, (void *)0x1000));
    result_errno("get to nowhere", get(0, NULL));
}

static void wrong(const char *name, void *field, uint64_t value)
{
    fill();
    must("reset", set(0, NULL));
    *(uint64_t *)field = value;
    result_errno(name, set(0, &in));
}

static void test_wrong(void)
{
    wrong("rip not canonical", &in.user_regs.rip, 0x900000000000);
    wrong("rip in the VMM", &in.user_regs.rip, 0xffff820000000000);
    wrong("fs base not canonical", &in.fs_base, 0x900000000000);
    wrong("gs base not canonical", &in.gs_base_kernel, 0x900000000000);
    wrong("kernel sp not canonical", &in.kernel_sp, 0x900000000000);
    wrong("callback not canonical", &in.event_callback_eip, 0x900000000000);
    wrong("syscall callback not canonical", &in.syscall_callback_eip, 0x900000000000);
    wrong("trap not canonical", &in.trap_ctxt[7].address, 0x900000000000);
    wrong("gdt too long", &in.gdt_ents, 8192);
    wrong("gdt frame of dom0", &in.gdt_frames[1], virt_to_mfn(kernel_l4));
    wrong("ldt too long", &in.ldt_ents, 8193);
    wrong("ldt not at a page", &in.ldt_base, 0xffff880000001008);
    wrong("ldt in the VMM", &in.ldt_base, 0xffff820000000000);
    wrong("table of dom0", &in.ctrlreg[3], xen_pfn_to_cr3(virt_to_mfn(kernel_l4)));
    wrong("user table of dom0", &in.ctrlreg[1], xen_pfn_to_cr3(virt_to_mfn(kernel_l4)));
    wrong("no table", &in.ctrlreg[3], 0);
    wrong("debug address in the VMM", &in.debugreg[0], 0xffff820000000000);
    wrong("unknown flags", &in.flags, 0xffffffff);
    wrong("unknown assists", &in.vm_assist, ~0ul);
    fill();
    must("reset", set(0, NULL));
    in.flags = 0;
    result_errno("user mode without a table", set(0, &in));
    fill();
    in.gdt_ents = in.gdt_frames[0] = in.gdt_frames[1] = in.ldt_ents = 0;
    result_errno("right again", set(0, &in));
}

static void test_reset(void)
{
    result_errno("reset", set(0, NULL));
    result_errno("get after reset", get(0, &out));
    result_errno("reset of a vcpu without context", set(1, NULL));
    result_errno("reset of absent vcpu", set(2, NULL));
    fill();
    result_errno("set after reset", set(0, &in));
    result_errno("get after set", get(0, &out));
    result_rest("tables after reset");
}

static long ext(uint32_t cmd, uint32_t vcpu, uint32_t size)
{
    domctl_arg.u.ext_vcpucontext.vcpu = vcpu;
    domctl_arg.u.ext_vcpucontext.size = size;
    return domctl(cmd, CHILD_ID);
}

static void get_ext(void)
{
    domctl_clear();
    must("get ext", ext(XEN_DOMCTL_get_ext_vcpucontext, 0, 0));
}

static void test_ext_sizes(void)
{
    for (uint32_t size = 0; size <= 72; size += 4) {
        static char name[] = "set ext of size 00";
        long ret;

        get_ext();
        ret = ext(XEN_DOMCTL_set_ext_vcpucontext, 0, size);
        name[16] = (char)('0' + size / 10);
        name[17] = (char)('0' + size % 10);
        result_errno(name, ret);
    }
}

/* What there is, but for one wrong value. */
static void test_ext_wrong(void)
{
    struct xen_domctl_ext_vcpucontext *e = &domctl_arg.u.ext_vcpucontext;

    get_ext();
    e->syscall32_callback_eip = 0x900000000000;
    result_errno("set ext, syscall not canonical", ext(XEN_DOMCTL_set_ext_vcpucontext, 0, e->size));
    get_ext();
    e->sysenter_callback_eip = 0x900000000000;
    result_errno("set ext, sysenter not canonical", ext(XEN_DOMCTL_set_ext_vcpucontext, 0, e->size));
    get_ext();
    e->mcg_cap = ~0ul;
    result_errno("set ext, unknown mcg_cap", ext(XEN_DOMCTL_set_ext_vcpucontext, 0, e->size));
    get_ext();
    e->mcg_cap = 1;
    result_errno("set ext, smaller mcg_cap", ext(XEN_DOMCTL_set_ext_vcpucontext, 0, e->size));
    get_ext();
    result("mcg_cap then", "%lx", (unsigned long)e->mcg_cap);
}

static void test_ext(void)
{
    struct xen_domctl_ext_vcpucontext *e = &domctl_arg.u.ext_vcpucontext;

    domctl_clear();
    result_errno("get ext", ext(XEN_DOMCTL_get_ext_vcpucontext, 0, 0));
    result("ext", "size %u %lx %x %d %lx %x %d mcg_cap %lx", e->size,
           (unsigned long)e->syscall32_callback_eip, e->syscall32_callback_cs, e->syscall32_disables_events,
           (unsigned long)e->sysenter_callback_eip, e->sysenter_callback_cs, e->sysenter_disables_events,
           (unsigned long)e->mcg_cap);
    result("vmce", "%lx %lx %lx", (unsigned long)e->vmce.caps, (unsigned long)e->vmce.mci_ctl2_bank0,
           (unsigned long)e->vmce.mci_ctl2_bank1);
    e->syscall32_callback_eip = 0x400010;
    e->syscall32_callback_cs = FLAT_KERNEL_CS64;
    e->syscall32_disables_events = 1;
    e->sysenter_callback_eip = 0x400020;
    e->sysenter_callback_cs = 0x30;
    e->sysenter_disables_events = 1;
    result_errno("set ext", ext(XEN_DOMCTL_set_ext_vcpucontext, 0, e->size));
    domctl_clear();
    result_errno("get ext again", ext(XEN_DOMCTL_get_ext_vcpucontext, 0, 0));
    result("ext then", "size %u %lx %x %d %lx %x %d", e->size, (unsigned long)e->syscall32_callback_eip,
           e->syscall32_callback_cs, e->syscall32_disables_events, (unsigned long)e->sysenter_callback_eip,
           e->sysenter_callback_cs, e->sysenter_disables_events);
    test_ext_sizes();
    test_ext_wrong();
    domctl_clear();
    result_errno("get ext of absent vcpu", ext(XEN_DOMCTL_get_ext_vcpucontext, 2, 0));
    result_errno("set ext of absent vcpu", ext(XEN_DOMCTL_set_ext_vcpucontext, 2, 40));
    result_errno("get ext of a vcpu without context", ext(XEN_DOMCTL_get_ext_vcpucontext, 1, 0));
    result_errno("get ext of absent domain", domctl(XEN_DOMCTL_get_ext_vcpucontext, CHILD_ID + 1));
    domctl_clear();
    domctl_clear();
    result_errno("get ext of dom0", domctl(XEN_DOMCTL_get_ext_vcpucontext, 0));
    result_errno("set ext of dom0", domctl(XEN_DOMCTL_set_ext_vcpucontext, 0));
}

static long xstate(uint32_t cmd, uint32_t vcpu, uint64_t mask, uint64_t size, void *buffer)
{
    domctl_clear();
    domctl_arg.u.vcpuextstate.vcpu = vcpu;
    domctl_arg.u.vcpuextstate.xfeature_mask = mask;
    domctl_arg.u.vcpuextstate.size = size;
    domctl_arg.u.vcpuextstate.buffer.p = buffer;
    return domctl(cmd, CHILD_ID);
}

static void result_xstate(const char *name, long ret)
{
    result(name, "%e mask %lx size %lu", ret, (unsigned long)domctl_arg.u.vcpuextstate.xfeature_mask,
           (unsigned long)domctl_arg.u.vcpuextstate.size);
}

/* A context that has used AVX; the layout of the area is XCR0, all XCR0s together, then as XSAVE writes it.
 */
static void set_xstate(const char *name, uint64_t xcr0, uint64_t accum, uint64_t bv, uint64_t size)
{
    memset(area, 0, sizeof(area));
    area[0] = xcr0;
    area[1] = accum;
    area[2] = 0x37f;
    area[5] = 0x1f80;
    area[2 + 64] = bv;
    for (unsigned int i = 0; i < 32; i++)
        area[2 + 20 + i] = i + 1; /* XMM */
    for (unsigned int i = 0; i < 32; i++)
        area[2 + 72 + i] = 0x100 + i; /* YMM, upper halves */
    result_xstate(name, xstate(XEN_DOMCTL_setvcpuextstate, 0, xcr0, size, area));
}

static void get_xstate(const char *name)
{
    uint64_t size;
    long ret;

    memset(area, 0xee, sizeof(area));
    result_xstate(name, ret = xstate(XEN_DOMCTL_getvcpuextstate, 0, 0, 0, NULL));
    size = domctl_arg.u.vcpuextstate.size;
    ret = xstate(XEN_DOMCTL_getvcpuextstate, 0, domctl_arg.u.vcpuextstate.xfeature_mask, size, area);
    print("TEST %s, got: %e size %lu xcr0 %lx accum %lx bv %lx comp %lx mxcsr %x xmm %lx ymm %lx beyond %d\n",
          name, ret, (unsigned long)domctl_arg.u.vcpuextstate.size, area[0], area[1], area[2 + 64],
          area[2 + 65], (uint32_t)area[5], area[2 + 20], area[2 + 72], area[size / 8] == 0xeeeeeeeeeeeeeeee);
}

static void test_xstate(void)
{
    domctl_clear();
    result_errno("xstate of dom0", domctl(XEN_DOMCTL_getvcpuextstate, 0));
    result_errno("set xstate of dom0", domctl(XEN_DOMCTL_setvcpuextstate, 0));
    get_xstate("xstate at first");
    result_xstate("xstate of absent vcpu", xstate(XEN_DOMCTL_getvcpuextstate, 2, 0, 0, NULL));
    result_xstate("xstate of a vcpu without context", xstate(XEN_DOMCTL_getvcpuextstate, 1, 0, 0, NULL));
    result_xstate("xstate, small size", xstate(XEN_DOMCTL_getvcpuextstate, 0, 7, 100, area));
    result_xstate("xstate, large size", xstate(XEN_DOMCTL_getvcpuextstate, 0, 7, 4096, area));
    result_xstate("xstate, other mask", xstate(XEN_DOMCTL_getvcpuextstate, 0, 3, 592, area));
    result_xstate("xstate, bad pointer", xstate(XEN_DOMCTL_getvcpuextstate, 0, 7, 848, (void *)0x1000));
    set_xstate("set xstate, nothing", 0, 0, 0, 16);
    set_xstate("set xstate, nothing, large", 0, 0, 0, 592);
    set_xstate("set xstate, accumulated nothing", 3, 0, 0, 16);
    set_xstate("set xstate, x87 and SSE", 3, 3, 3, 592);
    get_xstate("then x87 and SSE");
    set_xstate("set xstate, AVX", 7, 7, 7, 848);
    get_xstate("then AVX");
    {
        uint64_t mask;

        xstate(XEN_DOMCTL_getvcpuextstate, 0, 0, 0, NULL);
        mask = domctl_arg.u.vcpuextstate.xfeature_mask;
        result("xstate, exact size", "%e", xstate(XEN_DOMCTL_getvcpuextstate, 0, mask, 848, area));
        result("xstate, a byte less", "%e", xstate(XEN_DOMCTL_getvcpuextstate, 0, mask, 847, area));
        result("xstate, huge", "%e", xstate(XEN_DOMCTL_getvcpuextstate, 0, mask, 1ul << 40, area));
        result("xstate, size but no buffer", "%e", xstate(XEN_DOMCTL_getvcpuextstate, 0, mask, 848, NULL));
        result("xstate, bad pointer, right mask", "%e",
               xstate(XEN_DOMCTL_getvcpuextstate, 0, mask, 848, (void *)0x1000));
    }
    set_xstate("set xstate, AVX off", 3, 7, 7, 848);
    get_xstate("then AVX off");
    set_xstate("set xstate, AVX not in use", 7, 7, 3, 848);
    get_xstate("then AVX not in use");
    set_xstate("set xstate, no x87", 6, 7, 7, 848);
    set_xstate("set xstate, AVX without SSE", 5, 7, 7, 848);
    set_xstate("set xstate, unknown", 0x1007, 0x1007, 7, 848);
    set_xstate("set xstate, accumulated less", 7, 3, 7, 848);
    set_xstate("set xstate, in use but not accumulated", 3, 3, 7, 592);
    set_xstate("set xstate, too small", 7, 7, 7, 100);
    set_xstate("set xstate, only the head", 7, 7, 7, 16);
    set_xstate("set xstate, head and legacy", 7, 7, 7, 592);
    set_xstate("set xstate, too large", 7, 7, 7, 4096);
    set_xstate("set xstate, larger", 7, 7, 7, 856);
    result_xstate("set xstate, none", xstate(XEN_DOMCTL_setvcpuextstate, 0, 0, 0, area));
    result_xstate("set xstate, bad pointer", xstate(XEN_DOMCTL_setvcpuextstate, 0, 7, 848, (void *)0x1000));
    result_xstate("set xstate of absent vcpu", xstate(XEN_DOMCTL_setvcpuextstate, 2, 7, 848, area));
    area[2 + 65] = 1ul << 63;
    result_xstate("set xstate, compacted", xstate(XEN_DOMCTL_setvcpuextstate, 0, 7, 848, area));
    area[2 + 65] = 0;
    area[2 + 66] = 1;
    result_xstate("set xstate, reserved", xstate(XEN_DOMCTL_setvcpuextstate, 0, 7, 848, area));
}

static long vmsrs(uint32_t cmd, uint32_t vcpu, uint32_t count, void *where)
{
    domctl_clear();
    domctl_arg.u.vcpu_msrs.vcpu = vcpu;
    domctl_arg.u.vcpu_msrs.msr_count = count;
    domctl_arg.u.vcpu_msrs.msrs.p = where;
    return domctl(cmd, CHILD_ID);
}

static void result_msrs(const char *name, long ret)
{
    result(name, "%e count %u", ret, domctl_arg.u.vcpu_msrs.msr_count);
}

static void set_msr(const char *name, uint32_t index, uint32_t reserved, uint64_t value)
{
    msrs[0] = (xen_domctl_vcpu_msr_t){index, reserved, value};
    result_msrs(name, vmsrs(XEN_DOMCTL_set_vcpu_msrs, 0, 1, msrs));
}

static void test_msrs(void)
{
    uint32_t count;

    result_msrs("msrs, how many", vmsrs(XEN_DOMCTL_get_vcpu_msrs, 0, 0, NULL));
    count = domctl_arg.u.vcpu_msrs.msr_count;
    result_msrs("msrs at first", vmsrs(XEN_DOMCTL_get_vcpu_msrs, 0, count, msrs));
    result_msrs("msrs, no room", vmsrs(XEN_DOMCTL_get_vcpu_msrs, 0, 0, msrs));
    result_msrs("msrs of absent vcpu", vmsrs(XEN_DOMCTL_get_vcpu_msrs, 2, count, msrs));
    result_msrs("msrs of a vcpu without context", vmsrs(XEN_DOMCTL_get_vcpu_msrs, 1, count, msrs));
    set_msr("set TSC_AUX", TSC_AUX, 0, 0x12345);
    set_msr("set TSC_AUX, too large", TSC_AUX, 0, 1ul << 32);
    set_msr("set TSC_AUX, reserved", TSC_AUX, 1, 1);
    set_msr("set MISC_FEATURES_ENABLES, 0", 0x140, 0, 0);
    set_msr("set MISC_FEATURES_ENABLES, 1", 0x140, 0, 1);
    set_msr("set SPEC_CTRL, 0", 0x48, 0, 0);
    set_msr("set SPEC_CTRL, 1", 0x48, 0, 1);
    set_msr("set XSS, 0", 0xda0, 0, 0);
    set_msr("set DR0 mask, 0", 0xc0011027, 0, 0);
    set_msr("set DR0 mask, 1", 0xc0011027, 0, 1);
    set_msr("set DR1 mask, 0", 0xc0011019, 0, 0);
    set_msr("set VIRT_SPEC_CTRL, 0", 0xc001011f, 0, 0);
    set_msr("set EFER", 0xc0000080, 0, 0xd01);
    set_msr("set PAT", 0x277, 0, 0x0007040600070406);
    set_msr("set STAR", 0xc0000081, 0, 0);
    set_msr("set HWCR", 0xc0010015, 0, 0);
    result_msrs("msrs then", vmsrs(XEN_DOMCTL_get_vcpu_msrs, 0, count, msrs));
    for (uint32_t i = 0; i < domctl_arg.u.vcpu_msrs.msr_count && i < 3; i++)
        print("TEST msr %u: index %x value %lx\n", i, msrs[i].index, (unsigned long)msrs[i].value);
    result_msrs("msrs, no room then", vmsrs(XEN_DOMCTL_get_vcpu_msrs, 0, 0, msrs));
    msrs[0] = (xen_domctl_vcpu_msr_t){TSC_AUX, 0, 1};
    msrs[1] = (xen_domctl_vcpu_msr_t){0x12, 0, 1};
    result_msrs("set two, second wrong", vmsrs(XEN_DOMCTL_set_vcpu_msrs, 0, 2, msrs));
    result_msrs("set no msrs", vmsrs(XEN_DOMCTL_set_vcpu_msrs, 0, 0, msrs));
    result_msrs("set, how many", vmsrs(XEN_DOMCTL_set_vcpu_msrs, 0, 0, NULL));
    result_msrs("set, bad pointer", vmsrs(XEN_DOMCTL_set_vcpu_msrs, 0, 1, (void *)0x1000));
    result_msrs("set too many", vmsrs(XEN_DOMCTL_set_vcpu_msrs, 0, 64, msrs));
    result_msrs("set msrs of absent vcpu", vmsrs(XEN_DOMCTL_set_vcpu_msrs, 2, 1, msrs));
    domctl_clear();
    result_errno("msrs of dom0", domctl(XEN_DOMCTL_get_vcpu_msrs, 0));
}

/* What it finds in its registers. */
CHILD_FN static void child_registers(volatile uint64_t *answers)
{
    uint64_t *area_ = (uint64_t *)(CHILD_ANSWERS + 1024), vector, value, cr4;
    uint32_t low, high, aux = 0;

    __asm__ volatile(
        "movdqu %%xmm0, (%0)\n movdqu %%xmm15, 16(%0)\n fnstcw 32(%0)\n stmxcsr 40(%0)" ::"r"(area_)
        : "memory");
    CHILD_TRY(vector, "movq %%cr4, %1", CHILD_OUTPUT("=&r"(cr4)), "i"(0));
    answers[0] = cr4;
    if (cr4 & 1 << 18) {
        CHILD_TRY(vector, "vmovdqu %%ymm0, (%1)\n vmovdqu %%ymm15, 32(%1)", , "r"(area_ + 16));
        answers[1] = vector;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        answers[2] = low;
    }
    CHILD_TRY(vector, "rdtscp", CHILD_OUTPUT("=a"(low), "=d"(high), "+c"(aux)), "i"(0));
    answers[3] = vector;
    answers[4] = aux;
    CHILD_TRY(vector, "movl $0xc0000100, %%ecx; rdmsr", CHILD_OUTPUT("=a"(low), "=d"(high), "=c"(aux)),
              "i"(0));
    answers[5] = (uint64_t)high << 32 | low;
    CHILD_TRY(vector, "movq %%dr0, %1", CHILD_OUTPUT("=&r"(value)), "i"(0));
    answers[6] = value;
    CHILD_TRY(vector, "movq %%cr2, %1", CHILD_OUTPUT("=&r"(value)), "i"(0));
    answers[7] = value;
    CHILD_END();
}

static void test_loaded(void)
{
    child_create(1);
    child_load(child_registers);
    in = child_context;
    in.flags |= VGCF_I387_VALID;
    in.fpu_ctxt.x[0] = 0x7f;
    in.fpu_ctxt.x[1] = 0x0f;
    in.fpu_ctxt.x[24] = (char)0xc0; /* MXCSR 1FC0 */
    in.fpu_ctxt.x[25] = 0x1f;
    for (unsigned int i = 160; i < 416; i++)
        in.fpu_ctxt.x[i] = (char)i;
    in.ctrlreg[4] |= 1 << 18;
    in.fs_base = 0x7f0000001000;
    in.debugreg[0] = 0x400000;
    result_errno("set, to run", set(0, &in));
    msrs[0] = (xen_domctl_vcpu_msr_t){TSC_AUX, 0, 0x4321};
    result_msrs("set TSC_AUX, to run", vmsrs(XEN_DOMCTL_set_vcpu_msrs, 0, 1, msrs));
    result("it ran", "%d", child_run());
    result("registers it has", "xmm0 %lx xmm15 %lx fcw %x mxcsr %x tsc_aux %lu %lx fs %lx dr0 %lx",
           child_get(128), child_get(131), (uint16_t)child_get(132), (uint32_t)child_get(133), child_get(3),
           child_get(4), child_get(5), child_get(6));
    result("vector registers", "osxsave %d vector %lu xcr0 %lx", !!(child_get(0) & 1 << 18), child_get(1),
           child_get(2));
    child_destroy();
    child_create(1);
    child_load(child_registers);
    in = child_context;
    in.ctrlreg[4] |= 1 << 18;
    result_errno("set, to run with AVX", set(0, &in));
    set_xstate("set AVX, to run", 7, 7, 7, 848);
    result("it ran with AVX", "%d", child_run());
    result("AVX", "osxsave %d vector %lu xcr0 %lx %lx %lx %lx", !!(child_get(0) & 1 << 18), child_get(1),
           child_get(2), child_get(144), child_get(146), child_get(150));
    get_xstate("AVX as it is then");
    child_destroy();
}

void guest_main(void)
{
    child_create(2);
    test_context();
    test_wrong();
    test_reset();
    test_ext();
    test_xstate();
    test_msrs();
    child_destroy();
    test_loaded();
}
