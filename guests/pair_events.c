/* Event channels between two domains: who may bind what, what the other side sees, and what is left when one
 * dies. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/pair.h"
#include "common/trap.h"

#define ID    7
#define THIRD 8

static struct domu other, third;

/* In a second domain. */

static long far_alloc(long dom, long remote, long c)
{
    struct evtchn_alloc_unbound a = {.dom = (domid_t)dom, .remote_dom = (domid_t)remote};
    long ret = event_op(EVTCHNOP_alloc_unbound, &a);

    (void)c;
    return ret ? ret : (long)a.port;
}

static long far_bind(long dom, long port, long c)
{
    struct evtchn_bind_interdomain b = {.remote_dom = (domid_t)dom, .remote_port = (evtchn_port_t)port};
    long ret = event_op(EVTCHNOP_bind_interdomain, &b);

    (void)c;
    return ret ? ret : (long)b.local_port;
}

static long far_send(long port, long times, long c)
{
    long ret = 0;

    (void)c;
    while (times-- > 0 && !ret)
        ret = event_send((unsigned int)port);
    return ret;
}

static long far_close(long port, long b, long c)
{
    (void)b, (void)c;
    return event_close((unsigned int)port);
}

static long far_reset(long dom, long b, long c)
{
    struct evtchn_reset r = {.dom = (domid_t)dom};

    (void)b, (void)c;
    return event_op(EVTCHNOP_reset, &r);
}

static long far_status(long dom, long port, long c)
{
    struct evtchn_status s = {.dom = (domid_t)dom, .port = (evtchn_port_t)port};
    long ret = event_op(EVTCHNOP_status, &s);

    (void)c;
    return ret ? ret : (long)s.status;
}

static long far_pending(long port, long clear, long c)
{
    long ret = event_pending((unsigned int)port);

    (void)c;
    if (clear)
        event_clear((unsigned int)port);
    return ret;
}

/* How often the upcall came for a port, while events are let in. */
static long far_upcalls(long port, long wait_for, long mask)
{
    uint64_t end = system_time() + 1000000000ul;

    if (mask)
        event_mask_bit((unsigned int)port);
    else
        event_unmask((unsigned int)port);
    vcpu_info()->evtchn_upcall_mask = 0;
    event_force();
    while (event_count[port] < wait_for && system_time() < end)
        event_force();
    vcpu_info()->evtchn_upcall_mask = 1;
    return event_count[port];
}

static long far_fill_ports(long a, long b, long c)
{
    long n = 0, ret;

    (void)a, (void)b, (void)c;
    while ((ret = far_alloc(DOMID_SELF, 0, 0)) > 0)
        n++;
    return n | ret << 32;
}

static uint64_t *fifo_control, *fifo_words;

/* Changes to the FIFO ABI, in which all its ports have words in one page. */
static long far_fifo(long a, long b, long c)
{
    struct evtchn_init_control i = {.vcpu = 0};
    struct evtchn_expand_array e;
    long ret;

    (void)a, (void)b, (void)c;
    if (!fifo_control) {
        fifo_control = page_alloc();
        fifo_words = page_alloc();
    }
    memset(fifo_control, 0, PAGE_SIZE);
    memset(fifo_words, 0, PAGE_SIZE);
    memset(shared_info->evtchn_pending, 0, sizeof(shared_info->evtchn_pending));
    i.control_gfn = virt_to_mfn(fifo_control);
    e.array_gfn = virt_to_mfn(fifo_words);
    domu_self->data[0]++;
    ret = event_op(EVTCHNOP_init_control, &i);
    return ret ? ret : event_op(EVTCHNOP_expand_array, &e);
}

static long far_fifo_pending(long port, long b, long c)
{
    (void)b, (void)c;
    return ((volatile uint32_t *)fifo_words)[port] >> EVTCHN_FIFO_PENDING & 1;
}

/* In dom0. */

static void result_status(const char *name, domid_t dom, unsigned int port)
{
    struct evtchn_status s = {.dom = dom, .port = port};
    long ret = event_op(EVTCHNOP_status, &s);

    if (ret)
        result(name, "%e", ret);
    else
        result(name, "status %u remote %u port %s", s.status,
               s.status == EVTCHNSTAT_unbound       ? s.u.unbound.dom
               : s.status == EVTCHNSTAT_interdomain ? s.u.interdomain.dom
                                                    : 0,
               s.status == EVTCHNSTAT_interdomain && s.u.interdomain.port ? "some" : "none");
}

static void result_port(const char *name, long ret)
{
    if (ret > 0)
        result(name, "a port");
    else
        result(name, "%e", ret);
}

