#include "mm.h"
#include "hypercall.h"
#include "lib.h"

#define POOL_PAGES 160

static char pool[POOL_PAGES][4096] __attribute__((aligned(4096)));
static char holes[16][4096] __attribute__((aligned(4096)));
static unsigned int pool_next, hole_next;
static void *free_list[POOL_PAGES];
static unsigned int free_count;

uint64_t *kernel_l4;

uint64_t *pte_of(unsigned long va, int level)
{
    uint64_t *table = kernel_l4;

    for (int l = 4;; l--) {
        uint64_t *e = table + ((va >> (12 + 9 * (l - 1))) & 511);

        if (l == level)
            return e;
        if (!(*e & PTE_P))
            return NULL;
        table = pfn_to_virt(mfn_to_pfn((*e & PTE_FRAME) >> 12));
    }
}

void *page_alloc(void)
{
    void *page;

    if (free_count)
        page = free_list[--free_count];
    else if (pool_next < POOL_PAGES)
        page = pool[pool_next++];
    else {
        must("page_alloc", -1);
        return NULL;
    }
    memset(page, 0, PAGE_SIZE);
    return page;
}

void page_free(void *page)
{
    free_list[free_count++] = page;
}

void page_make_readonly(void *page)
{
    must("make read-only",
         hc_update_va_mapping((unsigned long)page, pte_make(virt_to_mfn(page), PTE_RO), UVMF_INVLPG));
}

void page_make_writable(void *page)
{
    must("make writable",
         hc_update_va_mapping((unsigned long)page, pte_make(virt_to_mfn(page), PTE_DATA), UVMF_INVLPG));
}

void *page_hole(void)
{
    void *page;

    if (hole_next == ARRAY_SIZE(holes))
        must("page_hole", -1);
    page = holes[hole_next++];
    must("unmap hole", hc_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG));
    return page;
}

long mmu_update_one(uint64_t ptr, uint64_t val)
{
    struct mmu_update u = {.ptr = ptr, .val = val};

    return HC4(__HYPERVISOR_mmu_update, &u, 1, 0, DOMID_SELF);
}

long mmuext(unsigned int cmd, unsigned long arg1, unsigned long arg2)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = arg1, .arg2.src_mfn = arg2};

    return HC4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

void must(const char *what, long value)
{
    if (!value)
        return;
    print("FAILED %s: %e\n", what, value);
    finish();
}
