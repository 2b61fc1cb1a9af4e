/* Which of its two address spaces and GS bases a vCPU runs with. */
#include <base/bug.h>
#include <cpu/cpu_info.h>
#include <cpu/insn.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <mm/vmm_paging.h>
#include <pv/pv.h>
#include <pv/segment.h>
#include <sched/sched.h>

/* Frames of page tables are below the VMM's own limit: no PCID, no flags. */
static uint64_t table_cr3(const struct page_info *table)
{
    return paddr_x(mfn_to_paddr(page_to_mfn(table)));
}

static uint64_t mode_cr3(const struct vcpu *v)
{
    const struct page_info *table = v->pv.kernel_mode ? v->pv.kernel_table : v->pv.user_table;

    return table ? table_cr3(table) : (uint64_t)vmm_l4 - VMM_IMAGE_START;
}

void pv_update_cr3(struct vcpu *v)
{
    if (v->pv.kernel_table)
        l4_set_m2p(v->pv.kernel_table, true);
    v->cr3 = mode_cr3(v);
    if (v == current)
        load_cr3(v->cr3);
}

void pv_toggle_mode(struct vcpu *v)
{
    if (v->pv.kernel_mode) {
        v->pv.gs_base_kernel = read_gs_base();
        write_gs_base(v->pv.gs_base_user);
    } else {
        v->pv.gs_base_user = read_gs_base();
        write_gs_base(v->pv.gs_base_kernel);
    }
    v->pv.kernel_mode = !v->pv.kernel_mode;
    v->cr3 = mode_cr3(v);
    /*
     * Not load_cr3(): noting the flush is only an optimization of later
     * shootdowns, and this is the hot path of every system call.
     */
    write_cr3(v->cr3);
    if (v->pv.kernel_mode)
        sched_entered_guest_kernel(v);
}

bool pv_in_kernel_mode(const struct vcpu *v, const struct cpu_user_regs *regs)
{
    return v->pv.kernel_mode;
}
