#include "second.h"
#include "context.h"
#include "hypercall.h"
#include "lib.h"
#include "mm.h"
#include "trap.h"
#include <xen/vcpu.h>

static char stack[16384] __attribute__((aligned(16)));

/* An upcall that came before the mask did: no more of them. */
static void mask_events(struct regs *regs)
{
    regs->rflags &= ~0x200ul;
}

struct vcpu_guest_context *second_context(void (*main)(void))
{
    static struct vcpu_guest_context context;

    event2_hook = mask_events;
    kernel_context(&context, (uint64_t)main, (uint64_t)stack + sizeof(stack) - 8, virt_to_mfn(kernel_l4));
    context.event_callback_eip = (uint64_t)event_callback2;
    return &context;
}

long second_up(struct vcpu_guest_context *context)
{
    long ret = HC3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, context);

    return ret ? ret : HC3(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0);
}

bool on_second(void)
{
    return (unsigned long)__builtin_frame_address(0) - (unsigned long)stack < sizeof(stack);
}
