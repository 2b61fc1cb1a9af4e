/*
 * dom0 builds a second domain by hand, with nothing but the control interface
 * and foreign mappings, runs it, and takes it apart: what the domain may do,
 * what dom0 sees of it, and what of it is left.
 */
#include "common/context.h"
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/version.h>

#define ID     7
#define FRAMES 16
/* Where the new domain sees its code and its answers. */
#define DOMU_CODE    0x400000ul
#define DOMU_ANSWERS 0x401000ul
#define DOMU_STACK   0x403000ul

enum { L4, L3, L2, L1, CODE, ANSWERS, STACK };

static xen_pfn_t frame[FRAMES];
static struct xen_domctl dc;
static char *window; /* a page of ours through which one of theirs is seen */

static long domctl(uint32_t cmd, domid_t domain)
{
    dc.cmd = cmd;
    dc.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    dc.domain = domain;
    return HC1(__HYPERVISOR_domctl, &dc);
}

static long map_window(xen_pfn_t mfn, uint64_t flags, domid_t owner)
{
    struct mmu_update u = {.ptr = virt_to_machine(pte_of((unsigned long)window, 1)),
                           .val = pte_make(mfn, flags)};
    long ret = HC4(__HYPERVISOR_mmu_update, &u, 1, 0, owner);

    mmuext(MMUEXT_INVLPG_LOCAL, (unsigned long)window, 0);
    return ret;
}

static void unmap_window(void)
{
    must("unmap window", hc_update_va_mapping((unsigned long)window, 0, UVMF_INVLPG));
}

static void result_info(const char *name)
{
    long ret;

    memset(&dc, 0, sizeof(dc));
    ret = domctl(XEN_DOMCTL_getdomaininfo, ID);
    if (ret)
        result_errno(name, ret);
    else
        result(name, "domain %u flags %x pages %lu max vcpu %u online %u", dc.domain,
               dc.u.getdomaininfo.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_paused),
               (unsigned long)dc.u.getdomaininfo.tot_pages, dc.u.getdomaininfo.max_vcpu_id,
               dc.u.getdomaininfo.nr_online_vcpus);
}

static long create(uint32_t max_vcpus, uint32_t flags, domid_t id)
{
    memset(&dc, 0, sizeof(dc));
    dc.u.createdomain = (struct xen_domctl_createdomain){.flags = flags,
                                                         .max_vcpus = max_vcpus,
                                                         .max_evtchn_port = 63,
                                                         .max_grant_frames = 4,
                                                         .max_maptrack_frames = 4,
                                                         .grant_opts = XEN_DOMCTL_GRANT_version(1)};
    return domctl(XEN_DOMCTL_createdomain, id);
}

static void test_create(void)
{
    result_info("before");
    result_errno("create without vcpus", create(0, 0, ID));
    result_errno("create with unknown flags", create(1, 1u << 30, ID));
    result_errno("create", create(1, 0, ID));
    result_errno("create again", create(1, 0, ID));
    result_info("created");
    memset(&dc, 0, sizeof(dc));
    dc.u.max_mem.max_memkb = FRAMES * 4;
    result_errno("max_mem", domctl(XEN_DOMCTL_max_mem, ID));
    dc.u.max_vcpus.max = 2;
    result_errno("max_vcpus 2", domctl(XEN_DOMCTL_max_vcpus, ID));
    dc.u.max_vcpus.max = 1;
    result_errno("max_vcpus 1", domctl(XEN_DOMCTL_max_vcpus, ID));
    result_errno("unpause before it has a context", domctl(XEN_DOMCTL_unpausedomain, ID));
    result_errno("unpause again", domctl(XEN_DOMCTL_unpausedomain, ID));
    result_errno("pause", domctl(XEN_DOMCTL_pausedomain, ID));
    result_errno("pause again", domctl(XEN_DOMCTL_pausedomain, ID));
}

static void test_memory(void)
{
    struct xen_memory_reservation r = {.nr_extents = FRAMES, .domid = ID};
    unsigned int zero = 0;

    for (unsigned int i = 0; i < FRAMES; i++)
        frame[i] = i;
    set_xen_guest_handle(r.extent_start, frame);
    result_errno("populate", HC2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r));
    for (unsigned int i = 0; i < FRAMES; i++)
        zero += mfn_to_pfn(frame[i]) == i;
    result("m2p set", "%u", zero);
    {
        xen_pfn_t more = FRAMES;

        set_xen_guest_handle(r.extent_start, &more);
        r.nr_extents = 1;
        result_errno("populate beyond max_mem", HC2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r));
    }
    result_errno("map of its frame as our own", map_window(frame[0], PTE_DATA, DOMID_SELF));
    result_errno("map of its frame", map_window(frame[0], PTE_DATA, ID));
    result("frame is clean", "%d", *(volatile uint64_t *)window == 0);
    result_errno("map of our frame as its", map_window(virt_to_mfn(kernel_l4), PTE_RO, ID));
    result_errno("map for an absent domain", map_window(frame[0], PTE_DATA, ID + 1));
    unmap_window();
    result_info("populated");
}

