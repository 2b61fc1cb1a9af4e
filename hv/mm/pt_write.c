#include <mm/pt_write.h>
#include <xen/xen.h>

#define RFLAGS_CF 0x001UL
#define RFLAGS_PF 0x004UL
#define RFLAGS_AF 0x010UL
#define RFLAGS_ZF 0x040UL
#define RFLAGS_SF 0x080UL
#define RFLAGS_DF 0x400UL
#define RFLAGS_OF 0x800UL

/* What is left of the instruction while it is decoded. */
struct cursor {
    const uint8_t *p, *end;
    uint8_t rex;
    bool opsize16;
    bool short_of; /* ran out of bytes */
};

static uint8_t next_byte(struct cursor *c)
{
    if (c->p < c->end)
        return *c->p++;
    c->short_of = true;
    return 0;
}

static uint64_t next_signed(struct cursor *c, unsigned int bytes)
{
    uint64_t v = 0;

    for (unsigned int i = 0; i < bytes; i++)
        v |= (uint64_t)next_byte(c) << (8 * i);
    return (uint64_t)((int64_t)(v << (64 - 8 * bytes)) >> (64 - 8 * bytes));
}

/* Segment overrides do not matter: the address is known. Nor does LOCK: all is done by compare-and-exchange.
 */
static void prefixes(struct cursor *c, struct pt_write *w)
{
    for (;;) {
        if (c->p >= c->end)
            return;
        switch (*c->p) {
        case 0x66:
            c->opsize16 = true;
            break;
        case 0xf2:
        case 0xf3:
            w->repeat = true;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0x67:
        case 0xf0:
            break;
        default:
            if ((*c->p & 0xf0) == 0x40)
                c->rex = *c->p++;
            return;
        }
        c->p++;
    }
}

static uint8_t operand_size(const struct cursor *c)
{
    return c->rex & 8 ? 8 : c->opsize16 ? 2 : 4;
}

/* Skips ModRM, SIB and displacement of a memory operand; gives the reg field. False: a register operand. */
static bool modrm(struct cursor *c, unsigned int *reg)
{
    uint8_t m = next_byte(c);
    unsigned int mod = m >> 6, rm = m & 7;

    *reg = m >> 3 & 7;
    if (mod == 3)
        return false;
    if (rm == 4) {
        uint8_t sib = next_byte(c);

        if (mod == 0 && (sib & 7) == 5)
            mod = 2;
    } else if (mod == 0 && rm == 5) {
        mod = 2;
    }
    if (mod)
        (void)next_signed(c, mod == 1 ? 1 : 4);
    return true;
}

static void source_reg(struct pt_write *w, const struct cursor *c, unsigned int reg)
{
    w->has_reg = true;
    w->high_byte = w->size == 1 && !c->rex && reg >= 4;
    w->reg = (uint8_t)(w->high_byte ? reg - 4 : reg | (c->rex & 4 ? 8 : 0));
}

static void source_imm(struct pt_write *w, struct cursor *c, unsigned int bytes)
{
    w->imm = next_signed(c, bytes);
}

static const enum pt_write_op group1[8] = {PTW_ADD, PTW_OR,  PTW_ADC, PTW_SBB,
                                           PTW_AND, PTW_SUB, PTW_XOR, PTW_MOV /* CMP: writes nothing */};

static bool decode_alu(struct pt_write *w, struct cursor *c, uint8_t op)
{
    unsigned int reg;

    if (op >= 0x38 || (op & 7) > 1) /* CMP; forms without a memory destination */
        return false;
    w->op = group1[op >> 3];
    w->size = op & 1 ? operand_size(c) : 1;
    if (!modrm(c, &reg))
        return false;
    source_reg(w, c, reg);
    return true;
}

static bool decode_group1(struct pt_write *w, struct cursor *c, uint8_t op)
{
    unsigned int reg;

    w->size = op & 1 ? operand_size(c) : 1;
    if (!modrm(c, &reg) || reg == 7)
        return false;
    w->op = group1[reg];
    source_imm(w, c, op == 0x81 ? (w->size == 2 ? 2 : 4) : 1);
    return true;
}

