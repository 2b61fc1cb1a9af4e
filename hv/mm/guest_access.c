#include <mm/guest_access.h>

bool guest_range_ok(uint64_t gva, size_t len)
{
    const uint64_t low_end = 0x0000800000000000;

    if (gva < low_end)
        return len <= low_end - gva;
    /* Up to the top, 2^64, and not beyond. */
    return gva >= VMM_VIRT_END && (len == 0 || gva + (len - 1) >= gva);
}

#ifndef HOSPES_UNIT_TEST

/* Whole words, then the rest; a fault leaves the count of what remains, which nobody needs. */
#define COPY_ASM                                                                                             \
    STAC "cld\n1: rep movsq\n\tmovl %k[rest], %%ecx\n4: rep movsb\n\t" GUEST_ACCESS_END EXTABLE(1b, 3b)      \
        EXTABLE(4b, 3b)

static int copy_across(void *dst, const void *src, size_t len)
{
    uint64_t words = len / 8, rest = len % 8;
    int err = 0;

    __asm__ __volatile__(COPY_ASM
                         : [err] "+r"(err), "+D"(dst), "+S"(src), "+c"(words)
                         : [rest] "r"(rest), [efault] "i"(-EFAULT)
                         : "memory", "cc");
    return err;
}

int copy_from_guest_len(void *dst, uint64_t gva, size_t len)
{
    return guest_range_ok(gva, len) ? copy_across(dst, (const void *)guest_address_nospec(gva), len)
                                    : -EFAULT;
}

int copy_to_guest_len(uint64_t gva, const void *src, size_t len)
{
    return guest_range_ok(gva, len) ? copy_across((void *)guest_address_nospec(gva), src, len) : -EFAULT;
}

int clear_guest(uint64_t gva, size_t len)
{
    uint64_t words = len / 8, rest = len % 8;
    int err = 0;

    if (!guest_range_ok(gva, len))
        return -EFAULT;
    gva = guest_address_nospec(gva);
    __asm__ __volatile__(
        STAC "cld\n1: rep stosq\n\tmovl %k[rest], %%ecx\n4: rep stosb\n\t" GUEST_ACCESS_END EXTABLE(1b, 3b)
            EXTABLE(4b, 3b)
        : [err] "+r"(err), "+D"(gva), "+c"(words)
        : [rest] "r"(rest), [efault] "i"(-EFAULT), "a"(0UL)
        : "memory", "cc");
    return err;
}

#endif
