/* HYPERVISOR_mmuext_op: pins, table bases, flushes and what else concerns whole tables. */
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/insn.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/batch.h>
#include <mm/guest_access.h>
#include <mm/iomem.h>
#include <mm/page_ref.h>
#include <mm/pt_update.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <pv/descriptor.h>
#include <pv/pv.h>
#include <xen/xen.h>

/* Flushes that wait for the end of the batch. */
struct batch {
    struct pt_context c;
    bool flush_local, flush_all;
};

static int pin(const struct batch *b, mfn_t mfn, unsigned int level)
{
    struct page_info *page = b->c.data ? get_page_from_mfn(mfn, b->c.data) : NULL;
    int rc;

    if (!page)
        return -EINVAL;
    rc = get_page_type(page, PGT_TABLE(level));
    if (rc) {
        put_page(page);
        return rc;
    }
    if (!page_set_pinned(page)) {
        release_page_and_type(page);
        return -EINVAL;
    }
    /* A dying domain's pins are dropped once: either that sees this one, or we see that it is dying. */
    if (unlikely(READ_ONCE(b->c.data->dying) != DOMAIN_ALIVE) && page_clear_pinned(page))
        release_page_and_type(page);
    return 0;
}

static int unpin(const struct batch *b, mfn_t mfn)
{
    struct page_info *page = b->c.data ? get_page_from_mfn(mfn, b->c.data) : NULL;
    bool pinned;

    if (!page)
        return -EINVAL;
    pinned = page_clear_pinned(page);
    if (pinned)
        release_page_and_type(page);
    put_page(page);
    return pinned ? 0 : -EINVAL;
}

/* An L4 of current's domain with both references. */
static __always_inline int get_l4(mfn_t mfn, struct page_info **l4)
{
    int rc;

    if (unlikely(!mfn_valid(mfn)))
        return -EINVAL;
    *l4 = mfn_to_page(mfn);
    if (unlikely(!page_get_owned(*l4, current->domain->id)))
        return -EINVAL;
    rc = page_get_type(*l4, PGT_L4);
    if (unlikely(rc))
        page_put(*l4);
    return rc;
}

static int new_baseptr(struct batch *b, mfn_t mfn)
{
    struct vcpu *v = current;
    struct page_info *l4, *old = v->pv.kernel_table;
    int rc;

    if (mfn_eq(mfn, page_to_mfn(old))) {
        b->flush_local = true; /* it is a load of CR3 still */
        return 0;
    }
    rc = get_l4(mfn, &l4);
    if (rc)
        return rc;
    pv_invalidate_ldt(v); /* the new tables may map something else at its address */
    v->pv.kernel_table = l4;
    pv_update_kernel_cr3(v); /* before the old one may go */
    b->flush_local = false;
    release_page_and_type(old);
    return 0;
}

int load_guest_cr3(mfn_t mfn)
{
    struct batch b = {0};
    int rc;

    /* What the last one left of its tree comes first: never more than one waits. */
    if (unlikely(current->mm.nr_pending) && release_pending(current))
        return -ERESTART;
    rc = new_baseptr(&b, mfn);
    if (b.flush_local)
        flush_tlb_local();
    return rc;
}

static int new_user_baseptr(mfn_t mfn)
{
    struct vcpu *v = current;
    struct page_info *l4 = NULL, *old = v->pv.user_table;
    int rc;

    if (old && mfn_eq(mfn, page_to_mfn(old)))
        return 0;
    if (mfn_x(mfn)) {
        rc = get_l4(mfn, &l4);
        if (rc)
            return rc;
        if (v->domain->vm_assist & BIT(VMASST_TYPE_m2p_strict))
            l4_set_m2p(l4, l4 == v->pv.kernel_table);
    }
    /* CR3 is not touched: a hypercall comes from the kernel's tables. */
    v->pv.user_table = l4;
    pv_update_user_cr3(v);
    if (old)
        release_page_and_type(old);
    return 0;
}

static int flush_vcpus(const struct mmuext_op *op)
{
    cpumask_t cpus;

    if (vcpumask_to_cpus(current->domain, guest_handle_va(op->arg2.vcpumask), &cpus))
        return -EINVAL;
    if (op->cmd == MMUEXT_TLB_FLUSH_MULTI)
        flush_tlb_mask(&cpus);
    else
        flush_tlb_one_mask(&cpus, op->arg1.linear_addr);
    return 0;
}

static void wbinvd_here(void *unused)
{
    (void)unused;
#ifndef HOSPES_UNIT_TEST
    __asm__ __volatile__("wbinvd" ::: "memory");
#endif
}

/* Only who drives devices needs it, and it is slow for everybody. */
static int flush_cache(bool everywhere)
{
    if (!domain_drives_devices(current->domain))
        return -EACCES;
    if (everywhere)
        on_selected_cpus(&cpu_online_map, wbinvd_here, NULL);
    else
        wbinvd_here(NULL);
    return 0;
}

static int clear_page(const struct batch *b, mfn_t mfn)
{
    struct page_info *page;

    if (!b->c.data || !mfn_valid(mfn))
        return -EINVAL;
    page = mfn_to_page(mfn);
    if (!get_page_and_type(page, b->c.data, PGT_WRITABLE))
        return -EINVAL;
    memset(page_to_virt(page), 0, PAGE_SIZE);
    put_page_and_type(page);
    return 0;
}