static bool decode_one_operand(struct pt_write *w, struct cursor *c, uint8_t op)
{
    unsigned int reg;

    w->size = op & 1 ? operand_size(c) : 1;
    if (!modrm(c, &reg))
        return false;
    if (op >= 0xfe) {
        w->op = reg == 0 ? PTW_INC : PTW_DEC;
        return reg <= 1;
    }
    w->op = reg == 2 ? PTW_NOT : PTW_NEG;
    return reg == 2 || reg == 3;
}

static bool decode_mov(struct pt_write *w, struct cursor *c, uint8_t op)
{
    unsigned int reg;

    w->op = op <= 0x87 ? PTW_XCHG : PTW_MOV;
    w->size = op & 1 ? operand_size(c) : 1;
    if (!modrm(c, &reg))
        return false;
    if (op >= 0xc6) {
        source_imm(w, c, w->size == 8 ? 4 : w->size);
        return reg == 0;
    }
    source_reg(w, c, reg);
    return true;
}

static bool decode_0f_bit(struct pt_write *w, struct cursor *c, uint8_t op)
{
    unsigned int reg;

    w->size = operand_size(c);
    if (!modrm(c, &reg))
        return false;
    if (op == 0xba) {
        if (reg < 5)
            return false;
        w->op = reg == 5 ? PTW_BTS : reg == 6 ? PTW_BTR : PTW_BTC;
        source_imm(w, c, 1);
        return true;
    }
    w->op = op == 0xab ? PTW_BTS : op == 0xb3 ? PTW_BTR : PTW_BTC;
    source_reg(w, c, reg);
    return true;
}

static bool decode_0f(struct pt_write *w, struct cursor *c)
{
    uint8_t op = next_byte(c);
    unsigned int reg;

    switch (op) {
    case 0xab:
    case 0xb3:
    case 0xbb:
    case 0xba:
        return decode_0f_bit(w, c, op);
    case 0xb0:
    case 0xb1:
    case 0xc0:
    case 0xc1:
        w->op = op < 0xc0 ? PTW_CMPXCHG : PTW_XADD;
        w->size = op & 1 ? operand_size(c) : 1;
        break;
    case 0xc3: /* MOVNTI */
        w->op = PTW_MOV;
        w->size = operand_size(c);
        if (c->opsize16)
            return false;
        break;
    case 0xc7:
        w->op = PTW_CMPXCHG8B;
        w->size = 8;
        return modrm(c, &reg) && reg == 1 && !(c->rex & 8);
    default:
        return false;
    }
    if (!modrm(c, &reg))
        return false;
    source_reg(w, c, reg);
    return true;
}

static bool decode_opcode(struct pt_write *w, struct cursor *c)
{
    uint8_t op = next_byte(c);

    switch (op) {
    case 0x0f:
        return decode_0f(w, c);
    case 0x00 ... 0x0e:
    case 0x10 ... 0x3f:
        return decode_alu(w, c, op);
    case 0x50 ... 0x57:
        w->op = PTW_PUSH;
        w->size = 8;
        w->has_reg = true;
        w->reg = (uint8_t)((op & 7) | (c->rex & 1 ? 8 : 0));
        return !c->opsize16;
    case 0x80:
    case 0x81:
    case 0x83:
        return decode_group1(w, c, op);
    case 0x86 ... 0x89:
    case 0xc6:
    case 0xc7:
        return decode_mov(w, c, op);
    case 0xa4:
    case 0xa5:
    case 0xaa:
    case 0xab:
        w->op = op >= 0xaa ? PTW_STOS : PTW_MOVS;
        w->size = op & 1 ? operand_size(c) : 1;
        w->has_reg = true;
        return true;
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff:
        return decode_one_operand(w, c, op);
    default:
        return false;
    }
}

bool pt_write_decode(struct pt_write *w, const uint8_t *insn, size_t len)
{
    struct cursor c = {.p = insn, .end = insn + (len < INSN_MAX ? len : INSN_MAX)};

    *w = (struct pt_write){.op = PTW_MOV};
    prefixes(&c, w);
    if (!decode_opcode(w, &c) || c.short_of)
        return false;
    if (w->op != PTW_STOS && w->op != PTW_MOVS)
        w->repeat = false;
    w->length = (uint8_t)(c.p - insn);
    return true;
}

