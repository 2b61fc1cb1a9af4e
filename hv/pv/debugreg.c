/* Debug registers of guests. */
#include <pv/debugreg.h>
#include <base/errno.h>
#include <base/nospec.h>
#include <control/hypercall.h>
#include <cpu/control.h>
#include <cpu/insn.h>
#include <domain/domain.h>
#include <pv/segment.h>

/* DR6: B0-B3, BD, BS, BT may be written; the rest is constant. */
#define DR6_WRITABLE 0xe00fUL
#define DR7_ENABLES  0xffUL /* L0-3, G0-3 */
#define DR7_GD       (1UL << 13)
#define DR7_RESERVED 0xd800UL /* read as zero (bit 10 as one); RTM is not offered */
#define DR7_IO       2UL      /* type of a breakpoint: I/O, needs CR4.DE */

void pv_debug_init_vcpu(struct vcpu *v)
{
    for (unsigned int i = 0; i < 4; i++)
        v->pv.debugreg[i] = 0;
    v->pv.debugreg[6] = DR6_DEFAULT;
    v->pv.debugreg[7] = DR7_DEFAULT;
    v->pv.debug_active = false;
}

static bool address_ok(uint64_t va)
{
    return is_canonical(va) && (va < HYPERVISOR_VIRT_START || va >= HYPERVISOR_VIRT_END);
}

static void write_address(unsigned int reg, uint64_t value)
{
    switch (reg) {
    case 0:
        write_dr0(value);
        break;
    case 1:
        write_dr1(value);
        break;
    case 2:
        write_dr2(value);
        break;
    case 3:
        write_dr3(value);
        break;
    }
}

/*
 * DR7 as the CPU gets it. A guest's port accesses are emulated, and find their breakpoints in pv_debug_io():
 * the CPU would hit them only where the VMM uses a port, and a #DB there may come in the middle of anything,
 * such as an NMI that has interrupted the entry of another #DB, of which there is but one stack.
 */
static uint64_t loadable_dr7(uint64_t dr7)
{
    for (unsigned int n = 0; n < 4; n++)
        if ((dr7 >> (16 + 4 * n) & 3) == DR7_IO)
            dr7 &= ~(3UL << (2 * n));
    return dr7;
}

/* All of v's registers into the CPU: it has breakpoints and runs here. */
static void load_all(struct vcpu *v)
{
    for (unsigned int i = 0; i < 4; i++)
        write_address(i, v->pv.debugreg[i]);
    write_dr6(v->pv.debugreg[6]);
    write_dr7(loadable_dr7(v->pv.debugreg[7]));
}

/* No breakpoint, and nothing that the next #DB, maybe another domain's, would show as its own. */
static void unload(void)
{
    write_dr7(DR7_DEFAULT);
    write_dr6(DR6_DEFAULT);
}

static int set_address(struct vcpu *v, uint32_t reg, uint64_t value)
{
    if (!address_ok(value))
        return -EPERM;
    reg = (uint32_t)index_nospec(reg, 4);
    v->pv.debugreg[reg] = value;
    if (v == current && v->pv.debug_active)
        write_address(reg, value);
    return 0;
}

static int set_dr6(struct vcpu *v, uint64_t value)
{
    if (value >> 32)
        return -EINVAL;
    v->pv.debugreg[6] = DR6_DEFAULT | (value & DR6_WRITABLE);
    if (v == current && v->pv.debug_active)
        write_dr6(v->pv.debugreg[6]);
    return 0;
}

/* Enabled breakpoints on I/O ports without CR4.DE mean something undefined. */
static bool types_ok(const struct vcpu *v, uint64_t dr7)
{
    if (v->pv.cr4_guest & CR4_DE)
        return true;
    for (unsigned int i = 0; i < 4; i++)
        if ((dr7 >> (2 * i) & 3) && (dr7 >> (16 + 4 * i) & 3) == DR7_IO)
            return false;
    return true;
}

