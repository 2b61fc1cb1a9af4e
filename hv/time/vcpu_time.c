#include <base/atomic.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <domain/domain.h>
#include <domain/vcpu.h>
#include <event/evtchn.h>
#include <mm/guest_access.h>
#include <sched/sched.h>
#include <time/clock.h>
#include <time/time.h>
#include <time/tsc.h>
#include <time/vcpu_time.h>

/* A deadline further away than 2^50 ns (13 days) is taken for a mistake. */
#define FAR_FUTURE (1LL << 50)

/*
 * A guest computes the time from an emulated counter with a multiplier that is rounded to 32 bits: some
 * microseconds a day, which a new stamp now and then takes away.
 */
#define STAMP_AGE SECONDS(10)

/* Never the number of a clock in force: that is even. */
#define NO_GENERATION 1u

static void fill_time_info(vcpu_time_info_t *info, const struct clock *c)
{
    info->tsc_timestamp = c->tsc;
    info->system_time = c->ns;
    info->tsc_to_system_mul = c->scale.mul;
    info->tsc_shift = c->scale.shift;
}

/* The version is odd while the rest changes: <xen/xen.h>, struct vcpu_time_info. */
static void write_shared(struct vcpu *v, const vcpu_time_info_t *new)
{
    vcpu_time_info_t *info = &v->vcpu_info->time;

    WRITE_ONCE(info->version, new->version - 1);
    smp_wmb();
    info->tsc_timestamp = new->tsc_timestamp;
    info->system_time = new->system_time;
    info->tsc_to_system_mul = new->tsc_to_system_mul;
    info->tsc_shift = new->tsc_shift;
    info->flags = new->flags;
    smp_wmb();
    WRITE_ONCE(info->version, new->version);
}

/*
 * The area is given by its address in the guest kernel's address space. In
 * guest-user mode it waits until the kernel runs, which is before it can look.
 * A guest that unmapped it goes without.
 */
static void write_area(struct vcpu *v, vcpu_time_info_t *info)
{
    uint64_t area = v->time.time_area_guest;
    uint32_t version = info->version;

    v->time.time_area_stale = v != current || !v->pv.kernel_mode;
    if (v->time.time_area_stale)
        return;
    info->version = version - 1;
    if (copy_to_guest(area + offsetof(vcpu_time_info_t, version), &info->version, sizeof(version)))
        return;
    smp_wmb();
    if (copy_to_guest(area, info, sizeof(*info)))
        return;
    smp_wmb();
    if (copy_to_guest(area + offsetof(vcpu_time_info_t, version), &version, sizeof(version)))
        return;
}

void time_update_vcpu(struct vcpu *v)
{
    vcpu_time_info_t info = {.version = 0};
    struct clock c;

    if (!vcpu_has_info(v))
        return;
    v->time.generation = clock_read(&c);
    v->time.cpu = smp_processor_id();
    if (v->domain->time.tsc.emulated) {
        tsc_emulated_clock(v->domain, &c);
        v->time.stamp = now();
    } else {
        info.flags = tsc_is_stable() ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
    }
    fill_time_info(&info, &c);
    info.version = v->time.version += 2;
    write_shared(v, &info);
    if (v->time.time_area_guest)
        write_area(v, &info);
}

void time_forget_vcpu(struct vcpu *v)
{
    v->time.generation = NO_GENERATION;
}

static bool stamp_is_old(const struct vcpu *v)
{
    return unlikely(v->domain->time.tsc.emulated) && now() - v->time.stamp > STAMP_AGE;
}

void time_write_stale_area(struct vcpu *v)
{
    if (v->time.time_area_stale)
        time_update_vcpu(v);
}

static void time_softirq(void)
{
    struct vcpu *v = current;

    if (!is_idle_vcpu(v) && v->time.generation != clock_generation())
        time_update_vcpu(v);
}

void time_refresh_vcpus(void)
{
    unsigned int cpu;

    for_each_online_cpu (cpu)
        cpu_raise_softirq(cpu, SOFTIRQ_TIME);
}

