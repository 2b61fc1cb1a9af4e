/* Operations of domctl with right and wrong arguments, on a second domain that does not run. */
#include "common/child.h"
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define UNMAPPED ((void *)0x1000)
#define NOBODY   9
#define CREDIT2  6

static uint64_t buffer[2048] __attribute__((aligned(4096)));

static void clear(void)
{
    domctl_clear();
    memset(buffer, 0xee, sizeof(buffer));
}

static long simple(uint32_t cmd, domid_t id)
{
    clear();
    return domctl(cmd, id);
}

static void test_form(void)
{
    clear();
    domctl_arg.cmd = XEN_DOMCTL_getdomaininfo;
    domctl_arg.interface_version = XEN_DOMCTL_INTERFACE_VERSION - 1;
    result_errno("older version", HC1(__HYPERVISOR_domctl, &domctl_arg));
    domctl_arg.interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
    result_errno("newer version", HC1(__HYPERVISOR_domctl, &domctl_arg));
    result_errno("no argument", HC1(__HYPERVISOR_domctl, 0));
    result_errno("argument not mapped", HC1(__HYPERVISOR_domctl, UNMAPPED));
    for (uint32_t cmd = 0; cmd < 100; cmd++) {
        static char name[] = "number 00 of nobody";

        if (cmd == XEN_DOMCTL_createdomain || cmd == XEN_DOMCTL_getdomaininfo)
            continue;
        name[7] = (char)('0' + cmd / 10);
        name[8] = (char)('0' + cmd % 10);
        result_errno(name, simple(cmd, NOBODY));
    }
    result_errno("number 999 of nobody", simple(999, NOBODY));
    result_errno("number 1000 of nobody", simple(1000, NOBODY));
    result_errno("number 1003 of nobody", simple(1003, NOBODY));
    result_errno("number all ones of nobody", simple(~0u, NOBODY));
    result_errno("number all ones of the child", simple(~0u, CHILD_ID));
    result_errno("number 999 of the child", simple(999, CHILD_ID));
    result_errno("number 0 of the child", simple(0, CHILD_ID));
    result_errno("pause DOMID_SELF", simple(XEN_DOMCTL_pausedomain, DOMID_SELF));
    result_errno("pause DOMID_IO", simple(XEN_DOMCTL_pausedomain, DOMID_IO));
    result_errno("pause DOMID_XEN", simple(XEN_DOMCTL_pausedomain, DOMID_XEN));
    result_errno("pause DOMID_INVALID", simple(XEN_DOMCTL_pausedomain, DOMID_INVALID));
    result_errno("pause dom0", simple(XEN_DOMCTL_pausedomain, 0));
    result_errno("unpause dom0", simple(XEN_DOMCTL_unpausedomain, 0));
    result_errno("resume dom0", simple(XEN_DOMCTL_resumedomain, 0));
    result_errno("destroy dom0", simple(XEN_DOMCTL_destroydomain, 0));
    result_errno("max_vcpus of dom0", simple(XEN_DOMCTL_max_vcpus, 0));
}

static long create(domid_t id, const struct xen_domctl_createdomain *c)
{
    long ret;

    clear();
    domctl_arg.u.createdomain = *c;
    ret = domctl(XEN_DOMCTL_createdomain, id);
    if (!ret && (id == 0 || id >= DOMID_FIRST_RESERVED))
        id = domctl_arg.domain;
    if (!ret)
        while (simple(XEN_DOMCTL_destroydomain, id) == -85)
            ;
    return ret;
}

#define USUAL                                                                                                \
    .max_vcpus = 1, .max_evtchn_port = 63, .max_grant_frames = 4, .max_maptrack_frames = 4,                  \
    .grant_opts = XEN_DOMCTL_GRANT_version(1)
#define CREATE(name, id, ...)                                                                                \
    result_errno(name, create(id, &(const struct xen_domctl_createdomain){USUAL, __VA_ARGS__}))

#pragma GCC diagnostic ignored "-Woverride-init"