static int set_dr7(struct vcpu *v, uint64_t value)
{
    bool active = value & DR7_ENABLES, was_active = v->pv.debug_active;

    if (value >> 32)
        return -EINVAL;
    if ((value & DR7_GD) || !types_ok(v, value))
        return -EPERM;
    v->pv.debugreg[7] = (value & ~DR7_RESERVED) | DR7_DEFAULT;
    v->pv.debug_active = active;
    if (v != current)
        return 0;
    if (active)
        load_all(v);
    else if (was_active)
        unload();
    return 0;
}

int pv_set_debugreg(struct vcpu *v, uint32_t reg, uint64_t value)
{
    switch (reg) {
    case 0:
    case 1:
    case 2:
    case 3:
        return set_address(v, reg, value);
    case 4:
        if (v->pv.cr4_guest & CR4_DE)
            return -ENODEV;
        /* fall through */
    case 6:
        return set_dr6(v, value);
    case 5:
        if (v->pv.cr4_guest & CR4_DE)
            return -ENODEV;
        /* fall through */
    case 7:
        return set_dr7(v, value);
    default:
        return -ENODEV;
    }
}

int pv_get_debugreg(struct vcpu *v, uint32_t reg, uint64_t *value)
{
    if (reg == 4 || reg == 5) {
        if (v->pv.cr4_guest & CR4_DE)
            return -ENODEV;
        reg += 2;
    }
    if (reg > 7)
        return -ENODEV;
    *value = v->pv.debugreg[index_nospec(reg, 8)];
    return 0;
}

void pv_save_debugregs(struct vcpu *v)
{
    /* DR6 was taken over at each #DB; no other bits can be set since. */
    if (v->pv.debug_active)
        unload();
}

void pv_load_debugregs(struct vcpu *v)
{
    if (v->pv.debug_active)
        load_all(v);
}

/* The CPU sets bits in DR6 and clears none; the guest's copy accumulates in the same way. */
static void collect_dr6(struct vcpu *v)
{
    uint64_t dr6 = read_dr6();

    v->pv.debugreg[6] |= dr6 & DR6_WRITABLE;
    write_dr6(v->pv.debug_active ? v->pv.debugreg[6] : DR6_DEFAULT);
}

void pv_debug_exception(struct vcpu *v)
{
    collect_dr6(v);
}

void pv_debug_exception_in_vmm(struct vcpu *v)
{
    collect_dr6(v);
}

/*
 * Breakpoint n covers the ports at its address, aligned, of its length (SDM
 * vol 3, 17.2.4). Only a guest with CR4.DE can have such a one enabled.
 */
static bool io_breakpoint_hit(const struct vcpu *v, unsigned int n, uint16_t port, unsigned int bytes)
{
    static const uint8_t length[4] = {1, 2, 8, 4};
    uint64_t dr7 = v->pv.debugreg[7], mask = length[dr7 >> (18 + 4 * n) & 3] - 1;
    uint64_t start = v->pv.debugreg[n] & ~mask;

    return (dr7 >> (2 * n) & 3) && (dr7 >> (16 + 4 * n) & 3) == DR7_IO && port <= start + mask &&
           port + bytes > start;
}

void pv_debug_io(struct vcpu *v, uint16_t port, unsigned int bytes)
{
    if (likely(!v->pv.debug_active) || !(v->pv.cr4_guest & CR4_DE))
        return;
    for (unsigned int n = 0; n < 4; n++)
        if (io_breakpoint_hit(v, n, port, bytes)) {
            v->pv.debugreg[6] |= BIT(n);
            v->pv.debug_pending = true;
        }
}

bool pv_debug_take_pending(struct vcpu *v)
{
    bool pending = v->pv.debug_pending;

    v->pv.debug_pending = false;
    return pending;
}

void pv_debug_single_step(struct vcpu *v)
{
    v->pv.debugreg[6] |= DR6_STEP;
}

/* args: register number, value. */
long hc_set_debugreg(struct hypercall_args *args)
{
    return pv_set_debugreg(current, (uint32_t)args->a[0], args->a[1]);
}

/* args: register number. Returns the value. */
long hc_get_debugreg(struct hypercall_args *args)
{
    uint64_t value = 0;
    int rc = pv_get_debugreg(current, (uint32_t)args->a[0], &value);

    return rc ? rc : (long)value;
}
