/*
 * Decoder of the instructions that trap when a PV guest executes them, and of
 * nothing else: a pure function of at most 15 bytes (SDM vol 2, 2.3.11).
 */
#ifndef PV_DECODE_H
#define PV_DECODE_H

#include <base/types.h>

#define MAX_INSN_LEN 15

enum insn_kind {
    INSN_NONE, /* not one of these, or not a legal form of it */
    INSN_IN,
    INSN_OUT,
    INSN_INS,
    INSN_OUTS,
    INSN_CLI,
    INSN_STI,
    INSN_CLTS,
    INSN_WBINVD,
    INSN_MOV_FROM_CR,
    INSN_MOV_TO_CR,
    INSN_MOV_FROM_DR,
    INSN_MOV_TO_DR,
    INSN_RDMSR,
    INSN_WRMSR,
    INSN_RDTSC,
    INSN_RDTSCP,
    INSN_CPUID,
    INSN_XSETBV,
    INSN_SGDT,
    INSN_SIDT,
    INSN_SLDT,
    INSN_STR,
    INSN_SMSW,
};

enum insn_seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_DEFAULT };

#define NO_REG 0xff

struct insn {
    enum insn_kind kind;
    uint8_t len;          /* bytes */
    uint8_t operand_size; /* bytes: of the port or string element, or of a register that is stored */
    uint8_t address_size; /* bytes: 2, 4, 8 */
    bool rep;
    bool port_is_imm; /* else it is in DX */
    uint8_t port;
    uint8_t cr;        /* number of the control or debug register */
    uint8_t reg;       /* general register of MOV, or destination of SLDT, STR, SMSW (NO_REG: memory) */
    enum insn_seg seg; /* SEG_DEFAULT: by the rules of the instruction */
    /* Memory operand: base + index << scale + disp; NO_REG where absent. RIP-relative: rip_relative. */
    uint8_t base, index, scale;
    bool rip_relative;
    int32_t disp;
};

enum decode_result {
    DECODE_OK, /* insn->kind is not INSN_NONE */
    DECODE_UNKNOWN,
    DECODE_TRUNCATED, /* it continues beyond the bytes given */
};

/* code_bits: 64, 32 or 16, from the code segment. */
enum decode_result decode_insn(const uint8_t *bytes, unsigned int count, unsigned int code_bits,
                               struct insn *insn);

#endif
