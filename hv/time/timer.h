/*
 * One-shot timers, one heap per CPU; handlers run in softirq context, interrupts
 * on, on the CPU whose heap the timer is in.
 */
#ifndef TIME_TIMER_H
#define TIME_TIMER_H

#include <base/types.h>

struct timer {
    s_time_t expires; /* system time, ns */
    void (*fn)(void *data);
    void *data;
    uint32_t cpu;     /* whose heap; changes only by timer_migrate(), under both heaps' locks */
    uint32_t running; /* handlers of it running now; atomic, the handler's CPU's last access */
    bool pending;     /* in the heap of cpu; heap's lock, as are the links */
    bool killed;      /* never to be armed again; heap's lock */
    struct timer *parent, *left, *right;
};

/* At boot, before interrupts are enabled. */
void timers_init(void);
/* Heap of a CPU, before it comes up. */
void timers_init_cpu(uint32_t cpu);

void timer_init(struct timer *t, void (*fn)(void *), void *data, uint32_t cpu);
/*
 * Arms it (again) for an absolute system time; a time in the past fires soon.
 * Never fires early; late by the machine's latency and up to TIMER_SLOP. Any
 * context; takes LOCK_TIMER. No effect on a killed timer.
 */
void timer_set(struct timer *t, s_time_t expires);
/* The handler may still be running, or about to run, on another CPU. */
void timer_stop(struct timer *t);
/*
 * Stops it for ever and waits until its handler is not running: not from the
 * handler itself, and no lock held that the handler takes. A zeroed struct that
 * was never initialized may be killed too.
 */
void timer_kill(struct timer *t);
/* Moves it to another CPU's heap, armed or not. */
void timer_migrate(struct timer *t, uint32_t cpu);

/* Copies up to max of the timers armed on a CPU, the earliest first; returns how many are armed. */
uint32_t timer_snapshot(uint32_t cpu, struct timer *copies, uint32_t max);

static inline bool timer_is_pending(const struct timer *t)
{
    return *(const volatile bool *)&t->pending;
}

#endif
