/*
 * The CPU's control registers: the VMM's bits, and those that belong to the
 * vCPU that runs (pv.cr4_guest, pv.cr0_guest's TS).
 */
#ifndef CPU_CONTROL_H
#define CPU_CONTROL_H

#include <base/types.h>
#include <base/compiler.h>
#include <cpu/percpu.h>

struct vcpu;

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_VME        BIT(0)
#define CR4_PVI        BIT(1)
#define CR4_TSD        BIT(2)
#define CR4_DE         BIT(3)
#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_MCE        BIT(6)
#define CR4_PGE        BIT(7)
#define CR4_PCE        BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE        BIT(22)

/* WB, WT, UC-, UC, WC, WP, UC-, UC-: the index meanings every PV guest's page tables rely on. */
#define HOST_PAT 0x0000050100070406UL

/* CR0 without TS; also what a guest reads. */
#define HOST_CR0 (CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE)

/* What a guest's CR4 shows of the VMM's. */
#define CR4_VISIBLE (CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

/* What a vCPU may choose for itself; cr4_guest_bits: as far as the CPU has it. */
#define CR4_GUEST_BITS (CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE)

extern uint64_t host_cr4; /* the VMM's bits; none of CR4_GUEST_BITS */
extern uint64_t cr4_guest_bits;

/*
 * CR4 as loaded on this CPU. The copy is per CPU because NMI and machine-check
 * handlers and the context switch want it without the cost of reading CR4.
 */
DECLARE_PER_CPU(uint64_t, loaded_cr4);

/* Each CPU when it starts: CR0, CR4, EFER, PAT, SMEP, SMAP, UMIP and CPUID faulting where present. */
void cpu_control_init(void);

/* Loads CR4 if it differs from what this CPU has. */
void cpu_load_cr4(uint64_t cr4);

/* CR4 with which v runs. */
uint64_t vcpu_cr4(const struct vcpu *v);

/* Whether RDFSBASE and its kin may be executed on this CPU now. */
static inline bool fsgsbase_enabled(void)
{
    return this_cpu(loaded_cr4) & CR4_FSGSBASE;
}

#endif