static int copy_page(const struct batch *b, mfn_t to, mfn_t from)
{
    struct page_info *src, *dst;
    int rc = -EINVAL;

    src = b->c.data ? get_page_from_mfn(from, b->c.data) : NULL;
    if (!src)
        return -EINVAL;
    if (mfn_valid(to)) {
        dst = mfn_to_page(to);
        if (get_page_and_type(dst, b->c.data, PGT_WRITABLE)) {
            if (dst != src)
                memcpy(page_to_virt(dst), page_to_virt(src), PAGE_SIZE);
            put_page_and_type(dst);
            rc = 0;
        }
    }
    put_page(src);
    return rc;
}

/* Commands that concern current's own address space alone. */
#define OWN_COMMANDS                                                                                         \
    (BIT(MMUEXT_NEW_BASEPTR) | BIT(MMUEXT_NEW_USER_BASEPTR) | BIT(MMUEXT_TLB_FLUSH_LOCAL) |                  \
     BIT(MMUEXT_INVLPG_LOCAL) | BIT(MMUEXT_TLB_FLUSH_ALL) | BIT(MMUEXT_INVLPG_ALL) |                         \
     BIT(MMUEXT_TLB_FLUSH_MULTI) | BIT(MMUEXT_INVLPG_MULTI) | BIT(MMUEXT_FLUSH_CACHE) |                      \
     BIT(MMUEXT_FLUSH_CACHE_GLOBAL) | BIT(MMUEXT_SET_LDT))

static __always_inline int do_op(struct batch *b, const struct mmuext_op *op)
{
    if (op->cmd < 64 && (OWN_COMMANDS >> op->cmd & 1) && unlikely(b->c.data != current->domain))
        return -EPERM;
    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE ... MMUEXT_PIN_L4_TABLE:
        return pin(b, _mfn(op->arg1.mfn), op->cmd - MMUEXT_PIN_L1_TABLE + 1);
    case MMUEXT_UNPIN_TABLE:
        return unpin(b, _mfn(op->arg1.mfn));
    case MMUEXT_NEW_BASEPTR:
        return new_baseptr(b, _mfn(op->arg1.mfn));
    case MMUEXT_NEW_USER_BASEPTR:
        return new_user_baseptr(_mfn(op->arg1.mfn));
    case MMUEXT_TLB_FLUSH_LOCAL:
        b->flush_local = true;
        return 0;
    case MMUEXT_INVLPG_LOCAL:
        flush_tlb_one_local(op->arg1.linear_addr);
        return 0;
    case MMUEXT_TLB_FLUSH_ALL:
        b->flush_all = true;
        return 0;
    case MMUEXT_INVLPG_ALL:
        flush_tlb_one_mask(tlb_domain_cpus(current->domain), op->arg1.linear_addr);
        return 0;
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
        return flush_vcpus(op);
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        return flush_cache(op->cmd == MMUEXT_FLUSH_CACHE_GLOBAL);
    case MMUEXT_SET_LDT:
        return pv_set_ldt(current, op->arg1.linear_addr, op->arg2.nr_ents);
    case MMUEXT_CLEAR_PAGE:
        return clear_page(b, _mfn(op->arg1.mfn));
    case MMUEXT_COPY_PAGE:
        return copy_page(b, _mfn(op->arg1.mfn), _mfn(op->arg2.src_mfn));
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -EOPNOTSUPP;
    default:
        return -ENOSYS;
    }
}

static uint32_t run_batch(struct batch *b, uint64_t gva, uint32_t count, int *rc)
{
    uint32_t done = 0;

    *rc = 0;
    while (done < count) {
        struct mmuext_op op;

        if (done && unlikely(hypercall_preempt_check())) {
            *rc = -ERESTART;
            break;
        }
        *rc = copy_from_guest(&op, gva + done * sizeof(op), sizeof(op));
        if (unlikely(*rc))
            break;
        *rc = do_op(b, &op);
        if (unlikely(*rc))
            break;
        done++;
        if (unlikely(current->mm.nr_pending)) {
            *rc = -ERESTART;
            break;
        }
    }
    return done;
}

static void finish_flushes(const struct batch *b)
{
    if (b->flush_all)
        flush_tlb_mask(tlb_domain_cpus(current->domain));
    else if (b->flush_local)
        flush_tlb_local();
}

static noinline long mmuext_op(struct hypercall_args *args)
{
    uint32_t count, before, done;
    struct batch b;
    int rc;

    rc = batch_begin(args, &count, &before);
    if (unlikely(rc))
        return rc;
    rc = pt_context_get(&b.c, (uint16_t)args->a[3]);
    if (unlikely(rc))
        return rc;
    b.flush_local = b.flush_all = false;

    done = run_batch(&b, args->a[0], count, &rc);

    pt_context_put(&b.c);
    finish_flushes(&b);
    batch_end(args, count, before, done, sizeof(struct mmuext_op), rc);
    return rc;
}

/*
 * One flush of this CPU alone: the most frequent call of all, since a guest
 * makes it for each page that it unmaps. It refers to nothing. False: it is
 * something else (or wrong), and is fetched and checked as if for the first time.
 */
static __always_inline bool local_flush(const struct hypercall_args *args)
{
    uint64_t op[3]; /* cmd, arg1, arg2 */

    if ((uint32_t)args->a[1] != 1 || args->a[2] || (uint16_t)args->a[3] != DOMID_SELF ||
        unlikely(current->mm.nr_pending) || copy_from_guest(op, args->a[0], sizeof(op)))
        return false;
    if ((uint32_t)op[0] == MMUEXT_INVLPG_LOCAL)
        flush_tlb_one_local(op[1]);
    else if ((uint32_t)op[0] == MMUEXT_TLB_FLUSH_LOCAL)
        flush_tlb_local();
    else
        return false;
    return true;
}

long hc_mmuext_op(struct hypercall_args *args)
{
    return local_flush(args) ? 0 : mmuext_op(args);
}
