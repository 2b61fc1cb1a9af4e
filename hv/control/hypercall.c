/* From a hypercall's number to its handler. */
#include <base/errno.h>
#include <base/nospec.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <control/hypercall.h>
#include <cpu/softirq.h>
#include <domain/domain.h>
#include <event/evtchn.h>

long hypercall_call(uint64_t nr, struct hypercall_args *args)
{
    hypercall_fn *handler = hypercall_handler(nr);

    if (!handler && nr < NR_HYPERCALLS) {
        handler = hypercall_privileged_table[index_nospec(nr, NR_HYPERCALLS)];
        if (handler && !current->domain->is_privileged)
            return -EPERM;
    }
    if (likely(handler))
        return handler(args);
    guest_printk(current->domain->id, "unknown hypercall %lu\n", nr);
    return -ENOSYS;
}

#ifdef HOSPES_DEBUG
/* For tests: each such call on a CPU finds that there is something else to do; 1 is every one. */
static uint32_t opt_preempt_every;
BOOT_OPTION_UINT("preempt_every", opt_preempt_every);

static DEFINE_PER_CPU(uint32_t, preempt_checks);

static bool preempt_forced(void)
{
    return opt_preempt_every && ++this_cpu(preempt_checks) % opt_preempt_every == 0;
}
#else
static bool preempt_forced(void)
{
    return false;
}
#endif

bool hypercall_preempt_check(void)
{
    const struct vcpu *v = current;

    if (unlikely(preempt_forced()))
        return true;
    /* Frames that were freed wait for one flush at the end: no reason to stop and do it for each. */
    return (READ_ONCE(this_cpu(softirq_pending)) & ~BIT(SOFTIRQ_RETIRE)) ||
           (!v->domain->is_idle && events_need_delivery(v->vcpu_info));
}