__asm__(
    ".pushsection .rodata\n"
    "domu_code:\n"
    "movq $0x401000, %rbx\n"
    /* xen_version */
    "movl $17, %eax\n xorl %edi, %edi\n xorl %esi, %esi\n syscall\n movq %rax, 0(%rbx)\n"
    /* console_io write, domctl, sysctl, platform_op: dom0's */
    "movl $18, %eax\n xorl %edi, %edi\n movl $1, %esi\n movq %rbx, %rdx\n syscall\n movq %rax, 8(%rbx)\n"
    "movl $36, %eax\n leaq 256(%rbx), %rdi\n syscall\n movq %rax, 16(%rbx)\n"
    "movl $35, %eax\n leaq 256(%rbx), %rdi\n syscall\n movq %rax, 24(%rbx)\n"
    "movl $7, %eax\n leaq 256(%rbx), %rdi\n syscall\n movq %rax, 32(%rbx)\n"
    /* mmu_update as dom0 prepared it: mapping one of dom0's frames, then the VGA's */
    "movl $1, %eax\n leaq 512(%rbx), %rdi\n movl $1, %esi\n xorl %edx, %edx\n movl $0x7ff0, %r10d\n syscall\n"
    "movq %rax, 40(%rbx)\n"
    "movl $1, %eax\n leaq 528(%rbx), %rdi\n movl $1, %esi\n xorl %edx, %edx\n movl $0x7ff0, %r10d\n syscall\n"
    "movq %rax, 48(%rbx)\n"
    /* the same for domain 0's frames */
    "movl $1, %eax\n leaq 512(%rbx), %rdi\n movl $1, %esi\n xorl %edx, %edx\n xorl %r10d, %r10d\n syscall\n"
    "movq %rax, 56(%rbx)\n"
    /* alloc_unbound for domain 0, and one in domain 0 */
    "movl $32, %eax\n movl $6, %edi\n leaq 640(%rbx), %rsi\n syscall\n movq %rax, 64(%rbx)\n"
    "movl $32, %eax\n movl $6, %edi\n leaq 656(%rbx), %rsi\n syscall\n movq %rax, 72(%rbx)\n"
    /* vcpu_op is_up of itself; set_iopl 3 and a port */
    "movl $24, %eax\n movl $3, %edi\n xorl %esi, %esi\n syscall\n movq %rax, 80(%rbx)\n"
    "movl $33, %eax\n movl $6, %edi\n leaq 672(%rbx), %rsi\n syscall\n movq %rax, 88(%rbx)\n"
    /* sched_op shutdown with reason 0x55, which is not one */
    "movl $29, %eax\n movl $2, %edi\n leaq 688(%rbx), %rsi\n syscall\n movq %rax, 96(%rbx)\n"
    "1: jmp 1b\n"
    "domu_code_end:\n .popsection");
extern const char domu_code[], domu_code_end[];

static void fill_page(unsigned int which, void (*fill)(uint64_t *))
{
    must("map page of the domain", map_window(frame[which], PTE_DATA, ID));
    fill((uint64_t *)window);
    unmap_window();
}

static void fill_l4(uint64_t *t)
{
    t[0] = pte_make(frame[L3], PTE_TABLE);
}

static void fill_l3(uint64_t *t)
{
    t[0] = pte_make(frame[L2], PTE_TABLE);
}

static void fill_l2(uint64_t *t)
{
    t[2] = pte_make(frame[L1], PTE_TABLE);
}

static void fill_l1(uint64_t *t)
{
    t[0] = pte_make(frame[CODE], PTE_RO);
    t[1] = pte_make(frame[ANSWERS], PTE_DATA);
    t[2] = pte_make(frame[STACK], PTE_DATA);
}

static void fill_code(uint64_t *t)
{
    memcpy(t, domu_code, (size_t)(domu_code_end - domu_code));
}

static void fill_answers(uint64_t *t)
{
    uint64_t slot = (uint64_t)frame[L1] << 12 | 5 * 8;
    char *bytes = (char *)t;

    memset(t, 0xee, 128);
    t[64] = slot;
    t[65] = pte_make(virt_to_mfn(kernel_l4), PTE_RO);
    t[66] = slot;
    t[67] = pte_make(0xb8, PTE_DATA);
    *(struct evtchn_alloc_unbound *)(bytes + 640) =
        (struct evtchn_alloc_unbound){.dom = DOMID_SELF, .remote_dom = 0};
    *(struct evtchn_alloc_unbound *)(bytes + 656) =
        (struct evtchn_alloc_unbound){.dom = 0, .remote_dom = DOMID_SELF};
    *(uint32_t *)(bytes + 672) = 3;
    *(uint32_t *)(bytes + 688) = 0x55;
}

