/*
 * The two formats of what XSAVE and XSAVES write (SDM vol 1, 13.4): both begin with an FXSAVE image and a
 * header. In the standard format each further component has its fixed place, in the compacted one they follow
 * each other. Tools only know the standard format.
 */
#ifndef CPU_XSTATE_H
#define CPU_XSTATE_H

#include <base/types.h>

#define XCR0_X87    BIT(0)
#define XCR0_SSE    BIT(1)
#define XCR0_AVX    BIT(2)
#define XCR0_AVX512 (7UL << 5) /* opmask, ZMM_Hi256, Hi16_ZMM: all or none */

#define XCOMP_COMPACTED BIT(63)

#define FXSAVE_SIZE 512
#define XSAVE_ALIGN 64

#define FCW_DEFAULT   0x37f
#define MXCSR_DEFAULT 0x1f80

struct fxsave {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t registers[FXSAVE_SIZE - 32];
};
_Static_assert(sizeof(struct fxsave) == FXSAVE_SIZE, "FXSAVE image");

struct xsave {
    struct fxsave legacy;
    uint64_t xstate_bv, xcomp_bv;
    uint64_t reserved[6];
    uint8_t components[];
};
_Static_assert(sizeof(struct xsave) == FXSAVE_SIZE + 64, "XSAVE header");

/* Bytes of an area with these components, which the CPU has. */
uint32_t xstate_size(uint64_t components, bool compacted);

/* The FXSAVE image of an area in either format; parts that the CPU did not write get their initial values. */
void xstate_legacy(struct fxsave *image, const struct xsave *area);

/*
 * From one format into the other. `components` are those that the area is laid out for, at least those in
 * use; `to` has xstate_size() of them in its format, zeroed. The areas do not overlap.
 */
void xstate_expand(struct xsave *to, const struct xsave *from, uint64_t components);
void xstate_compact(struct xsave *to, const struct xsave *from, uint64_t components);

/* Boot CPU with AVX; CR4.OSXSAVE set, x87, SSE and AVX in XCR0, IA32_XSS 0. Whether XSAVES and XRSTORS can be
 * relied on. */
bool xsaves_works(void);

#endif
