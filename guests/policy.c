/*
 * CPU policies: what of it dom0 may set for a new domain, what is refused and where, what the VMM makes of
 * the rest, and what the domain then sees.
 */
#include "common/child.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/arch-x86/xen.h>

#define ROOM 128
static xen_cpuid_leaf_t leaves[ROOM];
static xen_msr_entry_t msrs[4];

/* Policies are only set before the domain first runs, so each trial takes a new one. */
static long get(uint32_t nr_leaves, uint32_t nr_msrs)
{
    domctl_clear();
    domctl_arg.u.cpu_policy.nr_leaves = nr_leaves;
    domctl_arg.u.cpu_policy.nr_msrs = nr_msrs;
    set_xen_guest_handle(domctl_arg.u.cpu_policy.leaves, leaves);
    set_xen_guest_handle(domctl_arg.u.cpu_policy.msrs, msrs);
    return domctl(XEN_DOMCTL_get_cpu_policy, CHILD_ID);
}

static xen_cpuid_leaf_t *find(uint32_t leaf, uint32_t sub)
{
    for (unsigned int i = 0; i < ROOM; i++)
        if (leaves[i].leaf == leaf && (leaves[i].subleaf == sub))
            return &leaves[i];
    return NULL;
}

/* Of the leaves that were got, to see whether two policies are the same. */
static uint64_t sum_of_leaves(void)
{
    uint64_t sum = 0;

    for (unsigned int i = 0; i < domctl_arg.u.cpu_policy.nr_leaves; i++)
        for (unsigned int k = 0; k < 6; k++)
            sum = sum * 31 + (&leaves[i].leaf)[k];
    return sum;
}

static long set(const xen_cpuid_leaf_t *l, uint32_t nr_leaves, const xen_msr_entry_t *m, uint32_t nr_msrs)
{
    domctl_clear();
    domctl_arg.u.cpu_policy.nr_leaves = nr_leaves;
    domctl_arg.u.cpu_policy.nr_msrs = nr_msrs;
    domctl_arg.u.cpu_policy.leaves.p = (void *)l;
    domctl_arg.u.cpu_policy.msrs.p = (void *)m;
    return domctl(XEN_DOMCTL_set_cpu_policy, CHILD_ID);
}

static void result_set(const char *name, long ret)
{
    result(name, "%e leaf %x sub %x msr %x", ret, domctl_arg.u.cpu_policy.err_leaf,
           domctl_arg.u.cpu_policy.err_subleaf, domctl_arg.u.cpu_policy.err_msr);
}

static void test_get(void)
{
    must("sizes", (domctl_clear(), domctl(XEN_DOMCTL_get_cpu_policy, CHILD_ID)));
    result("sizes", "%u leaves %u msrs", domctl_arg.u.cpu_policy.nr_leaves, domctl_arg.u.cpu_policy.nr_msrs);
    result_errno("get with no room", get(0, 0));
    result_errno("get with little room", get(10, 4));
    result_errno("get without room for msrs", get(ROOM, 1));
    result("get", "%e", get(ROOM, 4));
    result("got", "%u leaves %u msrs", domctl_arg.u.cpu_policy.nr_leaves, domctl_arg.u.cpu_policy.nr_msrs);
    result("all of it", "%lx", sum_of_leaves());
    result("msrs", "%x %lx %x %lx", msrs[0].idx, msrs[0].val, msrs[1].idx, msrs[1].val);
    domctl_clear();
    domctl_arg.u.cpu_policy.nr_leaves = ROOM;
    set_xen_guest_handle(domctl_arg.u.cpu_policy.leaves, leaves);
    result("get leaves only", "%e", domctl(XEN_DOMCTL_get_cpu_policy, CHILD_ID));
    result("got leaves only", "%u leaves %u msrs", domctl_arg.u.cpu_policy.nr_leaves,
           domctl_arg.u.cpu_policy.nr_msrs);
    result_errno("get of absent domain", domctl(XEN_DOMCTL_get_cpu_policy, CHILD_ID + 1));
    result_errno("get of dom0", domctl(XEN_DOMCTL_get_cpu_policy, 0));
    domctl_arg.u.cpu_policy.leaves.p = (void *)0x1000;
    domctl_arg.u.cpu_policy.nr_leaves = ROOM;
    result_errno("get to a bad pointer", domctl(XEN_DOMCTL_get_cpu_policy, CHILD_ID));
}