static void test_bind(void)
{
    long far, near, unbound;

    result_port("its port for us", far = domu_call(&other, far_alloc, DOMID_SELF, 0, 0));
    result_status("status of it", ID, (unsigned int)far);
    result("it asks for our port's status", "%e", domu_call(&other, far_status, 0, 1, 0));
    result("it asks for its own by number", "%ld", domu_call(&other, far_status, ID, far, 0));
    result_port("it allocates in our table", domu_call(&other, far_alloc, 0, ID, 0));
    result_port("it allocates for an absent domain",
                unbound = domu_call(&other, far_alloc, DOMID_SELF, 99, 0));
    result_port("we bind that", far_bind(ID, unbound, 0));
    result("it closes that", "%e", domu_call(&other, far_close, unbound, 0, 0));
    result_port("we bind port 0", far_bind(ID, 0, 0));
    result_port("we bind a port out of range", far_bind(ID, 1 << 20, 0));
    result_port("we bind a closed port", far_bind(ID, 900, 0));
    result_port("we bind a port of an absent domain", far_bind(99, far, 0));
    result_port("it binds its own port for us", domu_call(&other, far_bind, DOMID_SELF, far, 0));
    result_port("third binds the port for us", domu_call(&third, far_bind, ID, far, 0));
    result_port("we bind it", near = far_bind(ID, far, 0));
    result("pending at once", "%d, there %ld", event_pending((unsigned int)near),
           domu_call(&other, far_pending, far, 0, 0));
    result_port("we bind it again", far_bind(ID, far, 0));
    result_status("status here", DOMID_SELF, (unsigned int)near);
    result_status("status there", ID, (unsigned int)far);
    event_clear((unsigned int)near);
    result("send to it", "%e", event_send((unsigned int)near));
    result("pending there", "%ld", domu_call(&other, far_pending, far, 1, 0));
    result("it sends", "%e", domu_call(&other, far_send, far, 1, 0));
    result("pending here", "%d", event_pending((unsigned int)near));
    event_clear((unsigned int)near);
    result("it closes", "%e", domu_call(&other, far_close, far, 0, 0));
    result_status("status here then", DOMID_SELF, (unsigned int)near);
    result("pending here then", "%d", event_pending((unsigned int)near));
    result("send then", "%e", event_send((unsigned int)near));
    result_port("third binds ours", domu_call(&third, far_bind, 0, near, 0));
    result_port("it binds ours", far = domu_call(&other, far_bind, 0, near, 0));
    result("pending there at once", "%ld", domu_call(&other, far_pending, far, 1, 0));
    result("we close", "%e", event_close((unsigned int)near));
    result_status("status there then", ID, (unsigned int)far);
    result("we close again", "%e", event_close((unsigned int)near));
    result("it sends then", "%e", domu_call(&other, far_send, far, 1, 0));
    result("it closes at last", "%e", domu_call(&other, far_close, far, 0, 0));
    result("it closes again", "%e", domu_call(&other, far_close, far, 0, 0));
}

static void connect(unsigned int *near, unsigned int *far)
{
    *far = (unsigned int)domu_call(&other, far_alloc, DOMID_SELF, 0, 0);
    *near = (unsigned int)far_bind(ID, *far, 0);
    event_mask_bit(*near);
    event_clear(*near);
}

/* Many events with everything masked cost the receiver one bit. */
static void test_flood(void)
{
    unsigned int near, far;

    connect(&near, &far);
    domu_call(&other, far_upcalls, far, 0, 1);
    result("it sends 20000", "%e", domu_call(&other, far_send, far, 20000, 0));
    result("pending, upcall pending", "%d %d", event_pending(near), vcpu_info()->evtchn_upcall_pending);
    event_clear(near);
    result("we send 20000", "%e", far_send(near, 20000, 0));
    result("pending there, masked", "%ld, upcalls %ld", domu_call(&other, far_pending, far, 0, 0),
           domu_call(&other, far_upcalls, far, 0, 1));
    result("upcalls after unmask", "%ld", domu_call(&other, far_upcalls, far, 1, 0));
    result("we send one more", "%e", event_send(near));
    result("upcalls then", "%ld", domu_call(&other, far_upcalls, far, 2, 0));
    event_close(near);
    domu_call(&other, far_close, far, 0, 0);
}

