/* System time: nanoseconds since boot, one clock on all CPUs, never going back. */
#ifndef TIME_TIME_H
#define TIME_TIME_H

#include <base/types.h>

struct vcpu;
struct domain;

#define SECONDS(s)  ((s_time_t)(s)*1000000000LL)
#define MILLISECS(m) ((s_time_t)(m)*1000000LL)
#define MICROSECS(u) ((s_time_t)(u)*1000LL)

s_time_t now(void);

/* Boot CPU: finds HPET or the PM timer (from ACPI), calibrates the TSC, reads the CMOS clock. */
void time_init(void);
/* Each CPU when it comes up: its TSC against the boot CPU's, its local timer. */
void time_init_cpu(void);

extern uint64_t tsc_khz; /* of the host */

/* Publishes vcpu_time_info in the vCPU's shared info (and its secondary area); current or not running. */
void time_update_vcpu(struct vcpu *v);
/* Wall clock in shared_info: machine's wall clock plus the domain's offset. */
void time_update_wallclock(struct domain *d);
/* XENPF_settime64: wall clock at a system time; updates every domain. */
void time_set_wallclock(uint64_t seconds, uint32_t nanoseconds, uint64_t system_time_base);

/* Busy waiting at boot, in microseconds. */
void udelay(uint32_t us);

/* Called for each vCPU and domain at creation and end. */
int time_init_vcpu(struct vcpu *v);
void time_destroy_vcpu(struct vcpu *v);

#endif