static void test_create(void)
{
    CREATE("create", NOBODY, .ssidref = 0);
    CREATE("create, any number", DOMID_INVALID, .ssidref = 0);
    CREATE("create, number 0", 0, .ssidref = 0);
    CREATE("create, there is one", CHILD_ID, .ssidref = 0);
    CREATE("create, no vcpus", NOBODY, .max_vcpus = 0);
    CREATE("create, 8193 vcpus", NOBODY, .max_vcpus = 8193);
    CREATE("create, 8192 vcpus", NOBODY, .max_vcpus = 8192);
    CREATE("create, hvm", NOBODY, .flags = XEN_DOMCTL_CDF_hap);
    CREATE("create, xenstore", NOBODY, .flags = XEN_DOMCTL_CDF_xs_domain);
    CREATE("create, s3 integrity", NOBODY, .flags = XEN_DOMCTL_CDF_s3_integrity);
    CREATE("create, oos off", NOBODY, .flags = XEN_DOMCTL_CDF_oos_off);
    CREATE("create, iommu", NOBODY, .flags = XEN_DOMCTL_CDF_iommu);
    CREATE("create, nested", NOBODY, .flags = XEN_DOMCTL_CDF_nested_virt);
    CREATE("create, vpmu", NOBODY, .flags = XEN_DOMCTL_CDF_vpmu);
    CREATE("create, unknown flag", NOBODY, .flags = 1u << 31);
    CREATE("create, iommu options", NOBODY, .iommu_opts = 1);
    CREATE("create, grants 0", NOBODY, .grant_opts = 0);
    CREATE("create, grants 2", NOBODY, .grant_opts = XEN_DOMCTL_GRANT_version(2));
    CREATE("create, grants 3", NOBODY, .grant_opts = XEN_DOMCTL_GRANT_version(3));
    CREATE("create, grants unknown", NOBODY, .grant_opts = XEN_DOMCTL_GRANT_version(1) | 1u << 31);
    CREATE("create, usual grant frames", NOBODY, .max_grant_frames = -1, .max_maptrack_frames = -1);
    CREATE("create, no grant frames", NOBODY, .max_grant_frames = 0, .max_maptrack_frames = 0);
    CREATE("create, too many grant frames", NOBODY, .max_grant_frames = 100000);
    CREATE("create, too much maptrack", NOBODY, .max_maptrack_frames = 1000000);
    CREATE("create, negative grant frames", NOBODY, .max_grant_frames = -2);
    CREATE("create, no ports", NOBODY, .max_evtchn_port = 0);
    CREATE("create, negative ports", NOBODY, .max_evtchn_port = ~0u);
    CREATE("create, ssidref", NOBODY, .ssidref = 12);
    CREATE("create, pool 1", NOBODY, .cpupool_id = 1);
    CREATE("create, tracing", NOBODY, .vmtrace_size = 4096);
    CREATE("create, emulation", NOBODY, .arch.emulation_flags = 1);
    CREATE("create, unknown emulation", NOBODY, .arch.emulation_flags = 1u << 31);
    CREATE("create, relaxed MSRs", NOBODY, .arch.misc_flags = XEN_X86_MSR_RELAXED);
    CREATE("create, unknown misc flag", NOBODY, .arch.misc_flags = 1u << 31);
}

