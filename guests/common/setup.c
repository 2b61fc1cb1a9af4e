#include "domu.h"
#include "hypercall.h"
#include "lib.h"
#include "mm.h"
#include "trap.h"

struct start_info *start_info;
struct shared_info *shared_info;

void guest_start(struct start_info *si);

void guest_start(struct start_info *si)
{
    static char shared_info_page[4096] __attribute__((aligned(4096)));

    start_info = si;
    kernel_l4 = (uint64_t *)si->pt_base;
    must("map shared info",
         hc_update_va_mapping((unsigned long)shared_info_page, si->shared_info | PTE_DATA, UVMF_INVLPG));
    shared_info = (struct shared_info *)shared_info_page;
    trap_setup();
    if (domu_is_second())
        domu_main();
    guest_main();
    finish();
}
