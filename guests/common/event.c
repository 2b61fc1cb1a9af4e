#include "event.h"
#include "hypercall.h"
#include "lib.h"
#include "mm.h"
#include "trap.h"

long event_op(unsigned int cmd, void *arg)
{
    return HC2(__HYPERVISOR_event_channel_op, cmd, arg);
}

long event_send(unsigned int port)
{
    struct evtchn_send s = {.port = port};

    return event_op(EVTCHNOP_send, &s);
}

long event_close(unsigned int port)
{
    struct evtchn_close c = {.port = port};

    return event_op(EVTCHNOP_close, &c);
}

long event_unmask(unsigned int port)
{
    struct evtchn_unmask u = {.port = port};

    return event_op(EVTCHNOP_unmask, &u);
}

void event_pair(unsigned int *sender, unsigned int *receiver)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};

    must("alloc_unbound", event_op(EVTCHNOP_alloc_unbound, &a));
    b.remote_port = a.port;
    must("bind_interdomain", event_op(EVTCHNOP_bind_interdomain, &b));
    *sender = a.port;
    *receiver = b.local_port;
}

unsigned int event_bind_virq(unsigned int virq, unsigned int vcpu)
{
    struct evtchn_bind_virq v = {.virq = virq, .vcpu = vcpu};

    must("bind_virq", event_op(EVTCHNOP_bind_virq, &v));
    return v.port;
}

unsigned int event_bind_ipi(unsigned int vcpu)
{
    struct evtchn_bind_ipi i = {.vcpu = vcpu};

    must("bind_ipi", event_op(EVTCHNOP_bind_ipi, &i));
    return i.port;
}

bool event_pending(unsigned int port)
{
    return ((volatile xen_ulong_t *)shared_info->evtchn_pending)[port / 64] >> (port % 64) & 1;
}

void event_clear(unsigned int port)
{
    __sync_fetch_and_and(&shared_info->evtchn_pending[port / 64], ~(1ul << (port % 64)));
}

void event_mask_bit(unsigned int port)
{
    __sync_fetch_and_or(&shared_info->evtchn_mask[port / 64], 1ul << (port % 64));
}

void event_unmask_bit(unsigned int port)
{
    __sync_fetch_and_and(&shared_info->evtchn_mask[port / 64], ~(1ul << (port % 64)));
}

void event_force(void)
{
    HC2(__HYPERVISOR_xen_version, 0, 0);
}

uint64_t system_time(void)
{
    volatile struct vcpu_time_info *t = &shared_info->vcpu_info[0].time;
    uint64_t base, delta;
    uint32_t version, low, high;

    do {
        version = t->version;
        __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
        delta = (((uint64_t)high << 32) | low) - t->tsc_timestamp;
        delta = t->tsc_shift < 0 ? delta >> -t->tsc_shift : delta << t->tsc_shift;
        base = t->system_time + (uint64_t)(((unsigned __int128)delta * t->tsc_to_system_mul) >> 32);
        __asm__ volatile("" ::: "memory");
    } while ((version & 1) || version != t->version);
    return base;
}

void delay_ns(uint64_t ns)
{
    uint64_t end = system_time() + ns;

    while (system_time() < end)
        event_force();
}
