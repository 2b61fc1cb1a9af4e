#include "context.h"
#include "lib.h"

void kernel_context(struct vcpu_guest_context *c, unsigned long rip, unsigned long rsp, unsigned long table)
{
    memset(c, 0, sizeof(*c));
    c->flags = VGCF_IN_KERNEL;
    c->user_regs.rip = rip;
    c->user_regs.rsp = rsp;
    c->user_regs.cs = FLAT_KERNEL_CS64;
    c->user_regs.ss = FLAT_KERNEL_SS64;
    c->ctrlreg[0] = 0x80050033;
    c->ctrlreg[3] = xen_pfn_to_cr3(table);
}
