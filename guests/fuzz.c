/*
 * Pseudo-random hypercalls: "seed=N rounds=N" on the command line.  With two
 * vCPUs both make them at the same time; with one the sequence is always the
 * same for a seed.  Nothing is asserted of single answers.  The guest must survive, and
 * when it lets go of everything, every page of its arena must be plain memory again:
 * a type or reference count that leaked would show there.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/second.h"
#include "common/trap.h"
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define ARENA 48

#define VCPUS 2

static uint64_t *arena[ARENA];

/* What each vCPU has for itself. */
static struct fuzzer {
    uint64_t state;
    /* Small arguments lie here, so that the VMM's answers cannot spoil anything else. */
    uint64_t words[4096];
    char buffer[4096];
    struct multicall_entry calls[6];
    unsigned long mapped, updated, pinned, stored, made; /* what succeeded */
} __attribute__((aligned(4096))) fuzzers[VCPUS];
#define WORDS_FILLED 32
static volatile bool second_runs, second_stop, second_done;

static struct fuzzer *self(void)
{
    return &fuzzers[on_second()];
}

static uint64_t next(void)
{
    struct fuzzer *f = self();

    f->state ^= f->state << 13;
    f->state ^= f->state >> 7;
    f->state ^= f->state << 17;
    return f->state * 0x2545f4914f6cdd1dul;
}

static unsigned int pick(unsigned int n)
{
    return (unsigned int)((next() >> 32) % n);
}

static unsigned long option(const char *name, unsigned long otherwise)
{
    const char *at = strstr((const char *)start_info->cmd_line, name);
    unsigned long v = 0;

    if (!at)
        return otherwise;
    for (at += strlen(name); *at >= '0' && *at <= '9'; at++)
        v = v * 10 + (unsigned long)(*at - '0');
    return v;
}

static unsigned long some_mfn(void)
{
    static const unsigned long odd[] = {0,         0xb8,      0x200,     0xfee00, 0xfec00,
                                        1ul << 20, 1ul << 30, 1ul << 40, ~0ul};

    switch (pick(16)) {
    case 0:
        return odd[pick(ARRAY_SIZE(odd))];
    case 1:
        return virt_to_mfn(kernel_l4);
    case 2:
        return start_info->shared_info >> 12;
    default:
        return virt_to_mfn(arena[pick(ARENA)]);
    }
}

static uint64_t some_flags(void)
{
    static const uint64_t usual[] = {PTE_DATA,          PTE_RO, PTE_TABLE, PTE_P | PTE_US | PTE_A,
                                     PTE_DATA | PTE_NX, 0};

    if (pick(4))
        return usual[pick(ARRAY_SIZE(usual))];
    return next() & (0xfff | PTE_NX | (0x7fful << 52));
}

static uint64_t some_pte(void)
{
    return pick(8) ? pte_make(some_mfn(), some_flags()) : pick(2) ? 0 : next();
}

static uint64_t some_pointer(void)
{
    static const uint64_t odd[] = {0,
                                   0x1000,
                                   0xffff800000000000,
                                   0xffff820000000000,
                                   0xffff87fffffffff8,
                                   0x900000000000,
                                   ~0ul,
                                   0xffffffff80000000ul - 8};

    switch (pick(4)) {
    case 0:
        return odd[pick(ARRAY_SIZE(odd))];
    case 1:
        return (uint64_t)arena[pick(ARENA)] + (pick(512) << 3);
    default:
        return (uint64_t)self()->words;
    }
}

static uint64_t *fill_words(void)
{
    uint64_t *words = self()->words;

    for (unsigned int i = 0; i < WORDS_FILLED; i++)
        switch (pick(5)) {
        case 0:
            words[i] = pick(16);
            break;
        case 1:
            words[i] = some_pte();
            break;
        case 2:
            words[i] = some_pointer();
            break;
        case 3:
            words[i] = some_mfn();
            break;
        default:
            words[i] = next();
            break;
        }
    return words;
}

/* The page's own address, mapped to any page of the arena: what makes pages writable or tables. */
static void do_remap(void)
{
    uint64_t *va = arena[pick(ARENA)];
    unsigned int flags[] = {UVMF_NONE, UVMF_INVLPG, UVMF_TLB_FLUSH, UVMF_INVLPG | UVMF_ALL};

    long ret;

    if (pick(3))
        ret = hc_update_va_mapping((unsigned long)va, pte_make(virt_to_mfn(va), pick(3) ? PTE_RO : PTE_DATA),
                                   UVMF_INVLPG);
    else
        ret = hc_update_va_mapping((unsigned long)va, some_pte(), flags[pick(4)]);
    self()->mapped += !ret;
}

