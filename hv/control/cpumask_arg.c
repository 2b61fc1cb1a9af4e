#include <base/errno.h>
#include <control/cpumask_arg.h>
#include <mm/guest_access.h>

int cpumask_from_arg(cpumask_t *mask, const struct xenctl_bitmap *arg)
{
    uint32_t bits = MIN(arg->nr_bits, (uint32_t)MAX_CPUS);

    *mask = (cpumask_t){{0}};
    if (copy_from_guest(mask, guest_handle_va(arg->bitmap), DIV_ROUND_UP(bits, 8)))
        return -EFAULT;
    if (bits % 64)
        mask->bits[bits / 64] &= BIT(bits % 64) - 1;
    return 0;
}

int cpumask_to_arg(const struct xenctl_bitmap *arg, const cpumask_t *mask)
{
    uint64_t gva = guest_handle_va(arg->bitmap);
    uint32_t bytes = DIV_ROUND_UP(arg->nr_bits, 8), have = MIN(bytes, (uint32_t)sizeof(*mask));
    cpumask_t m = *mask;

    for (uint32_t cpu = MIN(arg->nr_bits, nr_cpus); cpu < MAX_CPUS; cpu++)
        m.bits[cpu / 64] &= ~BIT(cpu % 64);
    if (copy_to_guest(gva, &m, have) || clear_guest(gva + have, bytes - have))
        return -EFAULT;
    return 0;
}
