#include <base/bug.h>
#include <base/errno.h>
#include <cpu/cpu_info.h>
#include <cpu/desc.h>
#include <cpu/insn.h>
#include <cpu/percpu.h>
#include <cpu/stack.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/layout.h>
#include <mm/page_alloc.h>
#include <mm/vmm_paging.h>
#include <mm/xpti.h>
#include <pv/descriptor.h>

#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_A | PTE_D)
#define MAPPED_RX   (VMM_RX & ~PTE_G)
#define MAPPED_RO   (VMM_RO & ~PTE_G)
#define MAPPED_RW   (VMM_RW & ~PTE_G)

extern const char _sentry_text[], _eentry_text[];
bool xpti_entry_missing(uint64_t va);

/* This CPU's level-4 table for guest mode; its window tables, and which window they show (0: none). */
static DEFINE_PER_CPU(pte_t *, guest_l4);
static DEFINE_PER_CPU(pte_t *, window_l1);
static DEFINE_PER_CPU(uint64_t, window_va);

/* The entry of `level` for va, tables made down to it; NULL if out of memory. */
static pte_t *walk(pte_t *table, uint64_t va, unsigned int level)
{
    for (unsigned int l = 4; l > level; l--) {
        pte_t *e = &table[pt_index(va, l)];

        if (!(*e & PTE_P)) {
            void *page = alloc_vmm_pages(0);

            if (!page)
                return NULL;
            *e = pte_make(virt_to_mfn(page), TABLE_FLAGS);
        }
        table = mfn_to_virt(pte_mfn(*e));
    }
    return &table[pt_index(va, level)];
}

static int map_page(pte_t *l4, uint64_t va, mfn_t mfn, uint64_t flags)
{
    pte_t *e = walk(l4, va, 1);

    if (!e)
        return -ENOMEM;
    *e = pte_make(mfn, flags);
    return 0;
}

static int map_image(pte_t *l4, uint64_t start, uint64_t end, uint64_t flags)
{
    int rc = 0;

    for (uint64_t va = start; va < end && !rc; va += PAGE_SIZE)
        rc = map_page(l4, va, _mfn((va - VMM_IMAGE_START) >> PAGE_SHIFT), flags);
    return rc;
}

/* Of the primary stack the top page alone: the entry code is on the VMM's tables before it needs more. */
static int map_stacks(pte_t *l4, uint64_t block)
{
    static const uint8_t pages[] = {STACK_PAGE_DF, STACK_PAGE_NMI, STACK_PAGE_MCE, STACK_PAGE_DB,
                                    (1 << STACK_BLOCK_ORDER) - 1};
    int rc = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(pages) && !rc; i++) {
        uint64_t va = block + pages[i] * PAGE_SIZE;

        rc = map_page(l4, va, pte_mfn(*vmm_l1_entry(va)), MAPPED_RW);
    }
    return rc;
}

int xpti_init_cpu(uint32_t cpu)
{
    pte_t *l4;
    int rc;

    if (!xpti_enabled())
        return 0;
    l4 = alloc_vmm_pages(0);
    if (!l4)
        return -ENOMEM; /* the CPU stays down for good, and the tables of the one after it are never made */
    rc = map_stacks(l4, stack_block_va(cpu));
    if (!rc)
        rc = map_image(l4, (uint64_t)_sentry_text, (uint64_t)_eentry_text, MAPPED_RX);
    if (!rc)
        rc = map_image(l4, idt_base(), idt_base() + PAGE_SIZE, MAPPED_RO);
    if (rc || !walk(l4, DESC_AREA_START, 1))
        return -ENOMEM;
    per_cpu(guest_l4, cpu) = l4;
    per_cpu(window_l1, cpu) = (pte_t *)((uint64_t)walk(l4, DESC_AREA_START, 1) & PAGE_MASK);
    per_cpu(window_va, cpu) = DESC_AREA_START;
    return 0;
}

/* The tables of the window area are one of each level, moved to where the vCPU's window is. */
static void move_window(pte_t *l4, uint64_t from, uint64_t to)
{
    pte_t *l3 = mfn_to_virt(pte_mfn(l4[pt_index(from, 4)]));
    pte_t *l2 = mfn_to_virt(pte_mfn(l3[pt_index(from, 3)]));
    pte_t l2_entry = l2[pt_index(from, 2)], l3_entry = l3[pt_index(from, 3)];

    l2[pt_index(from, 2)] = 0;
    l3[pt_index(from, 3)] = 0;
    l3[pt_index(to, 3)] = l3_entry;
    l2[pt_index(to, 2)] = l2_entry;
}

void xpti_load(struct vcpu *v)
{
    struct cpu_info *info = get_cpu_info();
    pte_t *l4 = this_cpu(guest_l4), *l1 = this_cpu(window_l1);
    uint64_t va = v->pv.desc_window;

    info->guest_cr3 = 0;
    if (!xpti_domain(v->domain))
        return;
    memset(l1 + pt_index(this_cpu(window_va), 1), 0, DESC_WINDOW_PAGES * sizeof(pte_t));
    move_window(l4, this_cpu(window_va), va);
    this_cpu(window_va) = va;
    for (unsigned int i = 0; i < DESC_WINDOW_PAGES; i++)
        l1[pt_index(va, 1) + i] = pv_window_entry(v, i);
    info->guest_l4 = (uint64_t)l4;
    info->guest_cr3 = paddr_x(mfn_to_paddr(virt_to_mfn(l4)));
}

void xpti_window_changed(unsigned int page, pte_t entry)
{
    if (get_cpu_info()->guest_cr3)
        WRITE_ONCE(this_cpu(window_l1)[pt_index(this_cpu(window_va), 1) + page], entry);
}

/*
 * A guest's page fault on a missing entry, at va: whether its level-4 entry has
 * changed since it was copied. Another vCPU may have filled it, which needs no
 * flush on a CPU.
 */
bool xpti_entry_missing(uint64_t va)
{
    const struct cpu_info *info = get_cpu_info();
    const pte_t *full = mfn_to_virt(pte_mfn(read_cr3())), *copy = (const pte_t *)info->guest_l4;
    unsigned int i = pt_index(va, 4);

    if (!info->guest_cr3 || (i > VMM_L4_FIRST && i <= VMM_L4_LAST))
        return false;
    return (READ_ONCE(full[i]) ^ copy[i]) & ~PTE_A;
}
