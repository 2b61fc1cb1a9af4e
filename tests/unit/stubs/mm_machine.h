/*
 * A small machine for tests of mm/: some hundred frames, three CPUs with TLBs
 * that remember what was loaded, and domains whose vCPUs the tests move about.
 */
#ifndef TESTS_UNIT_MM_MACHINE_H
#define TESTS_UNIT_MM_MACHINE_H

#include <control/hypercall.h>
#include <domain/domain.h>
#include <mm/page_type.h>

#define MACHINE_FRAMES  256
#define MACHINE_CPUS    3
#define MACHINE_DOMS    3
#define DEVICE_FRAME    0x300 /* first of 16 frames of devices, dom0's */
#define READ_ONLY_FRAME 0x30f /* the last of them may only be read */
#define DENIED_FRAME    0x310 /* the VMM's own device */

extern struct domain *machine_domain[MACHINE_DOMS]; /* 0 is privileged; two vCPUs each */

/* All frames but a few of the VMM's are free; domains without memory, vCPU 0 of dom0 is current. */
void machine_reset(void);
/* All domains die, preempted often; everything must come back. */
void machine_end(void);
/* Its vCPU 0 or 1 becomes current on the CPU; loads its CR3 there. */
void machine_run(unsigned int cpu, struct vcpu *v);

/* Hypercalls are preempted at every n-th opportunity; 0: never. */
extern unsigned int machine_preempt_every;

/* Calls a handler, again and again while it is preempted, at most `limit` times (then -ERESTART). */
long machine_hypercall(long (*fn)(struct hypercall_args *), uint64_t a0, uint64_t a1, uint64_t a2,
                       uint64_t a3, unsigned int limit);

/* The current CPU reads or writes through its tables, and so fills its TLB; false: would fault. */
bool machine_touch(uint64_t va, bool write);
/* No TLB may hold what invariant 4 forbids, and each CPU runs on a valid L4. */
void machine_check_tlbs(void);
/* What runs before CPUs return to guests. */
void machine_softirqs(void);
/* Some TLB may still write to the frame (or reach it at all). */
bool machine_tlb_maps(mfn_t mfn, bool writable);

extern unsigned int machine_flushes;  /* of whole TLBs, so far */
extern unsigned int machine_messages; /* printk()s so far */
/* Not NULL: what else happens to memory where it leaves the caches; the machine itself has none. */
extern void (*machine_cache_flushed)(void *start, size_t length);
extern const char *machine_descriptor_bad; /* not NULL: descriptor pages are refused */

#endif
