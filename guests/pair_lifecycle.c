/* A second domain's birth and end in every state that it may be in, while it shares pages with dom0 both
 * ways. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/pair.h"
#include "common/trap.h"
#include <xen/memory.h>
#include <xen/sched.h>

#define ID 7
#define RW GNTMAP_host_map

static struct domu other;
static char *hole, *hole2, *hole3, *own;
static uint64_t free_before;

static long create(domid_t id, struct xen_domctl_createdomain c)
{
    long ret;

    memset(&domctl_arg, 0, sizeof(domctl_arg));
    domctl_arg.u.createdomain = c;
    ret = domctl(XEN_DOMCTL_createdomain, id);
    if (!ret) {
        domid_t got = domctl_arg.domain;

        must("destroy", domctl(XEN_DOMCTL_destroydomain, got));
        must("gone", !domu_gone(got));
    }
    return ret;
}

static struct xen_domctl_createdomain usual(void)
{
    return (struct xen_domctl_createdomain){.max_vcpus = 1,
                                            .max_evtchn_port = 63,
                                            .max_grant_frames = 4,
                                            .max_maptrack_frames = 4,
                                            .grant_opts = XEN_DOMCTL_GRANT_version(2)};
}

#define TRY_CREATE(name, id, change)                                                                         \
    do {                                                                                                     \
        struct xen_domctl_createdomain c = usual();                                                          \
        change;                                                                                              \
        result_errno(name, create(id, c));                                                                   \
    } while (0)

static void test_create(void)
{
    TRY_CREATE("create", ID, (void)c);
    TRY_CREATE("create with number 0x7fef", 0x7fef, (void)c);
    TRY_CREATE("create with number 0", 0, (void)c);
    result("number that it got", "%d", domctl_arg.domain > 0);
    TRY_CREATE("create with number 0x7ff0", DOMID_FIRST_RESERVED, (void)c);
    TRY_CREATE("create with number 0xffff", 0xffff, (void)c);
    TRY_CREATE("no vcpus", ID, c.max_vcpus = 0);
    TRY_CREATE("8192 vcpus", ID, c.max_vcpus = 8192);
    TRY_CREATE("8193 vcpus", ID, c.max_vcpus = 8193);
    TRY_CREATE("2^32-1 vcpus", ID, c.max_vcpus = ~0u);
    TRY_CREATE("max_evtchn_port 0", ID, c.max_evtchn_port = 0);
    TRY_CREATE("max_evtchn_port 1", ID, c.max_evtchn_port = 1);
    TRY_CREATE("max_evtchn_port -1", ID, c.max_evtchn_port = -1);
    TRY_CREATE("max_evtchn_port 2^31-1", ID, c.max_evtchn_port = 0x7fffffff);
    TRY_CREATE("max_grant_frames 0", ID, c.max_grant_frames = 0);
    TRY_CREATE("max_grant_frames -1", ID, c.max_grant_frames = -1);
    TRY_CREATE("max_grant_frames 64", ID, c.max_grant_frames = 64);
    TRY_CREATE("max_grant_frames 65", ID, c.max_grant_frames = 65);
    TRY_CREATE("max_grant_frames 2^31-1", ID, c.max_grant_frames = 0x7fffffff);
    TRY_CREATE("max_maptrack_frames 0", ID, c.max_maptrack_frames = 0);
    TRY_CREATE("max_maptrack_frames -1", ID, c.max_maptrack_frames = -1);
    TRY_CREATE("max_maptrack_frames 1024", ID, c.max_maptrack_frames = 1024);
    TRY_CREATE("max_maptrack_frames 1025", ID, c.max_maptrack_frames = 1025);
    TRY_CREATE("grant version 0", ID, c.grant_opts = 0);
    TRY_CREATE("grant version 1", ID, c.grant_opts = 1);
    TRY_CREATE("grant version 3", ID, c.grant_opts = 3);
    TRY_CREATE("unknown grant option", ID, c.grant_opts = 2 | 1u << 5);
    TRY_CREATE("unknown flag", ID, c.flags = 1u << 30);
    TRY_CREATE("flag hap without hvm", ID, c.flags = XEN_DOMCTL_CDF_hap);
    TRY_CREATE("flag oos_off without hvm", ID, c.flags = XEN_DOMCTL_CDF_oos_off);
    TRY_CREATE("flag s3_integrity", ID, c.flags = XEN_DOMCTL_CDF_s3_integrity);
    TRY_CREATE("flag xs_domain", ID, c.flags = XEN_DOMCTL_CDF_xs_domain);
    TRY_CREATE("iommu option", ID, c.iommu_opts = 1);
    TRY_CREATE("absent cpu pool", ID, c.cpupool_id = 5);
    TRY_CREATE("unknown emulation flag", ID, c.arch.emulation_flags = 1u << 30);
    TRY_CREATE("unknown misc flag", ID, c.arch.misc_flags = 1u << 30);
    result("control of absent domain", "pause %e destroy %e max_mem %e", domctl(XEN_DOMCTL_pausedomain, 99),
           domctl(XEN_DOMCTL_destroydomain, 99), domctl(XEN_DOMCTL_max_mem, 99));
    result("destroy dom0", "%e, DOMID_SELF %e", domctl(XEN_DOMCTL_destroydomain, 0),
           domctl(XEN_DOMCTL_destroydomain, DOMID_SELF));
    result("pause dom0", "%e", domctl(XEN_DOMCTL_pausedomain, 0));
    result("pause DOMID_SELF", "%e", domctl(XEN_DOMCTL_pausedomain, DOMID_SELF));
}

static void build(void)
{
    struct domu_config c = {.id = ID, .spare_frames = 8};

    domu_build(&other, &c);
}

static void build_and_run(void)
{
    build();
    domu_run(&other);
    domu_call(&other, far_setup, 1, 0, 0);
}

/* Ends it and says whether all is as it was before it began. */
static void end(const char *name)
{
    long ret;
    bool gone;

    domu_unlink(&other);
    ret = domu_destroy(&other);
    gone = domu_gone(ID);
    result(name, "%e gone %d missing %ld", ret, gone, machine_missing_pages(free_before));
}

