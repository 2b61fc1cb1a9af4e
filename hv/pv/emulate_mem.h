/* Code and memory operands of an instruction that is emulated for current. */
#ifndef PV_EMULATE_MEM_H
#define PV_EMULATE_MEM_H

#include <base/types.h>
#include <pv/decode.h>
#include <xen/xen.h>

struct vcpu;

/* The code segment as the decoder needs it. */
struct code_segment {
    unsigned int bits; /* 64, 32, 16 */
    uint32_t base;     /* 0 with 64 */
};

/* False: the descriptor cannot be read. */
bool pv_code_segment(const struct vcpu *v, const struct cpu_user_regs *regs, struct code_segment *cs);

/* Bytes at RIP that could be read, at most MAX_INSN_LEN. */
unsigned int pv_fetch(const struct cpu_user_regs *regs, const struct code_segment *cs, uint8_t *bytes);

/* General register by its number in instructions: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8-R15. */
uint64_t *pv_register(struct cpu_user_regs *regs, unsigned int n);

/* A value cut to 2, 4 or 8 bytes. */
static inline uint64_t truncate_to(uint64_t v, unsigned int bytes)
{
    return bytes == 8 ? v : v & ((1UL << (8 * bytes)) - 1);
}

/*
 * Linear address of [offset, offset + bytes) in a segment. False: the segment
 * is null or unreadable, or too short, or the result not a guest's address.
 */
bool pv_linear_address(struct vcpu *v, const struct cpu_user_regs *regs, unsigned int code_bits,
                       enum insn_seg seg, uint64_t offset, unsigned int bytes, uint64_t *linear);

/* The memory operand of insn. Same result. */
bool pv_operand_address(struct vcpu *v, struct cpu_user_regs *regs, unsigned int code_bits,
                        const struct insn *insn, unsigned int bytes, uint64_t *linear);

/* A copy from or to a guest's address failed: gives it the #PF that the access would have had. */
void pv_inject_copy_fault(uint64_t linear, unsigned int bytes, bool write);

#endif
