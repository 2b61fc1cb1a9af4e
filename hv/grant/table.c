/* Grant tables: their frames, their size and their version. */
#include <base/atomic.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <boot/cmdline.h>
#include <domain/domain.h>
#include <grant/grant.h>
#include <grant/batch.h>
#include <grant/table.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <xen/memory.h>

static uint32_t opt_max_frames = 64;
BOOT_OPTION_UINT("gnttab_max_frames", opt_max_frames);
static uint32_t opt_max_maptrack = 1024;
BOOT_OPTION_UINT("gnttab_max_maptrack_frames", opt_max_maptrack);

uint32_t grant_entries(const struct grant_table *gt)
{
    return load_acquire(&gt->nr_frames) * (gt->version == 2 ? V2_PER_FRAME : V1_PER_FRAME);
}

/* The caller has compared ref with grant_entries(); this keeps it in bounds under speculation too. */
static uint32_t frame_index(const struct grant_table *gt, uint64_t ref, uint64_t per_frame)
{
    return index_nospec(ref / per_frame, gt->nr_frames);
}

grant_entry_v1_t *grant_v1(const struct grant_table *gt, grant_ref_t ref)
{
    return (grant_entry_v1_t *)gt->shared[frame_index(gt, ref, V1_PER_FRAME)] + ref % V1_PER_FRAME;
}

grant_entry_v2_t *grant_v2(const struct grant_table *gt, grant_ref_t ref)
{
    return (grant_entry_v2_t *)gt->shared[frame_index(gt, ref, V2_PER_FRAME)] + ref % V2_PER_FRAME;
}

grant_entry_header_t *grant_header(const struct grant_table *gt, grant_ref_t ref)
{
    return gt->version == 2 ? &grant_v2(gt, ref)->hdr : (grant_entry_header_t *)grant_v1(gt, ref);
}

grant_status_t *grant_status(const struct grant_table *gt, grant_ref_t ref)
{
    return gt->status[index_nospec(ref / STATUS_PER_FRAME, gt->nr_status)] + ref % STATUS_PER_FRAME;
}

struct active_grant *grant_active(const struct grant_table *gt, grant_ref_t ref)
{
    uint32_t per_frame = gt->version == 2 ? V2_PER_FRAME : V1_PER_FRAME;

    return gt->active[frame_index(gt, ref, per_frame)] + ref % per_frame;
}

static uint32_t status_frames_for(uint32_t frames)
{
    return DIV_ROUND_UP(frames * V2_PER_FRAME, STATUS_PER_FRAME);
}

/* Table lock. */
static int add_status_frames(struct domain *d, uint32_t frames)
{
    struct grant_table *gt = d->grant;

    while (gt->nr_status < status_frames_for(frames)) {
        void *page = alloc_vmm_pages(0);

        if (!page)
            return -ENOMEM;
        share_vmm_page(virt_to_page(page), d, true);
        gt->status[gt->nr_status] = page;
        store_release(&gt->nr_status, gt->nr_status + 1);
    }
    return 0;
}

static int alloc_frame(struct grant_table *gt)
{
    uint32_t i = gt->nr_frames;

    gt->shared[i] = alloc_vmm_pages(0);
    gt->active[i] = xzalloc_array(struct active_grant, V1_PER_FRAME);
    if (gt->shared[i] && gt->active[i])
        return 0;
    free_vmm_pages(gt->shared[i], 0);
    xfree(gt->active[i]);
    gt->shared[i] = NULL;
    gt->active[i] = NULL;
    return -ENOMEM;
}

/* Table lock. */
static int grow(struct domain *d, uint32_t frames)
{
    struct grant_table *gt = d->grant;

    /* None yet: the domain was found before it has got its first (grant_table_share()). */
    if (frames > gt->max_frames || !gt->nr_frames)
        return -EINVAL;
    if (gt->version == 2) {
        int rc = add_status_frames(d, frames);

        if (rc)
            return rc;
    }
    while (gt->nr_frames < frames) {
        if (alloc_frame(gt))
            return -ENOMEM;
        share_vmm_page(virt_to_page(gt->shared[gt->nr_frames]), d, true);
        store_release(&gt->nr_frames, gt->nr_frames + 1);
    }
    return 0;
}