static void do_store(void)
{
    uint64_t *at = arena[pick(ARENA)] + pick(8);

    TRY("movq %0, (%1)", ::"r"(some_pte()), "r"(at) : "memory");
    self()->stored += !trap.count;
}

static void do_mmu_update(void)
{
    struct mmu_update u[4];
    unsigned int n = pick(4) + 1, done = 0;

    for (unsigned int i = 0; i < n; i++) {
        u[i].ptr = (some_mfn() << 12) | (pick(512) << 3) | (pick(6) ? 0 : pick(8));
        /* The running table and the M2P entries of pages in use stay as they are. */
        if (u[i].ptr >> 12 == virt_to_mfn(kernel_l4) && (u[i].ptr & 0xfff) >= 0x800)
            u[i].ptr = 0;
        if ((u[i].ptr & 7) == MMU_MACHPHYS_UPDATE)
            u[i].ptr &= ~7ul;
        u[i].val = some_pte();
        /* A slot of the running L4 would show the arena's tables at addresses nothing uses. */
        if (u[i].ptr >> 12 == virt_to_mfn(kernel_l4) && (u[i].ptr & 0xfff) < 0x800)
            u[i].val &= ~PTE_RW;
    }
    HC4(__HYPERVISOR_mmu_update, u, n, &done, pick(16) ? DOMID_SELF : next());
    self()->updated += done;
}

static void do_mmuext(void)
{
    unsigned int cmd = pick(23);
    unsigned long mfn = some_mfn();

    if (cmd == MMUEXT_NEW_BASEPTR)
        mfn = virt_to_mfn(kernel_l4);
    if ((cmd == MMUEXT_UNPIN_TABLE || cmd == MMUEXT_NEW_USER_BASEPTR) && mfn == virt_to_mfn(kernel_l4))
        mfn = virt_to_mfn(arena[0]);
    if (cmd == MMUEXT_SET_LDT)
        mfn = (unsigned long)arena[pick(ARENA)];
    if (!pick(3))
        cmd = pick(4);
    if (!mmuext(cmd, mfn, pick(4) ? virt_to_mfn(arena[pick(ARENA)]) : next()) && cmd < 4)
        self()->pinned++;
}

/* An empty table of some level: what other actions then fill and link. */
static void do_table(void)
{
    uint64_t *va = arena[pick(ARENA)];
    unsigned long mfn = virt_to_mfn(va);

    mmuext(MMUEXT_CLEAR_PAGE, mfn, 0);
    hc_update_va_mapping((unsigned long)va, pte_make(mfn, PTE_RO), UVMF_INVLPG);
    self()->pinned += !mmuext(pick(4), mfn, 0);
}

/* Frees some pages of what they are, or nothing would be left to succeed after a while. */
static void do_release(void)
{
    if (pick(20))
        return;
    for (unsigned int i = 0; i < 8; i++)
        mmu_update_one(virt_to_machine(kernel_l4 + pick(256)), 0);
    for (unsigned int i = 0; i < ARENA; i++) {
        unsigned long mfn = virt_to_mfn(arena[i]);

        mmuext(MMUEXT_UNPIN_TABLE, mfn, 0);
        hc_update_va_mapping((unsigned long)arena[i], pte_make(mfn, pick(2) ? PTE_DATA : PTE_RO),
                             UVMF_INVLPG);
        mmuext(MMUEXT_CLEAR_PAGE, mfn, 0);
    }
}

/* What only the vCPU that holds it can let go of. */
static void let_go_of_vcpu_state(void)
{
    HC2(__HYPERVISOR_set_gdt, self()->words, 0);
    mmuext(MMUEXT_SET_LDT, 0, 0);
    mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0);
}

static void do_descriptors(void)
{
    xen_pfn_t frames[16];

    for (unsigned int i = 0; i < 16; i++)
        frames[i] = pick(8) ? virt_to_mfn(arena[pick(ARENA)]) : some_mfn();
    if (pick(3) == 0)
        HC2(__HYPERVISOR_set_gdt, frames, pick(2) ? 512 : pick(8000));
    else
        HC2(__HYPERVISOR_update_descriptor, (virt_to_machine(arena[pick(ARENA)])) + (pick(512) << 3), next());
}

