#include <lib/ranges.h>
#include <lib/string.h>

/* The first range that ends at or after n; nr if there is none. */
static uint32_t find(const struct range_set *s, uint64_t n)
{
    uint32_t i = 0;

    while (i < s->nr && s->range[i].last < n)
        i++;
    return i;
}

/* Puts `with` ranges in place of those from i to before end. */
static bool replace(struct range_set *s, uint32_t i, uint32_t end, const struct range *new, uint32_t with)
{
    if (s->nr - (end - i) + with > RANGES_MAX)
        return false;
    memmove(&s->range[i + with], &s->range[end], (s->nr - end) * sizeof(s->range[0]));
    memcpy(&s->range[i], new, with * sizeof(s->range[0]));
    s->nr = s->nr - (end - i) + with;
    return true;
}

bool ranges_add(struct range_set *s, uint64_t first, uint64_t last)
{
    struct range new = {first, last};
    uint32_t i = find(s, first ? first - 1 : 0), end = i;

    for (; end < s->nr && (last == UINT64_MAX || s->range[end].first <= last + 1); end++) {
        if (s->range[end].first < new.first)
            new.first = s->range[end].first;
        if (s->range[end].last > new.last)
            new.last = s->range[end].last;
    }
    return replace(s, i, end, &new, 1);
}

bool ranges_remove(struct range_set *s, uint64_t first, uint64_t last)
{
    struct range rest[2];
    uint32_t i = find(s, first), end = i, with = 0;

    for (; end < s->nr && s->range[end].first <= last; end++) {
        if (s->range[end].first < first)
            rest[with++] = (struct range){s->range[end].first, first - 1};
        if (s->range[end].last > last)
            rest[with++] = (struct range){last + 1, s->range[end].last};
    }
    return replace(s, i, end, rest, with);
}

bool ranges_contain(const struct range_set *s, uint64_t first, uint64_t last)
{
    uint32_t i = find(s, first);

    return i < s->nr && s->range[i].first <= first && s->range[i].last >= last;
}

bool ranges_overlap(const struct range_set *s, uint64_t first, uint64_t last)
{
    uint32_t i = find(s, first);

    return i < s->nr && s->range[i].first <= last;
}