static long far_spin(long a, long b, long c)
{
    (void)a, (void)b, (void)c;
    for (;;)
        ;
    return 0;
}

static long far_block(long a, long b, long c)
{
    (void)a, (void)b, (void)c;
    for (;;)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
    return 0;
}

static long far_shutdown(long reason, long b, long c)
{
    struct sched_shutdown s = {.reason = (unsigned int)reason};

    (void)b, (void)c;
    return HC2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &s);
}

static long far_crash(long a, long b, long c)
{
    (void)a, (void)b, (void)c;
    /* No stack for a trap, and then a trap. */
    __asm__ volatile("xorl %%esp, %%esp\n\tud2" ::: "memory");
    return 0;
}

static void result_flags(const char *name)
{
    uint32_t flags = domu_flags(ID);

    result(name, "flags %x code %x", flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_paused),
           flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
}

static void test_states(void)
{
    build();
    result_flags("built");
    end("destroyed before it ran");
    build_and_run();
    domu_begin(&other, far_spin, 0, 0, 0);
    delay_ns(20000000);
    end("destroyed while it runs");
    build_and_run();
    domu_begin(&other, far_block, 0, 0, 0);
    delay_ns(20000000);
    end("destroyed while it blocks");
    build_and_run();
    must("pause", domctl(XEN_DOMCTL_pausedomain, ID));
    must("pause", domctl(XEN_DOMCTL_pausedomain, ID));
    result_flags("paused twice");
    end("destroyed while paused");
    for (long reason = SHUTDOWN_poweroff; reason <= SHUTDOWN_watchdog; reason++) {
        build_and_run();
        domu_begin(&other, far_shutdown, reason, 0, 0);
        result("shut down", "%d, %ld", domu_wait_flag(ID, XEN_DOMINF_shutdown), reason);
        result_flags("flags then");
        end("destroyed when shut down");
        result_prefix = (const char *const[]){"1 ", "2 ", "3 ", "4 ", NULL}[reason];
    }
    build_and_run();
    domu_begin(&other, far_crash, 0, 0, 0);
    result("crashed", "%d", domu_wait_flag(ID, XEN_DOMINF_shutdown));
    result_flags("flags when crashed");
    end("destroyed when crashed");
}

