/* Virtual time embedded in struct domain and struct vcpu. */
#ifndef TIME_STATE_H
#define TIME_STATE_H

#include <base/types.h>
#include <time/scale.h>
#include <time/timer.h>

struct time_vcpu {
    struct timer periodic, singleshot, poll;
    int64_t periodic_period;  /* ns, 0: off */
    int64_t periodic_next;    /* system time of the next tick, ns */
    uint64_t time_area_guest; /* guest address of its secondary time area, 0 if none */
    uint32_t version;         /* of the published time info; even between updates */
    uint32_t generation;      /* clock_generation() that was published */
    uint32_t cpu;             /* CPU whose TSC the published info is for */
    s_time_t stamp;           /* ns: when the info of an emulated counter was published */
    bool time_area_stale;     /* could not be written: wait for guest-kernel mode */
};

/* Its time-stamp counter (time/tsc.h); changes while it does not run. */
struct tsc_domain {
    uint32_t mode;        /* TSC_MODE_* */
    uint32_t khz;         /* of the counter that it sees */
    uint32_t incarnation; /* 1 for a new domain */
    bool emulated;
    uint64_t offset; /* system time at which the counter was zero, ns, modulo 2^64 */
    struct time_scale scale;
};

struct time_domain {
    int64_t time_offset_seconds; /* wall clock of the domain minus the machine's */
    struct tsc_domain tsc;
    uint32_t wc_version; /* published in shared_info; LOCK_TIME */
};

#endif
