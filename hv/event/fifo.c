/*
 * The FIFO ABI: each port has a 32-bit event word in pages that the guest
 * provides, and each vCPU has a control block, also the guest's, with the heads
 * of 16 queues, one per priority. A queue is linked through the words; the VMM
 * adds at its tail, the guest takes from its head (<xen/event_channel.h>).
 *
 * The guest can write every word at any time. Nothing read from its pages is
 * trusted: the tails are kept on our side, links are only written, and each
 * exchange with the guest's writes is tried a bounded number of times. A guest
 * that scribbles loses its own events only.
 */
#include <base/errno.h>
#include <event/channel.h>
#include <event/evtchn.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>

#define WORDS_PER_PAGE  (PAGE_SIZE / sizeof(event_word_t))
#define MAX_ARRAY_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)
#define NR_QUEUES       EVTCHN_FIFO_MAX_QUEUES

#define WORD_PENDING (1u << EVTCHN_FIFO_PENDING)
#define WORD_MASKED  (1u << EVTCHN_FIFO_MASKED)
#define WORD_LINKED  (1u << EVTCHN_FIFO_LINKED)
#define WORD_BUSY    (1u << EVTCHN_FIFO_BUSY)

/* How often a word that the guest keeps changing is tried: an honest guest needs two or three. */
#define MAX_TRIES 16

struct evtchn_fifo_domain {
    event_word_t *array[MAX_ARRAY_PAGES]; /* in the direct map; a writable reference on each page */
    uint32_t nr_pages;                    /* LOCK_EVTCHN */
};

struct fifo_queue {
    spinlock_t lock; /* LOCK_EVTCHN_FIFO: tail, linking */
    uint32_t tail;   /* port linked last, which the guest may have taken since; 0: none */
};

struct evtchn_fifo_vcpu {
    struct evtchn_fifo_control_block *control; /* NULL: not initialised */
    struct page_info *page;
    struct fifo_queue queue[NR_QUEUES];
};

/* The word of a port, or NULL while its page was not added. */
static event_word_t *port_word(const struct domain *d, uint32_t port)
{
    uint32_t page = port / WORDS_PER_PAGE;
    event_word_t *words;

    if (page >= MAX_ARRAY_PAGES)
        return NULL;
    words = load_acquire(&d->events.fifo->array[index_nospec(page, MAX_ARRAY_PAGES)]);
    return words ? words + port % WORDS_PER_PAGE : NULL;
}

/* Sets or clears a bit; true if it was set before. */
static bool test_and_set(event_word_t *word, event_word_t bit)
{
    return __atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST) & bit;
}

static bool test_and_clear(event_word_t *word, event_word_t bit)
{
    return __atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit;
}

/*
 * Makes the tail's word point to port, if the guest has not yet taken the tail
 * off the queue (which clears LINKED). While BUSY is set the guest keeps its
 * hands off the word, so an honest one cannot make the exchange fail again and
 * again.
 */
static bool link_to_tail(event_word_t *word, uint32_t port)
{
    event_word_t w = READ_ONCE(*word);
    bool linked = false;

    for (unsigned int i = 0; i < MAX_TRIES && (w & WORD_LINKED); i++) {
        event_word_t seen, next = (w & ~(event_word_t)(EVTCHN_FIFO_LINK_MASK | WORD_BUSY)) | port;

        seen = cmpxchg(word, w, next);
        if (seen == w) {
            linked = true;
            break;
        }
        w = seen;
        if (i == MAX_TRIES / 4)
            w = __atomic_or_fetch(word, WORD_BUSY, __ATOMIC_SEQ_CST);
    }
    if (!linked && (w & WORD_BUSY))
        (void)test_and_clear(word, WORD_BUSY);
    return linked;
}

static struct fifo_queue *queue_by_id(const struct domain *d, uint32_t id)
{
    struct evtchn_fifo_vcpu *fv = d->vcpu[id >> 8]->events.fifo;

    return fv ? &fv->queue[id & (NR_QUEUES - 1)] : NULL;
}

/*
 * Locks the queue that the event goes to and the one it was last linked on
 * (they differ after its vCPU or priority changed): if it still is the tail of
 * the old one, a later event there would be linked to it and so end up on the
 * wrong queue. False: it moves under our hands, as only a misbehaving guest
 * can bring about.
 */
static bool lock_queues(const struct domain *d, const struct evtchn *chn, struct fifo_queue *to,
                        struct fifo_queue **from)
{
    for (unsigned int i = 0; i < MAX_TRIES; i++) {
        uint32_t id = READ_ONCE(chn->fifo_queue);

        *from = queue_by_id(d, id);
        if (!*from)
            *from = to;
        spin_lock_pair(&to->lock, &(*from)->lock);
        if (READ_ONCE(chn->fifo_queue) == id)
            return true;
        spin_unlock_pair(&to->lock, &(*from)->lock);
    }
    return false;
}

