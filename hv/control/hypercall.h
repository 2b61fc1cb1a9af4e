/*
 * Hypercalls. One row in control/hypercall_table.c for each; one file for each
 * family. A handler copies in once, validates everything, then acts.
 */
#ifndef CONTROL_HYPERCALL_H
#define CONTROL_HYPERCALL_H

#include <base/compiler.h>
#include <base/nospec.h>
#include <base/types.h>

/* rdi, rsi, rdx, r10, r8, r9 */
struct hypercall_args {
    uint64_t a[6];
};

/*
 * Returns the guest's RAX. -ERESTART: preempted; args hold what to call with
 * next time, and the guest will issue the hypercall again.
 */
typedef long hypercall_fn(struct hypercall_args *args);

#define NR_HYPERCALLS 64 /* 56 are defined; a power of two is cheap to index */

/* What any domain may call, and what only dom0 may: others get -EPERM. NULL in both: unknown. */
extern hypercall_fn *const hypercall_table[NR_HYPERCALLS];
extern hypercall_fn *const hypercall_privileged_table[NR_HYPERCALLS];

/* Calls the handler of nr for current; used by the entry path and by multicall. */
long hypercall_call(uint64_t nr, struct hypercall_args *args);

/* The handler of nr, if there is one that current may call in any case; else NULL, and hypercall_call()
 * decides. */
static __always_inline hypercall_fn *hypercall_handler(uint64_t nr)
{
    return likely(nr < NR_HYPERCALLS) ? hypercall_table[index_nospec(nr, NR_HYPERCALLS)] : NULL;
}

/* Long operations ask it between steps: a softirq waits on this CPU, or an unmasked event for current. */
bool hypercall_preempt_check(void);

/* -ENOSYS, as from a Xen built without that part. */
hypercall_fn hc_absent;

hypercall_fn hc_set_trap_table, hc_mmu_update, hc_set_gdt, hc_stack_switch, hc_set_callbacks,
    hc_fpu_taskswitch, hc_platform_op, hc_set_debugreg, hc_get_debugreg, hc_update_descriptor, hc_memory_op,
    hc_multicall, hc_update_va_mapping, hc_set_timer_op, hc_xen_version, hc_console_io, hc_grant_table_op,
    hc_vm_assist, hc_update_va_mapping_otherdomain, hc_iret, hc_vcpu_op, hc_set_segment_base, hc_mmuext_op,
    hc_sched_op, hc_callback_op, hc_event_channel_op, hc_physdev_op, hc_sysctl, hc_domctl,
    hc_event_channel_op_compat, hc_physdev_op_compat, hc_sched_op_compat, hc_nmi_op, hc_xsm_op, hc_xenpmu_op,
    hc_hypfs_op, hc_mca;

#endif
