/* unit: hv/event/evtchn.c hv/event/bind.c hv/event/ports.c hv/event/fifo.c hv/event/two_level.c
 * hv/event/event_op.c hv/domain/vcpu.c tests/unit/stubs/machine.c tests/unit/stubs/printk.c
 * tests/unit/fixtures/domains.c tests/unit/fixtures/evtchn.c */
#include <unit.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include "fixtures/evtchn.h"

static void test_interdomain(void **state)
{
    uint32_t a = alloc_unbound(0, 1), b;
    struct evtchn_status s;

    assert_int_equal(a, 1);
    assert_int_equal(status_of(0, a).status, EVTCHNSTAT_unbound);
    assert_int_equal(status_of(0, a).u.unbound.dom, 1);
    assert_int_equal(send(0, a), 0); /* nobody there yet: no error */
    b = bind_interdomain(1, 0, a);
    assert_true(pending(1, b)); /* in case the peer sent before */
    assert_false(pending(0, a));
    s = status_of(1, b);
    assert_int_equal(s.status, EVTCHNSTAT_interdomain);
    assert_int_equal(s.u.interdomain.dom, 0);
    assert_int_equal(s.u.interdomain.port, a);

    assert_int_equal(send(1, b), 0);
    assert_true(pending(0, a));
    assert_int_equal(vcpus[0][0].vcpu_info->evtchn_upcall_pending, 1);
    assert_int_equal(vcpus[0][0].vcpu_info->evtchn_pending_sel, 1);
    kicks = 0;
    assert_int_equal(send(1, b), 0);
    assert_int_equal(kicks, 0); /* pending already: no second notification */

    /* The peer becomes unbound again, for the domain that closed. */
    assert_int_equal(close_port(1, b), 0);
    assert_false(pending(1, b));
    assert_int_equal(status_of(1, b).status, EVTCHNSTAT_closed);
    assert_int_equal(status_of(0, a).status, EVTCHNSTAT_unbound);
    assert_int_equal(status_of(0, a).u.unbound.dom, 1);
    assert_int_equal(close_port(1, b), -EINVAL);
}

/* A port that tools gave to a domain which has no vCPU yet: the event waits. */
static void test_before_vcpus(void **state)
{
    uint32_t a = alloc_unbound(1, 0), b;
    struct vcpu *v = domains[1].vcpu[0];

    domains[1].vcpu[0] = NULL;
    b = bind_interdomain(0, 1, a);
    assert_int_equal(send(0, b), 0);
    assert_true(pending(1, a));
    domains[1].vcpu[0] = v;
    assert_int_equal(v->vcpu_info->evtchn_upcall_pending, 0);
}

static void test_refusals(void **state)
{
    uint32_t a = alloc_unbound(0, 1);
    struct evtchn_bind_interdomain b = {.remote_dom = 0, .remote_port = a};
    struct evtchn_alloc_unbound other = {.dom = 1, .remote_dom = 0};
    struct evtchn_status s = {.dom = 0, .port = a};
    struct evtchn_bind_vcpu v = {.port = a, .vcpu = NR_VCPUS};

    set_current(&vcpus[2][0]);
    assert_int_equal(op(EVTCHNOP_bind_interdomain, &b), -EINVAL); /* reserved for domain 1 */
    b.remote_port = 5;
    assert_int_equal(op(EVTCHNOP_bind_interdomain, &b), -EINVAL);
    b.remote_port = 1u << 30;
    assert_int_equal(op(EVTCHNOP_bind_interdomain, &b), -EINVAL);
    b.remote_dom = 77;
    assert_int_equal(op(EVTCHNOP_bind_interdomain, &b), -ESRCH);
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &other), -EPERM);
    assert_int_equal(op(EVTCHNOP_status, &s), -EPERM);
    assert_int_equal(send(0, 0), -EINVAL);
    assert_int_equal(send(0, 63), -EINVAL);
    assert_int_equal(send(0, 64), -EINVAL);
    assert_int_equal(send(0, ~0u), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &v), -ENOENT);
    assert_int_equal(op(14, &v), -ENOSYS);
    assert_int_equal(op(~0u, &v), -ENOSYS);
    bad_guest_pointer = true;
    assert_int_equal(op(EVTCHNOP_status, &s), -EFAULT);
    bad_guest_pointer = false;
    /* A failed bind leaves no port behind: the next one is the lowest. */
    assert_int_equal(alloc_unbound(2, 0), 1);
}

