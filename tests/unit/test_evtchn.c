/* unit: hv/event/evtchn.c hv/event/bind.c hv/event/ports.c hv/event/fifo.c hv/event/two_level.c
 * hv/event/event_op.c hv/domain/vcpu.c tests/unit/stubs/machine.c tests/unit/stubs/printk.c */
/* unit-ldflags: -pthread */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <base/errno.h>
#include <control/hypercall.h>
#include <event/channel.h>
#include <event/evtchn.h>
#include <irq/pirq.h>
#include "stubs/machine.h"
#include <unit.h>

#define NR_DOMAINS 3
#define NR_VCPUS   4

struct domain *dom0;
static struct domain domains[NR_DOMAINS];
static struct vcpu vcpus[NR_DOMAINS][NR_VCPUS];
static struct vcpu *vcpu_lists[NR_DOMAINS][NR_VCPUS];
static shared_info_t shared_infos[NR_DOMAINS];
static uint32_t bound_pirq_port;
static int pirq_result;

struct domain *domain_find(domid_t id)
{
    if (id == DOMID_SELF)
        id = current->domain->id;
    if (id >= NR_DOMAINS)
        return NULL;
    domains[id].refcount++;
    return &domains[id];
}

bool domain_get(struct domain *d)
{
    d->refcount++;
    return true;
}

void domain_put(struct domain *d)
{
    d->refcount--;
}

int pirq_bind(struct domain *d, uint32_t pirq, uint32_t port, struct vcpu *v, bool share)
{
    if (!pirq_result)
        bound_pirq_port = port;
    return pirq_result;
}

void pirq_unbind(struct domain *d, uint32_t pirq, uint32_t port)
{
    if (bound_pirq_port == port)
        bound_pirq_port = 0;
}

void pirq_set_vcpu(struct domain *d, uint32_t pirq, uint32_t port, struct vcpu *v)
{
}

static int setup(void **state)
{
    memset(domains, 0, sizeof(domains));
    memset(vcpus, 0, sizeof(vcpus));
    memset(shared_infos, 0, sizeof(shared_infos));
    kicks = unblocks = preempt_after = 0;
    preempt_now = bad_guest_pointer = false;
    bound_pirq_port = 0;
    pirq_result = 0;
    for (unsigned int i = 0; i < NR_DOMAINS; i++) {
        struct domain *d = &domains[i];

        d->id = i;
        d->refcount = 1;
        d->max_vcpus = NR_VCPUS;
        d->vcpu = vcpu_lists[i];
        d->shared_info = &shared_infos[i];
        for (unsigned int j = 0; j < NR_VCPUS; j++) {
            struct vcpu *v = &vcpus[i][j];

            v->domain = d;
            v->id = j;
            v->vcpu_info = &shared_infos[i].vcpu_info[j];
            d->vcpu[j] = v;
        }
        assert_int_equal(evtchn_init(d, EVTCHN_FIFO_NR_CHANNELS - 1), 0);
    }
    domains[0].is_privileged = true;
    dom0 = &domains[0];
    set_current(&vcpus[0][0]);
    return 0;
}

/* Every test ends with all channels closed, no reference left and nothing leaked (ASan). */
static int teardown(void **state)
{
    for (unsigned int i = 0; i < NR_DOMAINS; i++) {
        struct domain *d = &domains[i];

        set_current(&vcpus[i][0]);
        d->dying = DOMAIN_DYING;
        assert_int_equal(evtchn_destroy(d), 0);
        assert_int_equal(d->events.nr_open, 0);
        assert_int_equal(d->refcount, 1);
    }
    for (unsigned int i = 0; i < NR_DOMAINS; i++)
        evtchn_free(&domains[i]);
    assert_int_equal(frame_references(), 0);
    return 0;
}

static long op(uint32_t cmd, void *arg)
{
    struct hypercall_args args = {{cmd, (uint64_t)arg}};

    return hc_event_channel_op(&args);
}

static uint32_t alloc_unbound(unsigned int dom, domid_t remote)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = remote};

    set_current(&vcpus[dom][0]);
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &a), 0);
    return a.port;
}

static uint32_t bind_interdomain(unsigned int dom, domid_t remote, uint32_t rport)
{
    struct evtchn_bind_interdomain b = {.remote_dom = remote, .remote_port = rport};

    set_current(&vcpus[dom][0]);
    assert_int_equal(op(EVTCHNOP_bind_interdomain, &b), 0);
    return b.local_port;
}