/* Puts a pending, unmasked event on its queue, unless it is on one; true if the vCPU must be told. */
static bool link_event(struct domain *d, struct evtchn *chn, event_word_t *word, struct vcpu *v)
{
    struct evtchn_fifo_vcpu *fv = v->events.fifo;
    uint32_t port = chn->port, priority = chn->priority;
    struct fifo_queue *to, *from;
    bool linked = false;

    if (!fv || !load_acquire(&fv->control))
        return false; /* stays pending; the ABI leaves events before init_control behind */
    to = &fv->queue[priority];
    if (!lock_queues(d, chn, to, &from))
        return false;
    if (test_and_set(word, WORD_LINKED)) {
        spin_unlock_pair(&to->lock, &from->lock);
        return false;
    }

    /* It was not linked: where it is still the tail, the guest has emptied the queue up to it. */
    if (from->tail == port)
        from->tail = 0;
    chn->fifo_queue = v->id << 8 | priority;
    if (to->tail) {
        event_word_t *tail_word = port_word(d, to->tail);

        linked = tail_word && link_to_tail(tail_word, port);
    }
    if (!linked)
        WRITE_ONCE(fv->control->head[priority], port);
    to->tail = port;
    spin_unlock_pair(&to->lock, &from->lock);

    /*
     * A queue that was not empty has its ready bit set, or the guest is
     * working on it. Otherwise the new head is seen before the bit (TSO).
     */
    return !linked && !test_and_set(&fv->control->ready, 1u << priority);
}

static void raise_event(struct domain *d, struct evtchn *chn, event_word_t *word)
{
    struct vcpu *v = d->vcpu[READ_ONCE(chn->notify_vcpu)];

    if (!(READ_ONCE(*word) & (WORD_MASKED | WORD_LINKED)) && link_event(d, chn, word, v))
        vcpu_mark_events_pending(v);
}

static void set_pending_fifo(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = port_word(d, chn->port);
    bool was_pending;

    if (!word) {
        /* expand_array raises it. A flag set by a peer's sender just as the page comes: see there. */
        WRITE_ONCE(chn->fifo_unmapped, true);
        smp_mb();
        word = port_word(d, chn->port);
        if (!word || !xchg(&chn->fifo_unmapped, false))
            return;
    }
    was_pending = test_and_set(word, WORD_PENDING);
    raise_event(d, chn, word);
    if (!was_pending)
        evtchn_check_pollers(d, chn->port);
}

static void clear_pending_fifo(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = port_word(d, chn->port);

    if (word)
        (void)test_and_clear(word, WORD_PENDING);
    chn->fifo_unmapped = false;
}

static void unmask_fifo(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = port_word(d, chn->port);

    if (!word)
        return;
    /* Clearing the mask is ordered against a sender's setting PENDING: one of the two links it. */
    (void)test_and_clear(word, WORD_MASKED);
    if (READ_ONCE(*word) & WORD_PENDING)
        raise_event(d, chn, word);
}

static bool is_pending_fifo(const struct domain *d, uint32_t port)
{
    const event_word_t *word = port_word(d, port);

    return word && (READ_ONCE(*word) & WORD_PENDING);
}

static bool is_masked_fifo(const struct domain *d, uint32_t port)
{
    const event_word_t *word = port_word(d, port);

    return !word || (READ_ONCE(*word) & WORD_MASKED);
}

/* A closed port that is still on a queue may not be used again: it could be on two then. */
static bool is_busy_fifo(const struct domain *d, uint32_t port)
{
    const event_word_t *word = port_word(d, port);

    return word && (READ_ONCE(*word) & WORD_LINKED);
}

const struct evtchn_port_ops evtchn_fifo_ops = {
    .nr_ports = EVTCHN_FIFO_NR_CHANNELS,
    .set_pending = set_pending_fifo,
    .clear_pending = clear_pending_fifo,
    .unmask = unmask_fifo,
    .is_pending = is_pending_fifo,
    .is_masked = is_masked_fifo,
    .is_busy = is_busy_fifo,
};

/* A page of the guest that it and the VMM write: held by a writable reference. NULL if it cannot be. */
static struct page_info *get_shared_page(struct domain *d, uint64_t mfn)
{
    struct page_info *page = get_page_from_mfn(_mfn(mfn), d);

    if (!page)
        return NULL;
    if (get_page_type(page, PGT_WRITABLE)) {
        put_page(page);
        return NULL;
    }
    return page;
}

