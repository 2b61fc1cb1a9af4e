/* unit: hv/pv/decode.c */
#include "unit.h"
#include <base/compiler.h>
#include <pv/decode.h>
#include <stdlib.h>

#define B(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

struct expect {
    const char *name;
    const uint8_t *bytes;
    unsigned int count, bits;
    enum insn_kind kind;
    unsigned int operand_size, address_size;
};

static const struct expect port_cases[] = {
    {"in al, imm", B(0xe4, 0x70), 64, INSN_IN, 1, 8},
    {"in eax, imm", B(0xe5, 0x70), 64, INSN_IN, 4, 8},
    {"in ax, imm", B(0x66, 0xe5, 0x70), 64, INSN_IN, 2, 8},
    {"in with rex.w", B(0x48, 0xe5, 0x70), 64, INSN_IN, 4, 8},
    {"in with 66 and rex.w", B(0x66, 0x48, 0xe5, 0x70), 64, INSN_IN, 4, 8},
    {"in al, dx", B(0xec), 64, INSN_IN, 1, 8},
    {"in eax, dx", B(0xed), 64, INSN_IN, 4, 8},
    {"out imm, al", B(0xe6, 0x80), 64, INSN_OUT, 1, 8},
    {"out dx, ax", B(0x66, 0xef), 64, INSN_OUT, 2, 8},
    {"out dx, eax in 16-bit code", B(0x66, 0xef), 16, INSN_OUT, 4, 2},
    {"out dx, ax in 16-bit code", B(0xef), 16, INSN_OUT, 2, 2},
    {"out dx, eax in 32-bit code", B(0xef), 32, INSN_OUT, 4, 4},
    {"insb", B(0x6c), 64, INSN_INS, 1, 8},
    {"rep insw", B(0xf3, 0x66, 0x6d), 64, INSN_INS, 2, 8},
    {"rep outsd, 32-bit addresses", B(0x67, 0xf3, 0x6f), 64, INSN_OUTS, 4, 4},
    {"outsb with fs", B(0x64, 0x6e), 64, INSN_OUTS, 1, 8},
    {"insd, 16-bit addresses", B(0x67, 0x6d), 32, INSN_INS, 4, 2},
};

static void test_ports(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < ARRAY_SIZE(port_cases); i++) {
        const struct expect *e = &port_cases[i];
        struct insn insn;

        print_message("%s\n", e->name);
        assert_int_equal(decode_insn(e->bytes, e->count, e->bits, &insn), DECODE_OK);
        assert_int_equal(insn.kind, e->kind);
        assert_int_equal(insn.len, e->count);
        assert_int_equal(insn.operand_size, e->operand_size);
        assert_int_equal(insn.address_size, e->address_size);
    }
}

static struct insn good(const uint8_t *bytes, unsigned int count)
{
    struct insn insn;

    assert_int_equal(decode_insn(bytes, count, 64, &insn), DECODE_OK);
    assert_int_equal(insn.len, count);
    return insn;
}

static void test_fields(void **state)
{
    struct insn i;

    (void)state;
    i = good(B(0xe4, 0x70));
    assert_true(i.port_is_imm);
    assert_int_equal(i.port, 0x70);
    assert_int_equal(i.seg, SEG_DEFAULT);
    i = good(B(0xf3, 0x65, 0x6e));
    assert_true(i.rep);
    assert_int_equal(i.seg, SEG_GS);
    i = good(B(0xf2, 0x2e, 0x26, 0x6d));
    assert_true(i.rep);
    assert_int_equal(i.seg, SEG_ES);
    i = good(B(0x0f, 0x22, 0xdf)); /* mov %rdi, %cr3 */
    assert_int_equal(i.kind, INSN_MOV_TO_CR);
    assert_int_equal(i.cr, 3);
    assert_int_equal(i.reg, 7);
    i = good(B(0x44, 0x0f, 0x20, 0xc0)); /* mov %cr8, %rax */
    assert_int_equal(i.kind, INSN_MOV_FROM_CR);
    assert_int_equal(i.cr, 8);
    i = good(B(0x41, 0x0f, 0x20, 0xd7)); /* mov %cr2, %r15 */
    assert_int_equal(i.cr, 2);
    assert_int_equal(i.reg, 15);
    i = good(B(0x0f, 0x20, 0x10)); /* mod is ignored: no memory operand */
    assert_int_equal(i.kind, INSN_MOV_FROM_CR);
    assert_int_equal(i.cr, 2);
    assert_int_equal(i.reg, 0);
    i = good(B(0x0f, 0x23, 0xf8));
    assert_int_equal(i.kind, INSN_MOV_TO_DR);
    assert_int_equal(i.cr, 7);
}