static long send(unsigned int dom, uint32_t port)
{
    struct evtchn_send s = {.port = port};

    set_current(&vcpus[dom][0]);
    return op(EVTCHNOP_send, &s);
}

static long close_port(unsigned int dom, uint32_t port)
{
    struct evtchn_close c = {.port = port};

    set_current(&vcpus[dom][0]);
    return op(EVTCHNOP_close, &c);
}

static struct evtchn_status status_of(unsigned int dom, uint32_t port)
{
    struct evtchn_status s = {.dom = dom, .port = port};

    set_current(&vcpus[0][0]);
    assert_int_equal(op(EVTCHNOP_status, &s), 0);
    return s;
}

static bool pending(unsigned int dom, uint32_t port)
{
    return evtchn_port_pending(&domains[dom], port);
}

static void clear_upcall(unsigned int dom)
{
    for (unsigned int j = 0; j < NR_VCPUS; j++)
        vcpus[dom][j].vcpu_info->evtchn_upcall_pending = 0;
}

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

/* A guest with the FIFO ABI, as <xen/event_channel.h> tells it to behave. */
struct fifo_guest {
    unsigned int dom, nr_pages;
    event_word_t *array[8];
    struct evtchn_fifo_control_block *control[NR_VCPUS];
    uint32_t head[NR_VCPUS][EVTCHN_FIFO_MAX_QUEUES];
};

static long init_control(struct fifo_guest *g, unsigned int vcpu, uint32_t offset)
{
    struct evtchn_init_control c = {
        .control_gfn = give_frame(&domains[g->dom]), .offset = offset, .vcpu = vcpu};
    long rc;

    set_current(&vcpus[g->dom][0]);
    rc = op(EVTCHNOP_init_control, &c);
    if (!rc) {
        assert_int_equal(c.link_bits, EVTCHN_FIFO_LINK_BITS);
        g->control[vcpu] = (void *)(fake_memory[c.control_gfn] + offset);
    }
    return rc;
}

static long expand(struct fifo_guest *g)
{
    struct evtchn_expand_array e = {.array_gfn = give_frame(&domains[g->dom])};
    long rc;

    set_current(&vcpus[g->dom][0]);
    rc = op(EVTCHNOP_expand_array, &e);
    if (!rc)
        g->array[g->nr_pages++] = (void *)fake_memory[e.array_gfn];
    return rc;
}

static event_word_t *guest_word(struct fifo_guest *g, uint32_t port)
{
    return &g->array[port / 1024][port % 1024];
}

static void fifo_guest_start(struct fifo_guest *g, unsigned int dom)
{
    *g = (struct fifo_guest){.dom = dom};
    for (unsigned int j = 0; j < NR_VCPUS; j++)
        assert_int_equal(init_control(g, j, j * 128), 0);
    assert_int_equal(expand(g), 0);
}

