/* One-shot timers, one heap per CPU; handlers run in softirq context, interrupts on. */
#ifndef TIME_TIMER_H
#define TIME_TIMER_H

#include <base/types.h>

struct timer {
    s_time_t expires;       /* system time, ns */
    void (*fn)(void *data);
    void *data;
    uint32_t cpu;           /* whose heap; changes only by migrate_timer() */
    uint32_t heap_pos;      /* 1-based; 0: not pending */
    bool running, killed;
};

void timer_init(struct timer *t, void (*fn)(void *), void *data, uint32_t cpu);
/* Arms it (again) for an absolute system time; a time in the past fires soon. Any context. */
void timer_set(struct timer *t, s_time_t expires);
void timer_stop(struct timer *t);
/* Stops it for ever and waits until its handler is not running. */
void timer_kill(struct timer *t);
void timer_migrate(struct timer *t, uint32_t cpu);

#endif
