/* A guest that says that it is there and then waits for what never comes. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/trap.h"
#include <xen/sched.h>

void guest_main(void)
{
    print("idle: ready\n");
    for (;;)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
}
