/*
 * Domains and their vCPUs.
 *
 * Life of a domain: created (paused, not reachable by guests) - built -
 * running - dying (teardown, preemptible) - dead (last reference frees it).
 * References: domain_find() and domain_get() take one, domain_put() drops it.
 */
#ifndef DOMAIN_DOMAIN_H
#define DOMAIN_DOMAIN_H

#include <base/types.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <base/spinlock.h>
#include <cpu/cpu_info.h>
#include <cpu/smp.h>
#include <event/state.h>
#include <irq/state.h>
#include <mm/state.h>
#include <mm/tlb_tag.h>
#include <pv/state.h>
#include <sched/state.h>
#include <time/state.h>
#include <xen/xen.h>

#define MAX_VCPUS_PER_DOMAIN 8192 /* 4.17's limit for PV with the FIFO ABI; created on demand */

struct grant_table;
struct fpu_state;
struct cpu_policy;

struct vcpu {
    struct cpu_user_regs regs; /* while it is not running (else guest_regs() of its CPU) */
    struct tlb_tag tag;        /* what to load into CR3, by pv.kernel_mode */
    struct domain *domain;
    uint32_t id;
    uint32_t processor;               /* CPU it runs or ran on last; changes under the run queue's lock */
    bool is_initialised;              /* has a context: VCPUOP_initialise was done */
    bool memory_dropped;              /* teardown has taken its references to memory */
    vcpu_info_t *vcpu_info;           /* in shared_info, or registered, or own_info; mapped in the VMM */
    struct page_info *vcpu_info_page; /* reference held while registered elsewhere, else NULL */
    struct fpu_state *fpu;
    cpumask_t dirty_cpu; /* CPU whose TLB may hold its entries: at most one, set while running there */
    struct sched_vcpu sched;
    struct evtchn_vcpu events;
    struct time_vcpu time;
    struct pv_vcpu pv;
    struct mm_vcpu mm;
    vcpu_info_t own_info; /* the VMM's alone: while there is none that the guest sees */
};

enum domain_dying { DOMAIN_ALIVE, DOMAIN_DYING, DOMAIN_DEAD };

struct domain {
    domid_t id;
    uint32_t refcount;
    uint64_t serial;     /* never 0, nor that of another domain, past or to come */
    spinlock_t lock;     /* LOCK_DOMAIN */
    struct domain *next; /* in order of id; LOCK_DOMLIST */
    uint32_t max_vcpus;
    struct vcpu **vcpu; /* max_vcpus entries, NULL where not created */
    bool is_privileged; /* may use control interfaces: dom0 */
    bool is_hardware;   /* owns the machine's devices: dom0 */
    bool is_idle;
    bool is_xenstore; /* XEN_DOMCTL_CDF_xs_domain: shown to the toolstack, nothing else */
    enum domain_dying dying;
    bool is_shut_down, is_shutting_down;
    uint32_t shutdown_code;          /* SHUTDOWN_CODE_NONE until chosen */
    uint32_t pause_count;            /* any reason; nonzero: no vCPU runs */
    uint32_t controller_pause_count; /* pauses by XEN_DOMCTL_pausedomain */
    bool creation_finished;
    bool crash_reported;      /* domain_crash() has printed its registers */
    uint8_t kill_step;        /* how far domain_kill() got; see domain.c */
    bool kill_pause;          /* paused for good by domain_kill() */
    struct domain *reap_next; /* waiting to be freed */
    uint32_t suspend_port;    /* event channel of XEN_DOMCTL_subscribe, 0 if none */
    xen_domain_handle_t handle;
    uint32_t ssidref;
    shared_info_t *shared_info; /* VMM page shared writable with the domain */
    uint64_t vm_assist;         /* bit n: VMASST_TYPE n is on */
    cpumask_t
        dirty_cpumask;  /* CPUs whose TLB may hold this domain's entries, but for those it keeps by tags */
    uint64_t tlb_epoch; /* advances before these are looked at for a flush: mm/tlb_tag.h */
    struct mm_domain mm;
    struct evtchn_domain events;
    struct sched_domain sched;
    struct time_domain time;
    struct pv_domain pv;
    struct pirq_domain irq;
    struct grant_table *grant;
    struct cpu_policy *cpu_policy; /* changes only before it runs; NULL for the idle domain */
};

