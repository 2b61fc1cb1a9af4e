/* Formats of the XSAVE area. */
#include <cpu/xstate.h>
#include <cpu/features.h>
#include <lib/string.h>

#define COMPONENTS     63
#define FIRST_EXTENDED 2
#define XSTATE_ALIGNED BIT(1) /* CPUID 0DH, ECX: on 64 bytes in the compacted format */

/* Offset behind the last component. at[i], where wanted: that of component i (SDM vol 1, 13.4.2 and 13.4.3).
 */
static uint32_t lay_out(uint64_t components, bool compacted, uint32_t *at)
{
    uint32_t end = sizeof(struct xsave);

    for (uint32_t i = FIRST_EXTENDED; i < COMPONENTS; i++) {
        struct cpuid_regs r;
        uint32_t offset;

        if (!(components & BIT(i)))
            continue;
        r = cpuid_count(0xd, i); /* a: size, b: offset in the standard format */
        offset = r.b;
        if (compacted)
            offset = r.c & XSTATE_ALIGNED ? ROUND_UP(end, (uint32_t)XSAVE_ALIGN) : end;
        if (at)
            at[i] = offset;
        end = MAX(end, offset + r.a);
    }
    return end;
}

uint32_t xstate_size(uint64_t components, bool compacted)
{
    return lay_out(components, compacted, NULL);
}

void xstate_legacy(struct fxsave *image, const struct xsave *area)
{
    *image = area->legacy;
    if (!(area->xstate_bv & XCR0_X87)) {
        memset(image, 0, offsetof(struct fxsave, mxcsr));
        memset(image->registers, 0, 128);
        image->fcw = FCW_DEFAULT;
    }
    if (area->xstate_bv & XCR0_SSE)
        return;
    memset(image->registers + 128, 0, 256);
    /* The standard format always has it; in the compacted one its initial value is part of initial SSE state
     * (13.12). */
    if (area->xcomp_bv & XCOMP_COMPACTED)
        image->mxcsr = MXCSR_DEFAULT;
}

static void move_components(struct xsave *to, const struct xsave *from, uint64_t components, bool compact)
{
    uint32_t source[COMPONENTS], target[COMPONENTS];

    lay_out(components, !compact, source);
    lay_out(components, compact, target);
    for (uint32_t i = FIRST_EXTENDED; i < COMPONENTS; i++)
        if (components & from->xstate_bv & BIT(i))
            memcpy((uint8_t *)to + target[i], (const uint8_t *)from + source[i], cpuid_count(0xd, i).a);
}

void xstate_expand(struct xsave *to, const struct xsave *from, uint64_t components)
{
    xstate_legacy(&to->legacy, from);
    to->xstate_bv = from->xstate_bv;
    move_components(to, from, components, false);
}

void xstate_compact(struct xsave *to, const struct xsave *from, uint64_t components)
{
    xstate_legacy(&to->legacy, from);
    to->xstate_bv = from->xstate_bv;
    /* MXCSR of its own with SSE registers in their initial state: there is no such state in the compacted
     * format. */
    if (to->legacy.mxcsr != MXCSR_DEFAULT)
        to->xstate_bv |= XCR0_SSE;
    to->xcomp_bv = XCOMP_COMPACTED | components;
    move_components(to, from, components, true);
}
