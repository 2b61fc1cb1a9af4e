/* Virtual time embedded in struct domain and struct vcpu. */
#ifndef TIME_STATE_H
#define TIME_STATE_H

#include <base/types.h>
#include <time/timer.h>

struct time_vcpu {
    struct timer periodic, singleshot, poll;
    int64_t periodic_period;  /* ns, 0: off */
    int64_t periodic_next;    /* system time of the next tick, ns */
    uint64_t time_area_guest; /* guest address of its secondary time area, 0 if none */
    uint32_t version;         /* of the published time info; even between updates */
    uint32_t generation;      /* clock_generation() that was published */
    uint32_t cpu;             /* CPU whose TSC the published info is for */
    bool time_area_stale;     /* could not be written: wait for guest-kernel mode */
};

struct time_domain {
    int64_t time_offset_seconds; /* wall clock of the domain minus the machine's */
    uint32_t wc_version;         /* published in shared_info; LOCK_TIME */
};

#endif
