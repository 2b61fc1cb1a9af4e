#include <base/atomic.h>
#include <base/bug.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <control/hypercall.h>
#include <cpu/smp.h>
#include <domain/domain.h>
#include <event/evtchn.h>
#include <irq/irq_desc.h>
#include <irq/msi.h>
#include <irq/pirq.h>
#include <lib/bitmap.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <xen/physdev.h>

/* Numbers beyond the GSIs', for MSIs: what one CPU has vectors for, times the CPUs; a few for a domU. */
#define MSI_PIRQS_PER_CPU      184u
#define MSI_PIRQS_UNPRIVILEGED 32u

int pirq_domain_init(struct domain *d)
{
    uint32_t extra =
        d->is_privileged ? MIN(MSI_PIRQS_PER_CPU * nr_cpus, MAX_IRQS - nr_gsis) : MSI_PIRQS_UNPRIVILEGED;

    spin_lock_init(&d->irq.lock, LOCK_PIRQ);
    d->irq.pirqs = xzalloc_array(struct pirq *, nr_gsis + extra);
    if (!d->irq.pirqs)
        return -ENOMEM;
    d->irq.nr_pirqs = nr_gsis + extra;
    return 0;
}

void pirq_domain_free(struct domain *d)
{
    if (!d->irq.pirqs)
        return;
    for (uint32_t n = 0; n < d->irq.nr_pirqs; n++)
        xfree(d->irq.pirqs[n]);
    xfree(d->irq.pirqs);
    d->irq.pirqs = NULL;
}

/* Entries appear under LOCK_PIRQ and stay, so finding one needs no lock. */
static struct pirq *pirq_find(const struct domain *d, uint32_t n)
{
    if (n >= d->irq.nr_pirqs)
        return NULL;
    return load_acquire(&d->irq.pirqs[index_nospec(n, d->irq.nr_pirqs)]);
}

/* LOCK_PIRQ held, n in range. */
static struct pirq *pirq_create(struct domain *d, uint32_t n)
{
    struct pirq *p = d->irq.pirqs[index_nospec(n, d->irq.nr_pirqs)];

    if (p)
        return p;
    p = xzalloc(struct pirq);
    if (!p)
        return NULL;
    p->domain = d;
    p->pirq = n;
    p->irq = IRQ_NONE;
    store_release(&d->irq.pirqs[n], p);
    return p;
}

/* The source's descriptor, locked; NULL if p is not mapped. */
static struct irq_desc *lock_source(const struct pirq *p, unsigned long *flags)
{
    for (;;) {
        uint32_t irq = READ_ONCE(p->irq);
        struct irq_desc *desc = irq_desc_get(irq);

        if (!desc)
            return NULL;
        *flags = spin_lock_irqsave(&desc->lock);
        if (p->irq == irq)
            return desc;
        spin_unlock_irqrestore(&desc->lock, *flags);
    }
}

/* Finds and locks: for operations by number. */
static struct pirq *find_and_lock(const struct domain *d, uint32_t n, struct irq_desc **desc,
                                  unsigned long *flags)
{
    struct pirq *p = pirq_find(d, n);

    if (!p)
        return NULL;
    *desc = lock_source(p, flags);
    return *desc ? p : NULL;
}

/* Tells the guest whether it must say EOI. Source locked. */
static void publish_eoi_need(const struct pirq *p, const struct irq_desc *desc)
{
    uint64_t *map = load_acquire(&p->domain->irq.eoi_map);

    if (!map)
        return;
    if (p->port && desc->level)
        atomic_or(&map[p->pirq / 64], 1UL << p->pirq % 64);
    else
        atomic_and(&map[p->pirq / 64], ~(1UL << p->pirq % 64));
}

static int bind_locked(struct irq_desc *desc, struct pirq *p, uint32_t port, struct vcpu *v, bool share)
{
    if (p->port)
        return -EEXIST;
    if (desc->fn || desc->nr_guests == IRQ_MAX_GUESTS || (desc->nr_guests && !(share && desc->shareable)))
        return -EBUSY;
    p->port = port;
    p->vcpu = v;
    p->eoi_owed = false;
    desc->guests[desc->nr_guests++] = p;
    publish_eoi_need(p, desc);
    if (desc->nr_guests == 1) {
        desc->shareable = share;
        irq_desc_move(desc, READ_ONCE(v->processor));
        desc->chip->unmask(desc);
    }
    return 0;
}

