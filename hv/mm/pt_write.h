/*
 * Decoding of the instructions with which kernels write page-table entries, for
 * writes that trapped. Pure computation: no guest state is touched.
 */
#ifndef MM_PT_WRITE_H
#define MM_PT_WRITE_H

#include <base/types.h>
#include <base/compiler.h>

struct cpu_user_regs;

enum pt_write_op {
    PTW_MOV,  /* operand := source */
    PTW_XCHG, /* and the register := operand */
    PTW_XADD,
    PTW_CMPXCHG,   /* source if operand == RAX, which gets the operand otherwise */
    PTW_CMPXCHG8B, /* RCX:RBX if operand == RDX:RAX */
    PTW_ADD,
    PTW_OR,
    PTW_ADC,
    PTW_SBB,
    PTW_AND,
    PTW_SUB,
    PTW_XOR,
    PTW_INC,
    PTW_DEC,
    PTW_NOT,
    PTW_NEG,
    PTW_BTS,
    PTW_BTR,
    PTW_BTC,
    PTW_STOS,
    PTW_MOVS, /* source comes from [RSI] */
    PTW_PUSH,
};

struct pt_write {
    enum pt_write_op op;
    uint8_t size;   /* of the operand: 1, 2, 4 or 8 bytes */
    uint8_t length; /* of the instruction */
    bool repeat;    /* REP before a string instruction */
    bool has_reg;   /* the source is register `reg`, else `imm` */
    bool high_byte; /* it is bits 8-15 of it: AH, CH, DH, BH */
    uint8_t reg;    /* 0-15: RAX, RCX, RDX, RBX, RSP, ... */
    uint64_t imm;   /* sign-extended */
};

#define INSN_MAX 15 /* SDM vol 2, 2.3.11 */

/* `len` bytes of 64-bit code. False: no instruction that is known, or cut short. */
bool pt_write_decode(struct pt_write *w, const uint8_t *insn, size_t len) __must_check;

/*
 * The new value of the operand for its old one, both of w->size bytes. `loaded`
 * is what PTW_MOVS read.
 */
uint64_t pt_write_value(const struct pt_write *w, const struct cpu_user_regs *regs, uint64_t old,
                        uint64_t loaded);

/* Once the value is stored: what else the instruction changes, registers and flags, but not RIP. */
void pt_write_finish(const struct pt_write *w, struct cpu_user_regs *regs, uint64_t old);

#endif
