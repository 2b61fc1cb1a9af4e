/*
 * What back ends and front ends ask of the VMM, timed by its own clock: as dom0, with a second domain out of
 * the same image (guests/common/domu.h). Prints lines as bench/micro.c does, and DONE.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/pair.h"
#include "common/trap.h"
#include <xen/sched.h>

#define ID    7
#define ROUND 500
#define BATCH 8

static struct domu other;
static char *holes[BATCH], *own;

static void measured(const char *name, uint64_t start, unsigned long count)
{
    print("bench %s %lu ns\n", name, (system_time() - start) / count);
}

/* Until that many upcalls came for a port. */
static void wait_for(unsigned int port, unsigned int count)
{
    for (;;) {
        vcpu_info()->evtchn_upcall_mask = 1;
        if (event_count[port] >= count)
            return;
        HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
    }
}

static long far_open(long a, long b, long c)
{
    struct evtchn_alloc_unbound u = {.dom = DOMID_SELF, .remote_dom = 0};

    (void)a, (void)b, (void)c;
    must("alloc_unbound", event_op(EVTCHNOP_alloc_unbound, &u));
    event_unmask_bit(u.port);
    return u.port;
}

static long far_echo(long port, long times, long c)
{
    (void)c;
    event_count[port] = 0;
    for (long i = 1; i <= times; i++) {
        wait_for((unsigned int)port, (unsigned int)i);
        event_send((unsigned int)port);
    }
    return 0;
}

static void events(void)
{
    struct evtchn_bind_interdomain b = {.remote_dom = ID};
    unsigned int timer = event_bind_virq(VIRQ_TIMER, 0);
    uint64_t start;

    b.remote_port = (evtchn_port_t)domu_call(&other, far_open, 0, 0, 0);
    must("bind_interdomain", event_op(EVTCHNOP_bind_interdomain, &b));
    event_clear(b.local_port); /* binding has set it */
    event_unmask_bit(b.local_port);
    domu_begin(&other, far_echo, b.remote_port, ROUND, 0);
    start = system_time();
    for (unsigned int i = 1; i <= ROUND; i++) {
        event_send(b.local_port);
        wait_for(b.local_port, i);
    }
    measured("event-round-trip", start, ROUND);
    domu_end(&other);

    start = system_time();
    for (unsigned int i = 0; i < ROUND; i++)
        domu_call(&other, far_flags, 8, 0, 0);
    measured("poll-round-trip", start, ROUND);

    event_unmask_bit(timer);
    start = system_time();
    for (unsigned int i = 1; i <= ROUND; i++) {
        HC1(__HYPERVISOR_set_timer_op, system_time() + 50000);
        wait_for(timer, i);
    }
    measured("timer", start, ROUND);
}

static void copies(unsigned int batch, unsigned int length, const char *name)
{
    struct gnttab_copy ops[BATCH];
    uint64_t start;

    for (unsigned int i = 0; i < batch; i++)
        ops[i] = (struct gnttab_copy){.source = {.u.ref = 8 + i, .domid = ID},
                                      .dest = {.u.gmfn = virt_to_mfn(own), .domid = DOMID_SELF},
                                      .len = (uint16_t)length,
                                      .flags = GNTCOPY_source_gref};
    start = system_time();
    for (unsigned int i = 0; i < ROUND; i++)
        must("copy", grant_op(GNTTABOP_copy, ops, batch));
    measured(name, start, ROUND);
    must("status", ops[0].status);
}

static void maps(unsigned int batch, const char *name)
{
    struct gnttab_map_grant_ref m[BATCH];
    struct gnttab_unmap_grant_ref u[BATCH];
    uint64_t start = system_time();

    for (unsigned int i = 0; i < ROUND; i++) {
        for (unsigned int k = 0; k < batch; k++)
            m[k] = (struct gnttab_map_grant_ref){
                .host_addr = (uint64_t)holes[k], .flags = GNTMAP_host_map, .ref = 8 + k, .dom = ID};
        must("map", grant_op(GNTTABOP_map_grant_ref, m, batch));
        for (unsigned int k = 0; k < batch; k++)
            u[k] = (struct gnttab_unmap_grant_ref){.host_addr = (uint64_t)holes[k], .handle = m[k].handle};
        must("unmap", grant_op(GNTTABOP_unmap_grant_ref, u, batch));
    }
    measured(name, start, ROUND);
    must("status", m[0].status);
}

void guest_main(void)
{
    struct domu_config c = {.id = ID};

    own = page_alloc();
    for (unsigned int i = 0; i < BATCH; i++)
        holes[i] = page_hole();
    grant_setup(1);
    domu_build(&other, &c);
    domu_run(&other);
    must("setup", domu_call(&other, far_setup, 1, 0, 0));
    for (unsigned int i = 0; i < BATCH; i++) {
        long page = domu_call(&other, far_page, 0, 0, 0);

        domu_call(&other, far_grant, 8 + i, GTF_permit_access, DOM_FRAME(0, domu_mfn(&other, (void *)page)));
    }
    events();
    copies(1, 64, "copy-64");
    copies(1, 4096, "copy-page");
    copies(BATCH, 1500, "copy-8");
    maps(1, "map");
    maps(BATCH, "map-8");
}