static void test_life(void)
{
    for (unsigned int i = 0; i < 253; i++)
        simple(XEN_DOMCTL_pausedomain, CHILD_ID);
    result_errno("pause, number 255", simple(XEN_DOMCTL_pausedomain, CHILD_ID));
    result_errno("pause, number 256", simple(XEN_DOMCTL_pausedomain, CHILD_ID));
    for (unsigned int i = 0; i < 254; i++)
        simple(XEN_DOMCTL_unpausedomain, CHILD_ID);
    result_errno("resume", simple(XEN_DOMCTL_resumedomain, CHILD_ID));
    clear();
    domctl_arg.u.max_vcpus.max = 3;
    result_errno("max_vcpus, more", domctl(XEN_DOMCTL_max_vcpus, CHILD_ID));
    domctl_arg.u.max_vcpus.max = 1;
    result_errno("max_vcpus, fewer", domctl(XEN_DOMCTL_max_vcpus, CHILD_ID));
    domctl_arg.u.max_vcpus.max = 2;
    result_errno("max_vcpus, again", domctl(XEN_DOMCTL_max_vcpus, CHILD_ID));
    clear();
    result_errno("max_mem 0", domctl(XEN_DOMCTL_max_mem, CHILD_ID));
    domctl_arg.u.max_mem.max_memkb = ~0ul;
    result_errno("max_mem all ones", domctl(XEN_DOMCTL_max_mem, CHILD_ID));
    clear();
    memset(domctl_arg.u.setdomainhandle.handle, 0x5a, 16);
    result_errno("setdomainhandle", domctl(XEN_DOMCTL_setdomainhandle, CHILD_ID));
    clear();
    result("handle", "%e %x", domctl(XEN_DOMCTL_getdomaininfo, CHILD_ID),
           domctl_arg.u.getdomaininfo.handle[15]);
    clear();
    domctl_arg.u.settimeoffset.time_offset_seconds = 3600;
    result_errno("settimeoffset", domctl(XEN_DOMCTL_settimeoffset, CHILD_ID));
    clear();
    domctl_arg.u.subscribe.port = 3;
    result_errno("subscribe", domctl(XEN_DOMCTL_subscribe, CHILD_ID));
    clear();
    domctl_arg.u.set_virq_handler.virq = VIRQ_CONSOLE;
    result_errno("set_virq_handler", domctl(XEN_DOMCTL_set_virq_handler, CHILD_ID));
    result_errno("set_virq_handler back", domctl(XEN_DOMCTL_set_virq_handler, 0));
    domctl_arg.u.set_virq_handler.virq = VIRQ_TIMER;
    result_errno("set_virq_handler of the timer", domctl(XEN_DOMCTL_set_virq_handler, CHILD_ID));
    domctl_arg.u.set_virq_handler.virq = 24;
    result_errno("set_virq_handler 24", domctl(XEN_DOMCTL_set_virq_handler, CHILD_ID));
    for (unsigned int i = 0; i < 4; i++) {
        static const uint32_t sizes[] = {64, 32, 0, 65};
        static const char *const names[] = {"address size 64", "address size 32", "address size 0",
                                            "address size 65"};

        clear();
        domctl_arg.u.address_size.size = sizes[i];
        result_errno(names[i], domctl(XEN_DOMCTL_set_address_size, CHILD_ID));
    }
    clear();
    result("address size", "%e %u", domctl(XEN_DOMCTL_get_address_size, CHILD_ID),
           domctl_arg.u.address_size.size);
    clear();
    result("address size of dom0", "%e %u", domctl(XEN_DOMCTL_get_address_size, 0),
           domctl_arg.u.address_size.size);
}

static long trigger(uint32_t which, uint32_t vcpu)
{
    clear();
    domctl_arg.u.sendtrigger.trigger = which;
    domctl_arg.u.sendtrigger.vcpu = vcpu;
    return domctl(XEN_DOMCTL_sendtrigger, CHILD_ID);
}

static void test_trigger(void)
{
    result_errno("NMI", trigger(XEN_DOMCTL_SENDTRIGGER_NMI, 0));
    result_errno("NMI again", trigger(XEN_DOMCTL_SENDTRIGGER_NMI, 0));
    result_errno("NMI to an absent vcpu", trigger(XEN_DOMCTL_SENDTRIGGER_NMI, 2));
    result_errno("NMI to vcpu 8192", trigger(XEN_DOMCTL_SENDTRIGGER_NMI, 8192));
    result_errno("RESET", trigger(XEN_DOMCTL_SENDTRIGGER_RESET, 0));
    result_errno("INIT", trigger(XEN_DOMCTL_SENDTRIGGER_INIT, 0));
    result_errno("POWER", trigger(XEN_DOMCTL_SENDTRIGGER_POWER, 0));
    result_errno("SLEEP", trigger(XEN_DOMCTL_SENDTRIGGER_SLEEP, 0));
    result_errno("trigger 9", trigger(9, 0));
}

