/* What tools are told about domains and CPUs; shared by domctl and sysctl. */
#ifndef CONTROL_DOMAIN_INFO_H
#define CONTROL_DOMAIN_INFO_H

#include <base/types.h>
#include <xen/domctl.h>

struct domain;

/* The caller holds a reference. */
void fill_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

#endif