/* Handles one vCPU's upcall: marks each port that was delivered. False on a loop or a wild link. */
static bool fifo_consume(struct fifo_guest *g, unsigned int vcpu, bool *delivered)
{
    struct evtchn_fifo_control_block *c = g->control[vcpu];

    vcpus[g->dom][vcpu].vcpu_info->evtchn_upcall_pending = 0;
    for (uint32_t ready; (ready = __atomic_exchange_n(&c->ready, 0, __ATOMIC_SEQ_CST)) != 0;) {
        for (; ready; ready &= ready - 1) {
            unsigned int q = (unsigned int)__builtin_ctz(ready);
            uint32_t port = g->head[vcpu][q] ? g->head[vcpu][q] : c->head[q];

            for (unsigned int n = 0; port; n++) {
                event_word_t w;

                if (n > 2048 || port >= g->nr_pages * 1024)
                    return false;
                w = __atomic_fetch_and(guest_word(g, port),
                                       ~(1u << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK), __ATOMIC_SEQ_CST);
                if (!(w >> EVTCHN_FIFO_MASKED & 1) && (w >> EVTCHN_FIFO_PENDING & 1)) {
                    __atomic_fetch_and(guest_word(g, port), ~(1u << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
                    delivered[port] = true;
                }
                port = w & EVTCHN_FIFO_LINK_MASK;
            }
            g->head[vcpu][q] = 0;
        }
    }
    return true;
}

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

/* What must hold between any two operations. */
static void check_invariants(void)
{
    for (unsigned int i = 0; i < NR_DOMAINS; i++) {
        struct domain *d = &domains[i];
        unsigned int open = 0, parked = 0;
        uint8_t free[EVTCHN_FIFO_NR_CHANNELS / EVTCHN_BUCKET] = {0};

        assert_int_equal(d->refcount, 1);
        assert_int_equal(d->events.lock.owner, 0);
        for (uint32_t port = 0; port < d->events.nr_ports; port++) {
            const struct evtchn *chn = port_channel(d, port);

            assert_int_equal(chn->port, port);
            assert_int_equal(chn->lock.owner, 0);
            if (chn->state == CHANNEL_FREE) {
                parked += chn->parked;
                if (port && !chn->parked) {
                    free[port / EVTCHN_BUCKET]++;
                    assert_true(port / EVTCHN_BUCKET >= d->events.first_bucket);
                }
                continue;
            }
            assert_false(chn->parked);
            assert_int_not_equal(port, 0);
            open++;
            if (chn->state == CHANNEL_INTERDOMAIN) {
                const struct evtchn *peer = port_channel(chn->remote.domain, chn->remote.port);

                assert_int_equal(peer->state, CHANNEL_INTERDOMAIN);
                assert_ptr_equal(peer->remote.domain, d);
                assert_int_equal(peer->remote.port, port);
            }
        }
        assert_int_equal(open, d->events.nr_open);
        for (uint32_t b = 0; b < d->events.nr_ports / EVTCHN_BUCKET; b++)
            assert_int_equal(free[b], d->events.nr_free[b]);
        for (uint32_t port = d->events.parked_head; port; port = port_channel(d, port)->next_parked)
            parked--;
        assert_int_equal(parked, 0);
        for (unsigned int j = 0; j < NR_VCPUS; j++)
            for (unsigned int virq = 0; virq < NR_VIRQS; virq++) {
                uint32_t port = vcpus[i][j].events.virq_to_port[virq];

                if (port) {
                    assert_int_equal(port_channel(d, port)->state, CHANNEL_VIRQ);
                    assert_int_equal(port_channel(d, port)->virq, virq);
                }
            }
    }
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

static unsigned int rnd(unsigned int n)
{
    return (unsigned int)random() % n;
}

static void random_operation(void)
{
    unsigned int dom = rnd(NR_DOMAINS);
    uint32_t port = rnd(40);
    union {
        struct evtchn_alloc_unbound alloc;
        struct evtchn_bind_interdomain inter;
        struct evtchn_bind_virq virq;
        struct evtchn_bind_ipi ipi;
        struct evtchn_bind_vcpu vcpu;
        struct evtchn_set_priority priority;
        struct evtchn_unmask unmask;
    } a = {0};

    set_current(&vcpus[dom][rnd(NR_VCPUS)]);
    switch (rnd(12)) {
    case 0:
        a.alloc = (struct evtchn_alloc_unbound){.dom = DOMID_SELF, .remote_dom = rnd(NR_DOMAINS)};
        (void)op(EVTCHNOP_alloc_unbound, &a);
        break;
    case 1:
    case 2:
        a.inter = (struct evtchn_bind_interdomain){.remote_dom = rnd(NR_DOMAINS + 1), .remote_port = port};
        (void)op(EVTCHNOP_bind_interdomain, &a);
        break;
    case 3:
        a.virq = (struct evtchn_bind_virq){.virq = rnd(NR_VIRQS + 1), .vcpu = rnd(NR_VCPUS)};
        (void)op(EVTCHNOP_bind_virq, &a);
        break;
    case 4:
        a.ipi.vcpu = rnd(NR_VCPUS + 1);
        if (domains[dom].events.nr_open < 30)
            (void)op(EVTCHNOP_bind_ipi, &a);
        break;
    case 5:
        (void)op(EVTCHNOP_close, &port);
        break;
    case 6:
        a.vcpu = (struct evtchn_bind_vcpu){.port = port, .vcpu = rnd(NR_VCPUS)};
        (void)op(EVTCHNOP_bind_vcpu, &a);
        break;
    case 7:
        a.priority = (struct evtchn_set_priority){.port = port, .priority = rnd(17)};
        (void)op(EVTCHNOP_set_priority, &a);
        break;
    case 8:
        a.unmask.port = port;
        (void)op(EVTCHNOP_unmask, &a);
        break;
    case 9:
        send_guest_vcpu_virq(&vcpus[dom][rnd(NR_VCPUS)], rnd(NR_VIRQS));
        break;
    default:
        (void)op(EVTCHNOP_send, &port);
    }
}

static void test_random_2l(void **state)
{
    srandom(1);
    for (unsigned int i = 0; i < 20000; i++) {
        random_operation();
        check_invariants();
    }
}

/*
 * With honest FIFO guests no event is lost: whatever is pending and unmasked
 * after all upcalls were handled would be one.
 */
static void test_random_fifo(void **state)
{
    static bool delivered[1024];
    struct fifo_guest g[NR_DOMAINS];

    srandom(2);
    for (unsigned int i = 0; i < NR_DOMAINS; i++)
        fifo_guest_start(&g[i], i);
    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int dom = rnd(NR_DOMAINS);

        random_operation();
        check_invariants();
        if (rnd(4) == 0)
            __atomic_fetch_xor(guest_word(&g[dom], rnd(40)), 1u << EVTCHN_FIFO_MASKED, __ATOMIC_SEQ_CST);
        if (rnd(3) == 0)
            assert_true(fifo_consume(&g[dom], rnd(NR_VCPUS), delivered));
        if (i % 100)
            continue;
        for (dom = 0; dom < NR_DOMAINS; dom++) {
            struct evtchn_unmask u;

            set_current(&vcpus[dom][0]);
            for (u.port = 1; u.port < domains[dom].events.nr_ports; u.port++)
                assert_int_equal(op(EVTCHNOP_unmask, &u), 0);
            for (unsigned int j = 0; j < NR_VCPUS; j++)
                assert_true(fifo_consume(&g[dom], j, delivered));
            for (u.port = 1; u.port < domains[dom].events.nr_ports; u.port++)
                assert_false(port_channel(&domains[dom], u.port)->state != CHANNEL_FREE &&
                             pending(dom, u.port));
        }
    }
}

static bool stop_scribbling;

/* A guest's other vCPU that writes whatever it likes into the shared pages, all the time. */
static void *scribble(void *arg)
{
    struct fifo_guest *g = arg;
    unsigned int seed = 4711;

    while (!__atomic_load_n(&stop_scribbling, __ATOMIC_RELAXED)) {
        uint32_t value = (uint32_t)rand_r(&seed) << 16 ^ (uint32_t)rand_r(&seed);
        event_word_t *word = guest_word(g, (uint32_t)rand_r(&seed) % 40);

        if (value & 3)
            __atomic_store_n(word, value, __ATOMIC_RELAXED);
        else /* keeps changing a word that looks linked: the worst for whoever wants to link to it */
            for (unsigned int i = 0; i < 100; i++)
                __atomic_store_n(word, 1u << EVTCHN_FIFO_LINKED | i, __ATOMIC_RELAXED);
        __atomic_store_n(&g->control[value >> 8 & 3]->ready, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&g->control[value >> 8 & 3]->head[value >> 16 & 15], value, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* The VMM's own state stays right, and the neighbours lose nothing. */
static void test_malicious(void **state)
{
    static bool delivered[1024];
    struct fifo_guest bad, good;
    pthread_t thread;

    srandom(3);
    fifo_guest_start(&bad, 1);
    fifo_guest_start(&good, 2);
    stop_scribbling = false;
    assert_int_equal(pthread_create(&thread, NULL, scribble, &bad), 0);
    for (unsigned int i = 0; i < 50000; i++) {
        random_operation();
        check_invariants();
        if (rnd(3) == 0)
            assert_true(fifo_consume(&good, rnd(NR_VCPUS), delivered));
    }
    __atomic_store_n(&stop_scribbling, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    for (unsigned int j = 0; j < NR_VCPUS; j++)
        assert_true(fifo_consume(&good, j, delivered));
    for (uint32_t port = 1; port < domains[2].events.nr_ports; port++)
        assert_false(port_channel(&domains[2], port)->state != CHANNEL_FREE && pending(2, port) &&
                     !evtchn_port_masked(&domains[2], port));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_interdomain), TEST(test_refusals),         TEST(test_virq),
        TEST(test_virq_owner),  TEST(test_ipi_and_pirq),     TEST(test_mask),
        TEST(test_poll),        TEST(test_port_limits),      TEST(test_dying),
        TEST(test_compat),      TEST(test_vcpu_info_move),   TEST(test_fifo_setup),
        TEST(test_fifo_switch), TEST(test_fifo_array_limit), TEST(test_fifo_order),
        TEST(test_fifo_move),   TEST(test_fifo_parked),      TEST(test_reset),
        TEST(test_random_2l),   TEST(test_random_fifo),      TEST(test_malicious),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
