/*
 * A guest that gives all its memory back: first what nothing maps, then what it runs on, which is refused as
 * it is mapped, and after that it asks for more than it may have.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/memory.h>
#include <xen/sched.h>

static long reservation(unsigned int op, xen_pfn_t *frames, unsigned long count)
{
    struct xen_memory_reservation r = {.nr_extents = count, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    return HC2(__HYPERVISOR_memory_op, op, &r);
}

void guest_main(void)
{
    unsigned long given = 0, kept = 0, pages = start_info->nr_pages, back = 0;
    static xen_pfn_t got[512];

    for (unsigned long pfn = 0; pfn < pages; pfn++) {
        xen_pfn_t mfn = pfn_to_mfn(pfn);
        uint64_t *pte = pte_of(VIRT_BASE + (pfn << 12), 1);

        if (pte && *pte & PTE_P) {
            kept++;
            continue;
        }
        given += reservation(XENMEM_decrease_reservation, &mfn, 1) == 1;
    }
    print("starve: gave %lu, all the rest is mapped: %d\n", given, given + kept == pages);
    for (unsigned long pfn = 0; pfn < kept && pfn < pages; pfn++) {
        xen_pfn_t mfn = pfn_to_mfn(pfn);

        given += mfn_to_pfn(mfn) == pfn && reservation(XENMEM_decrease_reservation, &mfn, 1) == 1;
    }
    for (long n = 1; n > 0; back += (unsigned long)n) {
        for (unsigned int i = 0; i < ARRAY_SIZE(got); i++)
            got[i] = pages - 1;
        n = reservation(XENMEM_increase_reservation, got, ARRAY_SIZE(got));
    }
    print("starve: got back more than it gave: %d\n", back > given + 512);
    for (;;)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
}