static void test_plain(void **state)
{
    (void)state;
    assert_int_equal(good(B(0xfa)).kind, INSN_CLI);
    assert_int_equal(good(B(0xfb)).kind, INSN_STI);
    assert_int_equal(good(B(0x0f, 0x06)).kind, INSN_CLTS);
    assert_int_equal(good(B(0x0f, 0x09)).kind, INSN_WBINVD);
    assert_int_equal(good(B(0x0f, 0x30)).kind, INSN_WRMSR);
    assert_int_equal(good(B(0x0f, 0x31)).kind, INSN_RDTSC);
    assert_int_equal(good(B(0x0f, 0x32)).kind, INSN_RDMSR);
    assert_int_equal(good(B(0x0f, 0xa2)).kind, INSN_CPUID);
    assert_int_equal(good(B(0x0f, 0x01, 0xd1)).kind, INSN_XSETBV);
    assert_int_equal(good(B(0x0f, 0x01, 0xf9)).kind, INSN_RDTSCP);
}

static void test_memory_operands(void **state)
{
    struct insn i;

    (void)state;
    i = good(B(0x0f, 0x01, 0x44, 0x24, 0xe0)); /* sgdt -0x20(%rsp) */
    assert_int_equal(i.kind, INSN_SGDT);
    assert_int_equal(i.base, 4);
    assert_int_equal(i.index, NO_REG);
    assert_int_equal(i.disp, -0x20);
    i = good(B(0x0f, 0x01, 0x0d, 0x78, 0x56, 0x34, 0x12)); /* sidt 0x12345678(%rip) */
    assert_int_equal(i.kind, INSN_SIDT);
    assert_true(i.rip_relative);
    assert_int_equal(i.disp, 0x12345678);
    i = good(B(0x43, 0x0f, 0x00, 0x84, 0x8d, 0, 1, 0, 0)); /* sldt 0x100(%r13,%r9,4) */
    assert_int_equal(i.kind, INSN_SLDT);
    assert_int_equal(i.base, 13);
    assert_int_equal(i.index, 9);
    assert_int_equal(i.scale, 2);
    assert_int_equal(i.disp, 0x100);
    i = good(B(0x0f, 0x00, 0x0c, 0x25, 1, 0, 0, 0x80)); /* str at an absolute address */
    assert_int_equal(i.kind, INSN_STR);
    assert_int_equal(i.base, NO_REG);
    assert_int_equal(i.index, NO_REG);
    assert_false(i.rip_relative);
    assert_int_equal(i.disp, INT32_MIN + 1);
    i = good(B(0x41, 0x0f, 0x01, 0xe3)); /* smsw %r11d */
    assert_int_equal(i.kind, INSN_SMSW);
    assert_int_equal(i.reg, 11);
}

static void unknown(const uint8_t *bytes, unsigned int count)
{
    struct insn insn;

    assert_int_equal(decode_insn(bytes, count, 64, &insn), DECODE_UNKNOWN);
    assert_int_equal(insn.kind, INSN_NONE);
}

static void test_unknown(void **state)
{
    (void)state;
    unknown(B(0x90));
    unknown(B(0xf4));                   /* hlt */
    unknown(B(0xcf));                   /* iret */
    unknown(B(0x0f, 0x08));             /* invd */
    unknown(B(0x0f, 0x01, 0x38));       /* invlpg */
    unknown(B(0x0f, 0x01, 0x10));       /* lgdt */
    unknown(B(0x0f, 0x01, 0xf0));       /* lmsw */
    unknown(B(0x0f, 0x01, 0xf8));       /* swapgs */
    unknown(B(0x0f, 0x01, 0xc1));       /* vmcall, the register form of sgdt */
    unknown(B(0x0f, 0x00, 0xd0));       /* lldt */
    unknown(B(0x0f, 0x33));             /* rdpmc */
    unknown(B(0xf0, 0x0f, 0x22, 0xc0)); /* lock mov to cr0 */
    unknown(B(0xf0, 0xec));
    unknown(B(0x67, 0xf0, 0xfa));
}