/*
 * The domain of an operation's argument, referenced: current's own, or any for
 * the privileged. NULL and a GNTST_* in *status.
 */
static struct domain *find_table_owner(domid_t id, int16_t *status)
{
    struct domain *d = domain_find(id);

    if (!d) {
        *status = GNTST_bad_domain;
        return NULL;
    }
    if (d != current->domain && !current->domain->is_privileged) {
        *status = GNTST_permission_denied;
        domain_put(d);
        return NULL;
    }
    return d;
}

static int write_frame_list(uint64_t list, void *const *frames, uint32_t nr)
{
    for (uint32_t i = 0; i < nr; i++) {
        uint64_t mfn = mfn_x(virt_to_mfn(frames[i]));

        if (copy_to_guest_index(list, i, &mfn))
            return -EFAULT;
    }
    return 0;
}

long grant_setup_table(uint64_t gva, uint32_t count)
{
    struct gnttab_setup_table op;
    struct domain *d;
    int rc = grant_fetch_single(&op, gva, count, sizeof(op));

    if (rc)
        return rc;
    d = find_table_owner(op.dom, &op.status);
    if (d) {
        spin_lock(&d->grant->lock);
        op.status = grow(d, op.nr_frames) ? GNTST_general_error : GNTST_okay;
        spin_unlock(&d->grant->lock);
        /* The frames listed stay while we hold a reference to the domain. */
        if (op.status == GNTST_okay &&
            write_frame_list(guest_handle_va(op.frame_list), d->grant->shared, op.nr_frames))
            op.status = GNTST_bad_virt_addr;
        domain_put(d);
    }
    return copy_to_guest(gva, &op, sizeof(op)) ? -EFAULT : 0;
}

long grant_query_size(uint64_t gva, uint32_t count)
{
    struct gnttab_query_size op;
    struct domain *d;
    int rc = grant_fetch_single(&op, gva, count, sizeof(op));

    if (rc)
        return rc;
    d = find_table_owner(op.dom, &op.status);
    if (d) {
        op.nr_frames = READ_ONCE(d->grant->nr_frames);
        op.max_nr_frames = d->grant->max_frames;
        op.status = GNTST_okay;
        domain_put(d);
    }
    return copy_to_guest(gva, &op, sizeof(op)) ? -EFAULT : 0;
}

long grant_get_status_frames(uint64_t gva, uint32_t count)
{
    struct gnttab_get_status_frames op;
    struct domain *d;
    int rc = grant_fetch_single(&op, gva, count, sizeof(op));

    if (rc)
        return rc;
    d = find_table_owner(op.dom, &op.status);
    if (d) {
        struct grant_table *gt = d->grant;

        spin_lock(&gt->lock);
        op.status = gt->version == 2 && op.nr_frames <= gt->nr_status ? GNTST_okay : GNTST_general_error;
        spin_unlock(&gt->lock);
        if (op.status == GNTST_okay &&
            write_frame_list(guest_handle_va(op.frame_list), (void **)gt->status, op.nr_frames))
            op.status = GNTST_bad_virt_addr;
        domain_put(d);
    }
    return copy_to_guest(gva, &op, sizeof(op)) ? -EFAULT : 0;
}

/* Table lock. The array that a resource id means, once it has `frames` frames; NULL: not that many. */
static void *const *resource_frames(struct domain *d, uint32_t id, uint64_t frames)
{
    struct grant_table *gt = d->grant;

    if (id == XENMEM_resource_grant_table_id_shared)
        return frames <= gt->max_frames && !grow(d, (uint32_t)frames) ? gt->shared : NULL;
    return gt->version == 2 && frames <= gt->nr_status ? (void **)gt->status : NULL;
}

