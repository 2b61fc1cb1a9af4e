/*
 * Domains: the table of them, references, creation and the steps of their end.
 *
 * The memory of a struct domain is type-stable: what is freed goes to a list of
 * spare structs and is only ever used for another domain. So domain_find()
 * needs no lock: it may look at the reference count of a struct that is no
 * longer the domain it looks for, finds the count zero or the id changed, and
 * gives up.
 *
 *   finder                               creator / last put
 *   d = table[id]
 *                                        count 1 -> 0, table[id] = NULL
 *                                        (maybe reused: id = other, count = 1)
 *   count 0: give up, or 1 -> 2
 *   table[id] != d: drop it, give up
 */
#include <base/atomic.h>
#include <base/bug.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <control/hypercall.h>
#include <cpu/cpuid_policy.h>
#include <cpu/softirq.h>
#include <domain/domain.h>
#include <domain/vcpu.h>
#include <event/evtchn.h>
#include <grant/grant.h>
#include <irq/pirq.h>
#include <lib/string.h>
#include <mm/iomem.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <sched/sched.h>
#include <time/time.h>
#include <time/tsc.h>

#define LEAF_BITS 8
#define LEAF_SIZE (1u << LEAF_BITS)
#define NR_LEAVES ((DOMID_FIRST_RESERVED + LEAF_SIZE - 1) / LEAF_SIZE)

struct domain *dom0;

static DEFINE_SPINLOCK(domlist_lock, LOCK_DOMLIST);
static struct domain *domain_list;              /* in order of id; LOCK_DOMLIST */
static struct domain **domain_table[NR_LEAVES]; /* leaves appear under LOCK_DOMLIST and stay */
static struct domain *spare_domains;            /* freed structs, linked by next; LOCK_DOMLIST */
static bool change_to_tell;                     /* VIRQ_DOM_EXC is to be sent */
static struct domain *reap_list;                /* without references, to be freed; pushed by xchg loops */

struct domain *domain_by_id(domid_t id)
{
    struct domain **leaf;

    if (id >= DOMID_FIRST_RESERVED)
        return NULL;
    leaf = load_acquire(&domain_table[index_nospec(id >> LEAF_BITS, NR_LEAVES)]);
    return leaf ? load_acquire(&leaf[id & (LEAF_SIZE - 1)]) : NULL;
}

bool domain_get(struct domain *d)
{
    uint32_t count = READ_ONCE(d->refcount);

    while (count) {
        uint32_t seen = cmpxchg(&d->refcount, count, count + 1);

        if (seen == count)
            return true;
        count = seen;
    }
    return false;
}

struct domain *domain_find(domid_t id)
{
    struct domain *d;

    if (id == DOMID_SELF)
        id = current->domain->id;
    d = domain_by_id(id);
    if (!d || !domain_get(d))
        return NULL;
    if (domain_by_id(id) == d)
        return d;
    domain_put(d);
    return NULL;
}

struct domain *domain_find_next(domid_t first)
{
    struct domain *d;

    spin_lock(&domlist_lock);
    for (d = domain_list; d; d = d->next)
        if (d->id >= first && domain_get(d))
            break;
    spin_unlock(&domlist_lock);
    return d;
}

void domain_put(struct domain *d)
{
    struct domain *head;

    if (!atomic_dec_and_test(&d->refcount))
        return;
    /* Callers may hold locks and be anywhere: leave the work to a softirq. */
    do {
        head = READ_ONCE(reap_list);
        d->reap_next = head;
    } while (cmpxchg(&reap_list, head, d) != head);
    raise_softirq(SOFTIRQ_TASKLET);
}

/* Makes the domain visible; the leaf of the table exists. LOCK_DOMLIST. */
static void domain_link(struct domain *d)
{
    struct domain **p = &domain_list;

    while (*p && (*p)->id < d->id)
        p = &(*p)->next;
    d->next = *p;
    *p = d;
    store_release(&domain_table[d->id >> LEAF_BITS][d->id & (LEAF_SIZE - 1)], d);
}

