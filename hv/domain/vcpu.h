/* What domain/ itself needs of vCPUs: the rest is in domain/domain.h. */
#ifndef DOMAIN_VCPU_H
#define DOMAIN_VCPU_H

#include <base/compiler.h>
#include <domain/domain.h>

/*
 * Teardown: drops what the vCPU holds of its domain's memory. It is paused and
 * will not run again. 0 or -ERESTART.
 */
int vcpu_drop_memory(struct vcpu *v) __must_check;
/*
 * XEN_DOMCTL_setvcpucontext without a context: down, and as it was created, but where its vcpu_info, runstate
 * and time areas are registered. Its domain is paused. Nothing is left to do after vcpu_drop_memory(). 0 or
 * -ERESTART.
 */
int vcpu_reset(struct vcpu *v) __must_check;
/* Frees it, after vcpu_drop_memory() and once its domain has no references. */
void vcpu_free(struct vcpu *v);

/* Tells the control domain soon, by VIRQ_DOM_EXC, that some domain shut down or is gone. Any context, any
 * locks. */
void domain_notify_change(void);

#endif
