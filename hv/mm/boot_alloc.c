#include <base/bug.h>
#include <base/compiler.h>
#include <lib/string.h>
#include <mm/boot_alloc.h>
#include <mm/page.h>

#define MAX_RANGES      256
#define BOOT_MAPPED_END (4UL << 30)

struct range {
    uint64_t start, end; /* frames */
};

static struct range ranges[MAX_RANGES] __initdata;
static unsigned int nr_ranges __initdata;

void __init boot_alloc_add(uint64_t start, uint64_t end)
{
    start = DIV_ROUND_UP(start, PAGE_SIZE);
    end /= PAGE_SIZE;
    if (start >= end)
        return;
    if (nr_ranges == MAX_RANGES)
        boot_refuse("memory map: more than %d RAM ranges", MAX_RANGES);
    ranges[nr_ranges++] = (struct range){start, end};
}

void __init boot_alloc_reserve(uint64_t start, uint64_t end, const char *what)
{
    start /= PAGE_SIZE;
    end = DIV_ROUND_UP(end, PAGE_SIZE);
    for (unsigned int i = 0; i < nr_ranges; i++) {
        struct range *r = &ranges[i];

        if (end <= r->start || start >= r->end)
            continue;
        if (start > r->start && end < r->end) {
            if (nr_ranges == MAX_RANGES)
                boot_refuse("memory map: too many pieces, no room to reserve %s", what);
            ranges[nr_ranges++] = (struct range){end, r->end};
            r->end = start;
        } else if (start > r->start) {
            r->end = start;
        } else if (end < r->end) {
            r->start = end;
        } else {
            r->start = r->end; /* swallowed whole */
        }
    }
}

mfn_t __init boot_alloc(uint64_t frames, uint64_t align)
{
    struct range *best = NULL;
    uint64_t best_start = 0;

    for (unsigned int i = 0; i < nr_ranges; i++) {
        struct range *r = &ranges[i];
        uint64_t end = MIN(r->end, BOOT_MAPPED_END >> PAGE_SHIFT);

        if (end < r->start + frames)
            continue;

        uint64_t start = ROUND_DOWN(end - frames, align);

        if (start >= r->start && (!best || start > best_start)) {
            best = r;
            best_start = start;
        }
    }
    if (!best)
        boot_refuse("too little memory: no %lu contiguous KiB below 4 GiB for the VMM", frames * 4);
    boot_alloc_reserve(best_start << PAGE_SHIFT, (best_start + frames) << PAGE_SHIFT, "VMM tables");
    memset(mfn_to_virt(_mfn(best_start)), 0, frames << PAGE_SHIFT);
    return _mfn(best_start);
}

void __init boot_alloc_finish(void (*give)(mfn_t first, uint64_t frames))
{
    for (unsigned int i = 0; i < nr_ranges; i++)
        if (ranges[i].end > ranges[i].start)
            give(_mfn(ranges[i].start), ranges[i].end - ranges[i].start);
    nr_ranges = 0;
}
