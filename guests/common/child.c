#include "child.h"
#include "context.h"
#include "event.h"
#include "hypercall.h"
#include "lib.h"
#include "mm.h"
#include <xen/memory.h>
#include <xen/sched.h>

#define STACK_TOP 0x405000ul

enum { L4, L3, L2, L1, CODE, CODE2, ANSWERS, STACK, SPARE, FRAMES = SPARE + CHILD_SPARES };

extern const char __start_child_text[], __stop_child_text[];
extern const char child_fault[], child_undefined[];

struct vcpu_guest_context child_context;
static xen_pfn_t frame[FRAMES];
static uint64_t *window;
static bool paused_twice;

/* The bounce frame: RCX, R11, perhaps an error code, RIP, CS, RFLAGS, RSP. Goes on at R15. */
__asm__(".pushsection child_text,\"ax\",@progbits\n"
        "child_page_fault: movl $14, %r14d\n jmp 1f\n"
        "child_fault: movl $13, %r14d\n"
        "1: popq %rcx\n popq %r11\n addq $8, %rsp\n movq 24(%rsp), %rsp\n jmp *%r15\n"
        "child_undefined: movl $6, %r14d\n"
        "popq %rcx\n popq %r11\n movq 24(%rsp), %rsp\n jmp *%r15\n"
        ".popsection");
extern const char child_page_fault[];

void domctl_clear(void)
{
    memset(&domctl_arg, 0, sizeof(domctl_arg));
}

static uint64_t *show(unsigned int which, uint64_t flags)
{
    struct mmu_update u;

    if (!window)
        window = page_hole();
    u.ptr = virt_to_machine(pte_of((unsigned long)window, 1));
    u.val = pte_make(frame[which], flags);
    must("map page of the child", HC4(__HYPERVISOR_mmu_update, &u, 1, 0, CHILD_ID));
    mmuext(MMUEXT_INVLPG_LOCAL, (unsigned long)window, 0);
    return window;
}

static void hide(void)
{
    must("unmap page of the child", hc_update_va_mapping((unsigned long)window, 0, UVMF_INVLPG));
}

void child_create(unsigned int vcpus)
{
    struct xen_memory_reservation r = {.nr_extents = FRAMES, .domid = CHILD_ID};

    domctl_clear();
    domctl_arg.u.createdomain = (struct xen_domctl_createdomain){.max_vcpus = vcpus,
                                                                 .max_evtchn_port = 63,
                                                                 .max_grant_frames = 4,
                                                                 .max_maptrack_frames = 4,
                                                                 .grant_opts = XEN_DOMCTL_GRANT_version(1)};
    must("create child", domctl(XEN_DOMCTL_createdomain, CHILD_ID));
    domctl_clear();
    domctl_arg.u.max_mem.max_memkb = (FRAMES + 2) * 4;
    must("max_mem of child", domctl(XEN_DOMCTL_max_mem, CHILD_ID));
    domctl_clear();
    domctl_arg.u.max_vcpus.max = vcpus;
    must("max_vcpus of child", domctl(XEN_DOMCTL_max_vcpus, CHILD_ID));
    for (unsigned int i = 0; i < FRAMES; i++)
        frame[i] = i;
    set_xen_guest_handle(r.extent_start, frame);
    must("populate child", HC2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r) - FRAMES);
    paused_twice = false;
}

static void set_trap(struct vcpu_guest_context *c, unsigned int vector, const char *handler)
{
    c->trap_ctxt[vector] =
        (struct trap_info){.vector = (uint8_t)vector,
                           .cs = FLAT_KERNEL_CS64,
                           .address = CHILD_CODE + (unsigned long)(handler - __start_child_text)};
}

void child_load(void (*entry)(volatile uint64_t *))
{
    size_t size = (size_t)(__stop_child_text - __start_child_text);
    struct vcpu_guest_context *c = &child_context;
    uint64_t *t;

    must("code of child too long", size > 2 * PAGE_SIZE);
    show(L4, PTE_DATA)[0] = pte_make(frame[L3], PTE_TABLE);
    show(L3, PTE_DATA)[0] = pte_make(frame[L2], PTE_TABLE);
    show(L2, PTE_DATA)[2] = pte_make(frame[L1], PTE_TABLE);
    t = show(L1, PTE_DATA);
    t[0] = pte_make(frame[CODE], PTE_RO);
    t[1] = pte_make(frame[CODE2], PTE_RO);
    t[2] = pte_make(frame[ANSWERS], PTE_DATA);
    t[4] = pte_make(frame[STACK], PTE_DATA);
    memcpy(show(CODE, PTE_DATA), __start_child_text, size < PAGE_SIZE ? size : PAGE_SIZE);
    if (size > PAGE_SIZE)
        memcpy(show(CODE2, PTE_DATA), __start_child_text + PAGE_SIZE, size - PAGE_SIZE);
    hide();
    kernel_context(c, CHILD_CODE + (unsigned long)((const char *)entry - __start_child_text), STACK_TOP - 8,
                   frame[L4]);
    c->flags |= VGCF_online;
    c->user_regs.rdi = CHILD_ANSWERS;
    set_trap(c, 6, child_undefined);
    set_trap(c, 13, child_fault);
    set_trap(c, 14, child_page_fault);
    child_rerun();
}

void child_rerun(void)
{
    if (paused_twice) {
        must("pause child", domctl(XEN_DOMCTL_pausedomain, CHILD_ID));
        must("resume child", domctl(XEN_DOMCTL_resumedomain, CHILD_ID));
    }
    domctl_clear();
    set_xen_guest_handle(domctl_arg.u.vcpucontext.ctxt, &child_context);
    must("context of child", domctl(XEN_DOMCTL_setvcpucontext, CHILD_ID));
    paused_twice = false;
}

void child_put(unsigned int n, uint64_t value)
{
    show(ANSWERS, PTE_DATA)[n] = value;
    hide();
}

uint64_t child_get(unsigned int n)
{
    uint64_t value = show(ANSWERS, PTE_RO)[n];

    hide();
    return value;
}

xen_pfn_t child_spare(unsigned int n)
{
    return frame[SPARE + n];
}

uint64_t child_window_entry(void)
{
    return (uint64_t)frame[L1] << 12 | 5 * 8;
}

static uint32_t child_flags(void)
{
    domctl_clear();
    must("info of child", domctl(XEN_DOMCTL_getdomaininfo, CHILD_ID));
    return domctl_arg.u.getdomaininfo.flags;
}

bool child_run(void)
{
    uint64_t end = system_time() + 20000000000ul;

    domctl_clear();
    must("unpause child", domctl(XEN_DOMCTL_unpausedomain, CHILD_ID));
    paused_twice = true;
    while (!(child_flags() & XEN_DOMINF_shutdown) && system_time() < end)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    return (child_flags() & XEN_DOMINF_shutdown) &&
           (child_flags() >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == SHUTDOWN_poweroff;
}

void child_destroy(void)
{
    long ret;

    domctl_clear();
    while ((ret = domctl(XEN_DOMCTL_destroydomain, CHILD_ID)) == -85)
        ;
    must("destroy child", ret);
    for (unsigned int i = 0; i < 1000 && domctl(XEN_DOMCTL_getdomaininfo, CHILD_ID) != -3; i++)
        delay_ns(1000000);
}
