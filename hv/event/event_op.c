/* HYPERVISOR_event_channel_op: copies arguments in and results out; the work is in bind.c and fifo.c. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <event/channel.h>
#include <event/evtchn.h>
#include <mm/guest_access.h>

union event_arg {
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_bind_pirq bind_pirq;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
    struct evtchn_reset reset;
    struct evtchn_init_control init_control;
    struct evtchn_expand_array expand_array;
    struct evtchn_set_priority set_priority;
};

static const struct {
    uint8_t size; /* of the argument; 0: unknown operation */
    bool out;     /* it is copied back after success */
} event_ops[] = {
    [EVTCHNOP_bind_interdomain] = {sizeof(struct evtchn_bind_interdomain), true},
    [EVTCHNOP_bind_virq] = {sizeof(struct evtchn_bind_virq), true},
    [EVTCHNOP_bind_pirq] = {sizeof(struct evtchn_bind_pirq), true},
    [EVTCHNOP_close] = {sizeof(struct evtchn_close), false},
    [EVTCHNOP_send] = {sizeof(struct evtchn_send), false},
    [EVTCHNOP_status] = {sizeof(struct evtchn_status), true},
    [EVTCHNOP_alloc_unbound] = {sizeof(struct evtchn_alloc_unbound), true},
    [EVTCHNOP_bind_ipi] = {sizeof(struct evtchn_bind_ipi), true},
    [EVTCHNOP_bind_vcpu] = {sizeof(struct evtchn_bind_vcpu), false},
    [EVTCHNOP_unmask] = {sizeof(struct evtchn_unmask), false},
    [EVTCHNOP_reset] = {sizeof(struct evtchn_reset), false},
    [EVTCHNOP_init_control] = {sizeof(struct evtchn_init_control), true},
    [EVTCHNOP_expand_array] = {sizeof(struct evtchn_expand_array), false},
    [EVTCHNOP_set_priority] = {sizeof(struct evtchn_set_priority), false},
};

static int op_reset(domid_t id)
{
    struct domain *d = domain_find(id);
    int rc = -EPERM;

    if (!d)
        return -ESRCH;
    /* A domain whose channels go by another's hand stands still meanwhile, as Xen has it. */
    if (d == current->domain)
        rc = evtchn_reset(d, true);
    else if (current->domain->is_privileged)
        rc = READ_ONCE(d->controller_pause_count) ? evtchn_reset(d, false) : -EINVAL;
    domain_put(d);
    return rc;
}

static int event_op(uint32_t cmd, union event_arg *arg)
{
    struct domain *d = current->domain;

    switch (cmd) {
    case EVTCHNOP_alloc_unbound:
        return evtchn_alloc_unbound(&arg->alloc_unbound);
    case EVTCHNOP_bind_interdomain:
        return evtchn_bind_interdomain(&arg->bind_interdomain);
    case EVTCHNOP_bind_virq:
        return evtchn_bind_virq(&arg->bind_virq);
    case EVTCHNOP_bind_pirq:
        return evtchn_bind_pirq(&arg->bind_pirq);
    case EVTCHNOP_bind_ipi:
        return evtchn_bind_ipi(&arg->bind_ipi);
    case EVTCHNOP_bind_vcpu:
        return evtchn_bind_vcpu(&arg->bind_vcpu);
    case EVTCHNOP_close:
        return evtchn_close(d, arg->close.port);
    case EVTCHNOP_status:
        return evtchn_status(&arg->status);
    case EVTCHNOP_unmask:
        return evtchn_unmask(d, arg->unmask.port);
    case EVTCHNOP_reset:
        return op_reset(arg->reset.dom);
    case EVTCHNOP_init_control:
        return evtchn_fifo_init_control(&arg->init_control);
    case EVTCHNOP_expand_array:
        return evtchn_fifo_expand_array(&arg->expand_array);
    case EVTCHNOP_set_priority:
        return evtchn_fifo_set_priority(&arg->set_priority);
    default:
        return -ENOSYS;
    }
}

long hc_event_channel_op(struct hypercall_args *args)
{
    uint32_t cmd = args->a[0];
    union event_arg arg;
    int rc;

    if (likely(cmd == EVTCHNOP_send)) {
        if (copy_from_guest(&arg.send, args->a[1], sizeof(arg.send)))
            return -EFAULT;
        return evtchn_send(current->domain, arg.send.port);
    }
    if (cmd >= ARRAY_SIZE(event_ops))
        return -ENOSYS;
    cmd = index_nospec(cmd, ARRAY_SIZE(event_ops));
    if (copy_from_guest(&arg, args->a[1], event_ops[cmd].size))
        return -EFAULT;
    rc = event_op(cmd, &arg);
    if (!rc && event_ops[cmd].out && copy_to_guest(args->a[1], &arg, event_ops[cmd].size))
        return -EFAULT;
    return rc;
}

/* The form before Xen 3.2: the command in memory, before its argument. */
long hc_event_channel_op_compat(struct hypercall_args *args)
{
    struct hypercall_args plain = {.a[1] = args->a[0] + offsetof(struct evtchn_op, u)};
    uint32_t cmd;

    if (copy_from_guest(&cmd, args->a[0], sizeof(cmd)))
        return -EFAULT;
    /* It knows the operations up to unmask, none of which is ever continued. */
    if (cmd > EVTCHNOP_unmask)
        return -ENOSYS;
    plain.a[0] = cmd;
    return hc_event_channel_op(&plain);
}
