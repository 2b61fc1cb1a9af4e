/* Hypercalls by which a guest tells where to enter it. */
#include <pv/callback.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <pv/segment.h>
#include <xen/callback.h>
#include <xen/nmi.h>

#define NR_TRAPS 256
/* Entries between two looks at whether something more urgent waits. */
#define TRAPS_PER_CHECK 32

uint16_t pv_kernel_selector(uint16_t sel)
{
    return sel | 3;
}

void pv_set_trap(struct vcpu *v, const struct trap_info *t)
{
    struct trap_info *slot = &v->pv.trap_table[t->vector];

    *slot = *t;
    slot->cs = pv_kernel_selector(t->cs);
}

/* args: guest array of struct trap_info, ended by one with address 0; NULL clears the table. */
long hc_set_trap_table(struct hypercall_args *args)
{
    struct vcpu *v = current;

    if (!args->a[0]) {
        memset(v->pv.trap_table, 0, sizeof(v->pv.trap_table));
        return 0;
    }
    for (unsigned int done = 1;; done++) {
        struct trap_info t;

        if (copy_from_guest(&t, args->a[0], sizeof(t)))
            return -EFAULT;
        if (t.address == 0)
            return 0;
        if (!is_canonical(t.address))
            return -EINVAL;
        pv_set_trap(v, &t);
        args->a[0] += sizeof(t);
        if (done % TRAPS_PER_CHECK == 0 && hypercall_preempt_check())
            return -ERESTART;
    }
}

static void set_callback(struct pv_callback *cb, uint64_t address, bool mask_events)
{
    cb->eip = address;
    cb->mask_events = mask_events;
}

/* The NMI's callback is entry 2 of the trap table: the two interfaces set the same handler. */
static void set_nmi_handler(struct vcpu *v, uint64_t address)
{
    struct trap_info t = {.vector = TRAP_NMI, .cs = FLAT_KERNEL_CS64, .address = address};

    TI_SET_IF(&t, 1);
    pv_set_trap(v, &t);
}

static struct pv_callback *callback_of_type(struct vcpu *v, uint16_t type)
{
    switch (type) {
    case CALLBACKTYPE_event:
        return &v->pv.event;
    case CALLBACKTYPE_failsafe:
        return &v->pv.failsafe;
    case CALLBACKTYPE_syscall:
        return &v->pv.syscall;
    case CALLBACKTYPE_syscall32:
        return &v->pv.syscall32;
    case CALLBACKTYPE_sysenter:
        return &v->pv.sysenter;
    default:
        return NULL;
    }
}

static long callback_register(struct vcpu *v, const struct callback_register *reg)
{
    struct pv_callback *cb;

    if (!is_canonical(reg->address))
        return -EINVAL;
    if (reg->type == CALLBACKTYPE_nmi) {
        set_nmi_handler(v, reg->address);
        return 0;
    }
    cb = callback_of_type(v, reg->type);
    if (!cb)
        return -ENOSYS;
    /* The event callback masks events in any case, and so does the NMI's. */
    set_callback(cb, reg->address, (reg->flags & CALLBACKF_mask_events) || cb == &v->pv.event);
    return 0;
}

static long callback_unregister(struct vcpu *v, const struct callback_unregister *un)
{
    if (un->type == CALLBACKTYPE_nmi) {
        set_nmi_handler(v, 0);
        return 0;
    }
    return callback_of_type(v, un->type) ? -EINVAL : -ENOSYS;
}

/* args: CALLBACKOP_*, argument. */
long hc_callback_op(struct hypercall_args *args)
{
    struct callback_register reg;
    struct callback_unregister un;

    switch ((uint32_t)args->a[0]) {
    case CALLBACKOP_register:
        if (copy_from_guest(&reg, args->a[1], sizeof(reg)))
            return -EFAULT;
        return callback_register(current, &reg);
    case CALLBACKOP_unregister:
        if (copy_from_guest(&un, args->a[1], sizeof(un)))
            return -EFAULT;
        return callback_unregister(current, &un);
    default:
        return -ENOSYS;
    }
}

/*
 * args: event, failsafe and syscall entry points; the old form. It never
 * refuses: an address that is not canonical faults when it is used.
 */
long hc_set_callbacks(struct hypercall_args *args)
{
    struct vcpu *v = current;

    set_callback(&v->pv.event, args->a[0], true);
    set_callback(&v->pv.failsafe, args->a[1], v->pv.failsafe.mask_events);
    set_callback(&v->pv.syscall, args->a[2], v->pv.syscall.mask_events);
    return 0;
}

/* args: SS, RSP for entering the kernel from user mode. RSP is checked when a frame is built there. */
long hc_stack_switch(struct hypercall_args *args)
{
    struct vcpu *v = current;

    v->pv.kernel_ss = pv_kernel_selector((uint16_t)args->a[0]);
    v->pv.kernel_sp = args->a[1];
    return 0;
}

/* args: XENNMI_*, argument. */
long hc_nmi_op(struct hypercall_args *args)
{
    struct xennmi_callback cb;
    struct callback_register reg = {.type = CALLBACKTYPE_nmi};

    switch ((uint32_t)args->a[0]) {
    case XENNMI_register_callback:
        if (copy_from_guest(&cb, args->a[1], sizeof(cb)))
            return -EFAULT;
        reg.address = cb.handler_address;
        return callback_register(current, &reg);
    case XENNMI_unregister_callback:
        set_nmi_handler(current, 0);
        return 0;
    default:
        return -ENOSYS;
    }
}
