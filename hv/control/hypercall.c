/* From a hypercall's number to its handler. */
#include <base/errno.h>
#include <base/nospec.h>
#include <console/printk.h>
#include <control/hypercall.h>
#include <cpu/softirq.h>
#include <domain/domain.h>
#include <event/evtchn.h>

long hypercall_call(uint64_t nr, struct hypercall_args *args)
{
    const struct hypercall_row *row;

    if (unlikely(nr >= NR_HYPERCALLS))
        goto unknown;
    row = &hypercall_table[index_nospec(nr, NR_HYPERCALLS)];
    if (likely(row->handler)) {
        if (unlikely(row->flags & HYPERCALL_PRIVILEGED) && !current->domain->is_privileged)
            return -EPERM;
        return row->handler(args);
    }
    if (row->name)
        return -ENOSYS;
unknown:
    guest_printk(current->domain->id, "unknown hypercall %lu\n", nr);
    return -ENOSYS;
}

bool hypercall_preempt_check(void)
{
    const struct vcpu *v = current;

    /* Frames that were freed wait for one flush at the end: no reason to stop and do it for each. */
    return (READ_ONCE(this_cpu(softirq_pending)) & ~BIT(SOFTIRQ_RETIRE)) ||
           (!v->domain->is_idle && events_need_delivery(v->vcpu_info));
}