static void one(const char *name, uint32_t leaf, uint32_t sub, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    xen_cpuid_leaf_t l = {leaf, sub, a, b, c, d};
    char text[64];
    size_t n = strlen(name);
    long ret;

    child_create(1);
    result_set(name, ret = set(&l, 1, NULL, 0));
    if (!ret) {
        memcpy(text, name, n);
        memcpy(text + n, ", then", 7);
        must("get after set", get(ROOM, 4));
        if (find(leaf, sub))
            result(text, "%08x %08x %08x %08x", find(leaf, sub)->a, find(leaf, sub)->b, find(leaf, sub)->c,
                   find(leaf, sub)->d);
        memcpy(text + n, ", all", 6);
        result(text, "%u leaves sum %lx", domctl_arg.u.cpu_policy.nr_leaves, sum_of_leaves());
    }
    child_destroy();
}

static void one_msr(const char *name, uint32_t idx, uint32_t flags, uint64_t val)
{
    xen_msr_entry_t m = {idx, flags, val};
    char text[64];
    size_t n = strlen(name);

    child_create(1);
    result_set(name, set(NULL, 0, &m, 1));
    must("get after set", get(ROOM, 4));
    memcpy(text, name, n);
    memcpy(text + n, ", then", 7);
    result(text, "%lx %lx", msrs[0].val, msrs[1].val);
    child_destroy();
}

#define NOSUB XEN_CPUID_NO_SUBLEAF

