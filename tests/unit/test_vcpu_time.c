/* unit: hv/time/vcpu_time.c hv/time/tsc.c hv/time/scale.c hv/time/timer.c hv/time/timer_heap.c */
#include <string.h>

#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/features.h>
#include <cpu/softirq.h>
#include <domain/domain.h>
#include <domain/vcpu.h>
#include <event/evtchn.h>
#include <irq/irq.h>
#include <mm/guest_access.h>
#include <sched/sched.h>
#include <time/clock.h>
#include <time/time.h>
#include <time/tsc.h>
#include <time/vcpu_time.h>
#include <unit.h>

static struct cpu_info info;
static s_time_t clock_ns;
static uint32_t generation;
static bool stable, guest_faults;
static unsigned int timer_virqs, unblocks;
static void (*handler[NR_SOFTIRQS])(void);
static vcpu_time_info_t seen[8]; /* the secondary area after each write to it */
static unsigned int nr_seen;
static vcpu_time_info_t area;
static struct domain domain = {.id = 1}, idle_domain = {.is_idle = true};
static struct vcpu vcpu, idle = {.domain = &idle_domain};
static vcpu_info_t vcpu_info;
struct cpu_features host_cpu;
uint64_t tsc_khz = 2000000;
static bool offsets_differ;
cpumask_t cpu_online_map = {.bits = {1}};

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

s_time_t now(void)
{
    return clock_ns;
}

void apic_timer_set(s_time_t deadline)
{
}

void open_softirq(enum softirq nr, void (*fn)(void))
{
    handler[nr] = fn;
}

void cpu_raise_softirq(unsigned int cpu, enum softirq nr)
{
    handler[nr]();
}

uint32_t clock_read(struct clock *c)
{
    *c = (struct clock){
        .tsc = 1000 + generation, .ns = 500 + generation, .scale = time_scale_for_hz(2000000000)};
    return generation;
}

uint32_t clock_generation(void)
{
    return generation;
}

bool tsc_offsets_differ(void)
{
    return offsets_differ;
}

bool tsc_is_stable(void)
{
    return stable;
}

void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq)
{
    assert_ptr_equal(v, &vcpu);
    assert_int_equal(virq, VIRQ_TIMER);
    timer_virqs++;
}

void vcpu_unblock(struct vcpu *v)
{
    unblocks++;
}

int copy_to_guest(uint64_t gva, const void *src, size_t len)
{
    if (guest_faults)
        return -EFAULT;
    memcpy((void *)gva, src, len);
    assert_in_range(nr_seen, 0, 7);
    seen[nr_seen++] = area;
    return 0;
}

static int setup(void **state)
{
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&vcpu_info, 0, sizeof(vcpu_info));
    memset(&area, 0, sizeof(area));
    clock_ns = 1000000;
    generation = 2;
    stable = guest_faults = false;
    timer_virqs = unblocks = nr_seen = 0;
    timers_init();
    vcpu_time_init();
    domain = (struct domain){.id = 1};
    vcpu.domain = &domain;
    vcpu.vcpu_info = &vcpu_info;
    vcpu.pv.kernel_mode = true;
    info.current_vcpu = &vcpu;
    assert_int_equal(time_init_vcpu(&vcpu), 0);
    return 0;
}

static void run_timers(s_time_t t)
{
    clock_ns = t;
    handler[SOFTIRQ_TIMER]();
}

static void test_published(void **state)
{
    uint32_t version = vcpu_info.time.version;

    assert_true(version > 0 && version % 2 == 0);
    assert_int_equal(vcpu_info.time.tsc_timestamp, 1002);
    assert_int_equal(vcpu_info.time.system_time, 502);
    assert_int_equal(vcpu_info.time.tsc_to_system_mul, 0x80000000);
    assert_int_equal(vcpu_info.time.tsc_shift, 0);
    assert_int_equal(vcpu_info.time.flags, 0);
    /* Nothing new: nothing written. */
    time_vcpu_in(&vcpu);
    assert_int_equal(vcpu_info.time.version, version);
    generation = 4;
    stable = true;
    time_vcpu_in(&vcpu);
    assert_int_equal(vcpu_info.time.version, version + 2);
    assert_int_equal(vcpu_info.time.tsc_timestamp, 1004);
    assert_int_equal(vcpu_info.time.flags, XEN_PVCLOCK_TSC_STABLE_BIT);
    /* Another CPU's TSC may differ. */
    info.cpu = 1;
    time_vcpu_in(&vcpu);
    assert_int_equal(vcpu_info.time.version, version + 4);
    info.cpu = 0;
    /* Running when the clock changes; an idle CPU has nobody to tell. */
    generation = 6;
    time_refresh_vcpus();
    assert_int_equal(vcpu_info.time.tsc_timestamp, 1006);
    info.current_vcpu = &idle;
    time_refresh_vcpus();
}