static void test_limits(void)
{
    long n = domu_call(&other, far_fill_ports, 0, 0, 0);

    result("ports of 127 that it gets", "%d then %e", (int)n, n >> 32);
    result_port("we allocate in its table", far_alloc(ID, 0, 0));
    result("we reset it", "%e", far_reset(ID, 0, 0));
    must("pause", domctl(XEN_DOMCTL_pausedomain, ID));
    result("we reset it when paused", "%e", far_reset(ID, 0, 0));
    must("unpause", domctl(XEN_DOMCTL_unpausedomain, ID));
    result_status("channel between the two", DOMID_SELF, other.port);
    result("send on it", "%e", event_send(other.port));
    result_port("we allocate in its table then", far_alloc(ID, 0, 0));
    result("it resets us", "%e", domu_call(&other, far_reset, 0, 0, 0));
    result("it resets itself", "%e", domu_call(&other, far_reset, ID, 0, 0));
    result("we reset an absent domain", "%e", far_reset(99, 0, 0));
}

/* An event that comes in the middle of that is not lost between the two ABIs. */
static void test_fifo_switch(void)
{
    unsigned int lost = 0, failed = 0;

    for (unsigned int round = 0; round < 150; round++) {
        unsigned int near, far;
        uint64_t seen = other.link->data[0];

        must("reset", (int)domu_call(&other, far_reset, DOMID_SELF, 0, 0));
        connect(&near, &far);
        domu_begin(&other, far_fifo, 0, 0, 0);
        while (other.link->data[0] == seen && other.link->done != other.link->begun)
            event_force();
        for (volatile unsigned int i = 0; i < round * 40; i++)
            ;
        failed += event_send(near) != 0;
        failed += domu_end(&other) != 0;
        lost += !domu_call(&other, far_fifo_pending, far, 0, 0);
        event_close(near);
    }
    result("changes to the FIFO ABI", "failed %u lost %u", failed, lost);
    must("reset", (int)domu_call(&other, far_reset, DOMID_SELF, 0, 0));
}

/* Not answered by the other domain itself: it does not run any more. */
static void test_death(void)
{
    struct domu_config c = {.id = ID, .max_evtchn_port = 127};
    unsigned int near, far, unbound;

    connect(&near, &far);
    unbound = (unsigned int)far_alloc(DOMID_SELF, ID, 0);
    domu_unlink(&other);
    must("pause", domctl(XEN_DOMCTL_pausedomain, ID));
    result("send to a paused domain", "%e", event_send(near));
    result("destroy", "%e", domu_destroy(&other));
    result_status("status of the channel to it", DOMID_SELF, near);
    result("pending by its end", "%d", event_pending(near));
    result("send to nobody", "%e", event_send(near));
    result_port("bind a port of the dead", far_bind(ID, far, 0));
    result_port("allocate in the dead", far_alloc(ID, 0, 0));
    result("gone", "%d", domu_gone(ID));
    result_status("status when it is gone", DOMID_SELF, near);
    result_status("status of the one for it", DOMID_SELF, unbound);
    domu_build(&other, &c);
    domu_run(&other);
    result_port("another of that number binds", domu_call(&other, far_bind, 0, unbound, 0));
    result_port("and the channel of the former", domu_call(&other, far_bind, 0, near, 0));
    result("close", "%e", event_close(near));
    event_close(unbound);
}

/* It is told of each end and of each shutdown. */
static void test_dom_exc(void)
{
    unsigned int port = event_bind_virq(VIRQ_DOM_EXC, 0);
    uint64_t end = system_time() + 2000000000ul;

    event_mask_bit(port);
    event_clear(port);
    domu_unlink(&third);
    must("destroy", domu_destroy(&third));
    result("third gone", "%d", domu_gone(THIRD));
    while (!event_pending(port) && system_time() < end)
        event_force();
    result("told of its end", "%d", event_pending(port));
    event_close(port);
}

void guest_main(void)
{
    struct domu_config c = {.id = ID, .max_evtchn_port = 127};
    uint64_t before;

    domu_build(&other, &c);
    c.id = THIRD;
    domu_build(&third, &c);
    domu_run(&other);
    domu_run(&third);
    test_bind();
    test_flood();
    test_limits();
    test_fifo_switch();
    test_death();
    audit_point();
    test_dom_exc();
    domu_unlink(&other);
    must("destroy", domu_destroy(&other));
    result("other gone", "%d", domu_gone(ID));
    before = machine_settled_pages();
    c.id = ID;
    for (unsigned int i = 0; i < 3; i++) {
        domu_build(&other, &c);
        domu_run(&other);
        (void)domu_call(&other, far_fill_ports, 0, 0, 0);
        domu_unlink(&other);
        must("destroy", domu_destroy(&other));
        must("gone", !domu_gone(ID));
    }
    result("pages missing", "%ld", machine_missing_pages(before));
}
