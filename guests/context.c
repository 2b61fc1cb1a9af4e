/* What a vCPU keeps while another runs on its CPU: two vCPUs on one CPU, each with values of its own. */
#include "common/context.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/sched.h>
#include <xen/vcpu.h>

#define ROUNDS 50

static struct vcpu_guest_context ctx;
static char second_stack[8192] __attribute__((aligned(4096)));
static uint64_t gdt[512] __attribute__((aligned(4096)));
static bool have_xsave, have_avx;

/* Everything under trial, as read back; the two areas as FXSAVE and 16 times the upper halves of YMM. */
struct state {
    uint8_t fx[512] __attribute__((aligned(16)));
    uint64_t ymm_high[16][2];
    uint64_t fs_base, gs_base, gs_user_base, dr0, dr7, cr4, xcr0, tsc_aux, cr0;
    uint16_t ds, es, fs, gs;
};

static struct {
    volatile bool ready, done;
    unsigned int differences;
    char initial_clean[8];
    struct state wanted, seen;
} side[2];

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static void cpuid_forced(uint32_t leaf, uint32_t *b, uint32_t *c)
{
    uint32_t a = leaf, d;

    *c = 0;
    __asm__ volatile(".byte 0x0f,0x0b,0x78,0x65,0x6e\n cpuid" : "+a"(a), "=b"(*b), "+c"(*c), "=d"(d));
}

static void xsave_on(void)
{
    uint64_t cr4;

    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("movq %0, %%cr4" : : "r"(cr4 | 1ul << 18));
    __asm__ volatile("xsetbv" : : "c"(0), "a"(have_avx ? 7 : 3), "d"(0));
}

/* The upper halves are reached by exchanging them with the lower ones. */
static void read_high(struct state *s)
{
    uint8_t saved[16][16] __attribute__((aligned(16)));

    if (!have_avx)
        return;
#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
#define READ(n)                                                                                              \
    __asm__ volatile("vextractf128 $1, %%ymm" #n ", %0" : "=m"(*(char(*)[16])s->ymm_high[n]) : "m"(saved));
    EACH(READ)
}

static void write_high(const uint64_t high[16][2])
{
    if (!have_avx)
        return;
#define WRITE(n)                                                                                             \
    __asm__ volatile("vinsertf128 $1, %0, %%ymm" #n ", %%ymm" #n : : "m"(*(const char(*)[16])high[n]));
    EACH(WRITE)
}

static void read_state(struct state *s)
{
    uint32_t lo, hi;

    memset(s, 0, sizeof(*s));
    __asm__ volatile("fxsave64 %0" : "+m"(s->fx));
    read_high(s);
    s->fs_base = rdmsr(0xc0000100);
    s->gs_base = rdmsr(0xc0000101);
    s->gs_user_base = rdmsr(0xc0000102);
    s->tsc_aux = rdmsr(0xc0000103);
    s->dr0 = (uint64_t)HC1(__HYPERVISOR_get_debugreg, 0);
    s->dr7 = (uint64_t)HC1(__HYPERVISOR_get_debugreg, 7);
    __asm__ volatile("movq %%cr4, %0" : "=r"(s->cr4));
    __asm__ volatile("movq %%cr0, %0" : "=r"(s->cr0));
    if (have_xsave) {
        __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
        s->xcr0 = (uint64_t)hi << 32 | lo;
    }
    __asm__ volatile("movw %%ds, %0; movw %%es, %1; movw %%fs, %2; movw %%gs, %3"
                     : "=m"(s->ds), "=m"(s->es), "=m"(s->fs), "=m"(s->gs));
    /* Instruction and data pointers and the opcode are as the CPU likes. */
    memset(s->fx + 6, 0, 18);
}

/* Values that differ in every field between the two. */
static void set_state(unsigned int id)
{
    uint8_t fx[512] __attribute__((aligned(16)));
    uint64_t high[16][2];

    __asm__ volatile("fninit; fxsave64 %0" : "+m"(fx));
    for (unsigned int i = 0; i < 8; i++)
        for (unsigned int j = 0; j < 10; j++)
            fx[32 + 16 * i + j] = (uint8_t)(0x10 + i + 64 * id);
    fx[4] = 0xff; /* all x87 registers in use */
    fx[0] = id ? 0x3f : 0x7f;
    fx[24] = 0x80;
    fx[25] = (uint8_t)(id ? 0x3f : 0x7f);
    for (unsigned int i = 0; i < 256; i++)
        fx[160 + i] = (uint8_t)(i * 3 + 7 + 100 * id);
    for (unsigned int i = 0; i < 16; i++) {
        high[i][0] = 0x1111111111111111ul * (i + 1) + id;
        high[i][1] = ~high[i][0];
    }
    __asm__ volatile("fxrstor64 %0" : : "m"(fx));
    write_high((const uint64_t(*)[2])high);
    __asm__ volatile("movw %w0, %%ds; movw %w0, %%es" : : "r"(id ? 0x1b : FLAT_RING3_DS32));
    __asm__ volatile("movw %w0, %%fs" : : "r"(id ? 0x1b : 0));
    HC2(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0x10000 + id);
    HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, 0x20000 + id);
    HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, id ? 0 : FLAT_RING3_DS32);
    HC2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0x30000 + id);
    wrmsr(0xc0000103, 0x40000 + id);
    HC2(__HYPERVISOR_set_debugreg, 0, 0x50000 + id);
    HC2(__HYPERVISOR_set_debugreg, 7, id ? 0x90002 : 0x401);
}