static int acquire(struct domain *d, struct xen_mem_acquire_resource *r)
{
    void *const *frames;

    if (r->type != XENMEM_resource_grant_table)
        return -EOPNOTSUPP;
    if (r->id > XENMEM_resource_grant_table_id_status || r->frame + r->nr_frames < r->frame)
        return -EINVAL;
    if (!guest_handle_va(r->frame_list)) {
        if (r->nr_frames)
            return -EINVAL;
        r->nr_frames = r->id == XENMEM_resource_grant_table_id_shared
                           ? d->grant->max_frames
                           : status_frames_for(d->grant->max_frames);
        return 0;
    }
    if (!r->nr_frames)
        return -EINVAL;
    spin_lock(&d->grant->lock);
    frames = resource_frames(d, r->id, r->frame + r->nr_frames);
    spin_unlock(&d->grant->lock);
    if (!frames)
        return -EINVAL;
    return write_frame_list(guest_handle_va(r->frame_list), frames + r->frame, r->nr_frames);
}

long grant_acquire_resource(uint64_t arg_gva)
{
    struct xen_mem_acquire_resource r;
    struct domain *d;
    int rc;

    if (copy_from_guest(&r, arg_gva, sizeof(r)))
        return -EFAULT;
    if (r.pad)
        return -EINVAL;
    d = r.domid < DOMID_FIRST_RESERVED ? domain_find(r.domid) : NULL;
    if (!d)
        return -ESRCH;
    rc = d == current->domain || !current->domain->is_privileged ? -EPERM : acquire(d, &r);
    domain_put(d);
    if (!rc && copy_to_guest(arg_gva, &r, sizeof(r)))
        return -EFAULT;
    return rc;
}

static void lock_all_entries(struct grant_table *gt)
{
    for (unsigned int i = 0; i < GRANT_STRIPES; i++)
        spin_lock_nested(&gt->stripe[i]);
}

static void unlock_all_entries(struct grant_table *gt)
{
    for (unsigned int i = GRANT_STRIPES; i-- > 0;)
        spin_unlock(&gt->stripe[i]);
}

static bool any_in_use(const struct grant_table *gt)
{
    for (uint32_t ref = 0; ref < grant_entries(gt); ref++)
        if (grant_active(gt, ref)->readers || grant_active(gt, ref)->writers)
            return true;
    return false;
}

/* A reserved entry as the other version writes it; anything but a plain grant of a page becomes invalid. */
static void to_v2(const grant_entry_v1_t *from, grant_entry_v2_t *to)
{
    memset(to, 0, sizeof(*to));
    if ((from->flags & GTF_type_mask) != GTF_permit_access)
        return;
    to->hdr.flags = from->flags;
    to->hdr.domid = from->domid;
    to->full_page.frame = from->frame;
}

static void to_v1(const grant_entry_v2_t *from, grant_entry_v1_t *to)
{
    memset(to, 0, sizeof(*to));
    if ((from->hdr.flags & GTF_type_mask) != GTF_permit_access || (from->hdr.flags & GTF_sub_page) ||
        from->full_page.frame != (uint32_t)from->full_page.frame)
        return;
    to->flags = from->hdr.flags;
    to->domid = from->hdr.domid;
    to->frame = from->full_page.frame;
}

/* All locks. The reserved entries are kept, all others cleared: the guest fills them again. */
static void convert(struct grant_table *gt, uint32_t version)
{
    grant_entry_v1_t v1[GNTTAB_NR_RESERVED_ENTRIES];
    grant_entry_v2_t v2[GNTTAB_NR_RESERVED_ENTRIES];

    for (uint32_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
        if (version == 2) {
            v1[i] = *grant_v1(gt, i);
            to_v2(&v1[i], &v2[i]);
        } else {
            v2[i] = *grant_v2(gt, i);
            to_v1(&v2[i], &v1[i]);
        }
    }
    for (uint32_t i = 0; i < gt->nr_frames; i++)
        memset(gt->shared[i], 0, PAGE_SIZE);
    for (uint32_t i = 0; i < gt->nr_status; i++)
        memset(gt->status[i], 0, PAGE_SIZE);
    if (version == 2)
        memcpy(gt->shared[0], v2, sizeof(v2));
    else
        memcpy(gt->shared[0], v1, sizeof(v1));
    gt->version = version;
}

/* Table lock. */
static int change_version(struct domain *d, uint32_t version)
{
    struct grant_table *gt = d->grant;
    int rc;

    if (gt->version == version)
        return 0;
    rc = version == 2 ? add_status_frames(d, gt->nr_frames) : 0;
    if (rc)
        return rc;
    lock_all_entries(gt);
    if (any_in_use(gt))
        rc = -EBUSY;
    else
        convert(gt, version);
    unlock_all_entries(gt);
    return rc;
}