static void test_shutdown(void)
{
    struct sched_remote_shutdown r = {.domain_id = ID, .reason = SHUTDOWN_reboot};
    unsigned int port = event_bind_virq(VIRQ_DOM_EXC, 0);

    event_mask_bit(port);
    event_clear(port);
    build_and_run();
    domu_begin(&other, far_shutdown, SHUTDOWN_suspend, 0, 0);
    result("suspended", "%d", domu_wait_flag(ID, XEN_DOMINF_shutdown));
    result("told", "%d", event_pending(port));
    result("resume", "%e", domctl(XEN_DOMCTL_resumedomain, ID));
    result("its suspend returned", "%ld", domu_end(&other));
    result_flags("running again");
    result("resume of the running", "%e", domctl(XEN_DOMCTL_resumedomain, ID));
    event_clear(port);
    result("shut down from outside", "%e", HC2(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &r));
    result_flags("after that");
    for (int i = 0; i < 1000 && !event_pending(port); i++)
        delay_ns(100000);
    result("told again", "%d", event_pending(port));
    event_clear(port);
    end("destroyed after that");
    for (int i = 0; i < 1000 && !event_pending(port); i++)
        delay_ns(100000);
    result("told of the end", "%d", event_pending(port));
    event_close(port);
}

static grant_handle_t map_of(const char *name, grant_ref_t ref, uint32_t flags, char *at)
{
    struct gnttab_map_grant_ref m = grant_map(ID, ref, flags, (uint64_t)at);

    result(name, "%d", m.status);
    return m.handle;
}

/* Tools go on asking about the vCPU of one that is kept, and reset it. */
static void control_dying(void)
{
    static struct vcpu_guest_context context;
    struct xen_domctl_vcpucontext v = {0};

    set_xen_guest_handle(v.ctxt, &context);
    domctl_arg.u.vcpucontext = v;
    result("registers of the dying", "%e", domctl(XEN_DOMCTL_getvcpucontext, ID));
    domctl_arg.u.vcpucontext = (struct xen_domctl_vcpucontext){0};
    result("reset of the dying", "%e", domctl(XEN_DOMCTL_setvcpucontext, ID));
    domctl_arg.u.vcpucontext = v;
    result("registers of the dying are set", "%d", domctl(XEN_DOMCTL_setvcpucontext, ID) == 0);
    domctl_arg.u.max_vcpus.max = 1;
    result("vcpus of the dying", "%e", domctl(XEN_DOMCTL_max_vcpus, ID));
}