static void do_segment_load(void)
{
    unsigned int sel = pick(2) ? pick(64) : pick(0x10000);

    TRY("movw %w0, %%ds", ::"r"(sel));
    __asm__ volatile("movw %w0, %%ds" ::"r"(0));
}

static void do_events(void)
{
    static const unsigned int ops[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99};

    uint64_t *words = fill_words();
    for (unsigned int i = 0; i < 4; i++)
        if (pick(2))
            ((uint32_t *)words)[i] = pick(2) ? pick(64) : DOMID_SELF;
    if (pick(2))
        words[0] = virt_to_mfn(arena[pick(ARENA)]);
    event_op(ops[pick(ARRAY_SIZE(ops))], (void *)some_pointer());
}

static void do_grants(void)
{
    unsigned int op = pick(14);

    fill_words();
    /* A huge count only where the first element already faults; and no page is given away, as the arena
     * stays. */
    if (pick(8) && op != GNTTABOP_transfer)
        HC3(__HYPERVISOR_grant_table_op, op, some_pointer(), pick(3));
    else
        HC3(__HYPERVISOR_grant_table_op, op, 0xffff820000000000, next());
}

static void do_memory(void)
{
    /* Not the calls that take pages away: the arena has to stay complete. */
    static const unsigned int ops[] = {XENMEM_maximum_ram_page,
                                       XENMEM_current_reservation,
                                       XENMEM_maximum_reservation,
                                       XENMEM_machphys_mfn_list,
                                       XENMEM_memory_map,
                                       XENMEM_machphys_mapping,
                                       XENMEM_maximum_gpfn,
                                       XENMEM_add_to_physmap,
                                       8,
                                       26,
                                       28,
                                       60};

    fill_words();
    HC2(__HYPERVISOR_memory_op, ops[pick(ARRAY_SIZE(ops))], some_pointer());
}

static void do_misc(void)
{
    uint64_t *words = fill_words();
    switch (pick(12)) {
    case 0:
        HC2(__HYPERVISOR_xen_version, pick(12), pick(2) ? (uint64_t)self()->buffer : 0x1000);
        break;
    case 1:
        HC2(__HYPERVISOR_stack_switch, next(), next());
        break;
    case 2:
        HC1(__HYPERVISOR_fpu_taskswitch, 0);
        break;
    case 3:
        HC2(__HYPERVISOR_set_segment_base, pick(5), pick(2) ? some_pointer() : next());
        break;
    case 4:
        HC2(__HYPERVISOR_vm_assist, pick(3), pick(40) == 4 ? 0 : pick(40));
        break;
    case 5: {
        static const unsigned int ops[] = {VCPUOP_is_up,
                                           VCPUOP_get_runstate_info,
                                           VCPUOP_set_periodic_timer,
                                           VCPUOP_stop_periodic_timer,
                                           VCPUOP_set_singleshot_timer,
                                           VCPUOP_get_physid,
                                           14,
                                           99};
        HC3(__HYPERVISOR_vcpu_op, ops[pick(ARRAY_SIZE(ops))], pick(3), some_pointer());
        break;
    }
    case 6:
        HC1(__HYPERVISOR_set_timer_op, next());
        break;
    case 7: {
        /* Not the calls that announce PCI devices: dom0 is believed about them. */
        static const unsigned int ops[] = {0, 4, 5, 11, 12, 14, 21, 23, 33};

        HC2(__HYPERVISOR_physdev_op, ops[pick(ARRAY_SIZE(ops))], some_pointer());
        break;
    }
    case 8:
        HC2(__HYPERVISOR_hvm_op, pick(30), some_pointer());
        break;
    case 9:
        HC1(pick(2) ? __HYPERVISOR_domctl : __HYPERVISOR_sysctl, words + 8);
        break;
    case 10:
        hypercall5(43 + pick(20), next(), next(), next(), next(), next());
        break;
    default:
        HC4(__HYPERVISOR_update_va_mapping_otherdomain, arena[pick(ARENA)], some_pte(), pick(8), next());
        break;
    }
}

