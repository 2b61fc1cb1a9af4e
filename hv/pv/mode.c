/* Which of its two address spaces and GS bases a vCPU runs with. */
#include <cpu/cpu_info.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <pv/mode.h>
#include <pv/pv.h>
#include <sched/sched.h>

void pv_update_cr3(struct vcpu *v)
{
    if (v->pv.kernel_table)
        l4_set_m2p(v->pv.kernel_table, true);
    v->cr3 = pv_table_cr3(v->pv.kernel_mode ? v->pv.kernel_table : v->pv.user_table);
    if (v == current)
        load_cr3(v->cr3);
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
