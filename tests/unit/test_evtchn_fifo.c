/* unit: hv/event/evtchn.c hv/event/bind.c hv/event/ports.c hv/event/fifo.c hv/event/two_level.c
 * hv/event/event_op.c hv/domain/vcpu.c tests/unit/stubs/machine.c tests/unit/stubs/printk.c
 * tests/unit/fixtures/domains.c tests/unit/fixtures/evtchn.c
 * tests/unit/fixtures/fifo_guest.c */
#include <string.h>

#include <unit.h>
#include <base/errno.h>
#include "fixtures/fifo_guest.h"

static void test_fifo_setup(void **state)
{
    struct fifo_guest g = {.dom = 1};
    struct evtchn_set_priority p = {.port = 1, .priority = 3};
    uint32_t before = alloc_unbound(1, 0), sender = bind_interdomain(0, 1, before);

    set_current(&vcpus[1][0]);
    assert_int_equal(op(EVTCHNOP_set_priority, &p), -ENOSYS);
    assert_int_equal(expand(&g), -EOPNOTSUPP);
    assert_int_equal(init_control(&g, 0, 4096 - 64), -EINVAL); /* crosses the page */
    assert_int_equal(init_control(&g, 0, 12), -EINVAL);
    assert_int_equal(init_control(&g, NR_VCPUS, 0), -ENOENT);
    assert_int_equal(init_control(&g, 0, 8), 0);
    assert_int_equal(init_control(&g, 0, 8), -EINVAL); /* already there */

    /* Raised before the word's page exists: kept, and delivered when it comes. */
    assert_int_equal(send(0, sender), 0);
    assert_false(pending(1, before));
    assert_int_equal(expand(&g), 0);
    assert_true(pending(1, before));
    assert_int_equal(g.control[0]->head[EVTCHN_FIFO_PRIORITY_DEFAULT], before);
    assert_int_equal(g.control[0]->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
    assert_int_equal(vcpus[1][0].vcpu_info->evtchn_upcall_pending, 1);

    set_current(&vcpus[1][0]);
    assert_int_equal(op(EVTCHNOP_set_priority, &p), 0);
    p.priority = 16;
    assert_int_equal(op(EVTCHNOP_set_priority, &p), -EINVAL);
    p = (struct evtchn_set_priority){.port = 1u << 20};
    assert_int_equal(op(EVTCHNOP_set_priority, &p), -EINVAL);
}

/* What became pending by the 2-level ABI comes by the other, also for a channel that is bound to a peer. */
static void test_fifo_switch(void **state)
{
    struct fifo_guest g = {.dom = 1};
    uint32_t port = alloc_unbound(1, 0), sender = bind_interdomain(0, 1, port), quiet = alloc_unbound(1, 0);

    assert_int_equal(send(0, sender), 0);
    assert_true(pending(1, port));
    assert_int_equal(init_control(&g, 0, 0), 0);
    assert_false(pending(1, port));
    assert_int_equal(expand(&g), 0);
    assert_true(pending(1, port));
    assert_false(pending(1, quiet));
}

static void test_fifo_array_limit(void **state)
{
    struct fifo_guest g = {.dom = 1};
    struct evtchn_expand_array e = {.array_gfn = FAKE_FRAMES + 5};

    assert_int_equal(init_control(&g, 0, 0), 0);
    assert_int_equal(op(EVTCHNOP_expand_array, &e), -EINVAL); /* not its frame */
    for (unsigned int i = 0; i < EVTCHN_FIFO_NR_CHANNELS / 1024; i++) {
        e.array_gfn = give_frame(&domains[1]);
        assert_int_equal(op(EVTCHNOP_expand_array, &e), 0);
    }
    assert_int_equal(op(EVTCHNOP_expand_array, &e), -ENOSPC);
}

static void test_fifo_order(void **state)
{
    struct fifo_guest g;
    struct evtchn_bind_ipi ipi = {.vcpu = 0};
    bool delivered[1024] = {false};
    uint32_t ports[4];

    fifo_guest_start(&g, 1);
    for (unsigned int i = 0; i < 4; i++) {
        assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
        ports[i] = ipi.port;
    }
    for (unsigned int i = 0; i < 4; i++)
        assert_int_equal(send(1, ports[3 - i]), 0);
    /* Linked in the order of arrival. */
    assert_int_equal(g.control[0]->head[EVTCHN_FIFO_PRIORITY_DEFAULT], ports[3]);
    for (unsigned int i = 3; i > 0; i--)
        assert_int_equal(*guest_word(&g, ports[i]) & EVTCHN_FIFO_LINK_MASK, ports[i - 1]);
    /* A port that is closed while on a queue is not given out again before it has left it. */
    assert_int_equal(close_port(1, ports[1]), 0);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    assert_int_equal(ipi.port, ports[3] + 1);
    assert_true(fifo_consume(&g, 0, delivered));
    assert_true(delivered[ports[0]] && delivered[ports[2]] && delivered[ports[3]]);
    assert_false(delivered[ports[1]]);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    assert_int_equal(ipi.port, ports[1]);
}

/*
 * An event that moved to another vCPU while it was the (consumed) tail of its
 * old queue must not make later events of the old queue appear on the new one.
 */
static void test_fifo_move(void **state)
{
    struct fifo_guest g;
    uint32_t a = alloc_unbound(1, 0), b = alloc_unbound(1, 0);
    uint32_t sa = bind_interdomain(0, 1, a), sb = bind_interdomain(0, 1, b);
    struct evtchn_bind_vcpu move = {.port = a, .vcpu = 1};
    bool delivered[1024] = {false};

    fifo_guest_start(&g, 1);
    assert_int_equal(send(0, sa), 0);
    assert_true(fifo_consume(&g, 0, delivered));
    assert_true(delivered[a]);
    set_current(&vcpus[1][0]);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &move), 0);
    assert_int_equal(send(0, sa), 0); /* on vCPU 1's queue now */
    assert_int_equal(send(0, sb), 0); /* on vCPU 0's */
    memset(delivered, 0, sizeof(delivered));
    assert_true(fifo_consume(&g, 0, delivered));
    assert_true(delivered[b]);
    assert_false(delivered[a]);
    assert_true(fifo_consume(&g, 1, delivered));
    assert_true(delivered[a]);
}

