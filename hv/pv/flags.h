/*
 * RFLAGS of a PV guest: on the CPU IF is always on and IOPL 0. The guest's own
 * IF is the inverse of evtchn_upcall_mask; its IOPL shows only with
 * VMASST_TYPE_architectural_iopl.
 */
#ifndef PV_FLAGS_H
#define PV_FLAGS_H

#include <base/types.h>
#include <domain/domain.h>

/* VMASST_TYPE_* that a 64-bit guest may turn on (bit n: type n); some have no effect but are asked for all
 * the same. */
#define PV_KNOWN_ASSISTS                                                                                     \
    (BIT(VMASST_TYPE_4gb_segments) | BIT(VMASST_TYPE_4gb_segments_notify) |                                  \
     BIT(VMASST_TYPE_writable_pagetables) | BIT(VMASST_TYPE_pae_extended_cr3) |                              \
     BIT(VMASST_TYPE_architectural_iopl) | BIT(VMASST_TYPE_runstate_update_flag) |                           \
     BIT(VMASST_TYPE_m2p_strict))

#define RFLAGS_FIXED 0x2UL
#define RFLAGS_TF    0x100UL
#define RFLAGS_IF    0x200UL
#define RFLAGS_DF    0x400UL
#define RFLAGS_IOPL  0x3000UL
#define RFLAGS_NT    0x4000UL
#define RFLAGS_RF    0x10000UL
#define RFLAGS_VM    0x20000UL

/* What the guest reads. mask: evtchn_upcall_mask. */
static inline uint64_t pv_visible_rflags(const struct vcpu *v, uint64_t rflags, uint8_t mask)
{
    rflags &= ~(RFLAGS_IF | RFLAGS_IOPL);
    if (!mask)
        rflags |= RFLAGS_IF;
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        rflags |= (uint64_t)v->pv.iopl << 12;
    return rflags;
}

/* What the CPU may get of flags the guest asks for. */
static inline uint64_t pv_real_rflags(uint64_t rflags)
{
    return (rflags & ~(RFLAGS_IOPL | RFLAGS_VM)) | RFLAGS_IF | RFLAGS_FIXED;
}

#endif
