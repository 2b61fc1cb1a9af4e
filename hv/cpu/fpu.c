/*
 * Eager switching of floating-point and vector state.
 *
 * XSAVES where the CPU's can be relied on, else XSAVEOPT, else XSAVE, or FXSAVE for a vCPU that never enabled
 * more. The first two skip what is unmodified as well as what is in its initial state; that tracking (SDM vol
 * 1, 13.6) holds because each vCPU is always restored from its area before it is saved there, and who changes
 * the area in between forgets that a CPU holds its state (owner below). XSAVES writes the compacted format;
 * guests have no supervisor components (IA32_XSS is 0).
 */
#include <cpu/fpu.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <control/hypercall.h>
#include <cpu/control.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/msr.h>
#include <cpu/xstate.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/page_alloc.h>

#define FSW_ES BIT(7) /* an unmasked exception waits */
/* MXCSR bits of every CPU with SSE2 where the mask field reads 0 (SDM vol 1, 11.6.6). */
#define MXCSR_MASK_DEFAULT 0xffbf

struct fpu_state {
    struct xsave *area; /* aligned, within this allocation */
    uint64_t xcr0_used; /* every component ever enabled; 0: XSAVE is not needed */
    uint32_t cpu;       /* where it was loaded last */
    uint8_t space[];
};

/* Whose state this CPU's registers hold, saved or not; NULL after any other use. */
static DEFINE_PER_CPU(struct fpu_state *, owner);
static DEFINE_PER_CPU(uint64_t, loaded_xcr0);
static DEFINE_PER_CPU(bool, ts_set);

static uint64_t xcr0_mask __ro_after_init = XCR0_X87 | XCR0_SSE;
static uint32_t area_size __ro_after_init = sizeof(struct xsave);
static uint32_t mxcsr_mask __ro_after_init = MXCSR_MASK_DEFAULT;
/* AMD before RSTR_FP_ERR_PTRS: FXRSTOR leaves the error pointers of the last owner (APM vol 2, 11.4.4). */
static bool pointers_leak __ro_after_init;
/* By XSAVES, not XSAVE. */
static bool compacted __ro_after_init;

/* For the boot CPU's probe and for each CPU that starts. */
static void fpu_reset(void)
{
#ifndef HOSPES_UNIT_TEST
    __asm__ __volatile__("clts; fninit");
#endif
}

