#include <mm/tlb_tag.h>

static uint64_t tag_of(uint32_t pair, unsigned int mode)
{
    return 1 + 2 * pair + mode;
}

static uint32_t find_pair(const struct tlb_tags *t, uint64_t key)
{
    for (uint32_t i = 0; i < TLB_TAG_PAIRS; i++)
        if (t->pair[i].key == key)
            return i;
    return TLB_TAG_PAIRS;
}

static uint32_t take_pair(struct tlb_tags *t, uint64_t key)
{
    uint32_t i = t->victim;

    t->victim = (i + 1) % TLB_TAG_PAIRS;
    t->pair[i].key = key;
    return i;
}

uint64_t tlb_tag_enter(struct tlb_tags *t, struct tlb_tag *v, uint32_t cpu, uint64_t epoch, bool mode)
{
    uint32_t i = find_pair(t, v->key);
    bool found = i < TLB_TAG_PAIRS;
    struct tlb_tag_pair *p = &t->pair[found ? i : (i = take_pair(t, v->key))];
    bool clean = found && v->cpu == cpu + 1 && p->epoch == epoch;
    uint64_t value;

    p->epoch = epoch;
    t->running = i + 1;
    v->cpu = cpu + 1;
    for (unsigned int m = 0; m < 2; m++)
        v->cr3[m] |= tag_of(i, m) | (clean && !p->stale[m] ? TLB_TAG_KEEP : 0);
    value = v->cr3[mode];
    tlb_tag_loaded(v, mode);
    return value;
}

void tlb_tag_leave(struct tlb_tags *t, struct tlb_tag *v)
{
    struct tlb_tag_pair *p = &t->pair[t->running - 1];

    for (unsigned int m = 0; m < 2; m++) {
        p->stale[m] = !(v->cr3[m] & TLB_TAG_KEEP);
        v->cr3[m] &= ~(TLB_TAG_KEEP | TLB_TAG_MASK);
    }
    v->stale = false;
    t->running = 0;
}

void tlb_tag_loaded(struct tlb_tag *v, bool mode)
{
    v->cr3[mode] |= TLB_TAG_KEEP;
    v->stale = !(v->cr3[!mode] & TLB_TAG_KEEP);
}

void tlb_tag_set_table(struct tlb_tag *v, bool mode, uint64_t table)
{
    uint64_t tag = v->cr3[mode] & TLB_TAG_MASK;

    v->cr3[mode] = table | tag;
    if (tag)
        v->stale = true;
    else
        v->cpu = 0; /* what an earlier pair holds is of the old table */
}

uint64_t tlb_tag_flush(struct tlb_tag *v, bool mode)
{
    tlb_tag_other_stale(v, mode);
    return v->cr3[mode] & ~TLB_TAG_KEEP;
}

uint32_t tlb_tag_other(const struct tlb_tag *v, bool mode)
{
    return v->cr3[!mode] & TLB_TAG_MASK;
}

void tlb_tag_other_stale(struct tlb_tag *v, bool mode)
{
    v->cr3[!mode] &= ~TLB_TAG_KEEP;
    v->stale = true;
}

void tlb_tag_all_flushed(struct tlb_tags *t, struct tlb_tag *v, uint64_t epoch)
{
    for (uint32_t i = 0; i < TLB_TAG_PAIRS; i++)
        t->pair[i].stale[0] = t->pair[i].stale[1] = false;
    if (!v || !t->running)
        return;
    t->pair[t->running - 1].epoch = epoch;
    v->cr3[0] |= TLB_TAG_KEEP;
    v->cr3[1] |= TLB_TAG_KEEP;
    v->stale = false;
}
