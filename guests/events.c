/* Event channels with the 2-level ABI: every operation, delivery, masks, block and poll. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/sched.h>

static void result_status(const char *name, unsigned int port)
{
    struct evtchn_status s = {.dom = DOMID_SELF, .port = port};
    long ret = event_op(EVTCHNOP_status, &s);

    if (ret)
        result_errno(name, ret);
    else if (s.status == EVTCHNSTAT_interdomain)
        result(name, "interdomain vcpu %u dom %x port %u", s.vcpu, s.u.interdomain.dom, s.u.interdomain.port);
    else if (s.status == EVTCHNSTAT_unbound)
        result(name, "unbound vcpu %u dom %x", s.vcpu, s.u.unbound.dom);
    else
        result(name, "status %u vcpu %u detail %u", s.status, s.vcpu,
               s.status == EVTCHNSTAT_virq ? s.u.virq : 0);
}

/* The port is an output of the call, so it is read after the call. */
static void print_port(const char *name, long ret, const evtchn_port_t *port)
{
    if (ret)
        result_errno(name, ret);
    else
        result(name, "port %u", *port);
}
#define result_port(name, call, port) print_port(name, call, &(port))

static void test_unbound(void)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};
    unsigned int p1, p2;

    result_status("status of port 0", 0);
    result_status("status of port 1", 1);
    result_status("status of port 4095", 4095);
    result_status("status of port 4096", 4096);
    result_port("alloc", event_op(EVTCHNOP_alloc_unbound, &a), a.port);
    p1 = a.port;
    result_status("status of unbound", p1);
    result_errno("send to unbound", event_send(p1));
    b.remote_port = p1;
    result_port("bind", event_op(EVTCHNOP_bind_interdomain, &b), b.local_port);
    p2 = b.local_port;
    result("pending after bind", "local %d remote %d", event_pending(p2), event_pending(p1));
    event_clear(p2);
    result_status("status of bound", p1);
    result_status("status of binder", p2);
    result_port("bind again", event_op(EVTCHNOP_bind_interdomain, &b), b.local_port);
    b.remote_port = p2;
    result_port("bind to bound", event_op(EVTCHNOP_bind_interdomain, &b), b.local_port);
    b.remote_port = 999;
    result_port("bind to closed", event_op(EVTCHNOP_bind_interdomain, &b), b.local_port);
    b.remote_port = 1u << 20;
    result_port("bind out of range", event_op(EVTCHNOP_bind_interdomain, &b), b.local_port);
    b.remote_dom = 1;
    result_port("bind to absent domain", event_op(EVTCHNOP_bind_interdomain, &b), b.local_port);
    a.remote_dom = 77;
    result_port("alloc for absent domain", event_op(EVTCHNOP_alloc_unbound, &a), a.port);
    result_errno("close that", event_close(a.port));
    a.dom = 1;
    result_port("alloc in absent domain", event_op(EVTCHNOP_alloc_unbound, &a), a.port);
    a.dom = 0;
    a.remote_dom = 0;
    result_port("alloc in 0 for 0", event_op(EVTCHNOP_alloc_unbound, &a), a.port);
    result_status("status of that", a.port);
    result_errno("close unbound", event_close(a.port));
    result_errno("close closed", event_close(a.port));

    result_errno("send", event_send(p1));
    result("pending after send", "sender %d receiver %d", event_pending(p1), event_pending(p2));
    result_errno("send from the other", event_send(p2));
    result("pending after that", "%d", event_pending(p1));
    event_clear(p1);
    event_clear(p2);
    result_errno("close one end", event_close(p1));
    result_status("status of other end", p2);
    result_errno("send to closed end", event_send(p2));
    result_errno("close other end", event_close(p2));
}