static void domain_unlink(struct domain *d)
{
    struct domain **p = &domain_list;

    spin_lock(&domlist_lock);
    store_release(&domain_table[d->id >> LEAF_BITS][d->id & (LEAF_SIZE - 1)], NULL);
    while (*p != d)
        p = &(*p)->next;
    *p = d->next;
    spin_unlock(&domlist_lock);
}

/* A zeroed struct domain whose reference count stayed 0 all the time; NULL if out of memory. */
static struct domain *domain_struct_alloc(void)
{
    struct domain *d;

    spin_lock(&domlist_lock);
    d = spare_domains;
    if (d)
        spare_domains = d->next;
    spin_unlock(&domlist_lock);
    if (!d)
        return xzalloc(struct domain);
    memset(d, 0, sizeof(*d));
    return d;
}

static void domain_struct_free(struct domain *d)
{
    spin_lock(&domlist_lock);
    d->next = spare_domains;
    spare_domains = d;
    spin_unlock(&domlist_lock);
}

static int table_leaf_alloc(domid_t id)
{
    struct domain ***slot = &domain_table[id >> LEAF_BITS];
    struct domain **leaf;

    if (load_acquire(slot))
        return 0;
    leaf = xzalloc_array(struct domain *, LEAF_SIZE);
    if (!leaf)
        return -ENOMEM;
    spin_lock(&domlist_lock);
    if (!*slot) {
        store_release(slot, leaf);
        leaf = NULL;
    }
    spin_unlock(&domlist_lock);
    xfree(leaf);
    return 0;
}

static void domain_init_fields(struct domain *d, const struct domain_config *config)
{
    static uint64_t last_serial;

    d->id = config->id;
    d->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    spin_lock_init(&d->mm.page_lock, LOCK_PAGE_ALLOC_DOMAIN);
    iomem_domain_init(d);
    d->max_vcpus = config->max_vcpus;
    d->is_privileged = d->is_hardware = config->privileged;
    d->ssidref = config->ssidref;
    memcpy(d->handle, config->handle, sizeof(d->handle));
    d->pause_count = 1;
    d->shutdown_code = SHUTDOWN_CODE_NONE;
    d->sched.weight = 256;
    d->mm.max_pages = config->privileged ? UINT32_MAX : 0;
}

/* The handlers of timers send events: none may be under way when the channels go. */
static void stop_timers(struct domain *d)
{
    struct vcpu *v;

    sched_destroy_domain(d);
    if (d->vcpu)
        for_each_vcpu (d, v)
            time_destroy_vcpu(v);
}

/* What domain_create() allocated, in any state of completion; the domain is not (or no longer) visible. */
static void domain_free(struct domain *d)
{
    stop_timers(d);
    grant_table_free(d);
    evtchn_free(d); /* its per-vCPU part too: before the vCPUs go */
    pirq_domain_free(d);
    if (d->vcpu)
        for (uint32_t i = 0; i < d->max_vcpus; i++)
            if (d->vcpu[i])
                vcpu_free(d->vcpu[i]);
    xfree(d->vcpu);
    if (d->shared_info)
        unshare_vmm_page(virt_to_page(d->shared_info));
    xfree(d->pv.ioport_bitmap);
    iomem_domain_free(d);
    cpu_policy_free_domain(d);
    domain_struct_free(d);
}

static int domain_init_parts(struct domain *d, const struct domain_config *config)
{
    int rc;

    d->vcpu = xzalloc_array(struct vcpu *, config->max_vcpus);
    d->shared_info = alloc_vmm_pages(0);
    if (!d->vcpu || !d->shared_info)
        return -ENOMEM;
    tsc_init_domain(d);
    rc = cpu_policy_init_domain(d);
    if (!rc)
        rc = evtchn_init(d, config->max_evtchn_port);
    if (!rc)
        rc = pirq_domain_init(d);
    if (!rc)
        rc = grant_table_init(d, config->max_grant_frames, config->max_maptrack_frames);
    return rc;
}

