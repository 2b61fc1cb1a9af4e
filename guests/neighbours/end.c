/* A guest that ends as its command line says: crash, fault, poweroff, reboot, suspend, watchdog. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/sched.h>

static const struct {
    const char *word;
    unsigned int reason;
} ends[] = {
    {"crash", SHUTDOWN_crash},
    {"poweroff", SHUTDOWN_poweroff},
    {"reboot", SHUTDOWN_reboot},
    {"suspend", SHUTDOWN_suspend},
};

void guest_main(void)
{
    const char *how = (const char *)start_info->cmd_line;

    print("end: %s\n", how);
    for (unsigned int i = 0; i < ARRAY_SIZE(ends); i++) {
        struct sched_shutdown arg = {.reason = ends[i].reason};

        if (strstr(how, ends[i].word))
            HC2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
    }
    if (strstr(how, "watchdog")) {
        struct sched_watchdog arg = {.id = 0, .timeout = 1};

        must("watchdog", HC2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &arg) < 1);
        for (;;)
            ;
    }
    /* No handler for this one, nor a stack for the frame: the VMM can only end the guest. */
    HC1(__HYPERVISOR_set_trap_table, 0);
    __asm__ volatile("xorl %esp, %esp; ud2");
}
