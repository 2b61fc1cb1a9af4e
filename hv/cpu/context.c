#include <base/bug.h>
#include <cpu/cpu_info.h>
#include <cpu/fpu.h>
#include <cpu/insn.h>
#include <cpu/spec_ctrl.h>
#include <cpu/stack.h>
#include <mm/tlb.h>
#include <mm/vmm_paging.h>
#include <mm/xpti.h>
#include <pv/debugreg.h>
#include <pv/descriptor.h>
#include <pv/pv.h>
#include <pv/segment.h>
#include <sched/sched.h>

extern const char exit_to_guest[];

static void save_guest(struct vcpu *v)
{
    v->regs = *guest_regs();
    pv_save_segments(v);
    pv_save_debugregs(v);
    fpu_save(v);
}

/* After CR3 is no longer the domain's: this CPU holds none of its translations, but for what tlb_enter() will
 * check. */
static void leave_domain(struct vcpu *v, const struct domain *next, uint32_t cpu)
{
    cpumask_clear(&v->dirty_cpu, cpu);
    if (v->domain != next)
        cpumask_clear(&v->domain->dirty_cpumask, cpu);
}

/* False: pv_load_segments_again() is to follow when the locks of the switch are gone. */
static bool load_guest(struct vcpu *v)
{
    *guest_regs() = v->regs;
    pv_load_descriptors(v);
    if (unlikely(xpti_enabled()))
        xpti_load(v);
    spec_ctrl_switch(v->domain);
    fpu_restore(v); /* and CR4 */
    pv_load_debugregs(v);
    return pv_load_segments(v);
}

/*
 * A guest's translations may enter this CPU's TLB from load_cr3() on, so its
 * bit in the dirty masks is set before; the locked operation orders it before
 * any table walk, and before tlb_enter() looks at the domain's epoch. Nobody
 * relies on the mask of a CPU that has just been cleared: it has been flushed,
 * or will be when its tags are used again.
 */
void context_switch(struct vcpu *prev, struct vcpu *next)
{
    struct cpu_info *info = get_cpu_info();
    uint32_t cpu = info->cpu;
    bool segments_loaded;

    if (!is_idle_vcpu(prev))
        save_guest(prev);
    tlb_leave(prev);
    info->current_vcpu = next;
    if (!is_idle_vcpu(next)) {
        cpumask_set(&next->domain->dirty_cpumask, cpu);
        cpumask_set(&next->dirty_cpu, cpu);
        tlb_enter(next);
    } else {
        load_cr3((uint64_t)vmm_l4 - VMM_IMAGE_START);
    }
    if (!is_idle_vcpu(prev))
        leave_domain(prev, next->domain, cpu);
    sched_context_saved(prev);
    if (is_idle_vcpu(next)) {
        local_irq_enable();
        reset_stack_and_jump(idle_loop);
    }
    segments_loaded = load_guest(next);
    sched_context_loaded(next);
    if (unlikely(!segments_loaded)) {
        local_irq_enable();
        pv_load_segments_again(next);
    }
    reset_stack_and_jump((void (*)(void))exit_to_guest);
}
