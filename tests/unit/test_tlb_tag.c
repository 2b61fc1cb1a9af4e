/* unit: hv/mm/tlb_tag.c */
/*
 * Tagged translations against a model of CPUs and their TLBs. Each domain has
 * some addresses; the model notes for each how often it changed, and a TLB entry
 * holds what it was when it was filled. Who flushes may then rely on it: each
 * vCPU that uses the address must see at least what it was at the flush.
 */
#include <unit.h>
#include <string.h>
#include <mm/tlb_tag.h>

#define CPUS    3
#define DOMAINS 3
#define VCPUS   12 /* of all domains: more than a CPU has pairs for */
#define VAS     4
#define TAGS    (1 + 2 * TLB_TAG_PAIRS)

static struct {
    uint64_t epoch;
    uint32_t now[2][VAS];  /* by mode: the tables' content */
    uint32_t must[2][VAS]; /* what no vCPU of it may see an older state of */
} domain[DOMAINS];

static struct model_vcpu {
    struct tlb_tag tag;
    bool mode;
    int cpu; /* -1: not running */
    uint32_t table[2];
    uint32_t must[2][VAS]; /* what it flushed itself */
} vcpu[VCPUS];

static struct {
    struct tlb_tags tags;
    int running; /* vCPU or -1 */
    uint32_t tag;
    struct {
        bool valid;
        uint32_t seen, table;
        int owner;
    } tlb[TAGS][VAS];
} cpu[CPUS];

static uint32_t seed;
static bool have_invpcid;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static unsigned int domain_of(int v)
{
    return (unsigned int)v % DOMAINS;
}

static void drop_tag(unsigned int c, uint32_t tag)
{
    memset(cpu[c].tlb[tag], 0, sizeof(cpu[c].tlb[tag]));
}

/* MOV to CR3 with CR4.PCIDE. */
static void load_cr3(unsigned int c, uint64_t cr3)
{
    cpu[c].tag = cr3 & TLB_TAG_MASK;
    assert_true(cpu[c].tag < TAGS);
    if (!(cr3 & TLB_TAG_KEEP))
        drop_tag(c, cpu[c].tag);
}

static uint64_t table_cr3(int v, bool mode)
{
    return ((uint64_t)v * 64 + vcpu[v].table[mode] % 32 * 2 + mode + 1) << 12;
}

static void stop(unsigned int c)
{
    int v = cpu[c].running;

    tlb_tag_leave(&cpu[c].tags, &vcpu[v].tag);
    assert_int_equal(vcpu[v].tag.cr3[0], table_cr3(v, 0));
    assert_int_equal(vcpu[v].tag.cr3[1], table_cr3(v, 1));
    vcpu[v].cpu = -1;
    cpu[c].running = -1;
    load_cr3(c, 0);
}

static void run(unsigned int c, int v)
{
    struct model_vcpu *m = &vcpu[v];

    m->cpu = (int)c;
    cpu[c].running = v;
    load_cr3(c, tlb_tag_enter(&cpu[c].tags, &m->tag, c, domain[domain_of(v)].epoch, m->mode));
    assert_int_equal(cpu[c].tag, m->tag.cr3[m->mode] & TLB_TAG_MASK);
    assert_int_not_equal(m->tag.cr3[0] & TLB_TAG_MASK, m->tag.cr3[1] & TLB_TAG_MASK);
}

static void switch_to(unsigned int c, int v)
{
    if (vcpu[v].cpu >= 0)
        return;
    if (cpu[c].running >= 0)
        stop(c);
    if (rnd(4))
        run(c, v);
}

