/* A vCPU's registers in the hands of the toolstack: to build, save, restore and reset it. */
#include <base/atomic.h>
#include <base/errno.h>
#include <control/domctl.h>
#include <cpu/cpuid_policy.h>
#include <cpu/fpu.h>
#include <cpu/msr_policy.h>
#include <domain/vcpu.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <pv/callback.h>
#include <pv/pv.h>
#include <pv/segment.h>
#include <sched/sched.h>
#include <time/time.h>

static void set_down(struct vcpu *v, bool down)
{
    if (down)
        atomic_or(&v->sched.pause_flags, VPF_DOWN);
    else
        atomic_and(&v->sched.pause_flags, ~VPF_DOWN);
}

static int reset(struct domain *d, struct vcpu *v)
{
    int rc;

    domain_pause(d);
    rc = vcpu_reset(v);
    domain_unpause(d);
    return rc;
}

int domctl_setvcpucontext(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
    struct vcpu_guest_context *c;
    int rc;

    if (d == current->domain || op->u.vcpucontext.vcpu >= d->max_vcpus || !v)
        return -EINVAL;
    if (!guest_handle_va(op->u.vcpucontext.ctxt))
        return reset(d, v);
    c = xzalloc(struct vcpu_guest_context);
    if (!c)
        return -ENOMEM;
    domain_pause(d);
    rc = copy_from_guest(c, guest_handle_va(op->u.vcpucontext.ctxt), sizeof(*c));
    if (!rc)
        rc = pv_set_context(v, c);
    if (!rc)
        set_down(v, !(c->flags & VGCF_online));
    /* The builder has cleared shared_info since the domain was created. */
    if (!rc && !v->id)
        time_update_wallclock(d);
    domain_unpause(d);
    xfree(c);
    return rc;
}

int domctl_getvcpucontext(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
    struct vcpu_guest_context *c;
    int rc;

    if (d == current->domain || op->u.vcpucontext.vcpu >= d->max_vcpus)
        return -EINVAL;
    if (!v)
        return -ESRCH;
    if (!v->is_initialised)
        return -ENODATA;
    c = xzalloc(struct vcpu_guest_context);
    if (!c)
        return -ENOMEM;
    domain_pause(d);
    pv_get_context(v, c);
    domain_unpause(d);
    rc = copy_to_guest(guest_handle_va(op->u.vcpucontext.ctxt), c, sizeof(*c));
    xfree(c);
    *copyback = true;
    return rc;
}

static void get_ext(const struct vcpu *v, struct xen_domctl_ext_vcpucontext *e)
{
    const struct pv_vcpu *pv = &v->pv;

    *e = (struct xen_domctl_ext_vcpucontext){.vcpu = v->id,
                                             .size = sizeof(*e),
                                             .syscall32_callback_eip = pv->syscall32.eip,
                                             .syscall32_disables_events = pv->syscall32.mask_events,
                                             .syscall32_callback_cs = pv->syscall32_cs,
                                             .sysenter_callback_eip = pv->sysenter.eip,
                                             .sysenter_disables_events = pv->sysenter.mask_events,
                                             .sysenter_callback_cs = pv->sysenter_cs};
    e->mcg_cap = pv->mcg_cap;
}

/* The part before the machine-check capabilities is what every toolstack knows. */
static int set_ext(struct vcpu *v, const struct xen_domctl_ext_vcpucontext *e)
{
    struct pv_vcpu *pv = &v->pv;

    if (e->size < offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap))
        return -EINVAL;
    if (!is_canonical(e->syscall32_callback_eip) || !is_canonical(e->sysenter_callback_eip))
        return -EINVAL;
    if (e->size >= offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap) + sizeof(e->mcg_cap)) {
        if (!guest_mcg_cap_valid(e->mcg_cap))
            return -EINVAL;
        pv->mcg_cap = e->mcg_cap;
    }
    pv->syscall32.eip = e->syscall32_callback_eip;
    pv->syscall32.mask_events = e->syscall32_disables_events;
    pv->syscall32_cs = pv_kernel_selector(e->syscall32_callback_cs);
    pv->sysenter.eip = e->sysenter_callback_eip;
    pv->sysenter.mask_events = e->sysenter_disables_events;
    pv->sysenter_cs = pv_kernel_selector(e->sysenter_callback_cs);
    return 0;
}

int domctl_ext_vcpucontext(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct vcpu *v = domain_vcpu(d, op->u.ext_vcpucontext.vcpu);
    bool set = op->cmd == XEN_DOMCTL_set_ext_vcpucontext;
    int rc = 0;

    if (!v || d == current->domain)
        return -ESRCH;
    domain_pause(d);
    if (set)
        rc = set_ext(v, &op->u.ext_vcpucontext);
    else
        get_ext(v, &op->u.ext_vcpucontext);
    domain_unpause(d);
    *copyback = !set;
    return rc;
}

/* In front of what XSAVE writes. */
struct extstate_header {
    uint64_t xcr0, accumulated;
};

