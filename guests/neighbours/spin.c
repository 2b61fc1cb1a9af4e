/* A guest that never gives its CPUs back: events masked, no hypercall. */
#include "common/event.h"
#include "common/lib.h"
#include "common/mm.h"

void guest_main(void)
{
    print("spin: ready\n");
    for (;;) {
        shared_info->vcpu_info[0].evtchn_upcall_mask = 1;
        __asm__ volatile("pause");
    }
}
