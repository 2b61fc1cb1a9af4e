/* Which of its two address spaces and GS bases a vCPU runs with. */
#include <cpu/cpu_info.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <mm/vmm_paging.h>
#include <pv/mode.h>
#include <pv/pv.h>
#include <sched/sched.h>

/* CR3 for tables, or for none: no tag. */
static uint64_t table_cr3(const struct page_info *table)
{
    return table ? paddr_x(mfn_to_paddr(page_to_mfn(table))) : (uint64_t)vmm_l4 - VMM_IMAGE_START;
}

static __always_inline void set_table(struct vcpu *v, bool kernel_mode, const struct page_info *table)
{
    if (unlikely(pcid_enabled))
        tlb_tag_set_table(&v->tag, kernel_mode, table_cr3(table));
    else
        v->tag.cr3[kernel_mode] = table_cr3(table);
}

void pv_update_user_cr3(struct vcpu *v)
{
    set_table(v, false, v->pv.user_table);
}

void pv_update_kernel_cr3(struct vcpu *v)
{
    if (v->pv.kernel_table)
        l4_set_m2p(v->pv.kernel_table, true);
    set_table(v, true, v->pv.kernel_table);
    if (v == current)
        tlb_reload(v);
}

void pv_toggle_mode(struct vcpu *v)
{
    if (v->pv.kernel_mode) {
        pv_leave_kernel(v);
    } else {
        pv_enter_kernel(v);
        sched_entered_guest_kernel(v);
    }
}

bool pv_in_kernel_mode(const struct vcpu *v, const struct cpu_user_regs *regs)
{
    return v->pv.kernel_mode;
}
