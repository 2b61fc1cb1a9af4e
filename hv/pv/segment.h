/*
 * Segment registers and bases of guests. DS, ES, FS and GS keep the guest's
 * selectors while the VMM runs (64-bit code does not use them); the GS base is
 * that of the mode the guest is in, and the other one is kept in pv_vcpu.
 */
#ifndef PV_SEGMENT_H
#define PV_SEGMENT_H

#include <base/types.h>
#include <cpu/control.h>
#include <cpu/insn.h>
#include <cpu/msr.h>
#include <mm/page.h>

struct vcpu;

#ifndef HOSPES_UNIT_TEST

static inline uint64_t read_fs_base(void)
{
    uint64_t base;

    if (!fsgsbase_enabled())
        return rdmsr(MSR_FS_BASE);
    __asm__ __volatile__("rdfsbase %0" : "=r"(base));
    return base;
}
static inline uint64_t read_gs_base(void)
{
    uint64_t base;

    if (!fsgsbase_enabled())
        return rdmsr(MSR_GS_BASE);
    __asm__ __volatile__("rdgsbase %0" : "=r"(base));
    return base;
}
/* The base must be canonical. */
static inline void write_fs_base(uint64_t base)
{
    if (fsgsbase_enabled())
        __asm__ __volatile__("wrfsbase %0" : : "r"(base));
    else
        wrmsr(MSR_FS_BASE, base);
}
static inline void write_gs_base(uint64_t base)
{
    if (fsgsbase_enabled())
        __asm__ __volatile__("wrgsbase %0" : : "r"(base));
    else
        wrmsr(MSR_GS_BASE, base);
}

#else

uint64_t read_fs_base(void);
uint64_t read_gs_base(void);
void write_fs_base(uint64_t base);
void write_gs_base(uint64_t base);

#endif

/*
 * SEGBASE_* of <xen/arch-x86/xen-x86_64.h> for current, which is in kernel
 * mode. -EINVAL: unknown, or not canonical. A bad selector becomes null.
 */
int pv_set_segment_base(struct vcpu *v, uint32_t which, uint64_t base);
/* The bases of current now; the counterpart for reads of their MSRs. */
uint64_t pv_get_segment_base(struct vcpu *v, uint32_t which);

/* The selectors current has loaded now. */
struct pv_selectors {
    uint16_t ds, es, fs, gs;
};
void pv_read_selectors(struct pv_selectors *s);

/*
 * Context switch, interrupts off: selectors in v->regs, bases in v->pv.
 * Loading a selector that its tables do not hold gives a null one:
 * pv_load_segments() returns false then, and v->regs still holds the selectors
 * that were wanted. Descriptor tables, page tables and CR4 of v must have been
 * loaded.
 */
void pv_save_segments(struct vcpu *v);
bool pv_load_segments(struct vcpu *v) __must_check;
/*
 * What is then to be done before v, which is current, is entered: interrupts
 * on, no locks. Loads again what only lacked a page of the LDT, as these are
 * mapped when first used; else the guest's failsafe callback is next.
 */
void pv_load_segments_again(struct vcpu *v);

#endif
