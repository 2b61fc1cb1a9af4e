/*
 * Writes that trapped because they hit a page-table page, which guests see
 * read-only: for level-1 tables they are done as an mmu_update would be.
 */
#include <base/errno.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/iomem.h>
#include <mm/pt_update.h>
#include <mm/pt_write.h>
#include <pv/pv.h>

/* The table's page behind va, locked; NULL if va is not a read-only mapping of a level-1 table of current. */
static struct page_info *lock_mapped_table(struct vcpu *v, uint64_t va)
{
    pte_t mapping = read_l1_entry(v, va);
    struct page_info *table;
    unsigned int level;

    if ((mapping & (PTE_P | PTE_RW)) != PTE_P || !mfn_valid(pte_mfn(mapping)))
        return NULL;
    table = mfn_to_page(pte_mfn(mapping));
    level = lock_table(table, v->domain->id);
    if (likely(level == 1))
        return table;
    if (level)
        unlock_table(table);
    return NULL;
}

/* The instruction, as far as it can be read: it may end just before an unmapped page. */
static bool fetch(const struct cpu_user_regs *regs, struct pt_write *w)
{
    uint8_t insn[INSN_MAX];
    size_t first = MIN((size_t)INSN_MAX, (size_t)(PAGE_SIZE - (regs->rip & (PAGE_SIZE - 1))));

    if (first >= INSN_MAX)
        return !copy_from_guest(insn, regs->rip, INSN_MAX) && pt_write_decode(w, insn, INSN_MAX);
    if (copy_from_guest(insn, regs->rip, first))
        return false;
    if (pt_write_decode(w, insn, first))
        return true;
    return !copy_from_guest(insn + first, regs->rip + first, INSN_MAX - first) &&
           pt_write_decode(w, insn, INSN_MAX);
}

/*
 * Applies the write to the entry. A read-modify-write must not lose A and D bits
 * that the CPU sets meanwhile: it is done again for the new value. *regs is only
 * changed on success.
 */
static bool apply(const struct pt_context *c, pte_t *slot, unsigned int offset, const struct pt_write *w,
                  uint64_t source, struct cpu_user_regs *regs)
{
    unsigned int shift = 8 * offset;
    uint64_t mask = (w->size == 8 ? ~0UL : (1UL << (8 * w->size)) - 1) << shift;

    for (;;) {
        struct cpu_user_regs after = *regs;
        pte_t old = READ_ONCE(*slot);
        uint64_t value = pt_write_compute(w, &after, old >> shift, source);
        pte_t new = (old & ~mask) | (value << shift & mask);
        int rc = new == old ? 0 : pt_cmpxchg_l1(c, slot, old, new);

        if (likely(rc == 0)) {
            *regs = after;
            return true;
        }
        if (rc != -EAGAIN)
            return false;
    }
}

/* A write to device memory that the VMM shares read-only (the HPET) has no effect. */
static bool drop_device_write(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs)
{
    pte_t mapping = read_l1_entry(v, va);
    struct pt_write w;

    if (!(mapping & PTE_P) || mfn_valid(pte_mfn(mapping)) || !iomem_read_only(pte_mfn(mapping)) || !fetch(regs, &w) ||
        w.repeat)
        return false;
    regs->rip += w.length;
    return true;
}

bool pv_emulate_pt_write(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs)
{
    struct page_info *table;
    struct pt_context c;
    struct pt_write w;
    uint64_t source = 0;
    pte_t *slot;
    bool done;

    /* Before the guest's memory is read, as that may be slow: is it a page table at all? */
    table = lock_mapped_table(v, va);
    if (likely(!table))
        return drop_device_write(v, va, regs);
    unlock_table(table);
    if (!fetch(regs, &w) || (va & (w.size - 1U)) || (w.repeat && !regs->rcx))
        return false;
    if (w.op == PTW_MOVS && copy_from_guest(&source, regs->rsi, w.size))
        return false;

    table = lock_mapped_table(v, va);
    if (unlikely(!table))
        return false;
    pt_context_self(&c);
    slot = (pte_t *)((char *)page_to_virt(table) + (va & (PAGE_SIZE - 1) & ~7UL));
    done = apply(&c, slot, va & 7, &w, source, regs);
    unlock_table(table);
    /* A string instruction that repeats goes on by itself, or traps again. */
    if (done && !(w.repeat && regs->rcx))
        regs->rip += w.length;
    return done;
}
