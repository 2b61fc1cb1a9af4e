/* unit: hv/event/evtchn.c hv/event/bind.c hv/event/ports.c hv/event/fifo.c hv/event/two_level.c
 * hv/event/event_op.c hv/domain/vcpu.c tests/unit/stubs/machine.c tests/unit/stubs/printk.c
 * tests/unit/fixtures/domains.c tests/unit/fixtures/evtchn.c
 * tests/unit/fixtures/fifo_guest.c */
/* unit-ldflags: -pthread */
#include <pthread.h>
#include <stdlib.h>

#include <unit.h>
#include "fixtures/fifo_guest.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random_2l),
        TEST(test_random_fifo),
        TEST(test_malicious),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
