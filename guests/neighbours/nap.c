/*
 * A guest that sleeps, by its timer, and measures by the VMM's time how late it wakes: prints the 50th and
 * 99th of 100 and the worst, in microseconds, again and again.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/trap.h"
#include <xen/sched.h>

#define NAPS 500
#define MS   1000000ul

static uint32_t late[NAPS];
static unsigned int timer_port;

static uint32_t nap(uint64_t ns)
{
    uint64_t until = system_time() + ns;

    event_count[timer_port] = 0;
    HC1(__HYPERVISOR_set_timer_op, until);
    while (!event_count[timer_port])
        HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
    return (system_time() - until) / 1000;
}

/* Insertion: what is sorted already stays so. */
static void sort(uint32_t *v, unsigned int n)
{
    for (unsigned int i = 1; i < n; i++) {
        uint32_t x = v[i];
        unsigned int j = i;

        for (; j && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

void guest_main(void)
{
    timer_port = event_bind_virq(VIRQ_TIMER, 0);
    event_unmask_bit(timer_port);
    vcpu_info()->evtchn_upcall_mask = 0;
    print("nap: ready\n");
    for (;;) {
        /* Lengths that keep no step with anything: 3 to 10 ms. */
        for (unsigned int i = 0; i < NAPS; i++)
            late[i] = nap(3 * MS + i * 7919 % 7000 * 1000);
        sort(late, NAPS);
        print("nap: half %u us, 99 of 100 %u us, worst %u us\n", late[NAPS / 2], late[NAPS * 99 / 100],
              late[NAPS - 1]);
    }
}
