/* Virtual time embedded in struct domain and struct vcpu. */
#ifndef TIME_STATE_H
#define TIME_STATE_H

#include <base/types.h>
#include <time/timer.h>

struct time_vcpu {
    struct timer periodic, singleshot, poll;
    int64_t periodic_period;     /* ns, 0: off */
    uint64_t time_area_guest;    /* guest address of its secondary time area, 0 if none */
    uint32_t version;            /* of the published time info */
};

struct time_domain {
    int64_t time_offset_seconds; /* wall clock of the domain minus the machine's */
};

#endif
