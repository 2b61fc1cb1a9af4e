#include <base/atomic.h>
#include <cpu/softirq.h>
#include <mm/page.h>
#include <mm/page_alloc.h>
#include <mm/retire.h>
#include <mm/tlb.h>

/*
 * A stack of frames, linked by type_info: nobody else looks at a frame that has
 * no references. Frames are pushed one by one (an interrupt may do so as well),
 * and taken all at once.
 */
static DEFINE_PER_CPU(uint64_t, retired_head);
/* The clock when the last one was pushed: a CPU that flushed since has no translation of any. */
static DEFINE_PER_CPU(uint32_t, retired_stamp);

void retire_frame(struct page_info *page)
{
    uint64_t *head = &this_cpu(retired_head), old = READ_ONCE(*head);

    do
        page->type_info = old;
    while (
        !__atomic_compare_exchange_n(head, &old, (uint64_t)page, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    WRITE_ONCE(this_cpu(retired_stamp), tlb_clock_now());
    if (!old)
        raise_softirq(SOFTIRQ_RETIRE);
}

void retire_flush(void)
{
    /* Taken before the stamp is read: the stamp is no older than the last push of these. */
    struct page_info *page = (struct page_info *)xchg(&this_cpu(retired_head), 0UL);
    cpumask_t mask = cpu_online_map;

    if (!page)
        return;
    tlb_filter(&mask, READ_ONCE(this_cpu(retired_stamp)));
    if (!cpumask_empty(&mask))
        flush_tlb_mask(&mask);
    while (page) {
        struct page_info *next = (struct page_info *)page->type_info;

        free_frames(page, 0);
        page = next;
    }
}
