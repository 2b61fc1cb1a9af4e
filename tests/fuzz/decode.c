/* fuzz: hv/pv/decode.c */
/* The first byte chooses the code size; the rest is the instruction, and what follows it. */
#include <stdlib.h>
#include <string.h>
#include <pv/decode.h>

static enum decode_result decode_exactly(const uint8_t *data, size_t size, unsigned int bits,
                                         struct insn *insn)
{
    uint8_t *copy = malloc(size ? size : 1);
    enum decode_result r;

    memcpy(copy, data, size);
    r = decode_insn(copy, (unsigned int)size, bits, insn);
    free(copy);
    return r;
}

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned int code_bits[] = {64, 32, 16};
    unsigned int bits;
    struct insn insn, again;
    enum decode_result r;

    if (!size)
        return 0;
    bits = code_bits[data[0] % 3];
    r = decode_exactly(data + 1, size - 1, bits, &insn);
    switch (r) {
    case DECODE_TRUNCATED:
        check(size - 1 < MAX_INSN_LEN);
        break;
    case DECODE_UNKNOWN:
        check(insn.kind == INSN_NONE);
        break;
    case DECODE_OK:
        check(insn.kind != INSN_NONE && insn.len <= MAX_INSN_LEN && insn.len <= size - 1);
        check(insn.reg == NO_REG || insn.reg < 16);
        check(insn.base == NO_REG || insn.base < 16);
        check(insn.index == NO_REG || insn.index < 16);
        check(insn.scale < 4 && insn.cr < 16);
        /* It needs exactly its own bytes, and what follows does not matter. */
        check(decode_exactly(data + 1, insn.len, bits, &again) == DECODE_OK);
        check(again.kind == insn.kind && again.len == insn.len && again.disp == insn.disp);
        check(decode_exactly(data + 1, insn.len - 1u, bits, &again) == DECODE_TRUNCATED);
        break;
    }
    return 0;
}