static void test_guest_cannot_confuse_the_version(void **state)
{
    uint32_t version = vcpu_info.time.version;

    vcpu_info.time.version = 0x12345;
    time_update_vcpu(&vcpu);
    assert_int_equal(vcpu_info.time.version, version + 2);
}

static void test_own_info_is_left_alone(void **state)
{
    vcpu.vcpu_info = &vcpu.own_info;
    time_update_vcpu(&vcpu);
    assert_int_equal(vcpu.own_info.time.version, 0);
}

static void test_secondary_area(void **state)
{
    vcpu.time.time_area_guest = (uint64_t)&area;
    time_update_vcpu(&vcpu);
    /* Odd first, odd while the rest is written, then the version of the primary one. */
    assert_int_equal(nr_seen, 3);
    assert_int_equal(seen[0].version % 2, 1);
    assert_int_equal(seen[0].tsc_timestamp, 0);
    assert_int_equal(seen[1].version % 2, 1);
    assert_int_equal(seen[1].tsc_timestamp, 1002);
    assert_memory_equal(&area, &vcpu_info.time, sizeof(area));

    /* In guest-user mode it waits. */
    vcpu.pv.kernel_mode = false;
    generation = 4;
    time_vcpu_in(&vcpu);
    assert_int_equal(nr_seen, 3);
    assert_true(vcpu.time.time_area_stale);
    vcpu.pv.kernel_mode = true;
    time_write_stale_area(&vcpu);
    assert_int_equal(nr_seen, 6);
    assert_false(vcpu.time.time_area_stale);
    assert_memory_equal(&area, &vcpu_info.time, sizeof(area));
    time_write_stale_area(&vcpu);
    assert_int_equal(nr_seen, 6);

    /* While another runs here it waits as well. */
    info.current_vcpu = &idle;
    time_update_vcpu(&vcpu);
    assert_int_equal(nr_seen, 6);
    assert_true(vcpu.time.time_area_stale);
    info.current_vcpu = &vcpu;

    /* A guest that unmapped it does no harm. */
    guest_faults = true;
    time_update_vcpu(&vcpu);
    assert_int_equal(vcpu_info.time.version % 2, 0);
}

static long set_timer(int64_t when)
{
    struct hypercall_args args = {{(uint64_t)when}};

    return hc_set_timer_op(&args);
}

static void test_set_timer_op(void **state)
{
    assert_int_equal(set_timer(2000000), 0);
    run_timers(1999999);
    assert_int_equal(timer_virqs, 0);
    run_timers(2000000);
    assert_int_equal(timer_virqs, 1);
    run_timers(9000000);
    assert_int_equal(timer_virqs, 1);

    assert_int_equal(set_timer(1), 0);
    run_timers(9000000);
    assert_int_equal(timer_virqs, 2);

    assert_int_equal(set_timer(9500000), 0);
    assert_int_equal(set_timer(0), 0);
    run_timers(20000000);
    assert_int_equal(timer_virqs, 2);

    /* Nonsense gives a tick in a tenth of a second. */
    assert_int_equal(set_timer(-5), 0);
    run_timers(20000000 + MILLISECS(99));
    assert_int_equal(timer_virqs, 2);
    run_timers(20000000 + MILLISECS(100));
    assert_int_equal(timer_virqs, 3);
    assert_int_equal(set_timer(INT64_MAX), 0);
    run_timers(20000000 + MILLISECS(200));
    assert_int_equal(timer_virqs, 4);
}

static void test_periodic(void **state)
{
    vcpu_set_periodic(&vcpu, MILLISECS(2));
    run_timers(1000000);
    assert_int_equal(timer_virqs, 0);
    for (int i = 1; i <= 5; i++) {
        run_timers(1000000 + MILLISECS(2) * i);
        assert_int_equal(timer_virqs, i);
    }
    /* It does not tick while the vCPU is off the CPU; then one tick stands for all that were missed. */
    time_vcpu_out(&vcpu);
    info.current_vcpu = &idle;
    run_timers(1000000 + MILLISECS(31));
    assert_int_equal(timer_virqs, 5);
    info.current_vcpu = &vcpu;
    time_vcpu_in(&vcpu);
    assert_int_equal(timer_virqs, 6);
    run_timers(1000000 + MILLISECS(31) + 999999);
    assert_int_equal(timer_virqs, 6);
    run_timers(1000000 + MILLISECS(32));
    assert_int_equal(timer_virqs, 7);
    vcpu_set_periodic(&vcpu, 0);
    run_timers(1000000 + MILLISECS(50));
    time_vcpu_in(&vcpu);
    assert_int_equal(timer_virqs, 7);
    time_destroy_vcpu(&vcpu);
}

