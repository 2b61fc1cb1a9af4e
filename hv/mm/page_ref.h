/*
 * References and type references inline, for the paths that take or drop one
 * for each entry of a table. The rules are those of mm/page_type.h, and so are
 * the functions that these stand for.
 */
#ifndef MM_PAGE_REF_H
#define MM_PAGE_REF_H

#include <base/atomic.h>
#include <mm/page_type.h>

/* For the following alone: the last reference is gone. */
void page_last_put(struct page_info *page);

/* put_page() */
static __always_inline void page_put(struct page_info *page)
{
    uint64_t left = __atomic_sub_fetch(&page->count_info, 1, __ATOMIC_SEQ_CST);

    if (unlikely(!(left & PGC_COUNT_MASK)))
        page_last_put(page);
}

/* get_page_owned() */
static __always_inline __must_check bool page_get_owned(struct page_info *page, domid_t owner)
{
    uint64_t x = READ_ONCE(page->count_info), seen;

    if (unlikely(page->owner != owner))
        return false;
    for (;;) {
        /* Count 0: free, being freed, or the VMM's own. Never revived from here. */
        if (unlikely(!(x & PGC_COUNT_MASK) || ((x + 1) & PGC_COUNT_MASK) == 0))
            return false;
        seen = cmpxchg(&page->count_info, x, x + 1);
        if (likely(seen == x))
            break;
        x = seen;
    }
    /* The owner cannot change while a reference is held, but it could before. */
    if (likely(page->owner == owner))
        return true;
    page_put(page);
    return false;
}

/* get_page_type(): most often the frame has the type already. */
static __always_inline __must_check int page_get_type(struct page_info *page, uint64_t type)
{
    uint64_t x = READ_ONCE(page->type_info);

    if (likely((x & (PGT_TYPE_MASK | PGT_VALIDATED)) == (type | PGT_VALIDATED) &&
               ((x + 1) & PGT_COUNT_MASK) != 0 && cmpxchg(&page->type_info, x, x + 1) == x))
        return 0;
    return get_page_type(page, type);
}

/* Drops a type reference that is not the last one, so that nothing happens to the frame. False: not dropped.
 */
static __always_inline __must_check bool page_put_type_not_last(struct page_info *page)
{
    uint64_t x = READ_ONCE(page->type_info);

    return (x & PGT_VALIDATED) && (x & PGT_COUNT_MASK) > 1 && cmpxchg(&page->type_info, x, x - 1) == x;
}

/* put_page_type() */
static __always_inline void page_put_type(struct page_info *page)
{
    if (unlikely(!page_put_type_not_last(page)))
        put_page_type(page);
}

#endif
