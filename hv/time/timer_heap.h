/*
 * A binary min-heap of timers, ordered by expiry, that needs no memory of its
 * own: a complete binary tree linked through the timers. So arming a timer
 * cannot fail, and costs O(log n) at worst. Callers lock.
 */
#ifndef TIME_TIMER_HEAP_H
#define TIME_TIMER_HEAP_H

#include <time/timer.h>

struct timer_heap {
    struct timer *root; /* the earliest; NULL if empty */
    uint32_t count;
};

void timer_heap_insert(struct timer_heap *h, struct timer *t);
/* t is in the heap. */
void timer_heap_remove(struct timer_heap *h, struct timer *t);

/* The n-th of count timers, 0 the earliest, the others in no order. */
struct timer *timer_heap_entry(struct timer_heap *h, uint32_t n);

#endif
