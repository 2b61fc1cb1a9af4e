/* Decoder of the privileged instructions: SDM vol 2, 2.1, 2.2 and appendix A. */
#include <pv/decode.h>
#include <base/compiler.h>

#define REX_W 8u
#define REX_R 4u
#define REX_X 2u
#define REX_B 1u

struct cursor {
    const uint8_t *bytes;
    unsigned int count, pos;
    unsigned int code_bits;
    uint8_t rex;
    bool operand_prefix, address_prefix, lock;
    bool truncated;
};

static uint8_t next(struct cursor *c)
{
    if (c->pos >= c->count) {
        c->truncated = true;
        return 0;
    }
    return c->bytes[c->pos++];
}

static bool legacy_prefix(struct cursor *c, uint8_t byte, struct insn *insn)
{
    static const uint8_t segment[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};

    for (unsigned int i = 0; i < ARRAY_SIZE(segment); i++)
        if (byte == segment[i]) {
            insn->seg = (enum insn_seg)i;
            return true;
        }
    switch (byte) {
    case 0x66:
        c->operand_prefix = true;
        return true;
    case 0x67:
        c->address_prefix = true;
        return true;
    case 0xf2:
    case 0xf3:
        insn->rep = true; /* REPNE means REP for string I/O */
        return true;
    case 0xf0:
        c->lock = true;
        return true;
    default:
        return false;
    }
}

/* Reads prefixes; returns the first byte of the opcode. A REX counts only right before it. */
static uint8_t prefixes(struct cursor *c, struct insn *insn)
{
    for (;;) {
        uint8_t byte = next(c);

        if (c->truncated)
            return 0;
        if (legacy_prefix(c, byte, insn)) {
            c->rex = 0;
            continue;
        }
        if (c->code_bits != 64 || (byte & 0xf0) != 0x40)
            return byte;
        c->rex = byte;
    }
}

static void sizes(const struct cursor *c, struct insn *insn)
{
    if (c->code_bits == 64) {
        insn->operand_size = c->rex & REX_W ? 8 : c->operand_prefix ? 2 : 4;
        insn->address_size = c->address_prefix ? 4 : 8;
    } else {
        insn->operand_size = (c->code_bits == 16) != c->operand_prefix ? 2 : 4;
        insn->address_size = (c->code_bits == 16) != c->address_prefix ? 2 : 4;
    }
}

/* IN, OUT, INS, OUTS: bit 0 of the opcode clear means bytes; there is no 64-bit form. */
static void port_io(struct insn *insn, enum insn_kind kind, uint8_t opcode)
{
    insn->kind = kind;
    if (!(opcode & 1))
        insn->operand_size = 1;
    else if (insn->operand_size == 8)
        insn->operand_size = 4;
}

static void one_byte_opcode(struct cursor *c, struct insn *insn, uint8_t opcode)
{
    switch (opcode) {
    case 0xe4 ... 0xe7:
        port_io(insn, opcode & 2 ? INSN_OUT : INSN_IN, opcode);
        insn->port_is_imm = true;
        insn->port = next(c);
        break;
    case 0xec ... 0xef:
        port_io(insn, opcode & 2 ? INSN_OUT : INSN_IN, opcode);
        break;
    case 0x6c ... 0x6f:
        port_io(insn, opcode & 2 ? INSN_OUTS : INSN_INS, opcode);
        break;
    case 0xfa:
        insn->kind = INSN_CLI;
        break;
    case 0xfb:
        insn->kind = INSN_STI;
        break;
    }
}

static int32_t displacement(struct cursor *c, unsigned int bytes)
{
    uint32_t v = 0;

    for (unsigned int i = 0; i < bytes; i++)
        v |= (uint32_t)next(c) << (8 * i);
    return bytes == 1 ? (int8_t)v : (int32_t)v;
}

static void sib(struct cursor *c, struct insn *insn, unsigned int mod)
{
    uint8_t byte = next(c);
    uint8_t index = (byte >> 3 & 7) | (c->rex & REX_X ? 8 : 0);

    insn->scale = byte >> 6;
    insn->index = index == 4 ? NO_REG : index;
    insn->base = (byte & 7) | (c->rex & REX_B ? 8 : 0);
    if ((byte & 7) == 5 && mod == 0) {
        insn->base = NO_REG;
        insn->disp = displacement(c, 4);
    }
}