static const uint8_t reg_offsets[16] = {
    offsetof(struct cpu_user_regs, rax), offsetof(struct cpu_user_regs, rcx),
    offsetof(struct cpu_user_regs, rdx), offsetof(struct cpu_user_regs, rbx),
    offsetof(struct cpu_user_regs, rsp), offsetof(struct cpu_user_regs, rbp),
    offsetof(struct cpu_user_regs, rsi), offsetof(struct cpu_user_regs, rdi),
    offsetof(struct cpu_user_regs, r8),  offsetof(struct cpu_user_regs, r9),
    offsetof(struct cpu_user_regs, r10), offsetof(struct cpu_user_regs, r11),
    offsetof(struct cpu_user_regs, r12), offsetof(struct cpu_user_regs, r13),
    offsetof(struct cpu_user_regs, r14), offsetof(struct cpu_user_regs, r15),
};

static uint64_t get_reg(const struct cpu_user_regs *regs, unsigned int reg)
{
    return *(const uint64_t *)((const char *)regs + reg_offsets[reg & 15]);
}

static uint64_t mask_of(unsigned int size)
{
    return size == 8 ? ~0UL : (1UL << (8 * size)) - 1;
}

/* Writes a register as an instruction with this operand size does: 32 bits clear the upper half. */
static void set_reg(struct cpu_user_regs *regs, unsigned int reg, bool high_byte, unsigned int size,
                    uint64_t v)
{
    uint64_t *r = (uint64_t *)((char *)regs + reg_offsets[reg & 15]);

    if (high_byte)
        *r = (*r & ~0xff00UL) | (v & 0xff) << 8;
    else if (size == 4)
        *r = (uint32_t)v;
    else
        *r = (*r & ~mask_of(size)) | (v & mask_of(size));
}

static uint64_t source_of(const struct pt_write *w, const struct cpu_user_regs *regs)
{
    uint64_t v = w->has_reg ? get_reg(regs, w->reg) >> (w->high_byte ? 8 : 0) : w->imm;

    return v & mask_of(w->size);
}

static bool carry_of(const struct cpu_user_regs *regs)
{
    return regs->rflags & RFLAGS_CF;
}

/* A register's bit offset may lie beyond the operand: the trapped address counts that already. */
static uint64_t bit_of(const struct pt_write *w, uint64_t source)
{
    return 1UL << (source & (8U * w->size - 1));
}

static uint64_t pair(uint64_t high, uint64_t low)
{
    return high << 32 | (uint32_t)low;
}

static uint64_t new_value(const struct pt_write *w, const struct cpu_user_regs *regs, uint64_t old,
                          uint64_t source)
{
    switch (w->op) {
    case PTW_ADD:
    case PTW_XADD:
        return old + source;
    case PTW_ADC:
        return old + source + carry_of(regs);
    case PTW_SUB:
        return old - source;
    case PTW_SBB:
        return old - source - carry_of(regs);
    case PTW_INC:
        return old + 1;
    case PTW_DEC:
        return old - 1;
    case PTW_NEG:
        return -old;
    case PTW_NOT:
        return ~old;
    case PTW_OR:
        return old | source;
    case PTW_AND:
        return old & source;
    case PTW_XOR:
        return old ^ source;
    case PTW_BTS:
        return old | bit_of(w, source);
    case PTW_BTR:
        return old & ~bit_of(w, source);
    case PTW_BTC:
        return old ^ bit_of(w, source);
    case PTW_CMPXCHG:
        return old == (regs->rax & mask_of(w->size)) ? source : old;
    case PTW_CMPXCHG8B:
        return old == pair(regs->rdx, regs->rax) ? pair(regs->rcx, regs->rbx) : old;
    default: /* MOV, XCHG, STOS, MOVS, PUSH */
        return source;
    }
}

uint64_t pt_write_value(const struct pt_write *w, const struct cpu_user_regs *regs, uint64_t old,
                        uint64_t loaded)
{
    uint64_t mask = mask_of(w->size), source = w->op == PTW_MOVS ? loaded & mask : source_of(w, regs);

    return new_value(w, regs, old & mask, source) & mask;
}

static void set_flags(struct cpu_user_regs *regs, uint64_t which, uint64_t flags)
{
    regs->rflags = (regs->rflags & ~which) | (flags & which);
}

/* ZF, SF and PF of a result. */
static uint64_t result_flags(uint64_t r, unsigned int size)
{
    uint64_t f = 0;

    if (!(r & mask_of(size)))
        f |= RFLAGS_ZF;
    if (r >> (8 * size - 1) & 1)
        f |= RFLAGS_SF;
    if (!(__builtin_popcount((uint32_t)r & 0xff) & 1))
        f |= RFLAGS_PF;
    return f;
}

