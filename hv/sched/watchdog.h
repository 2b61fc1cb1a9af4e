/* Timers by which a domain has itself shut down when it hangs: SCHEDOP_watchdog. */
#ifndef SCHED_WATCHDOG_H
#define SCHED_WATCHDOG_H

#include <base/types.h>

struct domain;

/*
 * id 0: a new one, returns its id (1..NR_WATCHDOGS), -ENOSPC if all are in use.
 * Else sets it anew, or ends it with timeout 0; 0, -EINVAL if there is no such
 * one. timeout in seconds. Takes LOCK_DOMAIN.
 */
long domain_watchdog(struct domain *d, uint32_t id, uint32_t timeout);

#endif
