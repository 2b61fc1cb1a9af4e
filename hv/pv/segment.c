/* Segment bases and selectors of guests. */
#include <pv/segment.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/cpu_info.h>
#include <cpu/extable.h>
#include <cpu/msr_policy.h>
#include <domain/domain.h>
#include <pv/descriptor.h>
#include <pv/pv.h>
#include <pv/traps.h>

#ifndef HOSPES_UNIT_TEST

#define DEFINE_SELECTOR(seg)                                                                                 \
    static inline uint16_t read_##seg(void)                                                                  \
    {                                                                                                        \
        uint16_t sel;                                                                                        \
        __asm__ __volatile__("mov %%" #seg ", %w0" : "=r"(sel));                                             \
        return sel;                                                                                          \
    }                                                                                                        \
    /* False: the selector's descriptor is not loadable; the register is null now. */                        \
    static inline bool load_##seg(uint16_t sel)                                                              \
    {                                                                                                        \
        uint32_t ok = 1;                                                                                     \
        __asm__ __volatile__("1: mov %w1, %%" #seg "\n\t"                                                    \
                             "jmp 3f\n\t"                                                                    \
                             "2: xor %k0, %k0\n\tmov %w0, %%" #seg "\n\t"                                    \
                             "3:\n\t" EXTABLE(1b, 2b)                                                        \
                             : "+r"(ok)                                                                      \
                             : "r"(sel)                                                                      \
                             : "memory");                                                                    \
        return ok;                                                                                           \
    }
DEFINE_SELECTOR(ds)
DEFINE_SELECTOR(es)
DEFINE_SELECTOR(fs)
DEFINE_SELECTOR(gs)

#else

uint16_t read_ds(void), read_es(void), read_fs(void), read_gs(void);
bool load_ds(uint16_t sel), load_es(uint16_t sel), load_fs(uint16_t sel), load_gs(uint16_t sel);

#endif

/* GS is loaded with its base in the way: the loaded base is put back afterwards. */
static noinline void set_user_gs_selector(struct vcpu *v, uint16_t selector)
{
    uint64_t kernel_base = read_gs_base();

    if (selector & ~3)
        selector |= 3;
    if (selector & SELECTOR_LDT) /* its page may not be mapped yet: a fault here would make it null */
        pv_map_ldt_page(v, selector & ~7UL);
    if (!load_gs(selector))
        selector = 0;
    /* Whether a null selector clears the base differs between vendors (NSCB). */
    v->pv.gs_base_user = (selector & ~3) ? read_gs_base() : 0;
    write_gs_base(kernel_base);
}

static __always_inline int set_segment_base(struct vcpu *v, uint32_t which, uint64_t base)
{
    if (which <= SEGBASE_GS_KERNEL && !is_canonical(base))
        return -EINVAL;
    switch (which) {
    case SEGBASE_FS:
        write_fs_base(base);
        return 0;
    case SEGBASE_GS_USER:
        v->pv.gs_base_user = base;
        return 0;
    case SEGBASE_GS_KERNEL:
        write_gs_base(base);
        return 0;
    case SEGBASE_GS_USER_SEL:
        set_user_gs_selector(v, (uint16_t)base);
        return 0;
    default:
        return -EINVAL;
    }
}

int pv_set_segment_base(struct vcpu *v, uint32_t which, uint64_t base)
{
    return set_segment_base(v, which, base);
}

uint64_t pv_get_segment_base(struct vcpu *v, uint32_t which)
{
    switch (which) {
    case SEGBASE_FS:
        return read_fs_base();
    case SEGBASE_GS_USER:
        return v->pv.kernel_mode ? v->pv.gs_base_user : read_gs_base();
    default:
        return v->pv.kernel_mode ? read_gs_base() : v->pv.gs_base_kernel;
    }
}

void pv_read_selectors(struct pv_selectors *s)
{
    *s = (struct pv_selectors){.ds = read_ds(), .es = read_es(), .fs = read_fs(), .gs = read_gs()};
}

void pv_save_segments(struct vcpu *v)
{
    struct pv_selectors s;

    pv_read_selectors(&s);
    v->regs.ds = s.ds;
    v->regs.es = s.es;
    v->regs.fs = s.fs;
    v->regs.gs = s.gs;
    v->pv.fs_base = read_fs_base();
    if (v->pv.kernel_mode)
        v->pv.gs_base_kernel = read_gs_base();
    else
        v->pv.gs_base_user = read_gs_base();
}

/*
 * Selectors first: loading FS or GS changes its base (SDM vol 3, 3.4.4). Most
 * guests run with null selectors; those that are loaded already are not
 * loaded again, but for the bases, which are written in any case.
 */
bool pv_load_segments(struct vcpu *v)
{
    bool ok = true;

    if (v->regs.ds | read_ds())
        ok &= load_ds(v->regs.ds);
    if (v->regs.es | read_es())
        ok &= load_es(v->regs.es);
    if (v->regs.fs | read_fs())
        ok &= load_fs(v->regs.fs);
    if (v->regs.gs | read_gs())
        ok &= load_gs(v->regs.gs);
    write_fs_base(v->pv.fs_base);
    write_gs_base(v->pv.kernel_mode ? v->pv.gs_base_kernel : v->pv.gs_base_user);
    guest_load_msrs(v);
    return ok;
}

void pv_load_segments_again(struct vcpu *v)
{
    const uint16_t selectors[] = {v->regs.ds, v->regs.es, v->regs.fs, v->regs.gs};
    bool mapped = false;

    for (unsigned int i = 0; i < ARRAY_SIZE(selectors); i++)
        if (selectors[i] & SELECTOR_LDT)
            mapped |= pv_map_ldt_page(v, selectors[i] & ~7UL);
    if (!mapped || !pv_load_segments(v))
        pv_failsafe(guest_regs());
}

/* args: SEGBASE_*, base or selector. */
long hc_set_segment_base(struct hypercall_args *args)
{
    return set_segment_base(current, (uint32_t)args->a[0], args->a[1]);
}