static void load_xcr0(uint64_t v)
{
    if (this_cpu(loaded_xcr0) == v)
        return;
    this_cpu(loaded_xcr0) = v;
    __asm__ __volatile__("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static void load_ts(bool ts)
{
    if (this_cpu(ts_set) == ts)
        return;
    this_cpu(ts_set) = ts;
    if (ts)
        write_cr0(HOST_CR0 | CR0_TS);
    else
        __asm__ __volatile__("clts");
}

static __initdata bool opt_xsaves = true;
BOOT_OPTION_BOOL("xsaves", opt_xsaves);

static void __init choose_format(void)
{
    if (!opt_xsaves || !cpu_has(XSAVES) || !(xcr0_mask & XCR0_AVX))
        return;
    cpu_load_cr4(host_cr4 | CR4_OSXSAVE);
    load_xcr0(XCR0_X87 | XCR0_SSE | XCR0_AVX);
    wrmsr(MSR_XSS, 0);
    compacted = xsaves_works();
    cpu_load_cr4(host_cr4);
    if (!compacted)
        printk_info("XSAVES of this CPU is not relied on\n");
}

void __init fpu_init(void)
{
    static struct fxsave probe __aligned(16) __initdata;
    uint64_t components;

    fpu_reset();
    __asm__ __volatile__("fxsave64 %0" : "+m"(probe));
    xcr0_mask = XCR0_X87 | XCR0_SSE;
    if (probe.mxcsr_mask)
        mxcsr_mask = probe.mxcsr_mask;
    pointers_leak = host_cpu.vendor == VENDOR_AMD && !cpu_has(RSTR_FP_ERR_PTRS);
    if (!cpu_has(XSAVE))
        return;
    components = cpuid_count(0xd, 0).a;
    if (cpu_has(AVX))
        xcr0_mask |= components & XCR0_AVX;
    if ((xcr0_mask & XCR0_AVX) && cpu_has(AVX512F) && (components & XCR0_AVX512) == XCR0_AVX512)
        xcr0_mask |= XCR0_AVX512;
    choose_format();
    area_size = xstate_size(xcr0_mask, compacted);
}

void fpu_init_cpu(void)
{
    fpu_reset();
    this_cpu(ts_set) = false;
    this_cpu(owner) = NULL;
    if (!cpu_has(XSAVE))
        return;
    /* XCR0 after a reset is X87; after a warm start it is anything. */
    cpu_load_cr4(host_cr4 | CR4_OSXSAVE);
    this_cpu(loaded_xcr0) = 0;
    load_xcr0(XCR0_X87);
    if (compacted)
        wrmsr(MSR_XSS, 0);
    cpu_load_cr4(host_cr4);
}

uint64_t fpu_xcr0_mask(void)
{
    return xcr0_mask;
}

uint32_t fpu_xsave_size(uint64_t xcr0)
{
    return xstate_size(xcr0 & xcr0_mask, false);
}

uint32_t fpu_xsavec_size(uint64_t xcr0)
{
    return xstate_size(xcr0 & xcr0_mask, true);
}

/*
 * Components are only added behind those the compacted area has (AVX-512 not without AVX: fpu_xcr0_valid()),
 * which therefore stay where they are; the new ones are in their initial state.
 */
static void add_components(struct fpu_state *f, uint64_t components)
{
    f->xcr0_used |= components | XCR0_X87 | XCR0_SSE;
    if (compacted)
        f->area->xcomp_bv = XCOMP_COMPACTED | f->xcr0_used;
}

static void set_initial_state(struct vcpu *v)
{
    struct fpu_state *f = v->fpu;

    memset(f->area, 0, area_size);
    f->area->legacy.fcw = FCW_DEFAULT;
    f->area->legacy.mxcsr = MXCSR_DEFAULT;
    f->xcr0_used = 0;
    v->pv.xcr0 = XCR0_X87;
}

int fpu_vcpu_init(struct vcpu *v)
{
    struct fpu_state *f = xzalloc_bytes(sizeof(*f) + XSAVE_ALIGN + area_size);

    if (!f)
        return -ENOMEM;
    f->area = (struct xsave *)ROUND_UP((uintptr_t)f->space, XSAVE_ALIGN);
    f->cpu = ~0u;
    v->fpu = f;
    set_initial_state(v);
    return 0;
}

void fpu_vcpu_free(struct vcpu *v)
{
    struct fpu_state *f = v->fpu;

    if (!f)
        return;
    /* A later vCPU at the same address must not be taken for this one. */
    if (f->cpu < MAX_CPUS)
        cmpxchg(&per_cpu(owner, f->cpu), f, (struct fpu_state *)NULL);
    v->fpu = NULL;
    xfree(f);
}

/* CR4 and XCR0 such that XSAVE and XRSTOR reach all of f's components. */
static void open_all(const struct fpu_state *f, uint64_t cr4)
{
    cpu_load_cr4(cr4 | CR4_OSXSAVE);
    load_xcr0(f->xcr0_used);
}

static void save_area(struct fpu_state *f, uint64_t cr4)
{
    if (!f->xcr0_used) {
        __asm__ __volatile__("fxsave64 %0" : "+m"(f->area->legacy));
        f->area->xstate_bv = XCR0_X87 | XCR0_SSE;
        return;
    }
    open_all(f, cr4);
    if (compacted)
        __asm__ __volatile__("xsaves64 %0" : "+m"(*f->area) : "a"(~0u), "d"(~0u) : "memory");
    else if (cpu_has(XSAVEOPT))
        __asm__ __volatile__("xsaveopt64 %0" : "+m"(*f->area) : "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ __volatile__("xsave64 %0" : "+m"(*f->area) : "a"(~0u), "d"(~0u) : "memory");
}

/* Overwrites the error pointers left by another vCPU; harmless where they are restored anyway. */
static void wipe_error_pointers(void)
{
    static const uint64_t zero;

    __asm__ __volatile__("fnclex; ffree %%st(7); fildq %0" : : "m"(zero));
}

static void restore_area(struct fpu_state *f, uint64_t cr4)
{
    if (pointers_leak && !(f->area->legacy.fsw & FSW_ES))
        wipe_error_pointers();
    if (!f->xcr0_used) {
        __asm__ __volatile__("fxrstor64 %0" : : "m"(f->area->legacy));
        return;
    }
    open_all(f, cr4);
    if (compacted)
        __asm__ __volatile__("xrstors64 %0" : : "m"(*f->area), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ __volatile__("xrstor64 %0" : : "m"(*f->area), "a"(~0u), "d"(~0u) : "memory");
}

/* After the state is in the registers: what the guest chose. */
static void load_controls(struct vcpu *v)
{
    if (v->fpu->xcr0_used) {
        cpu_load_cr4(vcpu_cr4(v) | CR4_OSXSAVE);
        load_xcr0(v->pv.xcr0);
    }
    cpu_load_cr4(vcpu_cr4(v));
    load_ts(v->pv.cr0_guest & CR0_TS);
}

void fpu_save(struct vcpu *v)
{
    if (!v->fpu)
        return;
    load_ts(false);
    save_area(v->fpu, vcpu_cr4(v));
}

void fpu_restore(struct vcpu *v)
{
    struct fpu_state *f = v->fpu;
    uint32_t cpu = smp_processor_id();

    if (!f)
        return;
    if (this_cpu(owner) != f || f->cpu != cpu) {
        load_ts(false);
        restore_area(f, vcpu_cr4(v));
        this_cpu(owner) = f;
        f->cpu = cpu;
    }
    load_controls(v);
}

void fpu_borrow(struct vcpu *v)
{
    const uint32_t mxcsr = 0x1f80;

    fpu_save(v);
    load_ts(false);
    this_cpu(owner) = NULL;
    __asm__ __volatile__("fninit; ldmxcsr %0" : : "m"(mxcsr));
}

void fpu_give_back(struct vcpu *v)
{
    fpu_restore(v);
}

void fpu_set_ts(struct vcpu *v, bool ts)
{
    v->pv.cr0_guest = ts ? v->pv.cr0_guest | CR0_TS : v->pv.cr0_guest & ~CR0_TS;
    load_ts(ts);
}

bool fpu_device_not_available(struct vcpu *v)
{
    if (!(v->pv.cr0_guest & CR0_TS))
        return false;
    fpu_set_ts(v, false);
    return true;
}

/* SDM vol 1, 13.3: XSETBV. */
bool fpu_xcr0_valid(uint64_t xcr0)
{
    if (!(xcr0 & XCR0_X87) || (xcr0 & ~xcr0_mask))
        return false;
    if ((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE))
        return false;
    if (!(xcr0 & XCR0_AVX512))
        return true;
    return (xcr0 & XCR0_AVX512) == XCR0_AVX512 && (xcr0 & XCR0_AVX);
}

/*
 * Components the vCPU has now for the first time are loaded in their initial
 * state: the registers may hold what another vCPU left there.
 */
static void widen(struct vcpu *v, uint64_t xcr0_used)
{
    struct fpu_state *f = v->fpu;
    uint64_t flags;

    if ((f->xcr0_used | xcr0_used) == f->xcr0_used)
        return;
    flags = local_irq_save();
    load_ts(false);
    save_area(f, vcpu_cr4(v));
    add_components(f, xcr0_used);
    restore_area(f, vcpu_cr4(v));
    local_irq_restore(flags);
}

void fpu_set_xcr0(struct vcpu *v, uint64_t xcr0)
{
    widen(v, xcr0);
    v->pv.xcr0 = xcr0;
    load_controls(v);
}

void fpu_cr4_changed(struct vcpu *v)
{
    if (v->pv.cr4_guest & CR4_OSXSAVE)
        widen(v, v->pv.xcr0);
    load_controls(v);
}

static void forget_owner(struct fpu_state *f)
{
    f->cpu = ~0u;
}

void fpu_export(struct vcpu *v, void *fxsave)
{
    if (v == current)
        fpu_save(v);
    xstate_legacy(fxsave, v->fpu->area);
    if (v == current)
        load_controls(v);
}

void fpu_import(struct vcpu *v, const void *fxsave)
{
    struct xsave *area = v->fpu->area;

    memcpy(&area->legacy, fxsave, FXSAVE_SIZE);
    area->legacy.mxcsr &= mxcsr_mask;
    area->legacy.mxcsr_mask = 0;
    area->xstate_bv |= XCR0_X87 | XCR0_SSE;
    if (cpu_has(XSAVE))
        v->pv.xcr0 |= XCR0_SSE; /* what the image has */
    forget_owner(v->fpu);
}

void fpu_context_set(struct vcpu *v)
{
    if (v->pv.cr4_guest & CR4_OSXSAVE)
        add_components(v->fpu, v->pv.xcr0);
    forget_owner(v->fpu);
}

void fpu_vcpu_reset(struct vcpu *v)
{
    forget_owner(v->fpu);
    set_initial_state(v);
}

uint64_t fpu_xcr0_used(const struct vcpu *v)
{
    return v->fpu->xcr0_used;
}

void fpu_get_xstate(const struct vcpu *v, void *image)
{
    const struct fpu_state *f = v->fpu;

    if (compacted)
        xstate_expand(image, f->area, f->xcr0_used);
    else
        memcpy(image, f->area, fpu_xsave_size(f->xcr0_used));
}

uint64_t fpu_guest_xstate_mask(void)
{
    return cpu_has(XSAVE) ? xcr0_mask : 0;
}

/* What XRSTOR would fault on (SDM vol 1, 13.8.1) is refused, but for MXCSR, whose unknown bits are dropped.
 */
int fpu_set_xstate(struct vcpu *v, uint64_t xcr0, uint64_t used, const void *image, uint32_t size)
{
    const struct xsave *new = image;
    struct xsave *area = v->fpu->area;

    if (!fpu_xcr0_valid(xcr0) || !fpu_xcr0_valid(used) || (xcr0 & ~used) || (new->xstate_bv & ~used))
        return -EINVAL;
    if (new->xcomp_bv)
        return -EOPNOTSUPP;
    for (unsigned int i = 0; i < ARRAY_SIZE(new->reserved); i++)
        if (new->reserved[i])
            return -EIO;
    memset(area, 0, area_size);
    if (compacted)
        xstate_compact(area, new, used);
    else
        memcpy(area, image, size);
    area->legacy.mxcsr &= mxcsr_mask;
    area->legacy.mxcsr_mask = 0;
    v->fpu->xcr0_used = 0;
    add_components(v->fpu, used);
    v->pv.xcr0 = xcr0;
    forget_owner(v->fpu);
    return 0;
}

long hc_fpu_taskswitch(struct hypercall_args *args)
{
    fpu_set_ts(current, args->a[0] != 0);
    return 0;
}