/* The r/m operand of a ModRM byte: a register, or memory with 32- or 64-bit addressing. */
static bool rm_operand(struct cursor *c, struct insn *insn, uint8_t modrm)
{
    unsigned int mod = modrm >> 6, rm = modrm & 7;

    if (mod == 3) {
        insn->reg = (uint8_t)(rm | (c->rex & REX_B ? 8 : 0));
        return true;
    }
    insn->reg = NO_REG;
    if (insn->address_size == 2)
        return false; /* no compiler for a PV guest's programs makes 16-bit addressing */
    if (rm == 4) {
        sib(c, insn, mod);
    } else if (rm == 5 && mod == 0) {
        insn->rip_relative = c->code_bits == 64;
        insn->disp = displacement(c, 4);
    } else {
        insn->base = (uint8_t)(rm | (c->rex & REX_B ? 8 : 0));
    }
    if (mod == 1)
        insn->disp = displacement(c, 1);
    else if (mod == 2)
        insn->disp = displacement(c, 4);
    return true;
}

/* 0F 00: SLDT, STR. 0F 01: SGDT, SIDT, SMSW, and by register form XSETBV, RDTSCP. */
static void system_group(struct cursor *c, struct insn *insn, uint8_t opcode)
{
    static const enum insn_kind group6[8] = {INSN_SLDT, INSN_STR};
    static const enum insn_kind group7[8] = {[0] = INSN_SGDT, [1] = INSN_SIDT, [4] = INSN_SMSW};
    uint8_t modrm = next(c);
    unsigned int n = modrm >> 3 & 7;
    enum insn_kind kind = opcode == 0 ? group6[n] : group7[n];

    if (c->truncated)
        return;
    if (opcode == 1 && modrm == 0xd1)
        kind = INSN_XSETBV;
    else if (opcode == 1 && modrm == 0xf9)
        kind = INSN_RDTSCP;
    else if (kind == INSN_NONE || !rm_operand(c, insn, modrm))
        return;
    else if (modrm >> 6 == 3 && (kind == INSN_SGDT || kind == INSN_SIDT))
        return;
    insn->kind = kind;
}

/* MOV to and from control and debug registers: the ModRM byte names registers whatever mod says. */
static void mov_special(struct cursor *c, struct insn *insn, enum insn_kind kind)
{
    uint8_t modrm = next(c);

    insn->kind = kind;
    insn->cr = (uint8_t)((modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0));
    insn->reg = (uint8_t)((modrm & 7) | (c->rex & REX_B ? 8 : 0));
}

static void two_byte_opcode(struct cursor *c, struct insn *insn)
{
    static const enum insn_kind mov[4] = {INSN_MOV_FROM_CR, INSN_MOV_FROM_DR, INSN_MOV_TO_CR, INSN_MOV_TO_DR};
    uint8_t opcode = next(c);

    if (c->truncated)
        return;
    switch (opcode) {
    case 0x00:
    case 0x01:
        system_group(c, insn, opcode);
        break;
    case 0x06:
        insn->kind = INSN_CLTS;
        break;
    case 0x09:
        insn->kind = INSN_WBINVD;
        break;
    case 0x20 ... 0x23:
        mov_special(c, insn, mov[opcode - 0x20]);
        break;
    case 0x30:
        insn->kind = INSN_WRMSR;
        break;
    case 0x31:
        insn->kind = INSN_RDTSC;
        break;
    case 0x32:
        insn->kind = INSN_RDMSR;
        break;
    case 0xa2:
        insn->kind = INSN_CPUID;
        break;
    }
}

enum decode_result decode_insn(const uint8_t *bytes, unsigned int count, unsigned int code_bits,
                               struct insn *insn)
{
    struct cursor c = {.bytes = bytes, .count = MIN(count, MAX_INSN_LEN + 0u), .code_bits = code_bits};
    uint8_t opcode;

    *insn = (struct insn){.seg = SEG_DEFAULT, .reg = NO_REG, .base = NO_REG, .index = NO_REG};
    opcode = prefixes(&c, insn);
    if (!c.truncated) {
        sizes(&c, insn);
        if (opcode == 0x0f)
            two_byte_opcode(&c, insn);
        else
            one_byte_opcode(&c, insn, opcode);
    }
    /* LOCK makes each of these #UD (SDM vol 2, LOCK); it cannot have been what trapped. */
    if (c.truncated || insn->kind == INSN_NONE || c.lock) {
        insn->kind = INSN_NONE;
        return c.truncated && count < MAX_INSN_LEN ? DECODE_TRUNCATED : DECODE_UNKNOWN;
    }
    insn->len = (uint8_t)c.pos;
    return DECODE_OK;
}
