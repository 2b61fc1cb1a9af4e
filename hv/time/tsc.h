/*
 * The time-stamp counter as a domain sees it (xl.cfg's tsc_mode): the machine's
 * own, or one that the VMM emulates, which counts system time at a frequency of
 * its own. An emulated counter makes RDTSC trap (CR4.TSD) in kernel and programs.
 */
#ifndef TIME_TSC_H
#define TIME_TSC_H

#include <base/types.h>

struct domain;
struct vcpu;
struct clock;
struct cpuid_regs;

/* xl.cfg(5), tsc_mode. */
#define TSC_MODE_DEFAULT 0u /* the machine's where the domain can live with it */
#define TSC_MODE_ALWAYS  1u
#define TSC_MODE_NEVER   2u

/* At creation. The hardware domain always has the machine's counter. */
void tsc_init_domain(struct domain *d);

/*
 * XEN_DOMCTL_settscinfo: khz 0 is the machine's; elapsed is the age in ns of the
 * counter, incarnation how often the domain was restored, both as
 * tsc_get_info() told of it before. The domain does not run. -EINVAL: mode.
 */
int tsc_set_info(struct domain *d, uint32_t mode, uint32_t khz, uint64_t elapsed, uint32_t incarnation);
/* XEN_DOMCTL_gettscinfo. Nothing is kept of a counter that is never emulated: zeros. */
void tsc_get_info(const struct domain *d, uint32_t *khz, uint64_t *elapsed);

/* RDTSC of current. */
uint64_t guest_tsc(const struct vcpu *v);
/* The clock of an emulated counter: a stamp of now, with its scale. */
void tsc_emulated_clock(const struct domain *d, struct clock *c);

/* XEN_CPUID_LEAF(3), <xen/arch-x86/cpuid.h>. */
void tsc_cpuid(const struct domain *d, uint32_t sub, struct cpuid_regs *out);

#endif