static void test_info(void)
{
    clear();
    result("vcpuinfo", "%e online %u blocked %u running %u", domctl(XEN_DOMCTL_getvcpuinfo, CHILD_ID),
           domctl_arg.u.getvcpuinfo.online, domctl_arg.u.getvcpuinfo.blocked,
           domctl_arg.u.getvcpuinfo.running);
    domctl_arg.u.getvcpuinfo.vcpu = 2;
    result_errno("vcpuinfo of an absent vcpu", domctl(XEN_DOMCTL_getvcpuinfo, CHILD_ID));
    clear();
    result("info of nobody", "%e is %u", domctl(XEN_DOMCTL_getdomaininfo, NOBODY), domctl_arg.domain);
    clear();
    result("info from 1 on", "%e is %u", domctl(XEN_DOMCTL_getdomaininfo, 1), domctl_arg.domain);
    clear();
    result("info of DOMID_SELF", "%e", domctl(XEN_DOMCTL_getdomaininfo, DOMID_SELF));
}

static long frames(uint64_t num, void *array)
{
    domctl_clear();
    domctl_arg.u.getpageframeinfo3.num = num;
    domctl_arg.u.getpageframeinfo3.array.p = array;
    return domctl(XEN_DOMCTL_getpageframeinfo3, CHILD_ID);
}

static void test_frames(void)
{
    buffer[0] = child_spare(0);
    buffer[1] = virt_to_mfn(kernel_l4);
    buffer[2] = ~0ul;
    buffer[3] = (child_window_entry() >> 12);
    result_errno("frames", frames(4, buffer));
    result("frame types", "%lx %lx %lx %lx", buffer[0], buffer[1], buffer[2], buffer[3]);
    result_errno("no frames", frames(0, buffer));
    result_errno("1025 frames", frames(1025, buffer));
    result_errno("frames, bad pointer", frames(1, UNMAPPED));
    clear();
    domctl_arg.u.hypercall_init.gmfn = child_spare(0);
    result_errno("hypercall_init", domctl(XEN_DOMCTL_hypercall_init, CHILD_ID));
    domctl_arg.u.hypercall_init.gmfn = virt_to_mfn(kernel_l4);
    result_errno("hypercall_init of dom0's frame", domctl(XEN_DOMCTL_hypercall_init, CHILD_ID));
    domctl_arg.u.hypercall_init.gmfn = ~0ul;
    result_errno("hypercall_init of no frame", domctl(XEN_DOMCTL_hypercall_init, CHILD_ID));
}

static long node(uint32_t cmd, uint64_t mask, uint32_t bits, void *where)
{
    clear();
    buffer[0] = mask;
    domctl_arg.u.nodeaffinity.nodemap.bitmap.p = where;
    domctl_arg.u.nodeaffinity.nodemap.nr_bits = bits;
    return domctl(cmd, CHILD_ID);
}

static long affinity(uint32_t cmd, uint32_t vcpu, uint32_t flags, uint64_t hard, uint64_t soft)
{
    clear();
    buffer[0] = hard;
    buffer[8] = soft;
    domctl_arg.u.vcpuaffinity.vcpu = vcpu;
    domctl_arg.u.vcpuaffinity.flags = flags;
    domctl_arg.u.vcpuaffinity.cpumap_hard.bitmap.p = (void *)buffer;
    domctl_arg.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
    domctl_arg.u.vcpuaffinity.cpumap_soft.bitmap.p = (void *)(buffer + 8);
    domctl_arg.u.vcpuaffinity.cpumap_soft.nr_bits = 64;
    return domctl(cmd, CHILD_ID);
}

static void result_affinity(const char *name, long ret)
{
    result(name, "%e hard %lx soft %lx", ret, buffer[0], buffer[8]);
}

#define HARD XEN_VCPUAFFINITY_HARD
#define SOFT XEN_VCPUAFFINITY_SOFT

