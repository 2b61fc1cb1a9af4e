/* Time: the shared time record, timers, run states, wall clock. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define MS 1000000ul

static unsigned int timer_port;

static long vcpu_op(unsigned int cmd, unsigned int vcpu, void *arg)
{
    return HC3(__HYPERVISOR_vcpu_op, cmd, vcpu, arg);
}

static void test_record(void)
{
    volatile struct vcpu_time_info *t = &shared_info->vcpu_info[0].time;
    uint64_t last = system_time();
    unsigned int backwards = 0;

    for (int i = 0; i < 20000; i++) {
        uint64_t now = system_time();

        if (now < last)
            backwards++;
        last = now;
    }
    result("system time goes backwards", "%u", backwards);
    result("version even", "%d", !(t->version & 1));
    result("multiplier and timestamp set", "%d %d", t->tsc_to_system_mul != 0, t->tsc_timestamp != 0);
    result("system time within a minute of boot", "%d", last > 0 && last < 60000 * MS);
    result("vcpu_info of absent vcpus", "%u", shared_info->vcpu_info[1].time.version);
}

/* Blocks until the timer event has come since the count was last cleared, and clears it. */
static void wait_timer(void)
{
    while (!event_count[timer_port])
        HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
    event_count[timer_port] = 0;
}

static void test_set_timer(void)
{
    uint64_t at = system_time() + 5 * MS;

    event_count[timer_port] = 0;
    result_errno("set_timer_op", HC1(__HYPERVISOR_set_timer_op, at));
    wait_timer();
    result("came at its time", "%d", system_time() >= at);
    result_errno("set_timer_op in the past", HC1(__HYPERVISOR_set_timer_op, 1));
    wait_timer();
    result("came", "%d", 1);
    event_count[timer_port] = 0;
    result_errno("set_timer_op again", HC1(__HYPERVISOR_set_timer_op, system_time() + 5 * MS));
    result_errno("set_timer_op off", HC1(__HYPERVISOR_set_timer_op, 0));
    delay_ns(10 * MS);
    result("events after off", "%u", event_count[timer_port]);
    result_errno("set_timer_op far away", HC1(__HYPERVISOR_set_timer_op, ~0ul >> 1));
    result_errno("set_timer_op negative", HC1(__HYPERVISOR_set_timer_op, 1ul << 63));
    HC1(__HYPERVISOR_set_timer_op, 0);
    event_force();
    event_count[timer_port] = 0;
}

static void test_singleshot(void)
{
    struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = system_time() + 5 * MS};
    uint64_t at = s.timeout_abs_ns;

    event_count[timer_port] = 0;
    result_errno("singleshot", vcpu_op(VCPUOP_set_singleshot_timer, 0, &s));
    wait_timer();
    result("singleshot at its time", "%d", system_time() >= at);
    delay_ns(10 * MS);
    result("singleshot comes once", "%u more", event_count[timer_port]);
    s = (struct vcpu_set_singleshot_timer){.timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future};
    result_errno("singleshot past, future flag", vcpu_op(VCPUOP_set_singleshot_timer, 0, &s));
    s.flags = 0;
    event_count[timer_port] = 0;
    result_errno("singleshot past", vcpu_op(VCPUOP_set_singleshot_timer, 0, &s));
    delay_ns(5 * MS);
    result("singleshot past events", "%u", event_count[timer_port]);
    s.timeout_abs_ns = system_time() + 3 * MS;
    s.flags = 0xfffffffe;
    result_errno("singleshot, unknown flags", vcpu_op(VCPUOP_set_singleshot_timer, 0, &s));
    result_errno("stop singleshot", vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0));
    event_count[timer_port] = 0;
    delay_ns(6 * MS);
    result("events after stop", "%u", event_count[timer_port]);
    result_errno("stop again", vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0));
    result_errno("singleshot, bad pointer", vcpu_op(VCPUOP_set_singleshot_timer, 0, (void *)0x1000));
    result_errno("singleshot of absent vcpu", vcpu_op(VCPUOP_set_singleshot_timer, 5, &s));
}

static void test_periodic(void)
{
    struct vcpu_set_periodic_timer p = {.period_ns = 2 * MS};
    uint64_t start = system_time();

    event_count[timer_port] = 0;
    result_errno("periodic 2 ms", vcpu_op(VCPUOP_set_periodic_timer, 0, &p));
    /* Not by blocking: Xen's periodic timer does not wake a blocked vCPU. */
    while (event_count[timer_port] < 12)
        event_force();
    result("12 periodic events take 20 ms at least", "%d", system_time() - start >= 20 * MS);
    result_errno("stop periodic", vcpu_op(VCPUOP_stop_periodic_timer, 0, 0));
    event_force();
    event_count[timer_port] = 0;
    delay_ns(6 * MS);
    result("events after stop of periodic", "%u", event_count[timer_port]);
    p.period_ns = 999999;
    result_errno("periodic below 1 ms", vcpu_op(VCPUOP_set_periodic_timer, 0, &p));
    p.period_ns = 1;
    result_errno("periodic 1 ns", vcpu_op(VCPUOP_set_periodic_timer, 0, &p));
    p.period_ns = ~0ul;
    result_errno("periodic of all ones", vcpu_op(VCPUOP_set_periodic_timer, 0, &p));
    p.period_ns = 0;
    result_errno("periodic 0", vcpu_op(VCPUOP_set_periodic_timer, 0, &p));
    vcpu_op(VCPUOP_stop_periodic_timer, 0, 0);
}