/* LOCK_EVTCHN, by which the binding stays: keeps senders to the channel away, who hold its lock or its
 * peer's. */
static void lock_senders(struct evtchn *chn, bool lock)
{
    struct evtchn *peer =
        chn->state == CHANNEL_INTERDOMAIN ? port_channel(chn->remote.domain, chn->remote.port) : chn;

    if (lock)
        spin_lock_pair(&chn->lock, &peer->lock);
    else
        spin_unlock_pair(&chn->lock, &peer->lock);
}

/*
 * LOCK_EVTCHN. The first control block of a domain switches it to the FIFO ABI.
 * What became pending by the 2-level ABI is looked for after the switch, once
 * with all senders kept away: one that began before has set its bit by then,
 * one that comes later finds the event without a word.
 */
static void switch_to_fifo(struct domain *d)
{
    uint32_t ports = MIN(d->events.nr_ports, (uint32_t)EVTCHN_2L_NR_CHANNELS);

    for (uint32_t port = 1; port < ports; port++) {
        port_channel(d, port)->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
        port_channel(d, port)->fifo_queue = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    store_release(&d->events.ops, &evtchn_fifo_ops);
    for (uint32_t port = 1; port < ports; port++) {
        struct evtchn *chn = port_channel(d, port);

        lock_senders(chn, true);
        if (chn->state != CHANNEL_FREE && evtchn_2l_ops.is_pending(d, port))
            chn->fifo_unmapped = true;
        lock_senders(chn, false);
    }
}

static struct evtchn_fifo_vcpu *alloc_fifo_vcpu(void)
{
    struct evtchn_fifo_vcpu *fv = xzalloc(struct evtchn_fifo_vcpu);

    if (fv)
        for (unsigned int i = 0; i < NR_QUEUES; i++)
            spin_lock_init(&fv->queue[i].lock, LOCK_EVTCHN_FIFO);
    return fv;
}

/* Allocates what is missing; kept when a later step fails, and until the domain's end. */
static int prepare_structs(struct domain *d, struct vcpu *v)
{
    struct evtchn_fifo_domain *fd = NULL;
    struct evtchn_fifo_vcpu *fv = NULL;
    unsigned long irq;

    if (!d->events.fifo && !(fd = xzalloc(struct evtchn_fifo_domain)))
        return -ENOMEM;
    if (!v->events.fifo && !(fv = alloc_fifo_vcpu())) {
        xfree(fd);
        return -ENOMEM;
    }
    irq = spin_lock_irqsave(&d->events.lock);
    if (!d->events.fifo) {
        store_release(&d->events.fifo, fd);
        fd = NULL;
    }
    if (!v->events.fifo) {
        store_release(&v->events.fifo, fv);
        fv = NULL;
    }
    spin_unlock_irqrestore(&d->events.lock, irq);
    xfree(fd);
    xfree(fv);
    return 0;
}

int evtchn_fifo_init_control(struct evtchn_init_control *c)
{
    struct domain *d = current->domain;
    struct vcpu *v = domain_vcpu(d, c->vcpu);
    struct page_info *page;
    unsigned long irq;
    int rc;

    if (!v)
        return -ENOENT;
    if (c->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || c->offset % 8)
        return -EINVAL;
    rc = prepare_structs(d, v);
    if (rc)
        return rc;
    page = get_shared_page(d, c->control_gfn);
    if (!page)
        return -EINVAL;

    irq = spin_lock_irqsave(&d->events.lock);
    if (v->events.fifo->control || d->dying != DOMAIN_ALIVE) {
        rc = -EINVAL;
    } else if (d->events.ops != &evtchn_fifo_ops && d->events.fifo->nr_pages) {
        rc = -EBUSY; /* another vCPU is still resetting */
    } else {
        char *va = page_to_virt(page);

        if (d->events.ops != &evtchn_fifo_ops)
            switch_to_fifo(d);
        v->events.fifo->page = page;
        store_release(&v->events.fifo->control, (struct evtchn_fifo_control_block *)(va + c->offset));
    }
    spin_unlock_irqrestore(&d->events.lock, irq);
    if (rc)
        put_page_and_type(page);
    c->link_bits = EVTCHN_FIFO_LINK_BITS;
    return rc;
}

/* Raises what became pending while the page of its word was missing. */
static void raise_unmapped(struct domain *d, uint32_t first)
{
    for (uint32_t port = first; port < first + WORDS_PER_PAGE && port < READ_ONCE(d->events.nr_ports);
         port++) {
        struct evtchn *chn = port_channel(d, port);
        unsigned long irq = spin_lock_irqsave(&chn->lock);

        /*
         * A peer's sender does not hold this lock: it sets the flag, then
         * looks for the page again; we have set the page before we look at
         * the flag. Whoever takes the flag away raises the event.
         */
        if (chn->state != CHANNEL_FREE && xchg(&chn->fifo_unmapped, false))
            set_pending_fifo(d, chn);
        spin_unlock_irqrestore(&chn->lock, irq);
    }
}

int evtchn_fifo_expand_array(const struct evtchn_expand_array *e)
{
    struct domain *d = current->domain;
    struct page_info *page;
    uint32_t first = 0;
    unsigned long irq;
    int rc = 0;

    if (READ_ONCE(d->events.ops) != &evtchn_fifo_ops)
        return -EOPNOTSUPP;
    page = get_shared_page(d, e->array_gfn);
    if (!page)
        return -EINVAL;
    irq = spin_lock_irqsave(&d->events.lock);
    if (d->events.ops != &evtchn_fifo_ops || d->dying != DOMAIN_ALIVE) {
        rc = -EOPNOTSUPP;
    } else if (d->events.fifo->nr_pages == MAX_ARRAY_PAGES) {
        rc = -ENOSPC;
    } else {
        first = d->events.fifo->nr_pages * WORDS_PER_PAGE;
        store_release(&d->events.fifo->array[d->events.fifo->nr_pages++], page_to_virt(page));
    }
    spin_unlock_irqrestore(&d->events.lock, irq);
    if (rc) {
        put_page_and_type(page);
        return rc;
    }
    smp_mb(); /* the page before the flags: see raise_unmapped() */
    raise_unmapped(d, first);
    return 0;
}

int evtchn_fifo_set_priority(const struct evtchn_set_priority *p)
{
    struct domain *d = current->domain;
    struct evtchn *chn;
    unsigned long irq;

    if (READ_ONCE(d->events.ops) != &evtchn_fifo_ops)
        return -ENOSYS;
    if (p->priority > EVTCHN_FIFO_PRIORITY_MIN || !port_valid(d, p->port))
        return -EINVAL;
    chn = port_channel(d, p->port);
    irq = spin_lock_irqsave(&chn->lock);
    /* Takes effect when the event is linked next. */
    WRITE_ONCE(chn->priority, (uint8_t)p->priority);
    spin_unlock_irqrestore(&chn->lock, irq);
    return 0;
}

/* LOCK_EVTCHN. Takes one of the guest's pages out of use; NULL when none is left. */
static struct page_info *take_one_page(struct domain *d)
{
    struct evtchn_fifo_domain *fd = d->events.fifo;
    struct vcpu *v;

    if (d->dying == DOMAIN_ALIVE && d->events.ops == &evtchn_fifo_ops)
        return NULL; /* in use again: another vCPU was quick */
    if (fd->nr_pages) {
        event_word_t *words = fd->array[--fd->nr_pages];

        WRITE_ONCE(fd->array[fd->nr_pages], NULL);
        return virt_to_page(words);
    }
    for_each_vcpu (d, v) {
        struct evtchn_fifo_vcpu *fv = v->events.fifo;

        if (fv && fv->control) {
            struct page_info *page = fv->page;

            fv->control = NULL;
            fv->page = NULL;
            for (unsigned int i = 0; i < NR_QUEUES; i++)
                fv->queue[i].tail = 0;
            return page;
        }
    }
    return NULL;
}

bool evtchn_fifo_page(const struct domain *d, uint32_t i, const struct page_info **page)
{
    const struct evtchn_fifo_domain *fd = d->events.fifo;
    const struct evtchn_fifo_vcpu *fv;

    if (!fd || i >= fd->nr_pages + d->max_vcpus)
        return false;
    if (i < fd->nr_pages) {
        *page = virt_to_page(fd->array[i]);
        return true;
    }
    i -= fd->nr_pages;
    fv = d->vcpu[i] ? d->vcpu[i]->events.fifo : NULL;
    *page = fv ? fv->page : NULL;
    return true;
}

void evtchn_fifo_release(struct domain *d)
{
    struct page_info *page;

    if (!d->events.fifo)
        return;
    do {
        unsigned long irq = spin_lock_irqsave(&d->events.lock);

        page = take_one_page(d);
        spin_unlock_irqrestore(&d->events.lock, irq);
        if (page) /* may free it, which takes locks that come before LOCK_EVTCHN */
            put_page_and_type(page);
    } while (page);
}

void evtchn_fifo_free(struct domain *d)
{
    struct vcpu *v;

    if (d->vcpu)
        for_each_vcpu (d, v) {
            xfree(v->events.fifo);
            v->events.fifo = NULL;
        }
    xfree(d->events.fifo);
    d->events.fifo = NULL;
}