static void test_affinity(void)
{
    result("node affinity", "%e %lx", node(XEN_DOMCTL_getnodeaffinity, 0, 64, buffer), buffer[0]);
    result_errno("node affinity, bad pointer", node(XEN_DOMCTL_getnodeaffinity, 0, 64, UNMAPPED));
    result_errno("set node 0", node(XEN_DOMCTL_setnodeaffinity, 1, 64, buffer));
    result_errno("set node 1", node(XEN_DOMCTL_setnodeaffinity, 2, 64, buffer));
    result_errno("set no node", node(XEN_DOMCTL_setnodeaffinity, 0, 64, buffer));
    result_errno("set all nodes", node(XEN_DOMCTL_setnodeaffinity, ~0ul, 64, buffer));
    result_errno("set node, bad pointer", node(XEN_DOMCTL_setnodeaffinity, 1, 64, UNMAPPED));
    result_affinity("affinity", affinity(XEN_DOMCTL_getvcpuaffinity, 0, HARD | SOFT, 0, 0));
    result_affinity("affinity of nothing", affinity(XEN_DOMCTL_getvcpuaffinity, 0, 0, 0, 0));
    result_affinity("affinity, unknown flag", affinity(XEN_DOMCTL_getvcpuaffinity, 0, HARD | 8, 0, 0));
    result_affinity("affinity of an absent vcpu", affinity(XEN_DOMCTL_getvcpuaffinity, 2, HARD, 0, 0));
    result_affinity("set hard", affinity(XEN_DOMCTL_setvcpuaffinity, 0, HARD, 1, 0));
    result_affinity("set hard, all", affinity(XEN_DOMCTL_setvcpuaffinity, 0, HARD, ~0ul, 0));
    result_affinity("set hard, none", affinity(XEN_DOMCTL_setvcpuaffinity, 0, HARD, 0, 0));
    result_affinity("set hard, absent cpu", affinity(XEN_DOMCTL_setvcpuaffinity, 0, HARD, 2, 0));
    result_affinity("set soft", affinity(XEN_DOMCTL_setvcpuaffinity, 0, SOFT, 0, 1));
    result_affinity("set soft, none", affinity(XEN_DOMCTL_setvcpuaffinity, 0, SOFT, 0, 0));
    result_affinity("set soft, absent cpu", affinity(XEN_DOMCTL_setvcpuaffinity, 0, SOFT, 0, 2));
    result_affinity("set both", affinity(XEN_DOMCTL_setvcpuaffinity, 0, HARD | SOFT, ~0ul, ~0ul));
    result_affinity("set hard, forced",
                    affinity(XEN_DOMCTL_setvcpuaffinity, 0, HARD | XEN_VCPUAFFINITY_FORCE, 1, 0));
    affinity(XEN_DOMCTL_setvcpuaffinity, 0, HARD, 1, 0);
    domctl_arg.u.vcpuaffinity.cpumap_hard.bitmap.p = UNMAPPED;
    result_errno("set hard, bad pointer", domctl(XEN_DOMCTL_setvcpuaffinity, CHILD_ID));
    result_errno("affinity, bad pointer", domctl(XEN_DOMCTL_getvcpuaffinity, CHILD_ID));
}

static long schedule(uint32_t sched, uint32_t cmd, uint16_t weight, uint16_t cap)
{
    clear();
    domctl_arg.u.scheduler_op.sched_id = sched;
    domctl_arg.u.scheduler_op.cmd = cmd;
    domctl_arg.u.scheduler_op.u.credit2.weight = weight;
    domctl_arg.u.scheduler_op.u.credit2.cap = cap;
    return domctl(XEN_DOMCTL_scheduler_op, CHILD_ID);
}

static void result_schedule(const char *name, long ret)
{
    long get = schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_getinfo, 0, 0);

    result(name, "%e then %e weight %u cap %u", ret, get, domctl_arg.u.scheduler_op.u.credit2.weight,
           domctl_arg.u.scheduler_op.u.credit2.cap);
}

static void test_scheduler(void)
{
    result_schedule("schedule", 0);
    result_schedule("weight 512", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 512, 0xffff));
    result_schedule("weight 1", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 1, 0xffff));
    result_schedule("weight 65535", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 65535, 0xffff));
    result_schedule("weight left", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 0, 0xffff));
    result_schedule("cap 50", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 256, 50));
    result_schedule("cap 200", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 256, 200));
    result_schedule("cap 201", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 256, 201));
    result_schedule("no cap", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 256, 0));
    result_errno("schedule of credit", schedule(5, XEN_DOMCTL_SCHEDOP_getinfo, 0, 0));
    result_errno("schedule of vcpus", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_getvcpuinfo, 0, 0));
    result_errno("schedule, set vcpus", schedule(CREDIT2, XEN_DOMCTL_SCHEDOP_putvcpuinfo, 0, 0));
    result_errno("schedule 9", schedule(CREDIT2, 9, 0, 0));
}

