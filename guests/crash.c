/*
 * Ways for a guest to make it impossible to go on: "case=N" on the command
 * line.  The VMM must end this guest, say so, and not harm itself.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/callback.h>
#include <xen/sched.h>

USER_CODE(u_int3, "int3");

static void *hole;

static void no_handler(void)
{
    HC1(__HYPERVISOR_set_trap_table, 0);
    __asm__ volatile("ud2");
}

static void unmapped_stack(void)
{
    __asm__ volatile("movq %0, %%rsp; ud2" ::"r"((unsigned long)hole + 2048));
}

static void stack_in_vmm(void)
{
    __asm__ volatile("movq %0, %%rsp; ud2" ::"r"(0xffff820000001000));
}

static void noncanonical_stack(void)
{
    __asm__ volatile("movq %0, %%rsp; ud2" ::"r"(0x900000000000));
}

static void readonly_stack(void)
{
    __asm__ volatile("movq %0, %%rsp; ud2" ::"r"((unsigned long)kernel_l4 + 2048));
}

static void iret_from_unmapped_stack(void)
{
    __asm__ volatile("movq %0, %%rsp; movl $23, %%eax; syscall" ::"r"((unsigned long)hole));
}

static void iret_from_vmm_stack(void)
{
    __asm__ volatile("movq %0, %%rsp; movl $23, %%eax; syscall" ::"r"(0xffff820000001000));
}

static void user_without_tables(void)
{
    struct iret_context ctx = user_context(u_int3, false);

    mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0);
    user_enter_recorded(&ctx);
}

static void user_trap_without_stack(void)
{
    struct iret_context ctx = user_context(u_int3, false);

    trap_set(3, 3, true);
    HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS64, (unsigned long)hole + 2048);
    user_enter_recorded(&ctx);
}

static void user_trap_with_vmm_stack(void)
{
    struct iret_context ctx = user_context(u_int3, false);

    trap_set(3, 3, true);
    HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS64, 0xffff820000001000);
    user_enter_recorded(&ctx);
}

static void no_event_callback(void)
{
    unsigned int tx, rx;

    event_pair(&tx, &rx);
    event_unmask_bit(rx);
    callback_register(CALLBACKTYPE_event, 0, NULL);
    event_send(tx);
    vcpu_info()->evtchn_upcall_mask = 0;
    event_force();
}

static void handler_noncanonical(void)
{
    HC1(__HYPERVISOR_set_trap_table, 0);
    result_errno("set_trap_table", trap_set_cs(6, 0, FLAT_KERNEL_CS64, 0x900000000000));
    __asm__ volatile("ud2");
}

static void handler_in_vmm(void)
{
    HC1(__HYPERVISOR_set_trap_table, 0);
    trap_set_cs(6, 0, FLAT_KERNEL_CS64, 0xffff820000001000);
    __asm__ volatile("ud2");
}

static void shutdown_crash(void)
{
    struct sched_shutdown arg = {.reason = SHUTDOWN_crash};

    HC2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
}

static void page_fault_without_handler(void)
{
    HC1(__HYPERVISOR_set_trap_table, 0);
    *(volatile char *)hole = 1;
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"exception without a handler", no_handler},
    {"exception on an unmapped stack", unmapped_stack},
    {"exception on a stack in the VMM", stack_in_vmm},
    {"exception on a noncanonical stack", noncanonical_stack},
    {"exception on a read-only stack", readonly_stack},
    {"iret from an unmapped stack", iret_from_unmapped_stack},
    {"iret from a stack in the VMM", iret_from_vmm_stack},
    {"user mode without tables", user_without_tables},
    {"user trap with an unmapped kernel stack", user_trap_without_stack},
    {"user trap with a kernel stack in the VMM", user_trap_with_vmm_stack},
    {"event without a callback", no_event_callback},
    {"handler at a noncanonical address", handler_noncanonical},
    {"handler in the VMM, no page fault handler", handler_in_vmm},
    {"shutdown with reason crash", shutdown_crash},
    {"page fault without a handler", page_fault_without_handler},
};

void guest_main(void)
{
    const char *at = strstr((const char *)start_info->cmd_line, "case=");
    unsigned int n = 0;

    user_setup();
    hole = page_hole();
    for (at = at ? at + 5 : ""; *at >= '0' && *at <= '9'; at++)
        n = n * 10 + (unsigned int)(*at - '0');
    if (n >= ARRAY_SIZE(cases))
        return;
    result("case", "%s", cases[n].name);
    cases[n].run();
    result("went on", "traps %u vector %lu", trap.count, trap.first.vector);
}
