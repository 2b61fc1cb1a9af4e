/* System time: nanoseconds since boot, one clock on all CPUs, never going back. */
#ifndef TIME_TIME_H
#define TIME_TIME_H

#include <base/types.h>

struct vcpu;
struct domain;

#define SECONDS(s)   ((s_time_t)(s)*1000000000LL)
#define MILLISECS(m) ((s_time_t)(m)*1000000LL)
#define MICROSECS(u) ((s_time_t)(u)*1000LL)

/* Any context. */
s_time_t now(void);

/*
 * Boot CPU, after acpi_init(), interrupts still off: finds HPET or the PM timer,
 * calibrates the TSC, reads the CMOS clock. Takes about 50 ms.
 */
void time_init(void);
/* Each further CPU when it comes up, on itself: compares its TSC with the boot CPU's. Interrupts off. */
void time_init_cpu(void);
/* Boot CPU, between starting a CPU and waiting for it to be online: the other side of time_init_cpu(). */
void time_sync_cpu(uint32_t cpu);

extern uint64_t tsc_khz; /* of the host */

/* Publishes vcpu_time_info in the vCPU's vcpu_info (and its secondary area); v is current or not running. */
void time_update_vcpu(struct vcpu *v);
/* Has the info of a vCPU that does not run published again before it runs. */
void time_forget_vcpu(struct vcpu *v);
/* Wall clock in shared_info: machine's wall clock plus the domain's offset. Takes LOCK_TIME. */
void time_update_wallclock(struct domain *d);
/* XENPF_settime64, XENPF_settime32: wall clock at a system time (ns); updates every domain. Takes
 * LOCK_DOMLIST. */
void time_set_wallclock(uint64_t seconds, uint32_t nanoseconds, uint64_t system_time_base);
/* Seconds since 1970 UTC now. */
uint64_t wallclock_seconds(void);

/* Busy waiting, in microseconds; after the calibration. */
void udelay(uint32_t us);

/* Called for each vCPU at creation and end. 0. */
int time_init_vcpu(struct vcpu *v);
void time_destroy_vcpu(struct vcpu *v);

#endif
