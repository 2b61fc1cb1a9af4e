/* GNTTABOP_copy: bytes from one frame to another, each the caller's own or granted to it. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <grant/batch.h>
#include <grant/table.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/page_type.h>

/*
 * One side of a copy, ready to be used. It is kept for the operations that
 * follow: batches often go through the same frame piece by piece.
 */
struct copy_side {
    bool held, granted;
    domid_t domid; /* of the operation, with the number that made it */
    uint64_t number;
    bool write;
    struct domain *d; /* granting domain, referenced; NULL for an own frame */
    struct grant_pin pin;
    struct page_info *page;
    uint32_t offset, end; /* the part that may be used */
};

static void side_release(struct copy_side *s)
{
    if (!s->held)
        return;
    if (s->write)
        put_page_type(s->page);
    put_page(s->page);
    if (s->granted) {
        grant_unpin(&s->pin);
        domain_put(s->d);
    }
    s->held = false;
}

static int16_t side_get_page(struct copy_side *s, mfn_t mfn, const struct domain *owner)
{
    s->page = get_page_from_mfn(mfn, owner);
    if (!s->page)
        return GNTST_bad_page;
    if (!s->write || !get_page_type(s->page, PGT_WRITABLE))
        return GNTST_okay;
    put_page(s->page);
    return GNTST_general_error;
}

static int16_t claim_granted(struct copy_side *s)
{
    int16_t status;

    s->d = s->domid == DOMID_SELF ? domain_find(DOMID_SELF) : grant_find_domain(s->domid);
    if (!s->d)
        return GNTST_bad_domain;
    status = grant_pin(&s->pin, s->d, (grant_ref_t)s->number, current->domain->id, !s->write, true);
    if (!status) {
        s->offset = s->pin.offset;
        s->end = s->pin.length ? s->pin.offset + s->pin.length : PAGE_SIZE;
        /* A transitive grant's frame belongs to the domain at its end. */
        status = side_get_page(s, s->pin.mfn, s->pin.next ? s->pin.next : s->d);
        if (status)
            grant_unpin(&s->pin);
    }
    if (status)
        domain_put(s->d);
    return status;
}

static int16_t claim_own(struct copy_side *s)
{
    if (s->domid != DOMID_SELF)
        return GNTST_permission_denied;
    s->offset = 0;
    s->end = PAGE_SIZE;
    return side_get_page(s, _mfn(s->number), current->domain);
}

static int16_t side_claim(struct copy_side *s, const struct gnttab_copy_ptr *p, bool granted)
{
    uint64_t number = granted ? p->u.ref : p->u.gmfn;
    int16_t status;

    if (s->held && s->granted == granted && s->domid == p->domid && s->number == number)
        return GNTST_okay;
    side_release(s);
    s->granted = granted;
    s->domid = p->domid;
    s->number = number;
    status = granted ? claim_granted(s) : claim_own(s);
    s->held = status == GNTST_okay;
    return status;
}

static int16_t copy_one(const struct gnttab_copy *op, struct copy_side *src, struct copy_side *dst)
{
    uint32_t from = op->source.offset, to = op->dest.offset, len = op->len;
    int16_t status;

    if (from + len > PAGE_SIZE || to + len > PAGE_SIZE)
        return GNTST_bad_copy_arg;
    status = side_claim(src, &op->source, op->flags & GNTCOPY_source_gref);
    if (!status)
        status = side_claim(dst, &op->dest, op->flags & GNTCOPY_dest_gref);
    if (status)
        return status;
    if (from < src->offset || from + len > src->end || to < dst->offset || to + len > dst->end)
        return GNTST_general_error;
    /* Both may be one frame, and the parts may overlap. */
    memmove((char *)page_to_virt(dst->page) + to, (const char *)page_to_virt(src->page) + from, len);
    return GNTST_okay;
}

long grant_copy(struct hypercall_args *args)
{
    struct copy_side src = {.write = false}, dst = {.write = true};
    long rc = 0;

    while (args->a[2]) {
        struct gnttab_copy op;

        rc = -EFAULT;
        if (copy_from_guest(&op, args->a[1], sizeof(op)))
            break;
        op.status = copy_one(&op, &src, &dst);
        /* The result alone: the rest of the guest's structure is its own. */
        if (copy_to_guest(args->a[1] + offsetof(struct gnttab_copy, status), &op.status, sizeof(op.status)))
            break;
        rc = grant_next(args, sizeof(op));
        if (rc)
            break;
    }
    side_release(&src);
    side_release(&dst);
    return rc;
}
