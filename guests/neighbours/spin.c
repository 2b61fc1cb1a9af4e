/* A guest that never gives its CPUs back: events masked, no hypercall. */
#include "common/event.h"
#include "common/lib.h"
#include "common/mm.h"

void guest_main(void)
{
    print("spin: ready\n");
    /* No PAUSE, which an emulator takes as a wish to let others run. */
    for (;;) {
        shared_info->vcpu_info[0].evtchn_upcall_mask = 1;
        for (volatile unsigned int i = 0; i < 10000; i++)
            ;
    }
}