/* The guest uses an address: what it sees is not older than what it may rely on. */
static void use(unsigned int c)
{
    int v = cpu[c].running;
    struct model_vcpu *m = &vcpu[v];
    unsigned int d = domain_of(v), va = rnd(VAS);
    bool mode = m->mode;

    assert_int_equal(cpu[c].tag, m->tag.cr3[mode] & TLB_TAG_MASK);
    if (!cpu[c].tlb[cpu[c].tag][va].valid) {
        cpu[c].tlb[cpu[c].tag][va].valid = true;
        cpu[c].tlb[cpu[c].tag][va].seen = domain[d].now[mode][va];
        cpu[c].tlb[cpu[c].tag][va].table = m->table[mode];
        cpu[c].tlb[cpu[c].tag][va].owner = v;
    }
    assert_int_equal(cpu[c].tlb[cpu[c].tag][va].owner, v);
    assert_int_equal(cpu[c].tlb[cpu[c].tag][va].table, m->table[mode]);
    assert_true(cpu[c].tlb[cpu[c].tag][va].seen >= domain[d].must[mode][va]);
    assert_true(cpu[c].tlb[cpu[c].tag][va].seen >= m->must[mode][va]);
}

static void change_mode(unsigned int c)
{
    struct model_vcpu *m = &vcpu[cpu[c].running];

    m->mode = !m->mode;
    load_cr3(c, m->tag.cr3[m->mode]);
    if (m->tag.stale)
        tlb_tag_loaded(&m->tag, m->mode);
}

static void relies(struct model_vcpu *m, unsigned int d, unsigned int va)
{
    for (unsigned int mode = 0; mode < 2; mode++)
        m->must[mode][va] = domain[d].now[mode][va];
}

static void local_flush(unsigned int c)
{
    struct model_vcpu *m = &vcpu[cpu[c].running];

    for (unsigned int va = 0; va < VAS; va++)
        relies(m, domain_of(cpu[c].running), va);
    load_cr3(c, tlb_tag_flush(&m->tag, m->mode));
}

static void local_invlpg(unsigned int c)
{
    struct model_vcpu *m = &vcpu[cpu[c].running];
    unsigned int va = rnd(VAS);

    relies(m, domain_of(cpu[c].running), va);
    cpu[c].tlb[cpu[c].tag][va].valid = false;
    if (have_invpcid)
        cpu[c].tlb[tlb_tag_other(&m->tag, m->mode)][va].valid = false;
    else
        tlb_tag_other_stale(&m->tag, m->mode);
}

/* What an interrupt does to a CPU. */
static void flush_cpu(unsigned int c)
{
    int v = cpu[c].running;
    uint64_t epoch = v >= 0 ? domain[domain_of(v)].epoch : 0;

    for (uint32_t tag = 0; tag < TAGS; tag++)
        drop_tag(c, tag);
    tlb_tag_all_flushed(&cpu[c].tags, v >= 0 ? &vcpu[v].tag : NULL, epoch);
}

/* All CPUs where the domain runs, or one address there; those that keep its translations see the epoch. */
static void domain_flush(unsigned int d, bool one)
{
    unsigned int only = rnd(VAS);

    domain[d].epoch++;
    for (unsigned int c = 0; c < CPUS; c++) {
        int v = cpu[c].running;

        if (v < 0 || domain_of(v) != d)
            continue;
        if (!one || !have_invpcid) {
            flush_cpu(c);
        } else {
            cpu[c].tlb[vcpu[v].tag.cr3[0] & TLB_TAG_MASK][only].valid = false;
            cpu[c].tlb[vcpu[v].tag.cr3[1] & TLB_TAG_MASK][only].valid = false;
        }
    }
    for (unsigned int mode = 0; mode < 2; mode++)
        for (unsigned int va = 0; va < VAS; va++)
            if (!one || va == only)
                domain[d].must[mode][va] = domain[d].now[mode][va];
}

static void new_table(int v)
{
    struct model_vcpu *m = &vcpu[v];
    bool mode = rnd(2);

    /* The loaded one's change is that of all, as MMUEXT_NEW_BASEPTR does it. */
    m->table[mode]++;
    tlb_tag_set_table(&m->tag, mode, table_cr3(v, mode));
    if (m->cpu >= 0 && m->mode == mode) {
        if (!rnd(4)) { /* an interrupt in between, and then use of the old tables' entries */
            flush_cpu((unsigned int)m->cpu);
            cpu[m->cpu].tlb[cpu[m->cpu].tag][0].valid = true;
            cpu[m->cpu].tlb[cpu[m->cpu].tag][0].owner = v;
            cpu[m->cpu].tlb[cpu[m->cpu].tag][0].table = m->table[mode] - 1;
        }
        load_cr3((unsigned int)m->cpu, m->tag.cr3[mode] & ~TLB_TAG_KEEP);
        tlb_tag_loaded(&m->tag, mode);
    }
}