static void test_delivery(void)
{
    unsigned int p1, p2;

    event_pair(&p1, &p2);
    event_clear(p2);
    vcpu_info()->evtchn_upcall_pending = 0;
    vcpu_info()->evtchn_pending_sel = 0;
    event_unmask_bit(p1);
    event_unmask_bit(p2);
    trap_clear();
    vcpu_info()->evtchn_upcall_mask = 0;
    event_send(p1);
    result("upcall", "count %u mask in handler %d, mask after %d", trap.count, trap.upcall_mask,
           vcpu_info()->evtchn_upcall_mask);
    result("upcall frame", "cs %lx error %lx rflags.IF %d", trap.first.cs, trap.first.error_code,
           !!(trap.first.rflags & 0x200));
    result("event counted", "%u pending %d", event_count[p2], event_pending(p2));
    vcpu_info()->evtchn_upcall_mask = 1;
    trap_clear();
    event_send(p1);
    result("upcall with upcall mask", "count %u pending %d upcall_pending %d sel %lx", trap.count,
           event_pending(p2), vcpu_info()->evtchn_upcall_pending, vcpu_info()->evtchn_pending_sel);
    vcpu_info()->evtchn_upcall_mask = 0;
    event_force();
    result("upcall after unmask and hypercall", "count %u", trap.count);
    trap_clear();
    event_mask_bit(p2);
    event_send(p1);
    event_force();
    result("upcall of masked port", "count %u pending %d upcall_pending %d", trap.count, event_pending(p2),
           vcpu_info()->evtchn_upcall_pending);
    result_errno("unmask operation", event_unmask(p2));
    result("upcall after unmask operation", "count %u pending %d", trap.count, event_pending(p2));
    result_errno("unmask not pending", event_unmask(p2));
    result_errno("unmask of port 0", event_unmask(0));
    result_errno("unmask of closed port", event_unmask(1000));
    result_errno("unmask out of range", event_unmask(4096));
    trap_clear();
    for (int i = 0; i < 5; i++)
        event_send(p1);
    result("five sends", "upcalls %u", trap.count);
    vcpu_info()->evtchn_upcall_mask = 1;
    event_close(p1);
    event_close(p2);
}

/* The order of upcall, masked exception and IRET: pending at IRET with IF set. */
static void test_iret_delivery(void)
{
    unsigned int p1, p2;

    event_pair(&p1, &p2);
    event_clear(p2);
    event_unmask_bit(p2);
    vcpu_info()->evtchn_upcall_mask = 1;
    event_send(p1);
    trap_clear();
    trap_continue = true;
    vcpu_info()->evtchn_upcall_mask = 0;
    __asm__ volatile("int3" ::: "memory"); /* the handler's iret sees IF set and the event pending */
    trap_continue = false;
    vcpu_info()->evtchn_upcall_mask = 1;
    result("int3 with an event pending", "traps %u first %lx last %lx pending %d", trap.count,
           trap.first.vector, trap.last.vector, event_pending(p2));
    event_close(p1);
    event_close(p2);
}

static void test_virq_ipi(void)
{
    struct evtchn_bind_virq v = {.virq = VIRQ_TIMER, .vcpu = 0};
    struct evtchn_bind_ipi i = {.vcpu = 0};
    struct evtchn_bind_vcpu b;
    unsigned int timer, ipi, debug;

    result_port("bind virq timer", event_op(EVTCHNOP_bind_virq, &v), v.port);
    timer = v.port;
    result_port("bind virq timer again", event_op(EVTCHNOP_bind_virq, &v), v.port);
    result_status("status of virq", timer);
    v.virq = VIRQ_DEBUG;
    result_port("bind virq debug", event_op(EVTCHNOP_bind_virq, &v), v.port);
    debug = v.port;
    v.virq = 24;
    result_port("bind virq 24", event_op(EVTCHNOP_bind_virq, &v), v.port);
    v.virq = 5;
    result_port("bind virq 5", event_op(EVTCHNOP_bind_virq, &v), v.port);
    event_close(v.port);
    v.virq = VIRQ_CONSOLE;
    v.vcpu = 1;
    result_port("bind global virq on vcpu 1", event_op(EVTCHNOP_bind_virq, &v), v.port);
    v.vcpu = 9999;
    v.virq = VIRQ_TIMER;
    result_port("bind virq on vcpu 9999", event_op(EVTCHNOP_bind_virq, &v), v.port);
    v.vcpu = 0;
    v.virq = VIRQ_DOM_EXC;
    result_port("bind virq dom_exc", event_op(EVTCHNOP_bind_virq, &v), v.port);
    b = (struct evtchn_bind_vcpu){.port = v.port, .vcpu = 0};
    result_errno("bind_vcpu of global virq", event_op(EVTCHNOP_bind_vcpu, &b));
    b.vcpu = 7;
    result_errno("bind_vcpu to absent vcpu", event_op(EVTCHNOP_bind_vcpu, &b));
    event_close(v.port);
    b = (struct evtchn_bind_vcpu){.port = timer, .vcpu = 0};
    result_errno("bind_vcpu of timer virq", event_op(EVTCHNOP_bind_vcpu, &b));
    b.port = 2000;
    result_errno("bind_vcpu of closed", event_op(EVTCHNOP_bind_vcpu, &b));
    result_errno("send on virq", event_send(timer));
    result_errno("close virq", event_close(timer));
    result_errno("close virq debug", event_close(debug));
    v.virq = VIRQ_TIMER;
    result_port("bind virq timer after close", event_op(EVTCHNOP_bind_virq, &v), v.port);
    event_close(v.port);
    result_port("bind ipi", event_op(EVTCHNOP_bind_ipi, &i), i.port);
    ipi = i.port;
    result_status("status of ipi", ipi);
    result_port("bind second ipi", event_op(EVTCHNOP_bind_ipi, &i), i.port);
    event_close(i.port);
    i.vcpu = 9;
    result_port("bind ipi on absent vcpu", event_op(EVTCHNOP_bind_ipi, &i), i.port);
    event_unmask_bit(ipi);
    event_count[ipi] = 0;
    vcpu_info()->evtchn_upcall_mask = 0;
    result_errno("send ipi to self", event_send(ipi));
    result("ipi came", "%u", event_count[ipi]);
    vcpu_info()->evtchn_upcall_mask = 1;
    b = (struct evtchn_bind_vcpu){.port = ipi, .vcpu = 0};
    result_errno("bind_vcpu of ipi", event_op(EVTCHNOP_bind_vcpu, &b));
    result_errno("close ipi", event_close(ipi));
}