/* A REX prefix not directly before the opcode has no effect; in 32-bit code it is INC. */
static void test_rex_position(void **state)
{
    struct insn insn;

    (void)state;
    assert_int_equal(good(B(0x41, 0x66, 0x0f, 0x20, 0xc0)).reg, 0);
    assert_int_equal(good(B(0x44, 0x41, 0x0f, 0x20, 0xc0)).cr, 0);
    assert_int_equal(decode_insn(B(0x48, 0xec), 32, &insn), DECODE_UNKNOWN);
}

/* Every proper prefix of a long instruction is truncated, and no byte behind it is looked at. */
static void test_truncation(void **state)
{
    static const uint8_t bytes[] = {0x66, 0xf3, 0x64, 0x67, 0x43, 0x0f, 0x01, 0x84, 0x8d, 1, 2, 3, 4};
    struct insn insn;

    (void)state;
    for (unsigned int n = 0; n < sizeof(bytes); n++) {
        uint8_t *copy = malloc(n ? n : 1); /* exactly that long, for the sanitizer */

        for (unsigned int i = 0; i < n; i++)
            copy[i] = bytes[i];
        assert_int_equal(decode_insn(copy, n, 64, &insn), DECODE_TRUNCATED);
        free(copy);
    }
    assert_int_equal(decode_insn(bytes, sizeof(bytes), 64, &insn), DECODE_OK);
    assert_int_equal(insn.len, sizeof(bytes));
}

/* More than 15 bytes are no instruction, however they go on. */
static void test_length_limit(void **state)
{
    uint8_t bytes[20];
    struct insn insn;

    (void)state;
    for (unsigned int i = 0; i < sizeof(bytes); i++)
        bytes[i] = 0x66;
    bytes[14] = 0xed;
    assert_int_equal(decode_insn(bytes, 20, 64, &insn), DECODE_OK);
    assert_int_equal(insn.len, 15);
    bytes[14] = 0x66;
    bytes[15] = 0xed;
    assert_int_equal(decode_insn(bytes, 20, 64, &insn), DECODE_UNKNOWN);
    assert_int_equal(decode_insn(bytes, 15, 64, &insn), DECODE_UNKNOWN);
}

/* Every legacy prefix alone before every opcode leaves the kind as it is, but LOCK. */
static void test_all_prefixes(void **state)
{
    static const uint8_t prefix[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3, 0xf0};

    (void)state;
    for (unsigned int op = 0; op < 512; op++) {
        uint8_t plain[6] = {(uint8_t)op, 0xc0, 0xc0};
        struct insn without, with;

        if (op >= 256) {
            plain[0] = 0x0f;
            plain[1] = (uint8_t)op;
        }
        if (decode_insn(plain, sizeof(plain), 64, &without) != DECODE_OK)
            continue;
        for (unsigned int p = 0; p < sizeof(prefix); p++) {
            uint8_t bytes[7] = {prefix[p]};

            for (unsigned int i = 0; i < sizeof(plain); i++)
                bytes[i + 1] = plain[i];
            if (prefix[p] == 0xf0) {
                assert_int_equal(decode_insn(bytes, sizeof(bytes), 64, &with), DECODE_UNKNOWN);
                continue;
            }
            assert_int_equal(decode_insn(bytes, sizeof(bytes), 64, &with), DECODE_OK);
            assert_int_equal(with.kind, without.kind);
            assert_int_equal(with.len, without.len + 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_plain),        cmocka_unit_test(test_memory_operands),
        cmocka_unit_test(test_unknown),      cmocka_unit_test(test_rex_position),
        cmocka_unit_test(test_truncation),   cmocka_unit_test(test_length_limit),
        cmocka_unit_test(test_all_prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
