/*
 * Which translations of a vCPU may be used again: tags (PCIDs, SDM vol 3,
 * 4.10.1). Only decisions, no instructions; the caller loads CR3 and flushes.
 *
 * On each CPU a few vCPUs have a pair of tags, one for each of their two
 * address spaces, and keep them when another runs. Tag 0 is the VMM's. A value
 * for CR3 has TLB_TAG_KEEP if the CPU need not drop what it holds with that tag.
 * That is so only while all of these hold:
 *
 *   - The pair is still this vCPU's, and it ran nowhere else meanwhile: what a
 *     vCPU flushes "locally" it flushes on one CPU.
 *   - The epoch of its domain is what it was when the tag was last emptied. Who
 *     flushes a domain's translations advances the epoch, then looks at which
 *     CPUs run it; a CPU that begins to run it shows that, then looks at the
 *     epoch (both with locked instructions): one of them sees the other.
 *   - Nothing was flushed in the other address space while this tag could not be
 *     emptied (`stale`).
 *
 * Flushes of frames that any domain may map reach every CPU and empty all tags.
 */
#ifndef MM_TLB_TAG_H
#define MM_TLB_TAG_H

#include <base/types.h>
#include <base/compiler.h>

#define TLB_TAG_KEEP  BIT(63)
#define TLB_TAG_MASK  0xfffUL
#define TLB_TAG_PAIRS 8 /* vCPUs remembered on a CPU */

/* A vCPU's part. Modes: 0 guest-user, 1 guest-kernel. */
struct tlb_tag {
    uint64_t cr3[2]; /* by mode: what to load; without a tag while it does not run */
    bool stale;      /* the mode that is not loaded must be emptied when it is: its cr3 lacks TLB_TAG_KEEP */
    uint32_t cpu;    /* the last one where it ran tagged, plus one; 0: none */
    uint64_t key;    /* never that of another vCPU, not 0 */
};

/* A CPU's part. */
struct tlb_tags {
    struct tlb_tag_pair {
        uint64_t key;   /* whose; 0: nobody's */
        uint64_t epoch; /* of its domain, read before the pair was last emptied */
        bool stale[2];  /* by mode, while it does not run */
    } pair[TLB_TAG_PAIRS];
    uint32_t running; /* index of the pair in use, plus one; 0: none */
    uint32_t victim;  /* the next to be taken away */
};

/* The vCPU begins to run on `cpu`, in `mode`; epoch is its domain's now. The caller loads what is returned.
 */
uint64_t tlb_tag_enter(struct tlb_tags *t, struct tlb_tag *v, uint32_t cpu, uint64_t epoch, bool mode);
/* It stops. The caller loads a CR3 with tag 0 before, or another's after. */
void tlb_tag_leave(struct tlb_tags *t, struct tlb_tag *v);

/* After the value for `mode` was loaded, where v->stale was set. */
void tlb_tag_loaded(struct tlb_tag *v, bool mode);
/* The vCPU has another table for a mode (it may not run); the caller loads cr3[mode] if that mode is loaded.
 */
void tlb_tag_set_table(struct tlb_tag *v, bool mode, uint64_t table);
/* All of the running vCPU's translations go; the caller loads what is returned. */
uint64_t tlb_tag_flush(struct tlb_tag *v, bool mode);
/* Those of one address went from the tag that is loaded. Returns the other one, if the caller can flush that.
 */
uint32_t tlb_tag_other(const struct tlb_tag *v, bool mode);
/* ... and if it cannot. */
void tlb_tag_other_stale(struct tlb_tag *v, bool mode);
/* The CPU has emptied all tags; v is who runs on it, or NULL; epoch of its domain as read before that. */
void tlb_tag_all_flushed(struct tlb_tags *t, struct tlb_tag *v, uint64_t epoch);

#endif