static void test_others(void)
{
    static const struct {
        const char *name;
        uint32_t cmd;
    } ops[] = {
        {"shadow_op", XEN_DOMCTL_shadow_op},
        {"setdebugging", XEN_DOMCTL_setdebugging},
        {"gethvmcontext", XEN_DOMCTL_gethvmcontext},
        {"sethvmcontext", XEN_DOMCTL_sethvmcontext},
        {"gethvmcontext_partial", XEN_DOMCTL_gethvmcontext_partial},
        {"assign_device", XEN_DOMCTL_assign_device},
        {"test_assign_device", XEN_DOMCTL_test_assign_device},
        {"deassign_device", XEN_DOMCTL_deassign_device},
        {"get_device_group", XEN_DOMCTL_get_device_group},
        {"bind_pt_irq", XEN_DOMCTL_bind_pt_irq},
        {"unbind_pt_irq", XEN_DOMCTL_unbind_pt_irq},
        {"set_target", XEN_DOMCTL_set_target},
        {"debug_op", XEN_DOMCTL_debug_op},
        {"vm_event_op", XEN_DOMCTL_vm_event_op},
        {"mem_sharing_op", XEN_DOMCTL_mem_sharing_op},
        {"set_access_required", XEN_DOMCTL_set_access_required},
        {"audit_p2m", XEN_DOMCTL_audit_p2m},
        {"set_broken_page_p2m", XEN_DOMCTL_set_broken_page_p2m},
        {"cacheflush", XEN_DOMCTL_cacheflush},
        {"setvnumainfo", XEN_DOMCTL_setvnumainfo},
        {"psr_cmt_op", XEN_DOMCTL_psr_cmt_op},
        {"monitor_op", XEN_DOMCTL_monitor_op},
        {"psr_alloc", XEN_DOMCTL_psr_alloc},
        {"soft_reset", XEN_DOMCTL_soft_reset},
        {"vuart_op", XEN_DOMCTL_vuart_op},
        {"vmtrace_op", XEN_DOMCTL_vmtrace_op},
        {"get_paging_mempool_size", XEN_DOMCTL_get_paging_mempool_size},
        {"set_paging_mempool_size", XEN_DOMCTL_set_paging_mempool_size},
        {"gdbsx_guestmemio", XEN_DOMCTL_gdbsx_guestmemio},
        {"gdbsx_pausevcpu", XEN_DOMCTL_gdbsx_pausevcpu},
        {"gdbsx_unpausevcpu", XEN_DOMCTL_gdbsx_unpausevcpu},
        {"gdbsx_domstatus", XEN_DOMCTL_gdbsx_domstatus},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++)
        result_errno(ops[i].name, simple(ops[i].cmd, CHILD_ID));
    for (uint32_t op = 0; op < 40; op++) {
        static char name[] = "shadow_op 00";

        clear();
        domctl_arg.u.shadow_op.op = op;
        name[10] = (char)('0' + op / 10);
        name[11] = (char)('0' + op % 10);
        result_errno(name, domctl(XEN_DOMCTL_shadow_op, CHILD_ID));
    }
}

static void test_end(void)
{
    long ret;

    must("unpause", simple(XEN_DOMCTL_unpausedomain, CHILD_ID));
    result_errno("unpause too often", simple(XEN_DOMCTL_unpausedomain, CHILD_ID));
    while ((ret = simple(XEN_DOMCTL_destroydomain, CHILD_ID)) == -85)
        ;
    result_errno("destroy", ret);
    for (unsigned int i = 0; i < 1000 && simple(XEN_DOMCTL_getdomaininfo, CHILD_ID) != -3; i++)
        delay_ns(1000000);
    result_errno("destroy again", simple(XEN_DOMCTL_destroydomain, CHILD_ID));
    result_errno("pause when it is gone", simple(XEN_DOMCTL_pausedomain, CHILD_ID));
}

void guest_main(void)
{
    child_create(2);
    test_form();
    test_create();
    test_life();
    test_trigger();
    test_info();
    test_frames();
    test_affinity();
    test_scheduler();
    test_others();
    test_end();
}