static void test_poll_block(void)
{
    unsigned int p1, p2;
    evtchn_port_t ports[130];
    struct sched_poll poll = {.nr_ports = 1};

    event_pair(&p1, &p2);
    event_clear(p2);
    event_mask_bit(p2);
    ports[0] = p2;
    set_xen_guest_handle(poll.ports, ports);
    vcpu_info()->evtchn_upcall_mask = 1;
    event_send(p1);
    result_errno("poll, pending", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
    event_clear(p2);
    poll.timeout = system_time() + 1000000;
    result_errno("poll, timeout 1 ms", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
    result("time after that", "%d", system_time() >= poll.timeout);
    poll.timeout = 1;
    result_errno("poll, timeout passed", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
    ports[0] = 1u << 30;
    result_errno("poll, bad port", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
    poll.nr_ports = 129;
    result_errno("poll, 129 ports", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
    poll.nr_ports = 1;
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)0x1000);
    result_errno("poll, bad list", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
    result_errno("poll, bad pointer", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, 0x1000));
    poll.nr_ports = 0;
    poll.timeout = system_time() + 1000000;
    result_errno("poll, no ports, timeout", HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll));
    event_unmask_bit(p2);
    event_send(p1);
    event_count[p2] = 0;
    result("mask and pending before block", "%d %d", vcpu_info()->evtchn_upcall_mask, event_pending(p2));
    result_errno("block with event pending", HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0));
    result("after block", "mask %d events %u", vcpu_info()->evtchn_upcall_mask, event_count[p2]);
    vcpu_info()->evtchn_upcall_mask = 1;
    result_errno("yield", HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0));
    result("mask after yield", "%d", vcpu_info()->evtchn_upcall_mask);
    event_close(p1);
    event_close(p2);
}

static void test_limits(void)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_reset r = {.dom = DOMID_SELF};
    unsigned int n = 0;
    long ret;

    while (!(ret = event_op(EVTCHNOP_alloc_unbound, &a)))
        n++;
    result("ports until full", "%u then %e", n, ret);
    result_errno("send, port 0", event_send(0));
    result_errno("send, closed", event_send(5000));
    result_errno("close port 0", event_close(0));
    result_errno("close out of range", event_close(1u << 31));
    result_errno("reset", event_op(EVTCHNOP_reset, &r));
    result_status("status of port 1 after reset", 1);
    result_port("alloc after reset", event_op(EVTCHNOP_alloc_unbound, &a), a.port);
    event_close(a.port);
    r.dom = 1;
    result_errno("reset of absent domain", event_op(EVTCHNOP_reset, &r));
    result_errno("unknown operation", event_op(15, &r));
    result_errno("operation 14", event_op(14, &r));
    result_errno("bad pointer", event_op(EVTCHNOP_send, (void *)0x1000));
    result_errno("pirq out of range",
                 event_op(EVTCHNOP_bind_pirq, &(struct evtchn_bind_pirq){.pirq = 100000}));
    result_errno("compat operation", HC1(__HYPERVISOR_event_channel_op_compat, 0));
}

void guest_main(void)
{
    test_unbound();
    test_delivery();
    test_iret_delivery();
    test_virq_ipi();
    test_poll_block();
    test_limits();
}
