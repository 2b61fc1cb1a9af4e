/* HYPERVISOR_grant_table_op. */
#include <base/atomic.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <grant/batch.h>
#include <grant/table.h>
#include <mm/guest_access.h>

struct domain *grant_find_domain(domid_t id)
{
    struct domain *d = id < DOMID_FIRST_RESERVED ? domain_find(id) : NULL;

    if (!d || READ_ONCE(d->dying) == DOMAIN_ALIVE)
        return d;
    domain_put(d);
    return NULL;
}

static bool in_use(const struct grant_table *gt, grant_ref_t ref)
{
    const struct active_grant *act = grant_active(gt, ref);

    return act->readers || act->writers;
}

/* Both stripes. */
static int16_t swap_entries(const struct grant_table *gt, grant_ref_t a, grant_ref_t b)
{
    if (a >= grant_entries(gt) || b >= grant_entries(gt))
        return GNTST_bad_gntref;
    if (a == b)
        return GNTST_okay;
    if (in_use(gt, a) || in_use(gt, b))
        return GNTST_eagain;
    if (gt->version == 2) {
        grant_entry_v2_t tmp = *grant_v2(gt, a);

        *grant_v2(gt, a) = *grant_v2(gt, b);
        *grant_v2(gt, b) = tmp;
    } else {
        grant_entry_v1_t tmp = *grant_v1(gt, a);

        *grant_v1(gt, a) = *grant_v1(gt, b);
        *grant_v1(gt, b) = tmp;
    }
    return GNTST_okay;
}

static int16_t swap_one(const struct gnttab_swap_grant_ref *op)
{
    struct grant_table *gt = current->domain->grant;
    spinlock_t *a = grant_stripe(gt, op->ref_a), *b = grant_stripe(gt, op->ref_b);
    int16_t status;

    spin_lock_pair(a, b);
    status = swap_entries(gt, op->ref_a, op->ref_b);
    spin_unlock_pair(a, b);
    return status;
}

static long grant_swap(struct hypercall_args *args)
{
    struct gnttab_swap_grant_ref op;

    return grant_for_each(args, op, swap_one);
}

long hc_grant_table_op(struct hypercall_args *args)
{
    uint64_t gva = args->a[1];
    uint32_t count = args->a[2];

    if ((int32_t)count < 0)
        return -EINVAL;
    args->a[2] = count;
    switch ((uint32_t)args->a[0]) {
    case GNTTABOP_map_grant_ref:
        return grant_map(args);
    case GNTTABOP_unmap_grant_ref:
        return grant_unmap(args);
    case GNTTABOP_unmap_and_replace:
        return grant_unmap_and_replace(args);
    case GNTTABOP_copy:
        return grant_copy(args);
    case GNTTABOP_transfer:
        return grant_transfer(args);
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
    case GNTTABOP_swap_grant_ref:
        return grant_swap(args);
    case GNTTABOP_cache_flush:
        return grant_cache_flush(args);
    default: /* GNTTABOP_dump_table, too, as Xen has it */
        return -ENOSYS;
    }
}
