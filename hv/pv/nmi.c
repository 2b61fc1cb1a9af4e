/* NMIs of the machine: they belong to dom0, as on bare hardware they would to its kernel. */
#include <console/printk.h>
#include <cpu/insn.h>
#include <cpu/softirq.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <pv/traps.h>
#include <sched/sched.h>
#include <xen/nmi.h>

static void give_to_dom0(uint8_t reason)
{
    struct vcpu *v = dom0 ? domain_vcpu(dom0, 0) : NULL;

    if (!v)
        return;
    if (reason & 0x80)
        atomic_or(&dom0->shared_info->arch.nmi_reason, 1UL << _XEN_NMIREASON_pci_serr);
    if (reason & 0x40)
        atomic_or(&dom0->shared_info->arch.nmi_reason, 1UL << _XEN_NMIREASON_io_error);
    if (!(reason & 0xc0))
        atomic_or(&dom0->shared_info->arch.nmi_reason, 1UL << _XEN_NMIREASON_unknown);
    v->pv.nmi_pending = true;
}

static void nmi_softirq(void)
{
    struct vcpu *v = dom0 ? domain_vcpu(dom0, 0) : NULL;

    if (v)
        vcpu_kick(v);
}

void pv_nmi_init(void)
{
    open_softirq(SOFTIRQ_NMI, nmi_softirq);
}

/*
 * On the NMI stack, possibly in the middle of anything: only plain stores and
 * atomics, no locks. dom0's vCPU is woken by the softirq, at the latest when
 * the interrupted code next returns to a guest.
 */
void pv_handle_nmi(struct cpu_user_regs *regs)
{
    give_to_dom0(inb(PORT_NMI_REASON));
    raise_softirq(SOFTIRQ_NMI);
}
