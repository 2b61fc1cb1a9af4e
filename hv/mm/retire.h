/*
 * Frames whose last reference is gone go back to the allocator only once no TLB
 * can hold a translation to them any more (invariant 4). They are collected on
 * the CPU that dropped the last reference; before that CPU returns to a guest,
 * one flush serves them all.
 */
#ifndef MM_RETIRE_H
#define MM_RETIRE_H

struct page_info;

/*
 * Takes a frame of a domain, or a VMM page that was shared, with reference count
 * 0. It stays on its owner's list and counted until it is freed. Any context, any locks.
 */
void retire_frame(struct page_info *page);

/* SOFTIRQ_RETIRE: frees what this CPU has collected. Interrupts on, no locks. */
void retire_flush(void);

#endif
