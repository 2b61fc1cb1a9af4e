/* Floating-point state: at the start, kept apart on two vCPUs that share a CPU, and the task-switched flag.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/second.h"
#include "common/trap.h"
#include <xen/sched.h>
#include <xen/vcpu.h>

/* FXSAVE's format: SDM vol 1, 10.5.1. */
struct fxsave {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t rip, rdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint64_t xmm[16][2];
    uint8_t rest[96];
} __attribute__((aligned(16)));

static struct fxsave image[2], seen[2], second_start_image;
static volatile unsigned int second_rounds, second_wrong, second_go;

static void yield(void)
{
    HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

static void save(struct fxsave *to)
{
    __asm__ volatile("fxsave64 %0" : "=m"(*to));
}

static void load(const struct fxsave *from)
{
    __asm__ volatile("fxrstor64 %0" ::"m"(*from));
}

static bool same(const struct fxsave *a, const struct fxsave *b)
{
    return a->fcw == b->fcw && a->fsw == b->fsw && a->ftw == b->ftw && a->mxcsr == b->mxcsr &&
           !memcmp(a->st, b->st, sizeof(a->st)) && !memcmp(a->xmm, b->xmm, sizeof(a->xmm));
}

static void fill(struct fxsave *f, unsigned int seed)
{
    memset(f, 0, sizeof(*f));
    f->fcw = (uint16_t)(0x37f & ~(seed << 10 & 0xc00));
    f->ftw = (uint8_t)(0xf0 | seed);
    f->mxcsr = 0x1f80 | seed << 13;
    for (unsigned int i = 0; i < 8; i++)
        for (unsigned int j = 0; j < 10; j++)
            f->st[i][j] = (uint8_t)(seed * 64 + i * 8 + j + 1);
    for (unsigned int i = 0; i < 16; i++)
        f->xmm[i][0] = f->xmm[i][1] = (seed + 1) * 0x0101010101010101ul * (i + 1);
}

void second_main(void);

void second_main(void)
{
    save(&second_start_image);
    load(&image[1]);
    second_go = 1;
    for (;;) {
        save(&seen[1]);
        second_wrong += !same(&seen[1], &image[1]);
        second_rounds++;
        yield();
    }
}

static void start_second(void)
{
    struct vcpu_guest_context *context = second_context(second_main);

    context->flags |= VGCF_I387_VALID;
    memcpy(&context->fpu_ctxt, &image[0], sizeof(image[0]));
    must("second vCPU", second_up(context));
    while (!second_go)
        yield();
}

static void test_start(void)
{
    static struct fxsave s;
    bool zero = true;

    save(&s);
    for (unsigned int i = 0; i < 16; i++)
        zero = zero && !s.xmm[i][0] && !s.xmm[i][1];
    result("at the start", "fcw %x ftw %x mxcsr %x xmm zero %d", s.fcw, s.ftw, s.mxcsr, zero);
}

static void test_two(void)
{
    unsigned int wrong = 0;

    fill(&image[0], 0);
    fill(&image[1], 1);
    start_second();
    result("state given to a new vcpu", "%d", same(&second_start_image, &image[0]));
    load(&image[0]);
    while (second_rounds < 200) {
        save(&seen[0]);
        wrong += !same(&seen[0], &image[0]);
        yield();
    }
    result("wrong states", "%u and %u", wrong, second_wrong);
}

static void test_hypercalls(void)
{
    load(&image[0]);
    mmuext(MMUEXT_CLEAR_PAGE, virt_to_mfn(page_alloc()), 0);
    mmuext(MMUEXT_COPY_PAGE, virt_to_mfn(page_alloc()), virt_to_mfn(kernel_l4));
    TRY("ud2", ::: "memory");
    print("a line\n");
    save(&seen[0]);
    result("state after hypercalls and an exception", "%d", same(&seen[0], &image[0]));
}

static void test_task_switched(void)
{
    unsigned int before;

    HC1(__HYPERVISOR_fpu_taskswitch, 1);
    before = second_rounds;
    while (second_rounds < before + 5)
        yield();
    TRY("movaps %%xmm0, %%xmm1", ::: "memory");
    result("sse with TS, after another vcpu ran", "traps %u vector %lu", trap.count, trap.first.vector);
    save(&seen[0]);
    result("state then", "%d", same(&seen[0], &image[0]));
    HC1(__HYPERVISOR_fpu_taskswitch, 1);
    HC1(__HYPERVISOR_fpu_taskswitch, 0);
    TRY("fwait", ::: "memory");
    result_trap("fwait with TS cleared again");
    HC1(__HYPERVISOR_fpu_taskswitch, 1);
    TRY("fwait", ::: "memory");
    result_trap("fwait with TS");
    result("other vcpu still right", "%u wrong", second_wrong);
}

void guest_main(void)
{
    test_start();
    test_two();
    test_hypercalls();
    test_task_switched();
}
