/* HYPERVISOR_grant_table_op. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <grant/grant.h>
#include <grant/table.h>

int grant_release_mappings(struct domain *d)
{
    return 0;
}

long hc_grant_table_op(struct hypercall_args *args)
{
    uint64_t gva = args->a[1];
    uint32_t count = args->a[2];

    if ((int32_t)count < 0)
        return -EINVAL;
    switch ((uint32_t)args->a[0]) {
    case GNTTABOP_setup_table:
        return grant_setup_table(gva, count);
    case GNTTABOP_query_size:
        return grant_query_size(gva, count);
    case GNTTABOP_set_version:
        return grant_set_version(gva);
    case GNTTABOP_get_version:
        return grant_get_version(gva);
    case GNTTABOP_get_status_frames:
        return grant_get_status_frames(gva, count);
    default:
        return -ENOSYS;
    }
}