int pirq_bind(struct domain *d, uint32_t pirq, uint32_t port, struct vcpu *v, bool share)
{
    struct irq_desc *desc;
    unsigned long flags;
    struct pirq *p = find_and_lock(d, pirq, &desc, &flags);
    int rc;

    if (!p)
        return pirq < d->irq.nr_pirqs ? -EPERM : -EINVAL;
    rc = p->denied ? -EPERM : bind_locked(desc, p, port, v, share);
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

static void unbind_locked(struct irq_desc *desc, struct pirq *p)
{
    if (!p->port)
        return;
    for (uint32_t i = 0; i < desc->nr_guests; i++) {
        if (desc->guests[i] == p) {
            desc->guests[i] = desc->guests[--desc->nr_guests];
            break;
        }
    }
    irq_desc_guest_eoi(desc, p); /* the others may wait for it */
    if (desc->nr_guests == 0)
        desc->chip->mask(desc);
    p->port = 0;
    p->vcpu = NULL;
    publish_eoi_need(p, desc);
}

void pirq_unbind(struct domain *d, uint32_t pirq, uint32_t port)
{
    struct irq_desc *desc;
    unsigned long flags;
    struct pirq *p = find_and_lock(d, pirq, &desc, &flags);

    if (!p)
        return;
    if (p->port == port)
        unbind_locked(desc, p);
    spin_unlock_irqrestore(&desc->lock, flags);
}

void pirq_set_vcpu(struct domain *d, uint32_t pirq, uint32_t port, struct vcpu *v)
{
    struct irq_desc *desc;
    unsigned long flags;
    struct pirq *p = find_and_lock(d, pirq, &desc, &flags);

    if (!p)
        return;
    if (p->port == port) {
        p->vcpu = v;
        if (desc->nr_guests == 1)
            irq_desc_move(desc, READ_ONCE(v->processor));
    }
    spin_unlock_irqrestore(&desc->lock, flags);
}

static bool number_free(const struct domain *d, uint32_t n)
{
    const struct pirq *p = d->irq.pirqs[index_nospec(n, d->irq.nr_pirqs)];

    return !p || (p->irq == IRQ_NONE && !p->reserved);
}

/* The first of nr free numbers in a row beyond the GSIs' range, from the top; or -ENOSPC. LOCK_PIRQ held. */
static int find_free_msi_numbers(const struct domain *d, uint32_t nr)
{
    uint32_t run = 0;

    for (uint32_t n = d->irq.nr_pirqs; n-- > nr_gsis;) {
        run = number_free(d, n) ? run + 1 : 0;
        if (run == nr)
            return (int)n;
    }
    return -ENOSPC;
}

/* The low sixteen are the ISA interrupts' own. */
static int find_free_gsi_number(const struct domain *d)
{
    for (uint32_t n = 16; n < nr_gsis; n++)
        if (number_free(d, n))
            return (int)n;
    return -ENOSPC;
}

static int number_of_source(const struct domain *d, uint32_t irq)
{
    for (uint32_t n = 0; n < d->irq.nr_pirqs; n++)
        if (d->irq.pirqs[n] && d->irq.pirqs[n]->irq == irq)
            return (int)n;
    return -1;
}

/* p->irq changes under both locks: readers hold either. */
static void set_source(struct pirq *p, struct irq_desc *desc)
{
    unsigned long flags = spin_lock_irqsave(&desc->lock);

    p->irq = desc->irq;
    p->reserved = p->denied = false;
    spin_unlock_irqrestore(&desc->lock, flags);
}

static int assign_gsi_vector(struct irq_desc *desc)
{
    unsigned long flags = spin_lock_irqsave(&desc->lock);
    int rc = desc->chip ? irq_desc_assign_vector(desc, irq_first_cpu()) : -EINVAL;

    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

/* Checks what the caller wants against what is mapped. The number to map, or if *done the one mapped already.
 */
static int choose_gsi_number(const struct domain *d, uint32_t gsi, int pirq, bool *done)
{
    int have = number_of_source(d, gsi);

    *done = have >= 0 && (pirq < 0 || pirq == have);
    if (*done)
        return have;
    if (pirq >= 0) {
        const struct pirq *p = d->irq.pirqs[index_nospec((uint32_t)pirq, d->irq.nr_pirqs)];

        return have >= 0 || (p && p->irq != IRQ_NONE) ? -EEXIST : pirq;
    }
    if (d->is_hardware && gsi < d->irq.nr_pirqs && number_free(d, gsi))
        return (int)gsi;
    return find_free_gsi_number(d);
}

int pirq_map_gsi(struct domain *d, uint32_t gsi, int pirq)
{
    struct irq_desc *desc = gsi < nr_gsis ? irq_desc_get(gsi) : NULL;
    struct pirq *p;
    bool done = false;
    int n;

    if (!desc || (pirq >= 0 && (uint32_t)pirq >= d->irq.nr_pirqs))
        return -EINVAL;
    spin_lock(&d->irq.lock);
    n = d->dying ? -EINVAL : choose_gsi_number(d, gsi, pirq, &done);
    if (n >= 0 && !done) {
        int rc = assign_gsi_vector(desc);

        p = rc ? NULL : pirq_create(d, (uint32_t)n);
        if (p)
            set_source(p, desc);
        else
            n = rc ? rc : -ENOMEM;
    }
    spin_unlock(&d->irq.lock);
    return n;
}

static int choose_msi_numbers(const struct domain *d, uint32_t nr, int pirq)
{
    if (pirq < 0)
        return find_free_msi_numbers(d, nr);
    if ((uint32_t)pirq + nr > d->irq.nr_pirqs)
        return -EINVAL;
    for (uint32_t i = 0; i < nr; i++) {
        const struct pirq *p = d->irq.pirqs[(uint32_t)pirq + i];

        if (p && p->irq != IRQ_NONE)
            return -EEXIST;
    }
    return pirq;
}

int pirq_map_msi(struct domain *d, uint32_t first_irq, uint32_t nr, int pirq)
{
    int n;

    spin_lock(&d->irq.lock);
    n = d->dying ? -EINVAL : choose_msi_numbers(d, nr, pirq);
    for (uint32_t i = 0; n >= 0 && i < nr; i++)
        if (!pirq_create(d, (uint32_t)n + i))
            n = -ENOMEM;
    for (uint32_t i = 0; n >= 0 && i < nr; i++)
        set_source(d->irq.pirqs[(uint32_t)n + i], irq_desc_get(first_irq + i));
    spin_unlock(&d->irq.lock);
    return n;
}

/* LOCK_PIRQ held. */
static void unmap_one(struct pirq *p)
{
    unsigned long flags;
    struct irq_desc *desc = lock_source(p, &flags);

    if (!desc)
        return;
    unbind_locked(desc, p);
    p->irq = IRQ_NONE;
    spin_unlock_irqrestore(&desc->lock, flags);
}

static int unmap_locked(struct domain *d, struct pirq *p, uint32_t *irq)
{
    uint32_t nr = 1;

    *irq = p->irq;
    if (p->irq == IRQ_NONE) {
        if (!p->reserved)
            return -EINVAL;
        p->reserved = false;
        return 0;
    }
    if (p->irq >= nr_gsis) {
        nr = msi_group_size(p->irq);
        if (nr == 0) /* in a group, but not its first: the group goes as a whole */
            return -EINVAL;
    }
    for (uint32_t i = 0; i < nr; i++)
        unmap_one(d->irq.pirqs[p->pirq + i]);
    return 0;
}

int pirq_unmap(struct domain *d, uint32_t pirq)
{
    struct pirq *p = pirq_find(d, pirq);
    uint32_t irq = IRQ_NONE;
    int rc = -EINVAL;

    spin_lock(&d->irq.lock);
    if (p)
        rc = unmap_locked(d, p, &irq);
    spin_unlock(&d->irq.lock);
    /* Nothing leads to the source any more: the device can be told. */
    if (!rc && irq != IRQ_NONE && irq >= nr_gsis)
        msi_free(irq);
    return rc;
}

int pirq_reserve(struct domain *d, bool gsi)
{
    int n;

    spin_lock(&d->irq.lock);
    n = gsi ? find_free_gsi_number(d) : find_free_msi_numbers(d, 1);
    if (n >= 0) {
        struct pirq *p = pirq_create(d, (uint32_t)n);

        if (p)
            p->reserved = true;
        else
            n = -ENOMEM;
    }
    spin_unlock(&d->irq.lock);
    return n;
}

int pirq_permit(struct domain *caller, uint32_t pirq, struct domain *d, bool allow)
{
    const struct pirq *p = pirq_find(caller, pirq);
    uint32_t irq = p ? READ_ONCE(p->irq) : IRQ_NONE;
    int n;

    if (irq == IRQ_NONE || READ_ONCE(p->denied))
        return -EPERM;
    spin_lock(&d->irq.lock);
    n = number_of_source(d, irq);
    if (n >= 0)
        WRITE_ONCE(d->irq.pirqs[n]->denied, !allow);
    spin_unlock(&d->irq.lock);
    return 0;
}

uint32_t pirq_to_irq(struct domain *d, uint32_t pirq)
{
    const struct pirq *p = pirq_find(d, pirq);

    return p ? READ_ONCE(p->irq) : IRQ_NONE;
}

int pirq_eoi(struct domain *d, uint32_t pirq)
{
    struct irq_desc *desc;
    unsigned long flags;
    struct pirq *p = find_and_lock(d, pirq, &desc, &flags);
    uint32_t port;

    if (!p)
        return -EINVAL;
    irq_desc_guest_eoi(desc, p);
    port = p->port;
    spin_unlock_irqrestore(&desc->lock, flags);
    if (port && d->irq.auto_unmask)
        evtchn_unmask(d, port);
    return 0;
}

int pirq_status(struct domain *d, uint32_t pirq, uint32_t *status)
{
    struct irq_desc *desc;
    unsigned long flags;
    struct pirq *p;

    *status = 0;
    if (pirq >= d->irq.nr_pirqs)
        return -EINVAL;
    p = find_and_lock(d, pirq, &desc, &flags);
    if (!p)
        return 0;
    if (desc->level)
        *status |= XENIRQSTAT_needs_eoi;
    if (desc->nr_guests > 1)
        *status |= XENIRQSTAT_shared;
    spin_unlock_irqrestore(&desc->lock, flags);
    return 0;
}

/* A bind that does not see the map yet is found by the walk; one that comes later sees it. */
static void publish_all(struct domain *d)
{
    for (uint32_t n = 0; n < d->irq.nr_pirqs; n++) {
        struct irq_desc *desc;
        unsigned long flags;
        struct pirq *p = find_and_lock(d, n, &desc, &flags);

        if (!p)
            continue;
        publish_eoi_need(p, desc);
        spin_unlock_irqrestore(&desc->lock, flags);
    }
}

int pirq_set_eoi_map(struct domain *d, mfn_t mfn, bool auto_unmask)
{
    struct page_info *page = get_page_from_mfn(mfn, d);
    int rc = 0;

    BUILD_BUG_ON(MAX_IRQS > PAGE_SIZE * 8);
    if (!page)
        return -EINVAL;
    if (get_page_type(page, PGT_WRITABLE)) {
        put_page(page);
        return -EINVAL;
    }
    spin_lock(&d->irq.lock);
    if (d->irq.eoi_map_page) {
        rc = -EBUSY;
    } else {
        d->irq.eoi_map_page = page;
        d->irq.auto_unmask = auto_unmask;
        store_release(&d->irq.eoi_map, mfn_to_virt(mfn));
        publish_all(d);
    }
    spin_unlock(&d->irq.lock);
    if (rc)
        put_page_and_type(page);
    return rc;
}

int pirq_domain_release(struct domain *d)
{
    struct page_info *page;

    /* Whoever maps under the lock from now on sees that the domain is dying. */
    spin_lock(&d->irq.lock);
    spin_unlock(&d->irq.lock);
    for (uint32_t n = 0; n < d->irq.nr_pirqs; n++) {
        if (number_free(d, n))
            continue;
        pirq_unmap(d, n);
        if (hypercall_preempt_check())
            return -ERESTART;
    }
    spin_lock(&d->irq.lock);
    page = d->irq.eoi_map_page;
    d->irq.eoi_map = NULL;
    d->irq.eoi_map_page = NULL;
    spin_unlock(&d->irq.lock);
    if (page)
        put_page_and_type(page);
    return 0;
}