static void test_context(void)
{
    static struct vcpu_guest_context ctx;

    fill_page(L4, fill_l4);
    fill_page(L3, fill_l3);
    fill_page(L2, fill_l2);
    fill_page(L1, fill_l1);
    fill_page(CODE, fill_code);
    fill_page(ANSWERS, fill_answers);
    kernel_context(&ctx, DOMU_CODE, DOMU_STACK, virt_to_mfn(kernel_l4));
    ctx.flags |= VGCF_online;
    memset(&dc, 0, sizeof(dc));
    set_xen_guest_handle(dc.u.vcpucontext.ctxt, &ctx);
    result_errno("setvcpucontext, our table", domctl(XEN_DOMCTL_setvcpucontext, ID));
    ctx.ctrlreg[3] = xen_pfn_to_cr3(frame[CODE]);
    result_errno("setvcpucontext, code as table", domctl(XEN_DOMCTL_setvcpucontext, ID));
    ctx.ctrlreg[3] = xen_pfn_to_cr3(frame[L4]);
    dc.u.vcpucontext.vcpu = 3;
    result_errno("setvcpucontext of absent vcpu", domctl(XEN_DOMCTL_setvcpucontext, ID));
    dc.u.vcpucontext.vcpu = 0;
    result_errno("setvcpucontext", domctl(XEN_DOMCTL_setvcpucontext, ID));
    result_errno("map its table writable", map_window(frame[L1], PTE_DATA, ID));
    result_errno("map its table read-only", map_window(frame[L1], PTE_RO, ID));
    result("its entry", "%d", (((uint64_t *)window)[1] & PTE_FRAME) >> 12 == frame[ANSWERS]);
    unmap_window();
}

static uint32_t flags(void)
{
    memset(&dc, 0, sizeof(dc));
    must("getdomaininfo", domctl(XEN_DOMCTL_getdomaininfo, ID));
    return dc.u.getdomaininfo.flags;
}

static void test_run(void)
{
    static const char *const names[] = {"xen_version",
                                        "console_io",
                                        "domctl",
                                        "sysctl",
                                        "platform_op",
                                        "mapping of dom0's frame",
                                        "mapping of VGA",
                                        "mapping of FD 0",
                                        "alloc_unbound for dom0",
                                        "alloc_unbound in dom0",
                                        "is_up",
                                        "set_iopl"};
    uint64_t end = system_time() + 20000000000ul;
    const uint64_t *answers;

    result_errno("unpause once", domctl(XEN_DOMCTL_unpausedomain, ID));
    result("paused twice, so still paused", "%d", !!(flags() & XEN_DOMINF_paused));
    result_errno("unpause twice", domctl(XEN_DOMCTL_unpausedomain, ID));
    while (!(flags() & XEN_DOMINF_shutdown) && system_time() < end)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    result("shut down", "flags %x reason %x", flags() & (XEN_DOMINF_shutdown | XEN_DOMINF_dying),
           flags() >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
    must("map answers", map_window(frame[ANSWERS], PTE_RO, ID));
    answers = (const uint64_t *)window;
    for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
        result(names[i], "%e", (long)answers[i]);
    result("after the shutdown it did not run", "%d", answers[12] == 0xeeeeeeeeeeeeeeee);
}

/* The window still shows a frame of the domain: it cannot go before that is gone. */
static void test_destroy(void)
{
    long ret;

    while ((ret = domctl(XEN_DOMCTL_destroydomain, ID)) == -85)
        ;
    result_errno("destroy", ret);
    memset(&dc, 0, sizeof(dc));
    ret = domctl(XEN_DOMCTL_getdomaininfo, ID);
    result("info while a page is mapped", "%e dying %d pages %lu", ret,
           !!(dc.u.getdomaininfo.flags & XEN_DOMINF_dying), (unsigned long)dc.u.getdomaininfo.tot_pages);
    result("page still seen", "%d", ((const volatile uint64_t *)window)[12] == 0xeeeeeeeeeeeeeeee);
    unmap_window();
    for (unsigned int i = 0; i < 1000 && domctl(XEN_DOMCTL_getdomaininfo, ID) != -3; i++)
        delay_ns(1000000);
    result_info("after the last mapping went");
    result_errno("map of a frame it had", map_window(frame[ANSWERS], PTE_DATA, ID));
    result_errno("create once more", create(1, 0, ID));
    result_errno("destroy at once", domctl(XEN_DOMCTL_destroydomain, ID));
}

void guest_main(void)
{
    window = page_hole();
    test_create();
    test_memory();
    test_context();
    test_run();
    test_destroy();
}