static void test_virq(void **state)
{
    struct evtchn_bind_virq timer = {.virq = VIRQ_TIMER, .vcpu = 2}, exc = {.virq = VIRQ_DOM_EXC, .vcpu = 1},
                            none = {.virq = NR_VIRQS};
    struct evtchn_bind_vcpu move;

    assert_int_equal(op(EVTCHNOP_bind_virq, &none), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_virq, &exc), -EINVAL); /* global: vCPU 0 first */
    exc.vcpu = 0;
    assert_int_equal(op(EVTCHNOP_bind_virq, &exc), 0);
    assert_int_equal(op(EVTCHNOP_bind_virq, &exc), -EEXIST);
    assert_int_equal(op(EVTCHNOP_bind_virq, &timer), 0);
    none.virq = VIRQ_TIMER;
    none.vcpu = NR_VCPUS;
    assert_int_equal(op(EVTCHNOP_bind_virq, &none), -ENOENT);

    send_guest_vcpu_virq(&vcpus[0][2], VIRQ_TIMER);
    assert_true(pending(0, timer.port));
    assert_int_equal(vcpus[0][2].vcpu_info->evtchn_upcall_pending, 1);
    send_guest_vcpu_virq(&vcpus[0][1], VIRQ_TIMER); /* not bound there */
    assert_int_equal(vcpus[0][1].vcpu_info->evtchn_upcall_pending, 0);
    assert_int_equal(send(0, timer.port), -EINVAL);

    /* A per-vCPU VIRQ stays; a global one may move. */
    move = (struct evtchn_bind_vcpu){.port = timer.port, .vcpu = 1};
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &move), -EINVAL);
    move.port = exc.port;
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &move), 0);
    send_global_virq(VIRQ_DOM_EXC);
    assert_true(pending(0, exc.port));
    assert_int_equal(vcpus[0][1].vcpu_info->evtchn_upcall_pending, 1);

    assert_int_equal(close_port(0, exc.port), 0);
    send_global_virq(VIRQ_DOM_EXC);
    assert_false(pending(0, exc.port));
    assert_int_equal(op(EVTCHNOP_bind_virq, &exc), 0);
}

static void test_virq_owner(void **state)
{
    struct evtchn_bind_virq exc = {.virq = VIRQ_DOM_EXC};

    set_current(&vcpus[1][0]);
    assert_int_equal(op(EVTCHNOP_bind_virq, &exc), 0);
    send_global_virq(VIRQ_DOM_EXC);
    assert_false(pending(1, exc.port));
    assert_int_equal(set_global_virq_owner(VIRQ_TIMER, &domains[1]), -EINVAL);
    assert_int_equal(set_global_virq_owner(VIRQ_DOM_EXC, &domains[1]), 0);
    send_global_virq(VIRQ_DOM_EXC);
    assert_true(pending(1, exc.port));
    /* One that dies has given its VIRQs up and would keep this one, and so itself, for ever. */
    domains[2].dying = DOMAIN_DYING;
    assert_int_equal(set_global_virq_owner(VIRQ_DOM_EXC, &domains[2]), -EINVAL);
    assert_int_equal(domains[2].refcount, 1);
}

static void test_ipi_and_pirq(void **state)
{
    struct evtchn_bind_ipi ipi = {.vcpu = 3};
    struct evtchn_bind_pirq pirq = {.pirq = 9};
    struct evtchn_bind_vcpu move;

    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    assert_int_equal(send(0, ipi.port), 0);
    assert_int_equal(vcpus[0][3].vcpu_info->evtchn_upcall_pending, 1);
    move = (struct evtchn_bind_vcpu){.port = ipi.port, .vcpu = 1};
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &move), -EINVAL);

    pirq_result = -EEXIST;
    assert_int_equal(op(EVTCHNOP_bind_pirq, &pirq), -EEXIST);
    assert_int_equal(domains[0].events.nr_open, 1);
    pirq_result = 0;
    assert_int_equal(op(EVTCHNOP_bind_pirq, &pirq), 0);
    assert_int_equal(bound_pirq_port, pirq.port);
    assert_true(send_guest_port(&domains[0], pirq.port));
    assert_true(pending(0, pirq.port));
    assert_false(send_guest_port(&domains[0], ipi.port));
    assert_int_equal(close_port(0, pirq.port), 0);
    assert_int_equal(bound_pirq_port, 0);
    assert_false(send_guest_port(&domains[0], pirq.port));
}