/* Closed ports that are still on a queue are not given out, however many, and are again later. */
static void test_fifo_parked(void **state)
{
    enum { N = 200 };
    struct fifo_guest g;
    bool delivered[1024] = {false};
    uint32_t ports[N], last;

    fifo_guest_start(&g, 1);
    for (unsigned int i = 0; i < N; i++) {
        ports[i] = alloc_unbound(1, 0);
        (void)bind_interdomain(0, 1, ports[i]);
        assert_int_equal(send(0, port_channel(&domains[1], ports[i])->remote.port), 0);
    }
    set_current(&vcpus[1][0]);
    for (unsigned int i = 0; i < N; i++)
        assert_int_equal(op(EVTCHNOP_close, &(struct evtchn_close){ports[i]}), 0);
    check_invariants();
    last = ports[N - 1];
    assert_int_equal(alloc_unbound(1, 0), last + 1);
    assert_true(fifo_consume(&g, 0, delivered));
    for (unsigned int i = 0; i < N; i++)
        assert_true(alloc_unbound(1, 0) != last + 1); /* a few of them are looked at each time */
    check_invariants();
    assert_int_equal(domains[1].events.nr_open, N + 1);
    assert_int_equal(domains[1].events.parked_head, 0);

    /* Words that the guest scribbles over: it gets no port for a while, and nobody searches for long. */
    for (unsigned int i = 0; i < N; i++)
        assert_int_equal(op(EVTCHNOP_close, &(struct evtchn_close){ports[i]}), 0);
    for (unsigned int i = 0; i < 1024; i++)
        *guest_word(&g, i) |= 1u << EVTCHN_FIFO_LINKED;
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &(struct evtchn_alloc_unbound){.dom = DOMID_SELF}), -ENOSPC);
    check_invariants();
    memset(g.array[0], 0, PAGE_SIZE);
    assert_true(alloc_unbound(1, 0) <= last);
    check_invariants();
}

static void test_reset(void **state)
{
    struct fifo_guest g;
    struct evtchn_reset r = {.dom = DOMID_SELF};
    uint32_t a;

    fifo_guest_start(&g, 1);
    a = alloc_unbound(1, 0);
    set_current(&vcpus[1][0]);
    assert_int_not_equal(frame_references(), 0);
    assert_int_equal(op(EVTCHNOP_reset, &r), 0);
    assert_int_equal(domains[1].events.nr_open, 0);
    assert_int_equal(frame_references(), 0);
    assert_ptr_equal(domains[1].events.ops, &evtchn_2l_ops);
    assert_int_equal(alloc_unbound(1, 0), a);
    fifo_guest_start(&g, 1); /* and again */
    r.dom = 0;
    assert_int_equal(op(EVTCHNOP_reset, &r), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fifo_setup), TEST(test_fifo_switch), TEST(test_fifo_array_limit),
        TEST(test_fifo_order), TEST(test_fifo_move),   TEST(test_fifo_parked),
        TEST(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
