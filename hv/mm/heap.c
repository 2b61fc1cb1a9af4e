#include <base/bug.h>
#include <base/spinlock.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/page_alloc.h>

/*
 * Small objects: one free list per power of two from 16 to 2048 bytes, cut
 * from single frames. A frame's page_info says what it is cut into
 * (nr_validated: log2 of the object size) and how many objects are in use
 * (heap_objects), so a frame without objects goes back. Its reference count is
 * 0 as that of all the VMM's own frames: nobody who names it can take one.
 * Larger ones are whole blocks of frames (nr_validated: 64 + order).
 */
#define MIN_SHIFT  4
#define MAX_SHIFT  11
#define LARGE_MARK 64

struct free_object {
    struct free_object *next, *prev;
};
_Static_assert(sizeof(struct free_object) <= 1 << MIN_SHIFT, "free-list links fit in the smallest object");

static DEFINE_SPINLOCK(heap_lock, LOCK_HEAP);
static struct free_object free_objects[MAX_SHIFT + 1];

static void object_list_add(struct free_object *head, struct free_object *o)
{
    o->next = head->next;
    o->prev = head;
    if (o->next)
        o->next->prev = o;
    head->next = o;
}

static void object_list_del(struct free_object *o)
{
    o->prev->next = o->next;
    if (o->next)
        o->next->prev = o->prev;
}

static bool refill(unsigned int shift)
{
    struct page_info *page = alloc_frames(NULL, 0, ALLOC_NO_SCRUB);

    if (!page)
        return false;
    page->nr_validated = (uint16_t)shift;
    page->heap_objects = 0;
    for (uint64_t offset = 0; offset < PAGE_SIZE; offset += 1UL << shift)
        object_list_add(&free_objects[shift], (struct free_object *)((char *)page_to_virt(page) + offset));
    return true;
}

static void *alloc_large(size_t size)
{
    unsigned int order = 0;

    while (PAGE_SIZE << order < size)
        if (++order > MAX_ORDER)
            return NULL;

    void *p = alloc_vmm_pages(order);

    if (p)
        virt_to_page(p)->nr_validated = (uint16_t)(LARGE_MARK + order);
    return p;
}

void *xzalloc_bytes(size_t size)
{
    unsigned int shift = MIN_SHIFT;
    struct free_object *o = NULL;
    unsigned long irq;

    while (1UL << shift < size)
        if (++shift > MAX_SHIFT)
            return alloc_large(size);
    irq = spin_lock_irqsave(&heap_lock);
    if (free_objects[shift].next || refill(shift)) {
        o = free_objects[shift].next;
        object_list_del(o);
        virt_to_page(o)->heap_objects++;
    }
    spin_unlock_irqrestore(&heap_lock, irq);
    return o ? memset(o, 0, 1UL << shift) : NULL;
}

/* Every object of the frame is free: off the list with them. */
static void release_frame(struct page_info *page, unsigned int shift)
{
    for (uint64_t offset = 0; offset < PAGE_SIZE; offset += 1UL << shift)
        object_list_del((struct free_object *)((char *)page_to_virt(page) + offset));
    page->nr_validated = 0;
    free_frames(page, 0);
}

void xfree(void *p)
{
    struct page_info *page;
    unsigned int shift;
    unsigned long irq;

    if (!p)
        return;
    page = virt_to_page(p);
    shift = page->nr_validated;
    if (shift >= LARGE_MARK) {
        page->nr_validated = 0;
        free_vmm_pages(p, shift - LARGE_MARK);
        return;
    }
    irq = spin_lock_irqsave(&heap_lock);
    BUG_ON(shift < MIN_SHIFT || !page->heap_objects);
    object_list_add(&free_objects[shift], p);
    if (!--page->heap_objects)
        release_frame(page, shift);
    spin_unlock_irqrestore(&heap_lock, irq);
}