/* Its end waits for the mappings that dom0 has of its pages. */
static void test_mapped(void)
{
    struct gnttab_map_grant_ref m;
    grant_handle_t h, h2;
    long page, ret;

    build_and_run();
    page = domu_call(&other, far_page, 0, 0, 0);
    domu_call(&other, far_store, page, 0x5a5a, 0);
    domu_call(&other, far_grant, 8, GTF_permit_access, DOM_FRAME(0, domu_mfn(&other, (void *)page)));
    domu_flags(ID);
    domu_call(&other, far_grant, 9, GTF_permit_access,
              DOM_FRAME(0, domctl_arg.u.getdomaininfo.shared_info_frame));
    h = map_of("map of its page", 8, RW, hole);
    h2 = map_of("map of its shared info", 9, RW, hole2);
    domu_unlink(&other);
    ret = domu_destroy(&other);
    result("destroy while mapped", "%e", ret);
    result_flags("dying");
    result("page is still there", "%lx", *(volatile unsigned long *)hole);
    *(volatile unsigned long *)hole = 1;
    result("another of that number", "%e", create(ID, usual()));
    result("destroy again", "%e", domu_destroy(&other));
    result("unpause the dying", "%e", domctl(XEN_DOMCTL_unpausedomain, ID));
    control_dying();
    m = grant_map(ID, 8, RW, (uint64_t)hole3);
    result("map of the dying", "%d", m.status);
    if (!m.status)
        must("unmap", grant_unmap(m.handle, (uint64_t)hole3, 0));
    result("copy from the dying", "%d", grant_copy(true, ID, 8, false, DOMID_SELF, virt_to_mfn(own), 0, 8));
    result("unmap", "%d", grant_unmap(h, (uint64_t)hole, 0));
    result("shared info is still there", "%d", trap_of_load(hole2));
    result("gone with shared info mapped", "%d", domu_flags(ID) == 0);
    result("unmap of shared info", "%d", grant_unmap(h2, (uint64_t)hole2, 0));
    result("gone", "%d", domu_gone(ID));
    result("pages missing", "%ld", machine_missing_pages(free_before));
}

/* In the second domain: copies out of dom0's page, and maps it, for ever. */
static long far_use(long ref, long ref2, long at)
{
    for (;;) {
        struct gnttab_map_grant_ref m[8];
        struct gnttab_unmap_grant_ref u[8];

        for (unsigned int i = 0; i < 8; i++)
            m[i] = (struct gnttab_map_grant_ref){.host_addr = (uint64_t)at,
                                                 .flags = i ? GNTMAP_device_map : RW,
                                                 .ref = (grant_ref_t)(i & 1 ? ref : ref2)};
        must("map", grant_op(GNTTABOP_map_grant_ref, m, 8));
        (void)grant_copy(true, 0, (uint64_t)ref, true, 0, (uint64_t)ref2, 0, 4096 - 8);
        for (unsigned int i = 0; i < 8; i++)
            u[i] = (struct gnttab_unmap_grant_ref){.host_addr = i ? 0 : m[i].host_addr,
                                                   .dev_bus_addr = i ? m[i].dev_bus_addr : 0,
                                                   .handle = m[i].handle};
        must("unmap", grant_op(GNTTABOP_unmap_grant_ref, u, 8));
        domu_self->data[0]++;
    }
    return 0;
}

/* It is ended in the middle of that, at many places. */
static void test_in_use(void)
{
    char *a = page_alloc(), *b = page_alloc();
    unsigned int left = 0, not_gone = 0;

    grant_write(40, GTF_permit_access, ID, virt_to_mfn(a));
    grant_write(41, GTF_permit_access, ID, virt_to_mfn(b));
    for (unsigned int i = 0; i < 6; i++) {
        long at;

        build_and_run();
        at = domu_call(&other, far_hole, 0, 0, 0);
        domu_begin(&other, far_use, 40, 41, at);
        while (!other.link->data[0])
            delay_ns(100000);
        delay_ns(1000000 + i * 777777);
        domu_unlink(&other);
        must("destroy", domu_destroy(&other));
        not_gone += !domu_gone(ID);
        left |= grant_in_use(40) | grant_in_use(41);
    }
    result("ended while it maps and copies", "left %x not gone %u missing %ld", left, not_gone,
           machine_missing_pages(free_before));
}

/* dom0 maps and copies its pages while it gives them up, revokes them, and is ended. */
static long far_churn(long page, long mfn, long c)
{
    (void)c;
    for (unsigned int i = 0;; i++) {
        if (!grant_in_use(8))
            grant_write(8, i & 1 ? GTF_permit_access : GTF_permit_access | GTF_readonly, 0, (uint64_t)mfn);
        *(volatile long *)page = i;
        domu_self->data[0]++;
        if (i % 256 == 0)
            event_force();
    }
    return 0;
}

