/* HYPERVISOR_console_io: dom0's use of the machine's console (<xen/xen.h>, CONSOLEIO_*). */
#include <base/errno.h>
#include <console/console.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <mm/guest_access.h>

#define CHUNK 128

static long console_write(struct hypercall_args *args)
{
    char buf[CHUNK];

    while ((uint32_t)args->a[1]) {
        uint32_t n = MIN((uint32_t)args->a[1], (uint32_t)CHUNK);

        while (!console_tx_ready(n)) {
            if (hypercall_preempt_check())
                return -ERESTART;
            cpu_relax();
        }
        if (copy_from_guest(buf, args->a[2], n))
            return -EFAULT;
        console_write_guest(buf, n);
        args->a[1] = (uint32_t)args->a[1] - n;
        args->a[2] += n;
        if (args->a[1] && hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}

/* One chunk is all that waits, at most: the reader asks again. */
static long console_read(uint32_t count, uint64_t gva)
{
    char buf[CHUNK];
    size_t n;

    if (count > INT32_MAX)
        return -E2BIG;
    n = console_read_guest(buf, MIN(count, (uint32_t)CHUNK));

    if (n && copy_to_guest(gva, buf, n))
        return -EFAULT;
    return n;
}

long hc_console_io(struct hypercall_args *args)
{
    if (!current->domain->is_privileged)
        return -EPERM;

    switch ((uint32_t)args->a[0]) {
    case CONSOLEIO_write:
        return console_write(args);
    case CONSOLEIO_read:
        return console_read(args->a[1], args->a[2]);
    default:
        return -ENOSYS;
    }
}