/* Its siblings cannot send interrupts to the CPU where it ran last. */
static void test_periodic_of_a_sleeper(void **state)
{
    time_vcpu_out(&vcpu);
    info.current_vcpu = &idle;
    vcpu_set_periodic(&vcpu, MILLISECS(2));
    assert_false(timer_is_pending(&vcpu.time.periodic));
    info.current_vcpu = &vcpu;
    time_vcpu_in(&vcpu);
    assert_int_equal(timer_virqs, 0);
    run_timers(clock_ns + MILLISECS(2));
    assert_int_equal(timer_virqs, 1);
    /* One that runs elsewhere gets it at once. */
    time_vcpu_out(&vcpu);
    info.current_vcpu = &idle;
    vcpu.sched.is_running = true;
    vcpu_set_periodic(&vcpu, MILLISECS(3));
    assert_true(timer_is_pending(&vcpu.time.periodic));
    time_destroy_vcpu(&vcpu);
}

static void test_initial_periodic_timer(void **state)
{
    time_vcpu_in(&vcpu);
    timer_virqs = 0;
    run_timers(clock_ns + MILLISECS(10));
    assert_int_equal(timer_virqs, 1);
}

/* What the guest makes of the counter. */
static uint64_t guest_time(void)
{
    const vcpu_time_info_t *t = &vcpu_info.time;
    struct time_scale scale = {t->tsc_to_system_mul, t->tsc_shift};

    return t->system_time + time_scale_ticks(scale, guest_tsc(&vcpu) - t->tsc_timestamp);
}

static void test_emulated_counter(void **state)
{
    static const uint32_t khz[] = {1, 1000, 20000, 999999, 1000000, 2595103, 4000000, 4294967295u};
    struct vcpu *vcpus[1] = {&vcpu};

    (void)state;
    domain.max_vcpus = 1;
    domain.vcpu = vcpus;
    stable = true;
    for (unsigned int i = 0; i < sizeof(khz) / sizeof(khz[0]); i++) {
        uint64_t tick = 1000000 / khz[i] + 1, last = 0;

        clock_ns = 5000000000;
        assert_int_equal(tsc_set_info(&domain, TSC_MODE_ALWAYS, khz[i], 7000000000, 2), 0);
        time_vcpu_in(&vcpu);
        assert_int_equal(vcpu_info.time.flags, 0);
        assert_in_range(guest_tsc(&vcpu), (uint64_t)khz[i] * 7000 - 1, (uint64_t)khz[i] * 7000);
        for (unsigned int k = 0; k < 100000; k++) {
            uint64_t t = guest_time();

            assert_in_range(t, (uint64_t)clock_ns - 2 * tick - 10, (uint64_t)clock_ns + 1);
            assert_true(t >= last || k % 1000 == 1);
            last = t;
            clock_ns += 99991;
            if (k % 1000 == 0)
                time_vcpu_in(&vcpu);
        }
    }
}

static void test_tsc_modes(void **state)
{
    uint64_t elapsed;
    uint32_t got;

    (void)state;
    tsc_init_domain(&domain);
    assert_false(domain.time.tsc.emulated);
    assert_int_equal(domain.time.tsc.incarnation, 1);
    assert_int_equal(tsc_set_info(&domain, 3, 0, 0, 0), -EINVAL);
    /* The same machine measured again, then another one. */
    assert_int_equal(tsc_set_info(&domain, TSC_MODE_DEFAULT, 2000100, 1000, 1), 0);
    assert_false(domain.time.tsc.emulated);
    assert_int_equal(tsc_set_info(&domain, TSC_MODE_DEFAULT, 2100000, 1000, 1), 0);
    assert_true(domain.time.tsc.emulated);
    clock_ns += 500;
    tsc_get_info(&domain, &got, &elapsed);
    assert_int_equal(got, 2100000);
    assert_int_equal(elapsed, 1500);
    assert_int_equal(tsc_set_info(&domain, TSC_MODE_NEVER, 2100000, 1000, 1), 0);
    assert_false(domain.time.tsc.emulated);
    tsc_get_info(&domain, &got, &elapsed);
    assert_int_equal(got | elapsed, 0);
    offsets_differ = true;
    assert_int_equal(tsc_set_info(&domain, TSC_MODE_DEFAULT, 0, 0, 0), 0);
    assert_true(domain.time.tsc.emulated);
    offsets_differ = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_published, setup),
        cmocka_unit_test_setup(test_guest_cannot_confuse_the_version, setup),
        cmocka_unit_test_setup(test_own_info_is_left_alone, setup),
        cmocka_unit_test_setup(test_secondary_area, setup),
        cmocka_unit_test_setup(test_set_timer_op, setup),
        cmocka_unit_test_setup(test_periodic, setup),
        cmocka_unit_test_setup(test_periodic_of_a_sleeper, setup),
        cmocka_unit_test_setup(test_initial_periodic_timer, setup),
        cmocka_unit_test_setup(test_emulated_counter, setup),
        cmocka_unit_test_setup(test_tsc_modes, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
