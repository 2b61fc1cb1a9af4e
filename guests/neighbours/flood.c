/* A guest that sends events to dom0's daemons without pause, with nothing in the rings, and one to itself,
 * masked. */
#include "common/event.h"
#include "common/lib.h"
#include "common/mm.h"

void guest_main(void)
{
    unsigned int sender, receiver;

    event_pair(&sender, &receiver);
    event_mask_bit(receiver);
    print("flood: ready\n");
    for (;;) {
        event_send(start_info->console.domU.evtchn);
        event_send(start_info->store_evtchn);
        event_send(sender);
    }
}
