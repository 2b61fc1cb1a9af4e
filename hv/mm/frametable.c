#include <boot/e820.h>
#include <console/printk.h>
#include <lib/string.h>
#include <mm/boot_alloc.h>
#include <mm/frametable.h>
#include <mm/layout.h>
#include <mm/memory_op.h>
#include <mm/page.h>
#include <mm/vmm_paging.h>
#include <xen/xen.h>

/*
 * Both tables are virtually contiguous and backed only where there is RAM:
 * 2 MiB of frame table describe 64 Ki frames (256 MiB), 2 MiB of the
 * machine-to-phys table 256 Ki frames (1 GiB).
 */
#define CHUNK_SIZE        FRAMETABLE_CHUNK
#define FRAMES_PER_M2P    (CHUNK_SIZE / sizeof(uint64_t))
#define MAX_CHUNKS        (1UL << 16) /* 16 TiB of address space */
#define LOW_MEMORY_FRAMES 0x100

_Static_assert((DIRECTMAP_END - DIRECTMAP_START) / PAGE_SIZE <= MAX_CHUNKS * FRAMES_PER_CHUNK,
               "what e820_sanitize() lets pass has a place in the frame table");

uint64_t max_page __ro_after_init;
uint64_t total_pages __ro_after_init;

uint64_t frametable_backed[MAX_CHUNKS / 64] __ro_after_init;

static void __init map_chunk(uint64_t va, uint64_t extra_va, uint64_t extra_flags, const char fill)
{
    mfn_t mfn = boot_alloc(CHUNK_SIZE / PAGE_SIZE, CHUNK_SIZE / PAGE_SIZE);

    memset(mfn_to_virt(mfn), fill, CHUNK_SIZE);
    vmm_map_large(va, mfn, VMM_RW);
    if (extra_va)
        vmm_map_large(extra_va, mfn, extra_flags);
}

static void __init map_tables_for(uint64_t first, uint64_t last)
{
    for (uint64_t c = first / FRAMES_PER_CHUNK; c <= last / FRAMES_PER_CHUNK; c++) {
        if (frametable_backed[c / 64] >> (c % 64) & 1)
            continue;
        map_chunk(FRAMETABLE_START + c * CHUNK_SIZE, 0, 0, 0);
        frametable_backed[c / 64] |= 1UL << (c % 64);
    }
    for (uint64_t c = first / FRAMES_PER_M2P; c <= last / FRAMES_PER_M2P; c++) {
        static uint64_t next_chunk __initdata;

        if (c < next_chunk)
            continue;
        /* Guests read the low view of it: user, read-only (ABI). */
        map_chunk(RW_M2P_START + c * CHUNK_SIZE, RO_M2P_START + c * CHUNK_SIZE, VMM_RO | PTE_US, (char)0xff);
        next_chunk = c + 1;
    }
}

/* A range of RAM as frames, end exclusive; nothing if no whole frame is in it. */
static bool __init ram_frames(const struct e820_entry *e, uint64_t *start, uint64_t *end)
{
    *start = DIV_ROUND_UP(e->addr, PAGE_SIZE);
    *end = (e->addr + e->size) / PAGE_SIZE;
    return e->type == E820_RAM && *start < *end;
}

void __init frametable_init(void)
{
    uint64_t start, end;

    for (uint32_t i = 0; i < host_e820.nr; i++) {
        if (!ram_frames(&host_e820.entry[i], &start, &end))
            continue;
        map_tables_for(start, end - 1);
        max_page = end;
        total_pages += end - start;
    }
    /*
     * Conventional memory below 1 MiB is not RAM in this sense: it holds firmware's
     * data that the hardware domain may look at, as it may at any device memory.
     * The rest is in use until the allocator is given it.
     */
    for (uint32_t i = 0; i < host_e820.nr; i++) {
        if (!ram_frames(&host_e820.entry[i], &start, &end))
            continue;
        for (uint64_t m = MAX(start, (uint64_t)LOW_MEMORY_FRAMES); m < end; m++) {
            mfn_to_page(_mfn(m))->count_info = PGC_STATE_INUSE;
            mfn_to_page(_mfn(m))->owner = DOMID_INVALID;
        }
    }
    machphys_share();
}
