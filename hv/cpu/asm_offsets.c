/* Compiled to assembly only: offsets of C structures for .S files, as asm_offsets.h. */
#include <cpu/cpu_info.h>
#include <domain/domain.h>

#define DEFINE(sym, val) __asm__ __volatile__("\n.ascii \"->" #sym " %c0\"" : : "i"(val))

void asm_offsets(void);
void asm_offsets(void)
{
    DEFINE(CPU_INFO_SIZE, sizeof(struct cpu_info));
    DEFINE(INFO_syscall_scratch, offsetof(struct cpu_info, syscall_scratch));
    DEFINE(INFO_syscall_stack, offsetof(struct cpu_info, syscall_stack));
    DEFINE(INFO_current, offsetof(struct cpu_info, current_vcpu));
    DEFINE(INFO_percpu_offset, offsetof(struct cpu_info, percpu_offset));
    DEFINE(INFO_vmm_cr3, offsetof(struct cpu_info, vmm_cr3));
    DEFINE(INFO_guest_cr3, offsetof(struct cpu_info, guest_cr3));
    DEFINE(INFO_guest_l4, offsetof(struct cpu_info, guest_l4));
    DEFINE(VCPU_vcpu_info, offsetof(struct vcpu, vcpu_info));
    DEFINE(VCPU_nmi_pending, offsetof(struct vcpu, pv.nmi_pending));
    DEFINE(VCPU_kernel_mode, offsetof(struct vcpu, pv.kernel_mode));
    DEFINE(HYPERCALL_iret, __HYPERVISOR_iret);
    DEFINE(REGS_SIZE, sizeof(struct cpu_user_regs));
    DEFINE(REGS_rip, offsetof(struct cpu_user_regs, rip));
    DEFINE(REGS_cs, offsetof(struct cpu_user_regs, cs));
    DEFINE(REGS_rflags, offsetof(struct cpu_user_regs, rflags));
    DEFINE(REGS_rsp, offsetof(struct cpu_user_regs, rsp));
    DEFINE(REGS_ss, offsetof(struct cpu_user_regs, ss));
    DEFINE(REGS_es, offsetof(struct cpu_user_regs, es));
    DEFINE(REGS_r11, offsetof(struct cpu_user_regs, r11));
    DEFINE(REGS_rcx, offsetof(struct cpu_user_regs, rcx));
    DEFINE(REGS_entry_vector, offsetof(struct cpu_user_regs, entry_vector));
}