extern struct domain *dom0;

/*
 * Whether its guest can see its vcpu_info: shared_info holds that of the first XEN_LEGACY_MAX_VCPUS vCPUs
 * only, a later one has none until VCPUOP_register_vcpu_info.
 */
static inline bool vcpu_has_info(const struct vcpu *v)
{
    return v->vcpu_info != &v->own_info;
}

/* The vCPU's registers, wherever they are now: v is current, or not running. */
static inline struct cpu_user_regs *vcpu_regs(struct vcpu *v)
{
    return v == current ? guest_regs() : &v->regs;
}

#define SHUTDOWN_CODE_NONE (~0u)

#define for_each_vcpu(d, v)                                                                                  \
    for (uint32_t _i = 0; _i < (d)->max_vcpus; _i++)                                                         \
        if (((v) = (d)->vcpu[_i]) != NULL)

/* At boot, before the first domain. */
void domain_init(void);

/*
 * Finds a living or dying domain and takes a reference; NULL if there is none.
 * Takes no lock, so it may be called with any held. DOMID_SELF is current's
 * own domain.
 */
struct domain *domain_find(domid_t id);
/* The first domain with an id of at least @first, with a reference; NULL if there is none. Takes
 * LOCK_DOMLIST. */
struct domain *domain_find_next(domid_t first);
/* Without a reference: only while something else keeps it (an owner of a page that has references). */
struct domain *domain_by_id(domid_t id);
bool domain_get(struct domain *d) __must_check; /* false if it is already dead */
/* Any context, any locks: the memory of a domain that loses its last reference is freed by a softirq. */
void domain_put(struct domain *d);
/* domain_find() of one that current may act on: its own, or any for a privileged one. -ESRCH, -EPERM. */
static inline int __must_check domain_find_permitted(domid_t id, struct domain **d)
{
    *d = domain_find(id);
    if (!*d)
        return -ESRCH;
    if (*d == current->domain || current->domain->is_privileged)
        return 0;
    domain_put(*d);
    return -EPERM;
}

struct domain_config {
    domid_t id;
    uint32_t max_vcpus, max_evtchn_port;
    int32_t max_grant_frames, max_maptrack_frames; /* see grant_table_init() */
    bool privileged;
    uint32_t ssidref;
    xen_domain_handle_t handle;
};
/* A new domain without vCPUs or memory, one reference, pause_count 1. -EEXIST, -ENOMEM, -EINVAL. */
int domain_create(const struct domain_config *config, struct domain **d);
/* Creates vCPU id (< max_vcpus), down and without context. -ENOMEM, -EEXIST, -EINVAL (the domain dies). */
int vcpu_create(struct domain *d, uint32_t id, uint32_t cpu);
/* The vCPU, or NULL if id is out of range or not created. Safe against any id. */
struct vcpu *domain_vcpu(const struct domain *d, uint32_t id);

/*
 * Marks it dying and tears down what can be; 0, -ERESTART (call again),
 * -EINVAL (dom0, or current's own domain). The caller holds a reference and
 * serializes calls (LOCK_DOMCTL).
 */
int domain_kill(struct domain *d);

/*
 * The guest is beyond repair or harmful: prints why (rate-limited), shuts the
 * domain down with SHUTDOWN_crash. Returns; the vCPU will not run again. For
 * dom0 the machine reboots or halts.
 */
void domain_crash(struct domain *d, const char *fmt, ...) __printf(2, 3);
/* SHUTDOWN_* of <xen/sched.h>; dom0's shutdown is the machine's. */
void domain_shutdown(struct domain *d, uint32_t reason);
/* Undoes a shutdown (a suspend that was cancelled); no effect if it is not shut down. Not on current's
 * domain. */
void domain_resume(struct domain *d);

/* Nested. pause waits until no vCPU of d runs (not for current's domain); the nosync form does not. */
void domain_pause(struct domain *d);
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
void vcpu_pause(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);

#endif
