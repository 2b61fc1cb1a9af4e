#include <base/compiler.h>
#include <base/errno.h>
#include <control/guest_bitmap.h>
#include <lib/string.h>
#include <mm/guest_access.h>

#define MAX_BITS (1u << 16)

int cpumask_from_guest(cpumask_t *mask, const struct xenctl_bitmap *bitmap)
{
    uint32_t bytes = DIV_ROUND_UP(bitmap->nr_bits, 8u), used = MIN(bytes, (uint32_t)sizeof(*mask));

    if (bitmap->nr_bits > MAX_BITS)
        return -EINVAL;
    memset(mask, 0, sizeof(*mask));
    if (copy_from_guest(mask, guest_handle_va(bitmap->bitmap), used))
        return -EFAULT;
    if (bitmap->nr_bits % 8 && used == bytes)
        ((uint8_t *)mask)[used - 1] &= (uint8_t)(0xff >> (8 - bitmap->nr_bits % 8));
    return 0;
}

int cpumask_to_guest(const struct xenctl_bitmap *bitmap, const cpumask_t *mask)
{
    uint32_t bytes = DIV_ROUND_UP(bitmap->nr_bits, 8u), used = MIN(bytes, (uint32_t)sizeof(*mask));
    uint64_t va = guest_handle_va(bitmap->bitmap);

    if (copy_to_guest(va, mask, used) || (bytes > used && clear_guest(va + used, bytes - used)))
        return -EFAULT;
    return 0;
}
