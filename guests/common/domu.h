/*
 * A second domain for a guest that runs as dom0. It runs the same image with
 * memory of its own: what has no initial value is zero in it, its page 0 lies
 * where ours does. There it calls the functions that dom0 names to it, one
 * after another, so that a test is written as if both were one program.
 */
#ifndef GUEST_DOMU_H
#define GUEST_DOMU_H

#include "lib.h"
#include "mm.h"
#include <xen/domctl.h>

#define DOMU_MAX_FRAMES 1024

/* A page of the second domain that dom0 maps as well. */
struct domu_link {
    volatile uint32_t begun, done; /* calls */
    long (*fn)(long a, long b, long c);
    long args[3], result;
    uint32_t port;     /* of the channel between the two, in the second domain */
    uint64_t data[64]; /* of the tests */
    char message[512]; /* what it printed last */
};

struct domu_config {
    domid_t id;
    uint32_t max_vcpus, max_evtchn_port, max_grant_frames, max_maptrack_frames; /* 0: 1, 1023, 4, 4 */
    uint32_t grant_version;                                                     /* 0: 2 */
    uint32_t spare_frames; /* more of its memory limit than it gets at first */
};

struct domu {
    domid_t id;
    uint32_t nr_frames, max_frames;
    uint32_t first_pfn;
    xen_pfn_t mfn[DOMU_MAX_FRAMES];
    char *link_window;
    volatile struct domu_link *link; /* there; NULL while not mapped */
    uint32_t port;                   /* of the channel between the two, ours */
};

typedef long domu_fn(long a, long b, long c);

/* One argument for all control operations; commands take it as it is and leave the answer in it. */
extern struct xen_domctl domctl_arg;
long domctl(uint32_t cmd, domid_t id);
/* createdomain and max_mem alone. */
long domu_create(const struct domu_config *c);

/* Makes the domain, ready to run but paused. Ends the guest if it cannot. */
void domu_build(struct domu *d, const struct domu_config *c);
void domu_run(struct domu *d);

/* Calls a function in the domain and returns its value. */
long domu_call(struct domu *d, domu_fn *fn, long a, long b, long c);
/* The same in two steps. */
void domu_begin(struct domu *d, domu_fn *fn, long a, long b, long c);
long domu_end(struct domu *d);

/* dom0's mapping of the link page keeps a dead domain. */
void domu_unlink(struct domu *d);
/* XEN_DOMCTL_destroydomain until it is done. */
long domu_destroy(struct domu *d);
/* Waits until the domain is gone; false after 5 s. */
bool domu_gone(domid_t id);
/* XEN_DOMINF_* of the domain, 0 if there is none. */
uint32_t domu_flags(domid_t id);
/* Waits for one of the flags. */
bool domu_wait_flag(domid_t id, uint32_t flag);

/* The frame that lies at an address of the image in the domain. */
unsigned long domu_mfn(const struct domu *d, const void *va);
/* Maps a frame of a domain at a page of ours. */
long map_foreign(void *at, unsigned long mfn, uint64_t flags, domid_t owner);
void unmap_page(void *at);

/* Free frames of the machine, with those yet to be scrubbed. */
uint64_t machine_free_pages(void);
/* The same once it has stood still for 100 ms: what ended before is given back by then. */
uint64_t machine_settled_pages(void);
/* Waits until there are as many again; how many are missing after 5 s. */
long machine_missing_pages(uint64_t before);

/* Whether this is such a domain: dom0 has written to the link page before it began. */
bool domu_is_second(void);
/* In the second domain: what dom0 asks for, for ever. */
void domu_main(void) __attribute__((noreturn));
/* The page in the second domain's own eyes. */
extern struct domu_link *domu_self;

#endif