static void step(void)
{
    unsigned int c = rnd(CPUS), d;

    switch (rnd(12)) {
    case 0:
    case 1:
        switch_to(c, (int)rnd(VCPUS));
        return;
    case 2:
        d = rnd(DOMAINS);
        domain[d].now[rnd(2)][rnd(VAS)]++;
        return;
    case 3:
        domain_flush(rnd(DOMAINS), rnd(2));
        return;
    case 4:
        if (!rnd(4))
            flush_cpu(c);
        return;
    case 5:
        new_table((int)rnd(VCPUS));
        return;
    }
    if (cpu[c].running < 0)
        return;
    switch (rnd(8)) {
    case 0:
        local_flush(c);
        return;
    case 1:
        local_invlpg(c);
        return;
    case 2:
    case 3:
        change_mode(c);
        return;
    default:
        use(c);
    }
}

static void start(uint32_t s, bool invpcid)
{
    memset(domain, 0, sizeof(domain));
    memset(vcpu, 0, sizeof(vcpu));
    memset(cpu, 0, sizeof(cpu));
    seed = s;
    have_invpcid = invpcid;
    for (int v = 0; v < VCPUS; v++) {
        vcpu[v].cpu = -1;
        vcpu[v].mode = true;
        vcpu[v].tag.key = (uint64_t)v + 1;
        for (unsigned int mode = 0; mode < 2; mode++)
            tlb_tag_set_table(&vcpu[v].tag, mode, table_cr3(v, mode));
    }
    for (unsigned int c = 0; c < CPUS; c++)
        cpu[c].running = -1;
}

static void test_no_stale_translation_is_used(void **state)
{
    for (uint32_t s = 1; s <= 400; s++) {
        start(s, s & 1);
        for (int i = 0; i < 3000; i++)
            step();
    }
}

/* What tags are for. */
static void test_kept_across_others(void **state)
{
    start(1, false);
    run(0, 0);
    assert_int_equal(vcpu[0].tag.cr3[1] & TLB_TAG_KEEP, TLB_TAG_KEEP);
    assert_int_equal(vcpu[0].tag.cr3[0] & TLB_TAG_KEEP, 0); /* not loaded yet */
    assert_true(vcpu[0].tag.stale);
    change_mode(0);
    assert_false(vcpu[0].tag.stale);
    for (int v = 1; v < TLB_TAG_PAIRS; v++) {
        stop(0);
        run(0, v);
    }
    stop(0);
    run(0, 0);
    assert_int_equal(vcpu[0].tag.cr3[0] & vcpu[0].tag.cr3[1] & TLB_TAG_KEEP, TLB_TAG_KEEP);
    stop(0);
    run(0, TLB_TAG_PAIRS); /* one more than there are pairs: takes the oldest */
    stop(0);
    run(0, 0);
    assert_int_equal(vcpu[0].tag.cr3[!vcpu[0].mode] & TLB_TAG_KEEP, 0);
}

static void test_not_kept(void **state)
{
    start(1, false);
    run(0, 0);
    change_mode(0);
    stop(0);
    run(1, 0); /* elsewhere, and back */
    stop(1);
    run(0, 0);
    assert_true(vcpu[0].tag.stale);
    change_mode(0);
    assert_false(vcpu[0].tag.stale);
    stop(0);
    domain[0].epoch++;
    run(0, 0);
    assert_true(vcpu[0].tag.stale);
    change_mode(0);
    local_invlpg(0); /* without INVPCID the other mode's go when it is loaded */
    assert_true(vcpu[0].tag.stale);
    stop(0);
    run(0, 0);
    assert_true(vcpu[0].tag.stale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_across_others),
        cmocka_unit_test(test_not_kept),
        cmocka_unit_test(test_no_stale_translation_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
