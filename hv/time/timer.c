/*
 * Timers. The local APIC's timer of each CPU is programmed for the earliest
 * timer in its heap; its interrupt raises SOFTIRQ_TIMER.
 */
#include <base/atomic.h>
#include <base/bug.h>
#include <base/spinlock.h>
#include <cpu/percpu.h>
#include <cpu/softirq.h>
#include <irq/irq.h>
#include <time/time.h>
#include <time/timer_heap.h>

/*
 * The interrupt is left where it is if that makes the earliest timer late by no
 * more than this: timers close to each other share one interrupt.
 */
#define TIMER_SLOP MICROSECS(5)

struct cpu_timers {
    spinlock_t lock; /* LOCK_TIMER */
    struct timer_heap heap;
    s_time_t programmed; /* deadline given to the local timer; 0: stopped */
    s_time_t run_until;  /* while handlers are being run: those that are due up to it */
};

static DEFINE_PER_CPU(struct cpu_timers, timers);

/* Locks the heap that t belongs to; t->cpu cannot change until it is unlocked. */
static struct cpu_timers *lock_timer(const struct timer *t, unsigned long *flags)
{
    for (;;) {
        uint32_t cpu = READ_ONCE(t->cpu);
        struct cpu_timers *ct = &per_cpu(timers, cpu);

        *flags = spin_lock_irqsave(&ct->lock);
        if (t->cpu == cpu)
            return ct;
        spin_unlock_irqrestore(&ct->lock, *flags);
    }
}

/* This CPU's local timer after a change of its heap's root; lock held. */
static void program(struct cpu_timers *ct)
{
    struct timer *first = ct->heap.root;
    s_time_t deadline;

    if (!first) {
        /* One interrupt for nothing is cheaper than stopping and starting for each. */
        return;
    }
    deadline = MAX(first->expires, (s_time_t)1);
    if (ct->programmed >= deadline && ct->programmed <= deadline + TIMER_SLOP)
        return;
    ct->programmed = deadline;
    apic_timer_set(deadline);
}

/* The heap of a CPU got another root; lock held. */
static void root_changed(struct cpu_timers *ct, uint32_t cpu)
{
    if (cpu == smp_processor_id())
        program(ct);
    else if (ct->heap.root)
        cpu_raise_softirq(cpu, SOFTIRQ_TIMER);
}

void timer_init(struct timer *t, void (*fn)(void *), void *data, uint32_t cpu)
{
    *t = (struct timer){.fn = fn, .data = data, .cpu = cpu};
}

static void remove(struct cpu_timers *ct, struct timer *t)
{
    timer_heap_remove(&ct->heap, t);
    t->pending = false;
}

/* A handler that arms its timer for the past comes in the next round, after the other softirqs. */
static void insert(struct cpu_timers *ct, struct timer *t)
{
    t->expires = MAX(t->expires, ct->run_until + 1);
    timer_heap_insert(&ct->heap, t);
    t->pending = true;
}

void timer_set(struct timer *t, s_time_t expires)
{
    unsigned long flags;
    struct cpu_timers *ct = lock_timer(t, &flags);

    if (!t->killed) {
        if (t->pending)
            remove(ct, t);
        t->expires = expires;
        insert(ct, t);
        /* When the root became a later one, its interrupt comes early and finds that out. */
        if (ct->heap.root == t)
            root_changed(ct, t->cpu);
    }
    spin_unlock_irqrestore(&ct->lock, flags);
}

void timer_stop(struct timer *t)
{
    unsigned long flags;
    struct cpu_timers *ct;

    /*
     * The common case costs no lock: whoever arms it at the same time might as
     * well have come later.
     */
    if (!timer_is_pending(t))
        return;
    ct = lock_timer(t, &flags);
    if (t->pending)
        remove(ct, t);
    spin_unlock_irqrestore(&ct->lock, flags);
}

void timer_kill(struct timer *t)
{
    unsigned long flags;
    struct cpu_timers *ct;

    if (!t->fn)
        return;
    ct = lock_timer(t, &flags);
    if (t->pending)
        remove(ct, t);
    t->killed = true;
    spin_unlock_irqrestore(&ct->lock, flags);
    /*
     * running is raised under the heap's lock when the timer is taken out, so
     * after the unlock above it shows every handler that was begun.
     */
    while (load_acquire(&t->running))
        cpu_relax();
}

void timer_migrate(struct timer *t, uint32_t cpu)
{
    struct cpu_timers *to = &per_cpu(timers, cpu);
    unsigned long flags;

    for (;;) {
        uint32_t old = READ_ONCE(t->cpu);
        struct cpu_timers *from = &per_cpu(timers, old);

        if (old == cpu)
            return;
        flags = spin_lock_irqsave(from < to ? &from->lock : &to->lock);
        spin_lock_nested(from < to ? &to->lock : &from->lock);
        if (t->cpu == old) {
            bool pending = t->pending;

            if (pending)
                remove(from, t);
            WRITE_ONCE(t->cpu, cpu);
            if (pending) {
                insert(to, t);
                if (to->heap.root == t)
                    root_changed(to, cpu);
            }
            old = cpu;
        }
        spin_unlock(from < to ? &to->lock : &from->lock);
        spin_unlock_irqrestore(from < to ? &from->lock : &to->lock, flags);
        if (old == cpu)
            return;
    }
}

uint32_t timer_snapshot(uint32_t cpu, struct timer *copies, uint32_t max)
{
    struct cpu_timers *ct = &per_cpu(timers, cpu);
    unsigned long flags = spin_lock_irqsave(&ct->lock);
    uint32_t count = ct->heap.count;

    for (uint32_t i = 0; i < MIN(count, max); i++)
        copies[i] = *timer_heap_entry(&ct->heap, i);
    spin_unlock_irqrestore(&ct->lock, flags);
    return count;
}

/* Runs what is due now, and nothing that is armed meanwhile. */
static void timer_softirq(void)
{
    struct cpu_timers *ct = &this_cpu(timers);
    s_time_t until = now();
    struct timer *t;

    spin_lock_irq(&ct->lock);
    ct->run_until = until;
    while ((t = ct->heap.root) != NULL && t->expires <= until) {
        void (*fn)(void *) = t->fn;
        void *data = t->data;

        remove(ct, t);
        atomic_inc(&t->running);
        spin_unlock_irq(&ct->lock);
        fn(data);
        atomic_dec(&t->running);
        spin_lock_irq(&ct->lock);
    }
    ct->run_until = -1;
    /* The interrupt for it has come, or whatever was programmed does no harm. */
    ct->programmed = 0;
    program(ct);
    spin_unlock_irq(&ct->lock);
}

void timers_init_cpu(uint32_t cpu)
{
    per_cpu(timers, cpu) = (struct cpu_timers){.lock = SPINLOCK_INIT(LOCK_TIMER), .run_until = -1};
}

void timers_init(void)
{
    timers_init_cpu(0);
    open_softirq(SOFTIRQ_TIMER, timer_softirq);
}