void vcpu_time_init(void)
{
    open_softirq(SOFTIRQ_TIME, time_softirq);
}

/* Sends a tick that is due and arms the timer for the next; ticks that were missed are not made up for. */
static void periodic_work(struct vcpu *v)
{
    int64_t period = READ_ONCE(v->time.periodic_period);
    s_time_t t = now(), next = READ_ONCE(v->time.periodic_next);

    if (!period)
        return;
    if (t >= next) {
        send_guest_vcpu_virq(v, VIRQ_TIMER);
        next += period * ((t - next) / period + 1);
        WRITE_ONCE(v->time.periodic_next, next);
    }
    timer_migrate(&v->time.periodic, smp_processor_id());
    timer_set(&v->time.periodic, next);
}

void time_vcpu_in(struct vcpu *v)
{
    if (v->time.generation != clock_generation() || v->time.cpu != smp_processor_id() ||
        v->time.time_area_stale || stamp_is_old(v))
        time_update_vcpu(v);
    if (unlikely(v->time.periodic_period))
        periodic_work(v);
}

void time_vcpu_out(struct vcpu *v)
{
    timer_stop(&v->time.periodic);
}

/* The timer may be in the heap of a CPU that the vCPU has left: sends it after it. */
static void periodic_expired(void *data)
{
    struct vcpu *v = data;

    if (v == current) {
        periodic_work(v);
    } else if (READ_ONCE(v->sched.is_running)) {
        timer_migrate(&v->time.periodic, READ_ONCE(v->processor));
        timer_set(&v->time.periodic, now());
    }
}

static void singleshot_expired(void *data)
{
    send_guest_vcpu_virq(data, VIRQ_TIMER);
}

static void poll_expired(void *data)
{
    struct vcpu *v = data;

    if (READ_ONCE(v->sched.pause_flags) & VPF_POLL)
        vcpu_unblock(v);
}

void vcpu_set_singleshot(struct vcpu *v, s_time_t when)
{
    /* Timers of a vCPU follow it here: one that is armed already fires where it was. */
    timer_migrate(&v->time.singleshot, smp_processor_id());
    timer_set(&v->time.singleshot, when);
}

/*
 * The timer ticks only while the vCPU runs (time_vcpu_in() and _out()): an idle
 * guest is not woken by it. One that does not run gets its timer when it does,
 * or its siblings could send interrupts without end to the CPU where it ran
 * last, which is another guest's now.
 */
void vcpu_set_periodic(struct vcpu *v, s_time_t period)
{
    WRITE_ONCE(v->time.periodic_next, now() + period);
    WRITE_ONCE(v->time.periodic_period, period);
    smp_mb(); /* it is about to run: either it sees the period, or this that it runs */
    if (!period)
        timer_stop(&v->time.periodic);
    else if (v == current || READ_ONCE(v->sched.is_running))
        timer_set(&v->time.periodic, now());
}

int time_init_vcpu(struct vcpu *v)
{
    timer_init(&v->time.periodic, periodic_expired, v, v->processor);
    timer_init(&v->time.singleshot, singleshot_expired, v, v->processor);
    timer_init(&v->time.poll, poll_expired, v, v->processor);
    /* What Xen starts with, and guests that want none stop. */
    v->time.periodic_period = MILLISECS(10);
    time_update_vcpu(v);
    return 0;
}

void time_destroy_vcpu(struct vcpu *v)
{
    timer_kill(&v->time.periodic);
    timer_kill(&v->time.singleshot);
    timer_kill(&v->time.poll);
}

/*
 * Zero stops the timer. Deadlines that make no sense (negative, weeks ahead)
 * come from kernels whose arithmetic wrapped, and which would hang without a
 * tick: they get one in 100 ms.
 */
long hc_set_timer_op(struct hypercall_args *args)
{
    struct vcpu *v = current;
    s_time_t when = (s_time_t)args->a[0];

    if (!when) {
        timer_stop(&v->time.singleshot);
        return 0;
    }
    if (when < 0 || when - now() > FAR_FUTURE)
        when = now() + MILLISECS(100);
    vcpu_set_singleshot(v, when);
    return 0;
}
