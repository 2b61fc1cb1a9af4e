/* vCPU 1 of a tiny guest: code of its own in the same address space, its events masked. */
#ifndef GUEST_SECOND_H
#define GUEST_SECOND_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

/*
 * The context in which vCPU 1 calls main() on a stack of its own; main() never returns. The caller may change
 * the context before it hands it to second_up(). There is one: no two calls overlap.
 */
struct vcpu_guest_context *second_context(void (*main)(void));

/* Initialises vCPU 1 and brings it up. 0, or what the failing operation answered: -ENOENT without a vCPU 1.
 */
long second_up(struct vcpu_guest_context *context);

/* Whether the caller runs on the stack of vCPU 1. */
bool on_second(void);

#endif
