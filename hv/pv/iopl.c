/* The virtual I/O privilege level. */
#include <pv/iopl.h>
#include <base/errno.h>
#include <domain/domain.h>
#include <pv/pv.h>

static bool architectural(const struct vcpu *v)
{
    return v->domain->vm_assist & BIT(VMASST_TYPE_architectural_iopl);
}

int pv_set_iopl(struct vcpu *v, uint32_t iopl)
{
    if (iopl > 3)
        return -EINVAL;
    v->pv.iopl = iopl;
    return 0;
}

bool pv_iopl_allows(const struct vcpu *v, const struct cpu_user_regs *regs)
{
    uint32_t cpl = pv_in_kernel_mode(v, regs) ? (architectural(v) ? 0 : 1) : 3;

    return v->pv.iopl >= cpl;
}
