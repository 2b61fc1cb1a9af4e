/* NMIs of the machine: they belong to dom0, as on bare hardware they would to its kernel, unless the option
 * nmi= says otherwise. */
#include <base/bug.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <cpu/insn.h>
#include <cpu/softirq.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <pv/pv.h>
#include <pv/traps.h>
#include <sched/sched.h>
#include <xen/nmi.h>

static enum { NMI_DOM0, NMI_IGNORE, NMI_FATAL } nmi_action __ro_after_init;

static int __init parse_nmi(const char *value)
{
    if (strcmp(value, "dom0") == 0)
        nmi_action = NMI_DOM0;
    else if (strcmp(value, "ignore") == 0)
        nmi_action = NMI_IGNORE;
    else if (strcmp(value, "fatal") == 0)
        nmi_action = NMI_FATAL;
    else
        return -EINVAL;
    return 0;
}
BOOT_OPTION_CUSTOM("nmi", parse_nmi);

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
    uint8_t reason = inb(PORT_NMI_REASON);

    if (nmi_action == NMI_FATAL)
        panic_at(regs, "NMI on CPU %u (%s, RIP %#lx): port 0x61 has %#x (0x80: PCI SERR, 0x40: I/O check)",
                 smp_processor_id(), regs_in_guest(regs) ? "guest" : "VMM", regs->rip, reason);
    if (nmi_action == NMI_IGNORE)
        return;
    give_to_dom0(reason);
    raise_softirq(SOFTIRQ_NMI);
}
