/* Every hypercall of <xen/xen.h>: one row each. */
#include <control/hypercall.h>
#include <xen/xen.h>

#define ROW(nr, fn, args, fl)                                                                                \
    [__HYPERVISOR_##nr] = {.name = #nr, .handler = (fn), .nr_args = (args), .flags = (fl)}
/* Known, but a part that this VMM does not have: -ENOSYS, as from a Xen built without it. */
#define ABSENT(nr) [__HYPERVISOR_##nr] = {.name = #nr}

#define PRIV    HYPERCALL_PRIVILEGED
#define PREEMPT HYPERCALL_PREEMPTIBLE

const struct hypercall_row hypercall_table[NR_HYPERCALLS] = {
    ROW(set_trap_table, hc_set_trap_table, 1, PREEMPT),
    ROW(mmu_update, hc_mmu_update, 4, PREEMPT),
    ROW(set_gdt, hc_set_gdt, 2, 0),
    ROW(stack_switch, hc_stack_switch, 2, 0),
    ROW(set_callbacks, hc_set_callbacks, 3, 0),
    ROW(fpu_taskswitch, hc_fpu_taskswitch, 1, 0),
    ROW(sched_op_compat, hc_sched_op_compat, 2, 0),
    ROW(platform_op, hc_platform_op, 1, PRIV | PREEMPT),
    ROW(set_debugreg, hc_set_debugreg, 2, 0),
    ROW(get_debugreg, hc_get_debugreg, 1, 0),
    ROW(update_descriptor, hc_update_descriptor, 2, 0),
    ROW(memory_op, hc_memory_op, 2, PREEMPT),
    ROW(multicall, hc_multicall, 2, PREEMPT),
    ROW(update_va_mapping, hc_update_va_mapping, 3, 0),
    ROW(set_timer_op, hc_set_timer_op, 1, 0),
    ROW(event_channel_op_compat, hc_event_channel_op_compat, 1, 0),
    ROW(xen_version, hc_xen_version, 2, 0),
    ROW(console_io, hc_console_io, 3, PREEMPT),
    ROW(physdev_op_compat, hc_physdev_op_compat, 1, 0),
    ROW(grant_table_op, hc_grant_table_op, 3, PREEMPT),
    ROW(vm_assist, hc_vm_assist, 2, 0),
    ROW(update_va_mapping_otherdomain, hc_update_va_mapping_otherdomain, 4, 0),
    ROW(iret, hc_iret, 0, 0),
    ROW(vcpu_op, hc_vcpu_op, 3, PREEMPT),
    ROW(set_segment_base, hc_set_segment_base, 2, 0),
    ROW(mmuext_op, hc_mmuext_op, 4, PREEMPT),
    ABSENT(xsm_op),
    ROW(nmi_op, hc_nmi_op, 2, 0),
    ROW(sched_op, hc_sched_op, 2, 0),
    ROW(callback_op, hc_callback_op, 2, 0),
    ABSENT(xenoprof_op),
    ROW(event_channel_op, hc_event_channel_op, 2, PREEMPT),
    ROW(physdev_op, hc_physdev_op, 2, PREEMPT),
    ABSENT(hvm_op),
    ROW(sysctl, hc_sysctl, 1, PRIV | PREEMPT),
    ROW(domctl, hc_domctl, 1, PRIV | PREEMPT),
    ABSENT(kexec_op),
    ABSENT(tmem_op),
    ABSENT(argo_op),
    ROW(xenpmu_op, hc_xenpmu_op, 2, 0),
    ABSENT(dm_op),
    ROW(hypfs_op, hc_hypfs_op, 5, PRIV | PREEMPT),
    ROW(arch_0, hc_mca, 1, PRIV),
};
