/* unit: hv/mm/pt_write.c */
/* The decoder and its arithmetic against this machine's CPU: each instruction is executed as well. */
#include <unit.h>
#include <string.h>
#include <base/compiler.h>
#include <mm/pt_write.h>
#include <xen/xen.h>

#define STATUS_FLAGS 0x8d5UL

/* What an instruction on (%rdi) does with and to RAX, RCX, RDX, RBX and the flags. */
struct state {
    uint64_t operand, rax, rcx, rdx, rbx, flags;
};

struct insn {
    const char *text;
    void (*run)(struct state *s);
    const uint8_t *start, *end;
};

#define INSN(name, text)                                                                                     \
    extern const uint8_t insn_##name##_start[], insn_##name##_end[];                                         \
    static void run_##name(struct state *s)                                                                  \
    {                                                                                                        \
        __asm__ __volatile__("lea -128(%%rsp), %%rsp\n\tpush %%rbx\n\t" /* not into the red zone */          \
                             "push 40(%%rsi)\n\tpopfq\n\t"                                                   \
                             "mov 8(%%rsi), %%rax\n\tmov 16(%%rsi), %%rcx\n\t"                               \
                             "mov 24(%%rsi), %%rdx\n\tmov 32(%%rsi), %%rbx\n\t"                              \
                             "insn_" #name "_start: " text "\ninsn_" #name "_end:\n\t"                       \
                             "mov %%rax, 8(%%rsi)\n\tmov %%rcx, 16(%%rsi)\n\t"                               \
                             "mov %%rdx, 24(%%rsi)\n\tmov %%rbx, 32(%%rsi)\n\t"                              \
                             "pushfq\n\tpop 40(%%rsi)\n\tpop %%rbx\n\tlea 128(%%rsp), %%rsp\n\tcld"          \
                             :                                                                               \
                             : "D"(&s->operand), "S"(s)                                                      \
                             : "rax", "rcx", "rdx", "memory", "cc");                                         \
    }

#define INSNS(X)                                                                                             \
    X(mov64, "movq %%rcx, (%%rdi)")                                                                          \
    X(mov32, "movl %%ecx, (%%rdi)")                                                                          \
    X(mov16, "movw %%cx, (%%rdi)")                                                                           \
    X(mov8, "movb %%cl, (%%rdi)")                                                                            \
    X(movh, "movb %%ch, (%%rdi)")                                                                            \
    X(movi64, "movq $-2, (%%rdi)")                                                                           \
    X(movi32, "movl $0x12345678, (%%rdi)")                                                                   \
    X(movi16, "movw $0x1234, (%%rdi)")                                                                       \
    X(movi8, "movb $0x56, (%%rdi)")                                                                          \
    X(movnti, "movnti %%rdx, (%%rdi)")                                                                       \
    X(xchg64, "xchgq %%rcx, (%%rdi)")                                                                        \
    X(xchg32, "xchgl %%ecx, (%%rdi)")                                                                        \
    X(xchg8, "xchgb %%ch, (%%rdi)")                                                                          \
    X(xadd64, "lock xaddq %%rdx, (%%rdi)")                                                                   \
    X(xadd16, "xaddw %%dx, (%%rdi)")                                                                         \
    X(cmpxchg64, "lock cmpxchgq %%rbx, (%%rdi)")                                                             \
    X(cmpxchg32, "lock cmpxchgl %%ebx, (%%rdi)")                                                             \
    X(cmpxchg8, "cmpxchgb %%bl, (%%rdi)")                                                                    \
    X(cmpxchg8b, "lock cmpxchg8b (%%rdi)")                                                                   \
    X(add64, "addq %%rcx, (%%rdi)")                                                                          \
    X(add8, "addb %%cl, (%%rdi)")                                                                            \
    X(or32, "orl %%ecx, (%%rdi)")                                                                            \
    X(ori, "orq $2, (%%rdi)")                                                                                \
    X(adc64, "adcq %%rcx, (%%rdi)")                                                                          \
    X(sbb32, "sbbl %%ecx, (%%rdi)")                                                                          \
    X(andi8, "lock andb $0xfd, (%%rdi)")                                                                     \
    X(andi64, "lock andq $-3, (%%rdi)")                                                                      \
    X(andi16, "andw $0x7ffd, (%%rdi)")                                                                       \
    X(andi32, "andl $0x7ffffffd, (%%rdi)")                                                                   \
    X(sub16, "subw %%cx, (%%rdi)")                                                                           \
    X(xor64, "xorq %%rcx, (%%rdi)")                                                                          \
    X(inc32, "incl (%%rdi)")                                                                                 \
    X(dec64, "decq (%%rdi)")                                                                                 \
    X(not64, "notq (%%rdi)")                                                                                 \
    X(neg16, "negw (%%rdi)")                                                                                 \
    X(bts, "lock btsq $1, (%%rdi)")                                                                          \
    X(btr, "lock btrl $1, (%%rdi)")                                                                          \
    X(btc, "btcw $15, (%%rdi)")                                                                              \
    X(disp8, "movq %%rcx, 0x10-0x10(,%%rdi)")                                                                \
    X(segment, "movq %%rcx, %%ds:(%%rdi)")

INSNS(INSN)