static void yield(void)
{
    HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

static void run_side(unsigned int id)
{
    set_state(id);
    read_state(&side[id].wanted);
    side[id].ready = true;
    while (!side[!id].ready)
        yield();
    for (unsigned int round = 0; round < ROUNDS; round++) {
        yield();
        read_state(&side[id].seen);
        if (memcmp(&side[id].seen, &side[id].wanted, sizeof(struct state)))
            side[id].differences++;
    }
    side[id].done = true;
}

void second_main(void);
void second_main(void)
{
    struct state s;
    bool clean = true;

    if (have_xsave)
        xsave_on();
    read_state(&s);
    for (unsigned int i = 32; i < 416; i++)
        clean = clean && s.fx[i] == 0;
    side[1].initial_clean[0] = clean;
    side[1].initial_clean[1] = s.fx[0] == 0x7f && s.fx[1] == 3;
    side[1].initial_clean[2] = s.fx[24] == 0x80 && s.fx[25] == 0x1f;
    clean = true;
    for (unsigned int i = 0; i < 16; i++)
        clean = clean && s.ymm_high[i][0] == 0 && s.ymm_high[i][1] == 0;
    side[1].initial_clean[3] = clean;
    side[1].initial_clean[4] = s.dr7 == 0x400 && s.dr0 == 0 && s.tsc_aux == 0;
    run_side(1);
    for (;;)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
}

static void start_second(void)
{
    kernel_context(&ctx, (uint64_t)second_main, (uint64_t)second_stack + sizeof(second_stack) - 8,
                   virt_to_mfn(kernel_l4));
    ctx.user_regs.rflags = 0x202;
    ctx.kernel_ss = FLAT_KERNEL_SS64;
    ctx.kernel_sp = ctx.user_regs.rsp;
    ctx.gdt_frames[0] = virt_to_mfn(gdt);
    ctx.gdt_ents = 512;
    ctx.event_callback_eip = (unsigned long)event_callback;
    ctx.failsafe_callback_eip = (unsigned long)failsafe_callback;
    must("initialise", HC3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &ctx));
    must("up", HC3(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0));
}

static void report(unsigned int id, const char *name)
{
    const struct state *w = &side[id].wanted, *s = &side[id].seen;

    result(
        name,
        "rounds that differ %u; x87 and sse %d avx %d bases %d selectors %d debug %d control %d tsc_aux %d",
        side[id].differences, !memcmp(w->fx, s->fx, 512), !memcmp(w->ymm_high, s->ymm_high, 256),
        w->fs_base == s->fs_base && w->gs_base == s->gs_base && w->gs_user_base == s->gs_user_base,
        w->ds == s->ds && w->es == s->es && w->fs == s->fs && w->gs == s->gs,
        w->dr0 == s->dr0 && w->dr7 == s->dr7, w->cr4 == s->cr4 && w->cr0 == s->cr0 && w->xcr0 == s->xcr0,
        w->tsc_aux == s->tsc_aux);
}

void guest_main(void)
{
    uint32_t b, c;
    unsigned long frame;

    cpuid_forced(1, &b, &c);
    have_xsave = c >> 26 & 1;
    have_avx = have_xsave && (c >> 28 & 1);
    if (have_xsave)
        xsave_on();
    gdt[3] = 0x00cff2000000fffful;
    page_make_readonly(gdt);
    frame = virt_to_mfn(gdt);
    must("set_gdt", HC2(__HYPERVISOR_set_gdt, &frame, 512));
    set_state(0);
    start_second();
    run_side(0);
    while (!side[1].done)
        yield();
    result("second vCPU begins with", "x87 and sse zero %d fcw %d mxcsr %d avx zero %d debug and tsc_aux %d",
           side[1].initial_clean[0], side[1].initial_clean[1], side[1].initial_clean[2],
           side[1].initial_clean[3], side[1].initial_clean[4]);
    report(0, "first vCPU keeps");
    report(1, "second vCPU keeps");
    finish();
}
