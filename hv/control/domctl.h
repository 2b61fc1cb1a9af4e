/*
 * The parts of HYPERVISOR_domctl (<xen/domctl.h>). Each handler runs with
 * LOCK_DOMCTL held and a reference to the domain named in op->domain (NULL
 * where its row says so); op is the VMM's own copy. *copyback tells that the
 * caller wants it back, even with an error. Errors are those of Xen.
 */
#ifndef CONTROL_DOMCTL_H
#define CONTROL_DOMCTL_H

#include <base/types.h>
#include <domain/domain.h>
#include <xen/domctl.h>

typedef int domctl_fn(struct domain *d, struct xen_domctl *op, bool *copyback);

/* Life: domctl_domain.c */
domctl_fn domctl_createdomain, domctl_destroydomain, domctl_pausedomain, domctl_unpausedomain,
    domctl_resumedomain, domctl_max_vcpus, domctl_max_mem, domctl_setdomainhandle, domctl_settimeoffset,
    domctl_sendtrigger, domctl_subscribe, domctl_set_virq_handler, domctl_hypercall_init, domctl_address_size;
/* What tools ask: domctl_info.c */
domctl_fn domctl_getdomaininfo, domctl_getvcpuinfo, domctl_getpageframeinfo3, domctl_nodeaffinity,
    domctl_tscinfo;
/* Scheduling: domctl_vcpu.c */
domctl_fn domctl_vcpuaffinity, domctl_scheduler_op;
/* vCPU state: domctl_vcpu_state.c */
domctl_fn domctl_setvcpucontext, domctl_getvcpucontext, domctl_ext_vcpucontext, domctl_vcpuextstate,
    domctl_vcpu_msrs;
/* Rights: domctl_permission.c */
domctl_fn domctl_ioport_permission, domctl_iomem_permission, domctl_irq_permission, domctl_memory_mapping;

/* CPUID and MSRs of a domain: domctl_policy.c */
domctl_fn domctl_get_cpu_policy, domctl_set_cpu_policy;

#endif