static void test_initial_periodic(void)
{
    event_count[timer_port] = 0;
    delay_ns(45 * MS);
    result("timer events before any is set", "%d", event_count[timer_port] > 0);
    vcpu_op(VCPUOP_stop_periodic_timer, 0, 0);
    event_force();
}

static void test_runstate(void)
{
    struct vcpu_runstate_info r, r2;
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area reg = {.addr.v = &area};
    uint64_t sum, before;

    result_errno("runstate", vcpu_op(VCPUOP_get_runstate_info, 0, &r));
    event_count[timer_port] = 0;
    sum = r.time[0] + r.time[1] + r.time[2] + r.time[3];
    result("state", "%d", r.state);
    result("entry time in the past", "%d", r.state_entry_time <= system_time());
    HC1(__HYPERVISOR_set_timer_op, system_time() + 20 * MS);
    wait_timer();
    vcpu_op(VCPUOP_get_runstate_info, 0, &r2);
    result("blocked time grows by 10 ms at least", "%d",
           r2.time[RUNSTATE_blocked] - r.time[RUNSTATE_blocked] >= 10 * MS);
    result("sum grows by 15 ms at least", "%d",
           r2.time[0] + r2.time[1] + r2.time[2] + r2.time[3] - sum >= 15 * MS);
    result_errno("register runstate area", vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg));
    result("area filled at once", "%d", area.state_entry_time != 0);
    before = area.time[RUNSTATE_blocked];
    HC1(__HYPERVISOR_set_timer_op, system_time() + 20 * MS);
    wait_timer();
    result("area blocked time grows", "%d state %d", area.time[RUNSTATE_blocked] > before, area.state);
    HC2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag);
    HC1(__HYPERVISOR_set_timer_op, system_time() + 5 * MS);
    wait_timer();
    result("update flag clear outside an update", "%lu", (unsigned long)(area.state_entry_time >> 63));
    reg.addr.v = (void *)0x1000;
    result_errno("register bad area", vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg));
    reg.addr.v = NULL;
    result_errno("unregister area", vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg));
    result_errno("runstate of absent vcpu", vcpu_op(VCPUOP_get_runstate_info, 3, &r));
    result_errno("runstate, bad pointer", vcpu_op(VCPUOP_get_runstate_info, 0, (void *)0x1000));
}

static void test_time_area(void)
{
    static struct vcpu_time_info area;
    struct vcpu_register_time_memory_area reg = {.addr.v = &area};

    result_errno("register time area", vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg));
    result("time area filled", "%d", area.system_time != 0 && !(area.version & 1));
    result("same multiplier", "%d",
           area.tsc_to_system_mul == shared_info->vcpu_info[0].time.tsc_to_system_mul);
    reg.addr.v = (void *)0x1000;
    result_errno("register bad time area", vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg));
    reg.addr.v = NULL;
    result_errno("unregister time area", vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg));
}

static void test_wallclock(void)
{
    struct xen_platform_op op = {.cmd = XENPF_settime64, .interface_version = XENPF_INTERFACE_VERSION};
    uint32_t version = shared_info->wc_version;

    result("wall clock plausible", "%d", shared_info->wc_sec > 1500000000u && !(version & 1));
    op.u.settime64.secs = 1700000000;
    op.u.settime64.nsecs = 5;
    op.u.settime64.system_time = 0;
    result_errno("settime64", HC1(__HYPERVISOR_platform_op, &op));
    result("wall clock set", "%u %u version grew %d", shared_info->wc_sec, shared_info->wc_nsec,
           shared_info->wc_version != version);
    op.u.settime64.mbz = 1;
    result_errno("settime64 with mbz", HC1(__HYPERVISOR_platform_op, &op));
    op.cmd = XENPF_settime32;
    op.u.settime32.secs = 1600000000;
    op.u.settime32.nsecs = 7;
    op.u.settime32.system_time = 1000000000;
    result_errno("settime32", HC1(__HYPERVISOR_platform_op, &op));
    result("wall clock set by it", "%u %u", shared_info->wc_sec, shared_info->wc_nsec);
    op.interface_version = 1;
    result_errno("platform_op, wrong version", HC1(__HYPERVISOR_platform_op, &op));
}

void guest_main(void)
{
    timer_port = event_bind_virq(VIRQ_TIMER, 0);
    event_unmask_bit(timer_port);
    vcpu_info()->evtchn_upcall_mask = 0;
    test_record();
    test_initial_periodic();
    test_set_timer();
    test_singleshot();
    test_periodic();
    test_runstate();
    test_time_area();
    test_wallclock();
    vcpu_info()->evtchn_upcall_mask = 1;
}
