/* A guest that makes nonsense of the rings it shares with dom0's daemons, again and again, and tells them to
 * look. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>
#include <xen/sched.h>

static uint32_t seed = 1;

static uint32_t random(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8 ^ seed << 16;
}

void guest_main(void)
{
    volatile struct xencons_interface *console = pfn_to_virt(mfn_to_pfn(start_info->console.domU.mfn));
    volatile struct xenstore_domain_interface *store = pfn_to_virt(mfn_to_pfn(start_info->store_mfn));
    volatile uint32_t *message = (volatile uint32_t *)store->req;

    print("rings: ready\n");
    for (;;) {
        for (unsigned int i = 0; i < 64; i++)
            message[random() % (sizeof(store->req) / 4)] = random();
        /* A header that may pass for one: types up to a little more than there are, lengths of every size. */
        message[0] = random() % (XS_RESET_WATCHES + 3);
        message[3] = random() >> random() % 32;
        store->req_prod = random() % 2 ? store->req_cons + random() % (sizeof(store->req) + 1) : random();
        store->rsp_cons = random() % 2 ? store->rsp_prod : random();
        event_send(start_info->store_evtchn);
        console->out_prod = random();
        console->in_cons = random();
        event_send(start_info->console.domU.evtchn);
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    }
}