#define ROW(name, text) {text, run_##name, insn_##name##_start, insn_##name##_end},
static const struct insn insns[] = {INSNS(ROW)};

static uint64_t values[] = {0,
                            1,
                            2,
                            0x7f,
                            0x80,
                            0xff,
                            0x8000,
                            0xffff,
                            0x7fffffff,
                            0x80000000,
                            0xffffffff,
                            0x7fffffffffffffff,
                            ~0UL,
                            0x123456789abcdef0,
                            0x8000000000000000};

static void compare(const struct insn *insn, struct state before)
{
    struct cpu_user_regs regs = {
        .rax = before.rax, .rcx = before.rcx, .rdx = before.rdx, .rbx = before.rbx, .rflags = before.flags};
    struct state real = before;
    uint64_t mask, result;
    struct pt_write w;

    if (!pt_write_decode(&w, insn->start, INSN_MAX))
        fail_msg("not decoded: %s", insn->text);
    assert_int_equal(w.length, insn->end - insn->start);
    mask = w.size == 8 ? ~0UL : (1UL << 8 * w.size) - 1;
    result = pt_write_value(&w, &regs, before.operand, 0);
    pt_write_finish(&w, &regs, before.operand);
    insn->run(&real);
    if (((before.operand & ~mask) | result) != real.operand || regs.rax != real.rax || regs.rcx != real.rcx ||
        regs.rdx != real.rdx || regs.rbx != real.rbx || ((regs.rflags ^ real.flags) & STATUS_FLAGS))
        fail_msg("%s on %#lx, rax %#lx, rcx %#lx: %#lx flags %#lx, CPU %#lx flags %#lx", insn->text,
                 before.operand, before.rax, before.rcx, result, regs.rflags & STATUS_FLAGS, real.operand,
                 real.flags & STATUS_FLAGS);
}

static void test_against_cpu(void **state)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(insns); i++)
        for (unsigned int a = 0; a < ARRAY_SIZE(values); a++)
            for (unsigned int b = 0; b < ARRAY_SIZE(values); b++)
                for (unsigned int carry = 0; carry < 2; carry++) {
                    struct state s = {.operand = values[a],
                                      .rax = values[(a + b * carry) % ARRAY_SIZE(values)],
                                      .rcx = values[b],
                                      .rdx = values[(b + 3) % ARRAY_SIZE(values)],
                                      .rbx = values[(b + 5) % ARRAY_SIZE(values)],
                                      .flags = 0x202 | carry};

                    /* CMPXCHG8B's comparison has a match only if RDX:RAX is made of the operand. */
                    if (b == 0) {
                        s.rax = (uint32_t)s.operand;
                        s.rdx = s.operand >> 32;
                    }
                    compare(&insns[i], s);
                }
}

static void test_string_insns(void **state)
{
    static const uint8_t stosq[] = {0x48, 0xab}, rep_movsl[] = {0xf3, 0xa5};
    struct cpu_user_regs regs = {.rax = 0x1234, .rdi = 0x1000, .rsi = 0x2000, .rcx = 7, .rflags = 0x402};
    struct pt_write w;

    assert_true(pt_write_decode(&w, stosq, sizeof(stosq)));
    assert_int_equal(pt_write_value(&w, &regs, 5, 0), 0x1234);
    pt_write_finish(&w, &regs, 5);
    assert_int_equal(regs.rdi, 0xff8);
    assert_int_equal(regs.rcx, 7);
    regs.rflags = 2;
    assert_true(pt_write_decode(&w, rep_movsl, sizeof(rep_movsl)));
    assert_true(w.repeat);
    assert_int_equal(pt_write_value(&w, &regs, 5, 0xfffffffff), 0xffffffff);
    pt_write_finish(&w, &regs, 5);
    assert_int_equal(regs.rdi, 0xffc);
    assert_int_equal(regs.rsi, 0x2004);
    assert_int_equal(regs.rcx, 6);
}

static void test_refusals(void **state)
{
    static const uint8_t cases[][4] = {
        {0x48, 0x8b, 0x07},       /* mov (%rdi), %rax: a load */
        {0x48, 0x39, 0x07},       /* cmp */
        {0x48, 0x83, 0x3f, 0x01}, /* cmp $1 */
        {0x48, 0x85, 0x07},       /* test */
        {0x48, 0x89, 0xc7},       /* to a register */
        {0xf4},                   /* hlt */
        {0x0f, 0x05},             /* syscall */
        {0x48, 0xd1, 0x27},       /* shl */
        {0x48, 0x0f, 0xc7, 0x0f}, /* cmpxchg16b */
        {0xff, 0x17},             /* call */
        {0x0f, 0xba, 0x27, 0x01}, /* bt */
    };
    static const uint8_t mov[] = {0x48, 0xc7, 0x84, 0x24, 1, 2, 3, 4, 5, 6, 7, 8};
    struct pt_write w;

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
        assert_false(pt_write_decode(&w, cases[i], sizeof(cases[i])));
    for (size_t len = 0; len < sizeof(mov); len++)
        assert_false(pt_write_decode(&w, mov, len));
    assert_true(pt_write_decode(&w, mov, sizeof(mov)));
    assert_int_equal(w.length, sizeof(mov));
    assert_int_equal(w.imm, 0x08070605);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_cpu),
        cmocka_unit_test(test_string_insns),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
