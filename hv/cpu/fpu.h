/*
 * Floating-point and vector state of vCPUs, switched eagerly. The state that
 * is saved covers every XCR0 component the vCPU ever enabled, so that turning
 * one off and on again shows it what it left there, and nothing of another
 * vCPU. XCR0 and CR4.OSXSAVE are the vCPU's own while it runs.
 */
#ifndef CPU_FPU_H
#define CPU_FPU_H

#include <base/types.h>
#include <base/compiler.h>
#include <cpu/xstate.h>

struct vcpu;
struct cpu_user_regs;

/* Boot CPU, after cpu_features_init(): components and size of the save area. */
void fpu_init(void);
/* Each CPU: FPU on, XCR0 known. After cpu_control_init(). */
void fpu_init_cpu(void);

/* XCR0 components a guest may have; XCR0_X87 | XCR0_SSE where there is no XSAVE. */
uint64_t fpu_xcr0_mask(void);
/* Bytes of the standard (not compacted) XSAVE format for these components. */
uint32_t fpu_xsave_size(uint64_t xcr0);
/* The same of the compacted format: SDM vol 1, 13.4.3. */
uint32_t fpu_xsavec_size(uint64_t xcr0);

/* State as after FNINIT with MXCSR 1F80. -ENOMEM. */
int fpu_vcpu_init(struct vcpu *v);
void fpu_vcpu_free(struct vcpu *v);

/*
 * Context switch, interrupts off; no effect for a vCPU without FPU state
 * (idle). fpu_restore() also loads v's XCR0, CR4 and CR0.TS.
 */
void fpu_save(struct vcpu *v);
void fpu_restore(struct vcpu *v);

/*
 * For code of the firmware's on this CPU, interrupts off: registers in the state of FNINIT with MXCSR 1F80,
 * current's saved; and back.
 */
void fpu_borrow(struct vcpu *v);
void fpu_give_back(struct vcpu *v);

/* CR0.TS of current: as set by the guest. */
void fpu_set_ts(struct vcpu *v, bool ts);
/* #NM from a guest. True: the guest had set TS; it is clear now and #NM is due. False: not explained by it.
 */
bool fpu_device_not_available(struct vcpu *v);

/* Whether the guest may load this into XCR0. */
bool fpu_xcr0_valid(uint64_t xcr0);
/* current changes XCR0 (validated before), or pv.cr4_guest (the caller stores it before). */
void fpu_set_xcr0(struct vcpu *v, uint64_t xcr0);
void fpu_cr4_changed(struct vcpu *v);

/*
 * The FXSAVE image of a vCPU that does not run (or is current, for export):
 * for vcpu_guest_context.fpu_ctxt. Import makes any content loadable.
 */
void fpu_export(struct vcpu *v, void *fxsave);
void fpu_import(struct vcpu *v, const void *fxsave);
/* After pv.cr4_guest or pv.xcr0 of a vCPU that does not run were set. */
void fpu_context_set(struct vcpu *v);
/* As fpu_vcpu_init() left it; not running. */
void fpu_vcpu_reset(struct vcpu *v);

/*
 * The XSAVE image of a vCPU that does not run, in the standard format: the components it ever enabled (0: it
 * has not used XSAVE), and the image, fpu_xsave_size() of these bytes, zeroed by the caller.
 */
uint64_t fpu_xcr0_used(const struct vcpu *v);
void fpu_get_xstate(const struct vcpu *v, void *image);
/* Components that such an image can have at all; 0 without XSAVE. */
uint64_t fpu_guest_xstate_mask(void);
/*
 * Sets it; size is fpu_xsave_size(used). -EINVAL: not a state that XCR0 permits, or components in use that
 * are not in `used`; -EOPNOTSUPP: compacted; -EIO: reserved bytes of the header.
 */
int fpu_set_xstate(struct vcpu *v, uint64_t xcr0, uint64_t used, const void *image, uint32_t size);

#endif
