#include <base/bug.h>
#include <base/spinlock.h>
#include <mm/ioremap.h>
#include <mm/layout.h>
#include <mm/tlb.h>
#include <mm/vmm_paging.h>

static DEFINE_SPINLOCK(ioremap_lock, LOCK_HEAP);
static uint64_t next_va = IOREMAP_START;

/*
 * Addresses are handed out once and not reused: what other CPUs, or other tags
 * of this one, keep of a mapping that is undone is of no use to anybody, and
 * 256 GiB outlast any use.
 */
static uint64_t reserve_va(uint64_t pages)
{
    unsigned long flags = spin_lock_irqsave(&ioremap_lock);
    uint64_t va = next_va;

    if (pages > (IOREMAP_END - va) / PAGE_SIZE)
        va = 0;
    else
        next_va += (pages + 1) * PAGE_SIZE; /* and a guard page */
    spin_unlock_irqrestore(&ioremap_lock, flags);
    return va;
}

static void *map_frames(paddr_t pa, size_t len, uint64_t flags)
{
    uint64_t offset = paddr_x(pa) & ~PAGE_MASK;
    uint64_t pages = DIV_ROUND_UP(offset + len, PAGE_SIZE);
    uint64_t va = reserve_va(pages);

    if (!va)
        return NULL;
    for (uint64_t i = 0; i < pages; i++)
        if (vmm_map(va + i * PAGE_SIZE, mfn_add(paddr_to_mfn(pa), i), flags))
            return NULL;
    return (void *)(va + offset);
}

volatile void *ioremap(paddr_t pa, size_t len)
{
    return map_frames(pa, len, VMM_UC);
}

const void *map_firmware(paddr_t pa, size_t len)
{
    return map_frames(pa, len, VMM_RO);
}

void mmio_write_once(paddr_t pa, unsigned int bytes, uint64_t value)
{
    static DEFINE_SPINLOCK(window_lock, LOCK_DEVICE_WINDOW);
    static uint64_t window;
    volatile char *p;

    spin_lock(&window_lock);
    if (!window)
        window = reserve_va(1);
    if (window && vmm_map(window, paddr_to_mfn(pa), VMM_UC) == 0) {
        /* Other CPUs may keep what they saw there: they flush before they use it. */
        invlpg(window);
        p = (volatile char *)window + (paddr_x(pa) & ~PAGE_MASK);
        if (bytes == 8)
            *(volatile uint64_t *)p = value;
        else if (bytes == 4)
            *(volatile uint32_t *)p = (uint32_t)value;
        else if (bytes == 2)
            *(volatile uint16_t *)p = (uint16_t)value;
        else
            *(volatile uint8_t *)p = (uint8_t)value;
        vmm_map(window, INVALID_MFN, 0);
    }
    spin_unlock(&window_lock);
}

void vunmap_range(const volatile void *va, size_t len)
{
    uint64_t start = (uint64_t)va & PAGE_MASK, end = (uint64_t)va + len;

    for (uint64_t p = start; p < end; p += PAGE_SIZE) {
        vmm_map(p, INVALID_MFN, 0);
        invlpg(p);
    }
}
