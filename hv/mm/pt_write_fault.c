/*
 * Writes that trapped because they hit a page-table page, which guests see
 * read-only: for level-1 tables they are done as an mmu_update would be. And
 * those to devices' memory that is kept read-only.
 */
#include <base/errno.h>
#include <cpu/percpu.h>
#include <domain/domain.h>
#include <irq/pci_guest.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/iomem.h>
#include <mm/pt_update.h>
#include <mm/pt_write.h>
#include <pv/pv.h>

static bool lock_l1(struct page_info *table, const struct vcpu *v)
{
    unsigned int level = lock_table(table, v->domain->id);

    if (level > 1)
        unlock_table(table);
    return level == 1;
}

/*
 * Kernels write entries from a few places only: the last results of decoding, by
 * the bytes that were decoded. So it does not matter whose they were.
 */
#define CACHED_INSNS 8
struct cached_insn {
    uint64_t bytes[2];
    struct pt_write w; /* length 0: none */
};
struct insn_cache {
    struct cached_insn insn[CACHED_INSNS];
};
static DEFINE_PER_CPU(struct insn_cache, insn_cache);

static const struct pt_write *decode(uint64_t rip, const uint64_t bytes[2])
{
    struct cached_insn *c = &this_cpu(insn_cache).insn[rip % CACHED_INSNS];

    if (likely(c->bytes[0] == bytes[0] && c->bytes[1] == bytes[1] && c->w.length))
        return &c->w;
    c->bytes[0] = bytes[0];
    c->bytes[1] = bytes[1];
    if (pt_write_decode(&c->w, (const uint8_t *)bytes, INSN_MAX))
        return &c->w;
    c->w.length = 0;
    return NULL;
}

/* The instruction at RIP, NULL if it is none of those. It may end just before a page that cannot be read. */
static const struct pt_write *fetch(const struct cpu_user_regs *regs)
{
    size_t first = (size_t)(PAGE_SIZE - (regs->rip & (PAGE_SIZE - 1)));
    uint64_t bytes[2] = {0, 0};

    if (likely(first >= sizeof(bytes)))
        return copy_from_guest(bytes, regs->rip, sizeof(bytes)) ? NULL : decode(regs->rip, bytes);
    if (copy_from_guest(bytes, regs->rip, first))
        return NULL;
    /* Zeroes where the next page cannot be read: an instruction that needs those bytes could not have run. */
    if (copy_from_guest((char *)bytes + first, regs->rip + first, sizeof(bytes) - first))
        memset((char *)bytes + first, 0, sizeof(bytes) - first);
    return decode(regs->rip, bytes);
}

/*
 * Applies the write to the entry. A read-modify-write must not lose A and D bits
 * that the CPU sets meanwhile: it is done again for the new value.
 */
static bool apply(const struct pt_context *c, pte_t *slot, unsigned int offset, const struct pt_write *w,
                  uint64_t loaded, struct cpu_user_regs *regs)
{
    unsigned int shift = 8 * offset;
    uint64_t mask = (w->size == 8 ? ~0UL : (1UL << (8 * w->size)) - 1) << shift;

    for (;;) {
        pte_t old = READ_ONCE(*slot);
        pte_t new = (old & ~mask) | pt_write_value(w, regs, old >> shift, loaded) << shift;
        int rc = new == old ? 0 : pt_cmpxchg_l1(c, slot, old, new);

        if (likely(rc == 0)) {
            pt_write_finish(w, regs, old >> shift);
            return true;
        }
        if (rc != -EAGAIN)
            return false;
    }
}

/* Memory-mapped configuration space, and MSI-X tables: devices that the hardware domain sees read-only. */
static noinline bool device_write(const struct vcpu *v, uint64_t address, struct cpu_user_regs *regs)
{
    const struct pt_write *w;

    if (!v->domain->is_hardware || !iomem_write_protected(paddr_to_mfn(_paddr(address))))
        return false;
    w = fetch(regs);
    if (!w || w->op != PTW_MOV || (address & (w->size - 1U)) ||
        !pci_guest_memory_write(address, w->size, pt_write_value(w, regs, 0, 0)))
        return false;
    regs->rip += w->length;
    return true;
}

bool pv_emulate_pt_write(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs)
{
    pte_t mapping = read_l1_entry(v, va);
    struct page_info *table;
    const struct pt_write *w;
    struct pt_context c;
    uint64_t loaded = 0;
    pte_t *slot;
    bool done;

    if ((mapping & (PTE_P | PTE_RW)) != PTE_P)
        return false;
    if (unlikely(!mfn_valid(pte_mfn(mapping))))
        return device_write(v, (mapping & PTE_ADDR_MASK) | (va & (PAGE_SIZE - 1)), regs);
    table = mfn_to_page(pte_mfn(mapping));
    if (likely(pgt_level(READ_ONCE(table->type_info)) != 1)) /* a hint only */
        return false;
    w = fetch(regs);
    if (!w || (va & (w->size - 1U)) || (w->repeat && !regs->rcx))
        return false;
    if (w->op == PTW_MOVS && copy_from_guest(&loaded, regs->rsi, w->size))
        return false;

    /* If another CPU has changed the mapping since, the write came before that. */
    if (unlikely(!lock_l1(table, v)))
        return false;
    pt_context_self(&c);
    slot = (pte_t *)((char *)page_to_virt(table) + (va & (PAGE_SIZE - 1) & ~7UL));
    done = apply(&c, slot, va & 7, w, loaded, regs);
    unlock_table(table);
    /* A string instruction that repeats goes on by itself, or traps again. */
    if (done && !(w->repeat && regs->rcx))
        regs->rip += w->length;
    return done;
}