static void test_churn(void)
{
    unsigned int bad = 0;

    for (unsigned int i = 0; i < 4; i++) {
        long page;

        build_and_run();
        page = domu_call(&other, far_page, 0, 0, 0);
        domu_begin(&other, far_churn, page, (long)domu_mfn(&other, (void *)page), 0);
        while (!other.link->data[0])
            delay_ns(100000);
        for (unsigned int n = 0; n < 300; n++) {
            struct gnttab_map_grant_ref m = grant_map(ID, 8, RW, (uint64_t)hole);

            (void)grant_copy(true, ID, 8, false, DOMID_SELF, virt_to_mfn(own), 0, 64);
            if (m.status != GNTST_okay && m.status != GNTST_general_error)
                bad++;
            if (m.status == GNTST_okay && grant_unmap(m.handle, (uint64_t)hole, 0))
                bad++;
            if (n == 290)
                must("destroy", domctl(XEN_DOMCTL_pausedomain, ID));
        }
        domu_unlink(&other);
        must("destroy", domu_destroy(&other));
        bad += !domu_gone(ID);
    }
    result("map and copy while it changes its grants", "%u missing %ld", bad,
           machine_missing_pages(free_before));
}

static long far_balloon(long give, long mfn_out, long c)
{
    char *page = page_alloc();
    xen_pfn_t frame = virt_to_mfn(page);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    (void)mfn_out, (void)c;
    if (give) {
        unmap_page(page);
        set_xen_guest_handle(r.extent_start, &frame);
        return HC2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r);
    }
    frame = 0x3ff;
    set_xen_guest_handle(r.extent_start, &frame);
    return HC2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r);
}

/* Its memory by its own hand, while dom0 maps a page that it gives up. */
static void test_memory(void)
{
    struct gnttab_map_grant_ref m;
    unsigned long mfn;
    long page;

    build_and_run();
    result("it gives a page up", "%ld", domu_call(&other, far_balloon, 1, 0, 0));
    result("it gets pages", "%ld", domu_call(&other, far_balloon, 0, 0, 0));
    page = domu_call(&other, far_page, 0, 0, 0);
    mfn = domu_mfn(&other, (void *)page);
    domu_call(&other, far_store, page, 0x7b7b, 0);
    domu_call(&other, far_grant, 8, GTF_permit_access, DOM_FRAME(0, mfn));
    m = grant_map(ID, 8, RW, (uint64_t)hole);
    must("its page is not mapped by it", (int)domu_call(&other, far_map_own, page, 0, 0));
    result("it gives a mapped page away", "%ld", domu_call(&other, far_transfer, (long)mfn, 0, 8));
    {
        xen_pfn_t frame = mfn;
        struct xen_memory_reservation r = {.nr_extents = 1, .domid = ID};

        set_xen_guest_handle(r.extent_start, &frame);
        result("we take it from it", "%ld", HC2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r));
    }
    result("it is still mapped here", "%lx", *(volatile unsigned long *)hole);
    result("it cannot map it", "%d",
           domu_call(&other, far_map_own, page, (long)pte_make(mfn, PTE_DATA), 0) != 0);
    result("unmap of it", "%d", grant_unmap(m.handle, (uint64_t)hole, 0));
    end("destroyed with memory changed");
}

void guest_main(void)
{
    hole = page_hole();
    hole2 = page_hole();
    hole3 = page_hole();
    own = page_alloc();
    grant_setup(1);
    /* Once through, so that what the VMM keeps for ever is there: handles of ours, places for two domains. */
    build_and_run();
    domu_call(&other, far_grant, 8, GTF_permit_access, DOM_FRAME(0, domu_mfn(&other, own)));
    must("map", (int)grant_map(ID, 8, RW, (uint64_t)hole).status);
    must("unmap", grant_unmap(0, (uint64_t)hole, 0));
    must("create another", (int)create(ID + 1, usual()));
    domu_unlink(&other);
    must("destroy", domu_destroy(&other));
    must("gone", !domu_gone(ID));
    test_create();
    free_before = machine_settled_pages();
    test_states();
    test_shutdown();
    audit_point();
    test_mapped();
    test_in_use();
    test_churn();
    test_memory();
}
