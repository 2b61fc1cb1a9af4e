/* The context in which a vCPU of a tiny guest begins. */
#ifndef GUEST_CONTEXT_H
#define GUEST_CONTEXT_H

#include <stdint.h>
#include <xen/xen.h>

/*
 * A kernel with the flat segments, its events masked: at `rip` with the stack `rsp` on the page table in
 * frame `table`. The rest is zero; a domain's vCPU 0 needs VGCF_online besides.
 */
void kernel_context(struct vcpu_guest_context *c, unsigned long rip, unsigned long rsp, unsigned long table);

#endif