/* Without a component ever used there is only the header. */
static uint64_t extstate_size(uint64_t accumulated)
{
    return sizeof(struct extstate_header) + (accumulated ? fpu_xsave_size(accumulated) : 0);
}

static int copy_extstate(struct vcpu *v, uint64_t gva, const struct extstate_header *header)
{
    uint64_t size = extstate_size(header->accumulated) - sizeof(*header);
    void *image;
    int rc;

    rc = copy_to_guest(gva, header, sizeof(*header));
    if (rc || !size)
        return rc;
    image = xzalloc_bytes(size);
    if (!image)
        return -ENOMEM;
    fpu_get_xstate(v, image);
    rc = copy_to_guest(gva + sizeof(*header), image, size);
    xfree(image);
    return rc;
}

static int get_extstate(struct vcpu *v, struct xen_domctl_vcpuextstate *e)
{
    struct extstate_header header = {.accumulated = fpu_xcr0_used(v)};
    uint64_t gva = guest_handle_va(e->buffer), mask = fpu_guest_xstate_mask();
    uint64_t size = extstate_size(header.accumulated);

    header.xcr0 = header.accumulated ? v->pv.xcr0 : 0;
    if ((!e->xfeature_mask && !e->size) || !gva) {
        e->xfeature_mask = mask;
        e->size = extstate_size(mask);
        return 0;
    }
    if (e->xfeature_mask != mask || e->size < size)
        return -EINVAL;
    e->size = size;
    return copy_extstate(v, gva, &header);
}

static int set_extstate(struct vcpu *v, const struct xen_domctl_vcpuextstate *e)
{
    uint64_t gva = guest_handle_va(e->buffer), size;
    struct extstate_header header;
    void *area;
    int rc;

    if (e->size < sizeof(header) || e->size > extstate_size(fpu_guest_xstate_mask()))
        return -EINVAL;
    if (copy_from_guest(&header, gva, sizeof(header)))
        return -EFAULT;
    if (!header.accumulated)
        return header.xcr0 || e->size != sizeof(header) ? -EINVAL : 0;
    if ((header.accumulated & ~pv_guest_xcr0_mask(v)) || e->size != extstate_size(header.accumulated))
        return -EINVAL;
    size = e->size - sizeof(header);
    area = xzalloc_bytes(size);
    if (!area)
        return -ENOMEM;
    rc = copy_from_guest(area, gva + sizeof(header), size);
    if (!rc)
        rc = fpu_set_xstate(v, header.xcr0, header.accumulated, area, (uint32_t)size);
    xfree(area);
    return rc;
}

int domctl_vcpuextstate(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct vcpu *v = domain_vcpu(d, op->u.vcpuextstate.vcpu);
    bool set = op->cmd == XEN_DOMCTL_setvcpuextstate;
    int rc;

    if (!v)
        return -ESRCH;
    if (d == current->domain)
        return -EINVAL;
    domain_pause(d);
    rc = set ? set_extstate(v, &op->u.vcpuextstate) : get_extstate(v, &op->u.vcpuextstate);
    domain_unpause(d);
    *copyback = !set && !rc;
    return rc;
}

/* Those with a value other than 0. */
static int get_msrs(struct vcpu *v, struct xen_domctl_vcpu_msrs *m)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < NR_MIGRATED_MSRS; i++) {
        xen_domctl_vcpu_msr_t out = {.index = migrated_msrs[i]};

        if (migrated_msr_get(v, out.index, &out.value) || !out.value)
            continue;
        if (used < m->msr_count && copy_to_guest_index(guest_handle_va(m->msrs), used, &out))
            return -EFAULT;
        used++;
    }
    if (used > m->msr_count) {
        m->msr_count = used;
        return -ENOBUFS;
    }
    m->msr_count = used;
    return 0;
}

static int set_msrs(struct vcpu *v, struct xen_domctl_vcpu_msrs *m)
{
    if (m->msr_count > NR_MIGRATED_MSRS)
        return -EINVAL;
    for (uint32_t i = 0; i < m->msr_count; i++) {
        xen_domctl_vcpu_msr_t in;
        int rc = copy_from_guest_index(&in, guest_handle_va(m->msrs), i);

        if (!rc)
            rc = in.reserved ? -EINVAL : migrated_msr_set(v, in.index, in.value);
        if (rc) {
            m->msr_count = i;
            return rc;
        }
    }
    return 0;
}

int domctl_vcpu_msrs(struct domain *d, struct xen_domctl *op, bool *copyback)
{
    struct xen_domctl_vcpu_msrs *m = &op->u.vcpu_msrs;
    struct vcpu *v = domain_vcpu(d, m->vcpu);
    int rc = 0;

    if (d == current->domain)
        return -EINVAL;
    if (!v)
        return -ESRCH;
    *copyback = true;
    domain_pause(d);
    if (op->cmd == XEN_DOMCTL_set_vcpu_msrs)
        rc = set_msrs(v, m);
    else if (guest_handle_va(m->msrs))
        rc = get_msrs(v, m);
    else
        m->msr_count = NR_MIGRATED_MSRS;
    domain_unpause(d);
    return rc;
}