long grant_set_version(uint64_t gva)
{
    struct grant_table *gt = current->domain->grant;
    struct gnttab_set_version op;
    int rc;

    if (copy_from_guest(&op, gva, sizeof(op)))
        return -EFAULT;
    if (op.version != 1 && op.version != 2)
        return -EINVAL;
    if (op.version > gt->max_version)
        return -ENOSYS; /* as before there was a choice */
    spin_lock(&gt->lock);
    rc = change_version(current->domain, op.version);
    op.version = gt->version;
    spin_unlock(&gt->lock);
    if (copy_to_guest(gva, &op, sizeof(op)))
        return -EFAULT;
    return rc;
}

long grant_get_version(uint64_t gva)
{
    struct gnttab_get_version op;
    struct domain *d;
    int16_t status;

    if (copy_from_guest(&op, gva, sizeof(op)))
        return -EFAULT;
    d = find_table_owner(op.dom, &status);
    if (!d)
        return status == GNTST_bad_domain ? -ESRCH : -EPERM;
    op.version = READ_ONCE(d->grant->version);
    domain_put(d);
    return copy_to_guest(gva, &op, sizeof(op)) ? -EFAULT : 0;
}

int grant_table_init(struct domain *d, int32_t max_frames, int32_t max_maptrack)
{
    struct grant_table *gt;

    if (!max_frames || max_frames > (int64_t)opt_max_frames || max_maptrack > (int64_t)opt_max_maptrack)
        return -EINVAL;
    gt = xzalloc(struct grant_table);
    if (!gt)
        return -ENOMEM;
    d->grant = gt;
    spin_lock_init(&gt->lock, LOCK_GRANT);
    spin_lock_init(&gt->maptrack_lock, LOCK_GRANT);
    for (unsigned int i = 0; i < GRANT_STRIPES; i++)
        spin_lock_init(&gt->stripe[i], LOCK_GRANT);
    gt->version = 1;
    gt->max_version = 2;
    gt->free_handle = MAPTRACK_NONE;
    gt->max_frames = max_frames < 0 ? MAX(opt_max_frames, 1u) : (uint32_t)max_frames;
    gt->max_maptrack = max_maptrack < 0 ? opt_max_maptrack : (uint32_t)max_maptrack;
    gt->shared = xzalloc_array(void *, gt->max_frames);
    gt->active = xzalloc_array(struct active_grant *, gt->max_frames);
    gt->status = xzalloc_array(grant_status_t *, status_frames_for(gt->max_frames));
    gt->maptrack = xzalloc_array(struct maptrack *, MAX(gt->max_maptrack, 1u));
    if (!gt->shared || !gt->active || !gt->status || !gt->maptrack)
        return -ENOMEM;
    return alloc_frame(gt);
}

void grant_table_limit_version(struct domain *d, uint32_t version)
{
    d->grant->max_version = version;
}

void grant_table_share(struct domain *d)
{
    struct grant_table *gt = d->grant;

    share_vmm_page(virt_to_page(gt->shared[0]), d, true);
    store_release(&gt->nr_frames, 1);
}

void grant_table_free(struct domain *d)
{
    struct grant_table *gt = d->grant;

    if (!gt)
        return;
    for (uint32_t i = 0; i < gt->nr_frames; i++)
        unshare_vmm_page(virt_to_page(gt->shared[i]));
    if (!gt->nr_frames && gt->shared && gt->shared[0])
        free_vmm_pages(gt->shared[0], 0); /* a domain that never came to life */
    for (uint32_t i = 0; gt->active && i < gt->max_frames; i++)
        xfree(gt->active[i]);
    for (uint32_t i = 0; i < gt->nr_status; i++)
        unshare_vmm_page(virt_to_page(gt->status[i]));
    for (uint32_t i = 0; i < gt->nr_maptrack; i++)
        xfree(gt->maptrack[i]);
    xfree(gt->shared);
    xfree(gt->active);
    xfree(gt->status);
    xfree(gt->maptrack);
    xfree(gt);
    d->grant = NULL;
}