int domain_create(const struct domain_config *config, struct domain **result)
{
    struct domain *d;
    int rc;

    if (config->id >= DOMID_FIRST_RESERVED || !config->max_vcpus || config->max_vcpus > MAX_VCPUS_PER_DOMAIN)
        return -EINVAL;
    rc = table_leaf_alloc(config->id);
    if (rc)
        return rc;
    d = domain_struct_alloc();
    if (!d)
        return -ENOMEM;
    domain_init_fields(d, config);
    rc = domain_init_parts(d, config);
    if (rc) {
        if (d->shared_info)
            free_vmm_pages(d->shared_info, 0);
        d->shared_info = NULL;
        domain_free(d);
        return rc;
    }

    spin_lock(&domlist_lock);
    if (domain_by_id(d->id)) {
        spin_unlock(&domlist_lock);
        free_vmm_pages(d->shared_info, 0);
        d->shared_info = NULL;
        domain_free(d);
        return -EEXIST;
    }
    /* From here on only domain_put() may end it: references can be taken once the count is set. */
    domain_link(d);
    store_release(&d->refcount, 1);
    spin_unlock(&domlist_lock);
    /* Sharing gives the frame an owner, who must be in the table by then. */
    share_vmm_page(virt_to_page(d->shared_info), d, true);
    grant_table_share(d);
    time_update_wallclock(d);
    *result = d;
    return 0;
}

/*
 * Teardown, in an order in which each step only needs what later steps free:
 * first nothing new can begin (dying is set, no vCPU runs), then what others
 * hold of us and we of others goes (channels, interrupts, grant mappings),
 * then the vCPUs' references to memory, then the memory.
 */
enum kill_step { KILL_EVENTS, KILL_PIRQS, KILL_GRANTS, KILL_VCPUS, KILL_MEMORY, KILL_DONE };

static int kill_vcpus(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu (d, v) {
        int rc;

        if (v->memory_dropped) /* no reason to stop again */
            continue;
        rc = vcpu_drop_memory(v);
        if (rc)
            return rc;
        if (hypercall_preempt_check())
            return -ERESTART;
    }
    return 0;
}

static int kill_one_step(struct domain *d)
{
    switch (d->kill_step) {
    case KILL_EVENTS:
        return evtchn_destroy(d);
    case KILL_PIRQS:
        return pirq_domain_release(d);
    case KILL_GRANTS:
        return grant_release_mappings(d);
    case KILL_VCPUS:
        return kill_vcpus(d);
    default:
        return domain_relinquish_memory(d);
    }
}

int domain_kill(struct domain *d)
{
    if (d == current->domain || d == dom0 || d->is_idle)
        return -EINVAL;
    spin_lock(&d->lock);
    if (d->dying == DOMAIN_ALIVE)
        store_release(&d->dying, DOMAIN_DYING);
    spin_unlock(&d->lock);
    if (d->dying == DOMAIN_DEAD)
        return 0;
    if (!d->kill_pause) {
        d->kill_pause = true;
        domain_pause(d);
    }
    while (d->kill_step < KILL_DONE) {
        int rc = kill_one_step(d);

        if (rc)
            return rc;
        d->kill_step++;
    }
    d->dying = DOMAIN_DEAD;
    domain_put(d); /* the reference of domain_create() */
    domain_notify_change();
    return 0;
}

void domain_notify_change(void)
{
    WRITE_ONCE(change_to_tell, true);
    raise_softirq(SOFTIRQ_TASKLET);
}

/* Frees what has lost its last reference; by then all its memory and channels are gone. */
static void reap_domains(void)
{
    struct domain *d = xchg(&reap_list, NULL);
    bool tell = xchg(&change_to_tell, false);

    while (d) {
        struct domain *next = d->reap_next;

        domain_unlink(d);
        domain_free(d);
        d = next;
        tell = true;
    }
    if (tell)
        send_global_virq(VIRQ_DOM_EXC);
}

void domain_init(void)
{
    open_softirq(SOFTIRQ_TASKLET, reap_domains);
}