#define ARITH_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* Flags of a + b + carry or a - b - carry: SDM vol 1, 3.4.3.1. `keep` are those that the instruction leaves
 * alone. */
static void arith_flags(struct cpu_user_regs *regs, unsigned int size, uint64_t a, uint64_t b, bool subtract,
                        bool carry, uint64_t keep)
{
    uint64_t mask = mask_of(size), sign = (mask >> 1) + 1;
    uint64_t r = (subtract ? a - b - carry : a + b + carry) & mask, f = result_flags(r, size);
    uint64_t carries = subtract ? (~a & b) | (~(a ^ b) & r) : (a & b) | ((a | b) & ~r);

    if (carries & sign)
        f |= RFLAGS_CF;
    if (carries & 8)
        f |= RFLAGS_AF;
    if ((subtract ? (a ^ b) & (a ^ r) : ~(a ^ b) & (a ^ r)) & sign)
        f |= RFLAGS_OF;
    set_flags(regs, ARITH_FLAGS & ~keep, f);
}

static void finish_string(const struct pt_write *w, struct cpu_user_regs *regs)
{
    uint64_t step = regs->rflags & RFLAGS_DF ? -(uint64_t)w->size : w->size;

    regs->rdi += step;
    if (w->op == PTW_MOVS)
        regs->rsi += step;
    if (w->repeat)
        regs->rcx--;
}

static void finish_cmpxchg(const struct pt_write *w, struct cpu_user_regs *regs, uint64_t old)
{
    uint64_t expected = regs->rax & mask_of(w->size);

    arith_flags(regs, w->size, expected, old, true, false, 0);
    if (old != expected)
        set_reg(regs, 0, false, w->size, old);
}

static void finish_cmpxchg8b(struct cpu_user_regs *regs, uint64_t old)
{
    bool same = old == pair(regs->rdx, regs->rax);

    set_flags(regs, RFLAGS_ZF, same ? RFLAGS_ZF : 0);
    if (same)
        return;
    regs->rax = (uint32_t)old;
    regs->rdx = old >> 32;
}

void pt_write_finish(const struct pt_write *w, struct cpu_user_regs *regs, uint64_t old)
{
    uint64_t source = w->op == PTW_MOVS ? 0 : source_of(w, regs);

    old &= mask_of(w->size);
    switch (w->op) {
    case PTW_XADD:
        arith_flags(regs, w->size, old, source, false, false, 0);
        /* fall through */
    case PTW_XCHG:
        set_reg(regs, w->reg, w->high_byte, w->size, old);
        break;
    case PTW_CMPXCHG:
        finish_cmpxchg(w, regs, old);
        break;
    case PTW_CMPXCHG8B:
        finish_cmpxchg8b(regs, old);
        break;
    case PTW_ADD:
        arith_flags(regs, w->size, old, source, false, false, 0);
        break;
    case PTW_ADC:
        arith_flags(regs, w->size, old, source, false, carry_of(regs), 0);
        break;
    case PTW_SUB:
        arith_flags(regs, w->size, old, source, true, false, 0);
        break;
    case PTW_SBB:
        arith_flags(regs, w->size, old, source, true, carry_of(regs), 0);
        break;
    case PTW_INC:
        arith_flags(regs, w->size, old, 1, false, false, RFLAGS_CF);
        break;
    case PTW_DEC:
        arith_flags(regs, w->size, old, 1, true, false, RFLAGS_CF);
        break;
    case PTW_NEG:
        arith_flags(regs, w->size, 0, old, true, false, 0);
        break;
    case PTW_OR:
    case PTW_AND:
    case PTW_XOR:
        set_flags(regs, ARITH_FLAGS, result_flags(new_value(w, regs, old, source), w->size));
        break;
    case PTW_BTS:
    case PTW_BTR:
    case PTW_BTC:
        set_flags(regs, RFLAGS_CF, old & bit_of(w, source) ? RFLAGS_CF : 0);
        break;
    case PTW_STOS:
    case PTW_MOVS:
        finish_string(w, regs);
        break;
    case PTW_PUSH:
        regs->rsp -= 8;
        break;
    default: /* MOV, NOT */
        break;
    }
}
