/* Time as vCPUs see it; what other parts call is in time/time.h. */
#ifndef TIME_VCPU_TIME_H
#define TIME_VCPU_TIME_H

#include <base/types.h>

struct vcpu;

void vcpu_time_init(void);
/* After the clock changed: every running vCPU gets the new parameters soon, the others when they run next. */
void time_refresh_vcpus(void);

/* A vCPU starts (stops) running on this CPU: its time info, its periodic timer. current == v. */
void time_vcpu_in(struct vcpu *v);
void time_vcpu_out(struct vcpu *v);
/* Writes the secondary area if that was put off; v is current, in guest-kernel mode. */
void time_write_stale_area(struct vcpu *v);

/* The guest's timers. Absolute system times and periods in ns. */
void vcpu_set_singleshot(struct vcpu *v, s_time_t when); /* v is current */
void vcpu_set_periodic(struct vcpu *v, s_time_t period); /* 0: stops it */

#endif