static void test_mask(void **state)
{
    uint32_t a = alloc_unbound(0, 1), b = bind_interdomain(1, 0, a);
    struct evtchn_unmask u = {.port = a};

    shared_infos[0].evtchn_mask[0] |= 1ul << a;
    assert_int_equal(send(1, b), 0);
    assert_true(pending(0, a));
    assert_int_equal(vcpus[0][0].vcpu_info->evtchn_upcall_pending, 0);
    set_current(&vcpus[0][0]);
    assert_int_equal(op(EVTCHNOP_unmask, &u), 0);
    assert_int_equal(vcpus[0][0].vcpu_info->evtchn_upcall_pending, 1);
    clear_upcall(0);
    vcpus[0][0].vcpu_info->evtchn_pending_sel = 0;
    assert_int_equal(op(EVTCHNOP_unmask, &u), 0); /* was not masked: nothing to tell */
    assert_int_equal(vcpus[0][0].vcpu_info->evtchn_upcall_pending, 0);
    u.port = 1000;
    assert_int_equal(op(EVTCHNOP_unmask, &u), -EINVAL);
}

static void test_poll(void **state)
{
    uint32_t a = alloc_unbound(0, 1), b = bind_interdomain(1, 0, a);
    struct vcpu *v = &vcpus[0][1];

    shared_infos[0].evtchn_mask[0] |= 1ul << a; /* pollers see masked ports too */
    domains[0].events.nr_pollers = 1;
    v->sched.pause_flags = VPF_POLL;
    v->sched.poll_port = a + 1;
    assert_int_equal(send(1, b), 0);
    assert_int_equal(unblocks, 0);
    shared_infos[0].evtchn_pending[0] = 0;
    v->sched.poll_port = a;
    assert_int_equal(send(1, b), 0);
    assert_int_equal(unblocks, 1);
}

static void test_port_limits(void **state)
{
    struct evtchn_bind_ipi ipi = {.vcpu = 0};

    domains[1].events.max_port = 100;
    set_current(&vcpus[1][0]);
    for (unsigned int i = 1; i <= 100; i++) {
        assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
        assert_int_equal(ipi.port, i);
    }
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), -ENOSPC);
    assert_int_equal(close_port(1, 37), 0);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    assert_int_equal(ipi.port, 37);

    /* The 2-level ABI ends at 4096 whatever the limit. */
    set_current(&vcpus[2][0]);
    for (unsigned int i = 1; i < EVTCHN_2L_NR_CHANNELS; i++)
        assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), -ENOSPC);
}

static void test_dying(void **state)
{
    struct evtchn_bind_ipi ipi = {.vcpu = 0};
    uint32_t a = alloc_unbound(0, 1), b = bind_interdomain(1, 0, a);

    for (unsigned int i = 0; i < 300; i++)
        (void)alloc_unbound(1, 0);
    domains[1].dying = DOMAIN_DYING;
    set_current(&vcpus[1][0]);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), -EINVAL);
    preempt_now = true;
    assert_int_equal(evtchn_destroy(&domains[1]), -ERESTART);
    assert_int_not_equal(domains[1].events.nr_open, 0);
    preempt_now = false;
    assert_int_equal(evtchn_destroy(&domains[1]), 0);
    assert_int_equal(domains[1].events.nr_open, 0);
    assert_int_equal(status_of(0, a).status, EVTCHNSTAT_unbound);
    (void)b;
}

static void test_compat(void **state)
{
    struct evtchn_op o = {.cmd = EVTCHNOP_alloc_unbound};
    struct hypercall_args args = {{(uint64_t)&o}};

    o.u.alloc_unbound.dom = DOMID_SELF;
    o.u.alloc_unbound.remote_dom = 1;
    assert_int_equal(hc_event_channel_op_compat(&args), 0);
    assert_int_equal(o.u.alloc_unbound.port, 1);
    o.cmd = EVTCHNOP_reset;
    assert_int_equal(hc_event_channel_op_compat(&args), -ENOSYS);
}

static void test_vcpu_info_move(void **state)
{
    vcpu_info_t elsewhere = {0};

    vcpus[0][0].vcpu_info = &elsewhere;
    evtchn_vcpu_info_moved(&vcpus[0][0]);
    assert_int_equal(elsewhere.evtchn_upcall_pending, 1);
    assert_int_equal(elsewhere.evtchn_pending_sel, ~0ul);
    assert_int_equal(kicks, 1);
    vcpus[0][0].vcpu_info = &shared_infos[0].vcpu_info[0];
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_interdomain), TEST(test_before_vcpus), TEST(test_refusals), TEST(test_virq),
        TEST(test_virq_owner),  TEST(test_ipi_and_pirq), TEST(test_mask),     TEST(test_poll),
        TEST(test_port_limits), TEST(test_dying),        TEST(test_compat),   TEST(test_vcpu_info_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
