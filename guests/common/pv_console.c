#include "pv_console.h"
#include "event.h"
#include "hypercall.h"
#include "mm.h"
#include <xen/io/console.h>
#include <xen/sched.h>

void pv_console_write(const char *text, size_t len)
{
    volatile struct xencons_interface *ring = pfn_to_virt(mfn_to_pfn(start_info->console.domU.mfn));

    while (len) {
        if (ring->out_prod - ring->out_cons >= sizeof(ring->out)) {
            event_send(start_info->console.domU.evtchn);
            HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
            continue;
        }
        ring->out[ring->out_prod % sizeof(ring->out)] = *text++;
        __sync_synchronize();
        ring->out_prod++;
        len--;
    }
    event_send(start_info->console.domU.evtchn);
}