static void do_multicall(void)
{
    struct multicall_entry *m = self()->calls;
    uint64_t *words = self()->words;
    unsigned int n = pick(6) + 1;

    for (unsigned int i = 0; i < n; i++) {
        struct mmuext_op *op = (void *)(words + i * 3);
        uint64_t *va = arena[pick(ARENA)];

        *op = (struct mmuext_op){.cmd = pick(4), .arg1.mfn = virt_to_mfn(va)};
        if (pick(2))
            m[i] = (struct multicall_entry){
                .op = __HYPERVISOR_update_va_mapping,
                .args = {(uint64_t)va, pte_make(virt_to_mfn(va), PTE_RO), UVMF_INVLPG}};
        else
            m[i] = (struct multicall_entry){.op = __HYPERVISOR_mmuext_op,
                                            .args = {(uint64_t)op, 1, 0, DOMID_SELF}};
    }
    HC2(__HYPERVISOR_multicall, pick(20) ? (uint64_t)m : 0xffff820000000000, n);
}

static void (*const actions[])(void) = {
    do_remap,        do_remap,  do_store,  do_store, do_mmu_update,  do_mmu_update,
    do_mmuext,       do_mmuext, do_table,  do_table, do_descriptors, do_events,
    do_segment_load, do_grants, do_memory, do_misc,  do_multicall,   do_release,
};

/* Without those that trap: the record of traps is vCPU 0's. */
static void (*const second_actions[])(void) = {do_remap,     do_mmu_update, do_mmuext, do_table,
                                               do_events,    do_grants,     do_memory, do_descriptors,
                                               do_multicall, do_release};

void second_main(void);

void second_main(void)
{
    second_runs = true;
    while (!second_stop) {
        second_actions[pick(ARRAY_SIZE(second_actions))]();
        self()->made++;
    }
    let_go_of_vcpu_state();
    second_done = true;
    for (;;)
        HC3(__HYPERVISOR_vcpu_op, VCPUOP_down, 1, 0);
}

/* Starts vCPU 1 if there is one. */
static void start_second(void)
{
    if (second_up(second_context(second_main)))
        return;
    while (!second_runs)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

static void stop_second(void)
{
    second_stop = true;
    while (second_runs && !second_done)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    while (second_runs && HC3(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0) == 1)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

/* Lets go of everything that may hold a type or a reference. */
static void let_go(void)
{
    struct evtchn_reset r = {.dom = DOMID_SELF};

    let_go_of_vcpu_state();
    event_op(EVTCHNOP_reset, &r);
    for (unsigned int i = 0; i < 256; i++)
        mmu_update_one(virt_to_machine(kernel_l4 + i), 0);
    for (unsigned int i = 0; i < ARENA; i++)
        mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(arena[i]), 0);
    for (unsigned int i = 0; i < ARENA; i++)
        hc_update_va_mapping((unsigned long)arena[i], 0, UVMF_INVLPG);
}

void guest_main(void)
{
    unsigned long rounds = option("rounds=", 20000), seed = option("seed=", 1);
    unsigned int plain = 0;

    for (unsigned int i = 0; i < VCPUS; i++)
        fuzzers[i].state = (seed * VCPUS + i) * 0x9e3779b97f4a7c15ul + 1;
    vcpu_info()->evtchn_upcall_mask = 1;
    for (unsigned int i = 0; i < ARENA; i++)
        arena[i] = page_alloc();
    start_second();
    for (unsigned long i = 0; i < rounds; i++) {
        vcpu_info()->evtchn_upcall_mask = 1;
        actions[pick(ARRAY_SIZE(actions))]();
    }
    stop_second();
    audit_point();
    result("survived", "all rounds");
    for (unsigned int i = 0; i < VCPUS; i++)
        print("vcpu %u: mapped %lu updated %lu pinned %lu stored %lu made %lu\n", i, fuzzers[i].mapped,
              fuzzers[i].updated, fuzzers[i].pinned, fuzzers[i].stored, fuzzers[i].made);
    let_go();
    for (unsigned int i = 0; i < ARENA; i++)
        plain += !hc_update_va_mapping((unsigned long)arena[i], pte_make(virt_to_mfn(arena[i]), PTE_DATA),
                                       UVMF_INVLPG);
    result("arena pages writable at the end", "%u of %u", plain, ARENA);
    for (unsigned int i = 0; i < ARENA; i++) {
        memset(arena[i], 0, PAGE_SIZE);
        must("make read-only", hc_update_va_mapping((unsigned long)arena[i],
                                                    pte_make(virt_to_mfn(arena[i]), PTE_RO), UVMF_INVLPG));
        plain -= !mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(arena[i]), 0);
    }
    result("arena pages that cannot become a table", "%u", plain);
}
