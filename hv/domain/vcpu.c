/* vCPUs: creation, end, pausing. */
#include <base/atomic.h>
#include <base/bug.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <cpu/fpu.h>
#include <domain/vcpu.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <pv/pv.h>
#include <sched/sched.h>
#include <time/time.h>

struct vcpu *domain_vcpu(const struct domain *d, uint32_t id)
{
    if (id >= d->max_vcpus)
        return NULL;
    return load_acquire(&d->vcpu[index_nospec(id, d->max_vcpus)]);
}

static int vcpu_init_parts(struct vcpu *v)
{
    int rc = fpu_vcpu_init(v);

    if (rc)
        return rc;
    rc = pv_vcpu_init(v);
    if (rc)
        goto no_pv;
    rc = time_init_vcpu(v);
    if (rc)
        goto no_time;
    rc = sched_init_vcpu(v);
    if (rc)
        goto no_sched;
    return 0;

no_sched:
    time_destroy_vcpu(v);
no_time:
    pv_vcpu_destroy(v);
no_pv:
    fpu_vcpu_free(v);
    return rc;
}

int vcpu_create(struct domain *d, uint32_t id, uint32_t cpu)
{
    struct vcpu *v;
    int rc;

    if (id >= d->max_vcpus)
        return -EINVAL;
    v = xzalloc(struct vcpu);
    if (!v)
        return -ENOMEM;
    v->domain = d;
    v->id = id;
    v->tag.key = d->serial * MAX_VCPUS_PER_DOMAIN + id;
    v->processor = cpu;
    /*
     * A guest cannot bring one without a vcpu_info up (<xen/vcpu.h>), but a toolstack that restores it may:
     * it then masks and unmasks events, and is sent some, as others.
     */
    v->own_info.evtchn_upcall_mask = 1;
    v->vcpu_info = id < XEN_LEGACY_MAX_VCPUS ? &d->shared_info->vcpu_info[id] : &v->own_info;
    v->sched.pause_flags = VPF_DOWN;
    rc = vcpu_init_parts(v);
    if (rc) {
        xfree(v);
        return rc;
    }

    /* Teardown has perhaps passed the vCPUs: what this one has would stay. */
    spin_lock(&d->lock);
    if (d->dying != DOMAIN_ALIVE)
        rc = -EINVAL;
    else if (d->vcpu[id])
        rc = -EEXIST;
    else
        store_release(&d->vcpu[id], v);
    spin_unlock(&d->lock);
    if (rc) {
        pv_vcpu_destroy(v);
        vcpu_free(v);
    }
    return rc;
}

static int drop_table(struct page_info **table)
{
    int rc;

    if (!*table)
        return 0;
    rc = put_page_type_preemptible(*table);
    if (rc)
        return rc;
    put_page(*table);
    *table = NULL;
    return 0;
}

int vcpu_reset(struct vcpu *v)
{
    uint64_t old;
    int rc;

    if (v->memory_dropped)
        return 0;
    atomic_or(&v->sched.pause_flags, VPF_DOWN);
    v->is_initialised = false;
    rc = drop_table(&v->pv.user_table);
    if (!rc)
        rc = drop_table(&v->pv.kernel_table);
    if (rc)
        return rc;
    pv_vcpu_reset(v);
    fpu_vcpu_reset(v);
    old = __atomic_fetch_and(&v->sched.pause_flags, ~(VPF_BLOCKED | VPF_POLL), __ATOMIC_SEQ_CST);
    if (old & VPF_POLL)
        atomic_dec(&v->domain->events.nr_pollers);
    return 0;
}

int vcpu_drop_memory(struct vcpu *v)
{
    int rc;

    if (v->memory_dropped)
        return 0;
    if (v->vcpu_info_page) {
        v->vcpu_info = &v->own_info;
        put_page_and_type(v->vcpu_info_page);
        v->vcpu_info_page = NULL;
    }
    rc = drop_table(&v->pv.user_table);
    if (!rc)
        rc = drop_table(&v->pv.kernel_table);
    if (rc)
        return rc;
    pv_vcpu_destroy(v);
    v->memory_dropped = true;
    return 0;
}

void vcpu_free(struct vcpu *v)
{
    sched_destroy_vcpu(v);
    time_destroy_vcpu(v);
    fpu_vcpu_free(v);
    xfree(v);
}

void vcpu_pause(struct vcpu *v)
{
    ASSERT(v != current);
    atomic_inc(&v->sched.pause_count);
    vcpu_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
    if (atomic_dec_and_test(&v->sched.pause_count))
        vcpu_wake(v);
}

void domain_pause_nosync(struct domain *d)
{
    struct vcpu *v;

    atomic_inc(&d->pause_count);
    for_each_vcpu (d, v)
        vcpu_sleep_nosync(v);
}

void domain_pause(struct domain *d)
{
    struct vcpu *v;

    ASSERT(d != current->domain);
    atomic_inc(&d->pause_count);
    for_each_vcpu (d, v)
        vcpu_sleep_sync(v);
}

void domain_unpause(struct domain *d)
{
    struct vcpu *v;

    if (!atomic_dec_and_test(&d->pause_count))
        return;
    for_each_vcpu (d, v)
        vcpu_wake(v);
}
