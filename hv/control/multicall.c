/* HYPERVISOR_multicall: several hypercalls for the price of one entry into the VMM. */
#include <base/compiler.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/guest_access.h>
#include <xen/xen.h>

BUILD_BUG_ON(sizeof(((struct hypercall_args *)0)->a) != sizeof(((struct multicall_entry *)0)->args));

static int write_result(uint64_t entry_gva, uint64_t result)
{
    return copy_to_guest(entry_gva + offsetof(struct multicall_entry, result), &result, sizeof(result));
}

/* A preempted entry goes on with what its handler left in the arguments. */
static int write_args(uint64_t entry_gva, const struct hypercall_args *args)
{
    return copy_to_guest(entry_gva + offsetof(struct multicall_entry, args), args->a, sizeof(args->a));
}

/*
 * a[0] and a[1] always say what is left, so a preempted multicall is issued
 * again just as it stands. A failing entry does not end it: its result tells.
 */
long hc_multicall(struct hypercall_args *args)
{
    args->a[1] = (uint32_t)args->a[1];
    if (!guest_range_ok(args->a[0], args->a[1] * sizeof(struct multicall_entry)))
        return -EFAULT;

    for (bool first = true; args->a[1]; first = false) {
        struct multicall_entry entry;
        struct hypercall_args call;
        long rc;

        if (!first && hypercall_preempt_check())
            return -ERESTART;
        if (copy_from_guest(&entry, args->a[0], sizeof(entry)))
            return -EFAULT;
        if (unlikely(entry.op == __HYPERVISOR_multicall)) {
            rc = -EINVAL; /* nesting would let a guest choose how deep our stack gets */
        } else {
            for (unsigned int i = 0; i < ARRAY_SIZE(call.a); i++)
                call.a[i] = entry.args[i];
            rc = hypercall_call(entry.op, &call);
        }
        /* iret has replaced the registers: what follows it in the list would belong to another context. */
        if (unlikely(entry.op == __HYPERVISOR_iret))
            return rc;
        if (unlikely(rc == -ERESTART))
            return write_args(args->a[0], &call) ? -EFAULT : -ERESTART;
        if (write_result(args->a[0], (uint64_t)rc))
            return -EFAULT;
        args->a[0] += sizeof(entry);
        args->a[1]--;
    }
    return 0;
}