static void test_set(void)
{
    one("max leaf 2", 0, NOSUB, 2, 0x756e6547, 0x6c65746e, 0x49656e69);
    one("max leaf 5", 0, NOSUB, 5, 0x68747541, 0x444d4163, 0x69746e65);
    one("max leaf 100", 0, NOSUB, 100, 0x68747541, 0x444d4163, 0x69746e65);
    one("vendor unknown", 0, NOSUB, 0xd, 0x11111111, 0x22222222, 0x33333333);
    one("leaf 0 subleaf 0", 0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
    one("no features in leaf 1", 1, NOSUB, 0x000206a7, 0, 0, 0);
    one("all in leaf 1", 1, NOSUB, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
    one("leaf 2", 2, NOSUB, 1, 2, 3, 4);
    one("leaf 3", 3, NOSUB, 1, 2, 3, 4);
    one("leaf 4", 4, 0, 0x121, 2, 3, 4);
    one("leaf 4 sub 5", 4, 5, 0x121, 2, 3, 4);
    one("leaf 4 sub 6", 4, 6, 0x121, 2, 3, 4);
    one("leaf 5", 5, NOSUB, 1, 2, 3, 4);
    one("leaf 6", 6, NOSUB, 1, 2, 3, 4);
    one("no features in leaf 7", 7, 0, 0, 0, 0, 0);
    one("all in leaf 7", 7, 0, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
    one("max subleaf 2", 7, 0, 2, 0xffffffff, 0xffffffff, 0xffffffff);
    one("max subleaf 3", 7, 0, 3, 0xffffffff, 0xffffffff, 0xffffffff);
    one("leaf 7.1", 7, 1, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
    one("leaf 7.2", 7, 2, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
    one("leaf 7.3", 7, 3, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
    one("leaf 7 without subleaf", 7, NOSUB, 0, 0, 0, 0);
    one("leaf a", 10, NOSUB, 1, 2, 3, 4);
    one("leaf b", 0xb, 0, 1, 2, 3, 4);
    one("leaf b.1", 0xb, 1, 1, 2, 3, 4);
    one("leaf b.2", 0xb, 2, 1, 2, 3, 4);
    one("leaf c", 0xc, NOSUB, 1, 2, 3, 4);
    one("leaf d", 0xd, 0, 7, 2, 3, 4);
    one("leaf d.1", 0xd, 1, 0xf, 2, 3, 4);
    one("leaf d.2", 0xd, 2, 256, 576, 3, 4);
    one("leaf d.62", 0xd, 62, 256, 576, 3, 4);
    one("leaf d.63", 0xd, 63, 256, 576, 3, 4);
    one("leaf e", 0xe, NOSUB, 1, 2, 3, 4);
    one("leaf ffff", 0xffff, NOSUB, 1, 2, 3, 4);
    one("leaf 10000", 0x10000, NOSUB, 1, 2, 3, 4);
    one("leaf 40000000", 0x40000000, NOSUB, 0x40000002, 2, 3, 4);
    one("leaf 40000001", 0x40000001, NOSUB, 0x40000002, 2, 3, 4);
    one("leaf 40000100", 0x40000100, NOSUB, 0x40000102, 2, 3, 4);
    one("leaf 40010000", 0x40010000, NOSUB, 0x40000102, 2, 3, 4);
    one("leaf 80000000", 0x80000000, NOSUB, 0x80000004, 2, 3, 4);
    one("leaf 80000000, more", 0x80000000, NOSUB, 0x80000040, 2, 3, 4);
    one("leaf 80000000, other", 0x80000000, NOSUB, 0x00000004, 2, 3, 4);
    one("no features in 80000001", 0x80000001, NOSUB, 0, 0, 0, 0);
    one("all in 80000001", 0x80000001, NOSUB, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
    one("leaf 80000002", 0x80000002, NOSUB, 0x41414141, 2, 3, 4);
    one("leaf 80000005", 0x80000005, NOSUB, 1, 2, 3, 4);
    one("leaf 80000006", 0x80000006, NOSUB, 1, 2, 3, 4);
    one("leaf 80000007", 0x80000007, NOSUB, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
    one("leaf 80000008", 0x80000008, NOSUB, 0x00003024, 0xffffffff, 0xffffffff, 0xffffffff);
    one("leaf 80000008 of many bits", 0x80000008, NOSUB, 0x00ffffff, 0, 0, 0);
    one("leaf 80000009", 0x80000009, NOSUB, 1, 2, 3, 4);
    one("leaf 8000000a", 0x8000000a, NOSUB, 1, 2, 3, 4);
    one("leaf 8000001e", 0x8000001e, NOSUB, 1, 2, 3, 4);
    one("leaf 80000021", 0x80000021, NOSUB, 0xffffffff, 2, 3, 4);
    one("leaf 80000022", 0x80000022, NOSUB, 1, 2, 3, 4);
    one("leaf 80010000", 0x80010000, NOSUB, 1, 2, 3, 4);
    one("leaf c0000000", 0xc0000000, NOSUB, 1, 2, 3, 4);
    one_msr("msr ce", 0xce, 0, 0);
    one_msr("msr ce, faulting", 0xce, 0, 1ul << 31);
    one_msr("msr ce, others", 0xce, 0, 3);
    one_msr("msr 10a", 0x10a, 0, ~0ul);
    one_msr("msr 10b", 0x10b, 0, 0);
    one_msr("msr with flags", 0xce, 1, 0);
}

static uint32_t *reg_of(unsigned int word)
{
    static const struct {
        uint32_t leaf, sub;
        unsigned int reg;
    } words[] = {{1, NOSUB, 3},
                 {1, NOSUB, 2},
                 {0x80000001, NOSUB, 3},
                 {0x80000001, NOSUB, 2},
                 {0xd, 1, 0},
                 {7, 0, 1},
                 {7, 0, 2},
                 {0x80000007, NOSUB, 3},
                 {0x80000008, NOSUB, 1},
                 {7, 0, 3},
                 {7, 1, 0},
                 {0x80000021, NOSUB, 0}};
    xen_cpuid_leaf_t *l = word < ARRAY_SIZE(words) ? find(words[word].leaf, words[word].sub) : NULL;

    return l ? &l->a + words[word].reg : NULL;
}

#define WORDS 12

static void features(uint32_t *words)
{
    must("get features", get(ROOM, 4));
    for (unsigned int i = 0; i < WORDS; i++)
        words[i] = reg_of(i) ? *reg_of(i) : 0;
}

/* Each feature taken away alone: what goes with it. */
static void test_dependencies(void)
{
    static uint32_t all[WORDS], now[WORDS];
    char name[] = "without 00.00";
    unsigned int gone, came;

    child_create(1);
    features(all);
    child_destroy();
    for (unsigned int f = 0; f < WORDS * 32; f++) {
        if (!(all[f / 32] >> (f % 32) & 1))
            continue;
        child_create(1);
        features(now);
        *reg_of(f / 32) &= ~(1u << (f % 32));
        must("set without a feature", set(leaves, domctl_arg.u.cpu_policy.nr_leaves, NULL, 0));
        features(now);
        child_destroy();
        name[8] = (char)('0' + f / 320);
        name[9] = (char)('0' + f / 32 % 10);
        name[11] = (char)('0' + f % 32 / 10);
        name[12] = (char)('0' + f % 32 % 10);
        gone = came = 0;
        for (unsigned int i = 0; i < WORDS; i++)
            for (unsigned int b = 0; b < 32; b++)
                gone += (all[i] & ~now[i]) >> b & 1, came += (now[i] & ~all[i]) >> b & 1;
        result(name, "%u gone %u came", gone, came);
    }
}

/* The leaves named in the answers page, each with what the forced CPUID gave. */
CHILD_FN static void child_cpuid(volatile uint64_t *answers)
{
    uint64_t vector, cr4 = 0x5000c;
    uint32_t low, high;

    for (unsigned int i = 0; answers[i * 3] != ~0ul; i++) {
        uint32_t a = (uint32_t)answers[i * 3], b, c = (uint32_t)(answers[i * 3] >> 32), d;

        __asm__ volatile(XEN_CPUID : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        answers[i * 3 + 1] = (uint64_t)b << 32 | a;
        answers[i * 3 + 2] = (uint64_t)d << 32 | c;
    }
    /* CR4: what sticks of FSGSBASE, OSXSAVE, DE, TSD; then RDMSR of TSC_AUX, ARCH_CAPS, PLATFORM_INFO. */
    CHILD_TRY(vector, "movq %1, %%cr4\n movq %%cr4, %1", CHILD_OUTPUT("+r"(cr4)), "i"(0));
    answers[200] = vector;
    answers[201] = cr4;
    CHILD_TRY(vector, "rdmsr", CHILD_OUTPUT("=a"(low), "=d"(high)), "c"(0xc0000103));
    answers[202] = vector;
    CHILD_TRY(vector, "rdmsr", CHILD_OUTPUT("=a"(low), "=d"(high)), "c"(0x10a));
    answers[203] = vector;
    CHILD_TRY(vector, "rdmsr", CHILD_OUTPUT("=a"(low), "=d"(high)), "c"(0xce));
    answers[204] = vector;
    CHILD_END();
}

/* Leaf, and subleaf from bit 32 on. */
static const uint64_t asked[] = {0,
                                 1,
                                 2,
                                 4,
                                 7,
                                 7 | 1ul << 32,
                                 0xd,
                                 0xb,
                                 0xe,
                                 0x80000000,
                                 0x80000001,
                                 0x80000004,
                                 0x80000005,
                                 0x80000008,
                                 0x80000021,
                                 0x80000022,
                                 0x40000000,
                                 0x40000001,
                                 0x40000002,
                                 0x40000003,
                                 0x40000004,
                                 0x40000005,
                                 0x40000100,
                                 0xc0000000,
                                 0xd | 1ul << 32,
                                 0xd | 2ul << 32};

/* What the child saw of them; the name has the title's n characters already. */
static void result_leaves(char *name, size_t n)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++) {
        static const char digits[] = "0123456789abcdef";
        uint64_t ab = child_get(i * 3 + 1), cd = child_get(i * 3 + 2);

        memcpy(name + n, ", cpuid ", 8);
        for (unsigned int k = 0; k < 8; k++)
            name[n + 8 + k] = digits[asked[i] >> (28 - 4 * k) & 15];
        name[n + 16] = '.';
        name[n + 17] = digits[asked[i] >> 32];
        name[n + 18] = 0;
        if (asked[i] == 0x40000003 || asked[i] == 0x40000005) /* speed and size of the machine */
            result(name, "%d", !!(ab | cd));
        else
            result(name, "%08x %08x %08x %08x", (uint32_t)ab, (uint32_t)(ab >> 32), (uint32_t)cd,
                   (uint32_t)(cd >> 32));
    }
}

static void test_seen(const char *title, const xen_cpuid_leaf_t *l, unsigned int count)
{
    char name[96];
    size_t n = strlen(title);

    child_create(1);
    result_set(title, set(l, count, NULL, 0));
    child_load(child_cpuid);
    for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++)
        child_put(i * 3, asked[i]);
    child_put(ARRAY_SIZE(asked) * 3, ~0ul);
    memcpy(name, title, n);
    memcpy(name + n, ", ran", 6);
    result(name, "%d", child_run());
    result_leaves(name, n);
    memcpy(name + n, ", cr4", 6);
    result(name, "vector %lu value %lx", child_get(200), child_get(201) & 0x5000c);
    memcpy(name + n, ", msrs", 7);
    result(name, "vectors %lu %lu %lu", child_get(202), child_get(203), child_get(204));
    child_destroy();
}

void guest_main(void)
{
    static const xen_cpuid_leaf_t small[] = {{1, NOSUB, 0x000106a5, 0x00020000, 0x00002001, 0x078bfbff},
                                             {7, 0, 0, 0x200, 0, 0},
                                             {0x80000001, NOSUB, 0, 0, 1, 0x20100800},
                                             {0x80000002, NOSUB, 0x6c6c6168, 0, 0, 0}};
    static const xen_cpuid_leaf_t old[] = {{0, NOSUB, 1, 0x68747541, 0x444d4163, 0x69746e65},
                                           {0x40000000, NOSUB, 1, 0, 0, 0},
                                           {0x80000000, NOSUB, 0x80000004, 0, 0, 0}};

    child_create(1);
    test_get();
    child_destroy();
    test_set();
    test_dependencies();
    test_seen("default", NULL, 0);
    test_seen("small", small, ARRAY_SIZE(small));
    test_seen("old", old, ARRAY_SIZE(old));
    child_create(1);
    result_errno("too many leaves", set(leaves, 121, NULL, 0));
    result_errno("too many msrs", set(NULL, 0, msrs, 3));
    result_errno("leaves at a bad pointer", set((void *)0x1000, 1, NULL, 0));
    result_errno("msrs at a bad pointer", set(NULL, 0, (void *)0x1000, 1));
    must("unpause", domctl(XEN_DOMCTL_unpausedomain, CHILD_ID));
    result_errno("when it has run", set(small, 1, NULL, 0));
    result_errno("get when it has run", get(ROOM, 4));
    child_destroy();
    domctl_clear();
    result_errno("set of dom0", domctl(XEN_DOMCTL_set_cpu_policy, 0));
    result_errno("set of absent domain", domctl(XEN_DOMCTL_set_cpu_policy, CHILD_ID));
}
