#include <unit.h>
#include <string.h>
#include <base/errno.h>
#include <mm/audit.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <pv/pv.h>
#include <stubs/mm_machine.h>
#include <stubs/mm_random.h>
#include <xen/memory.h>

/* Each domain's frames by what they are mostly used as: first the L4s, then L3s, L2s, L1s, data. */
#define NR_FRAMES 26
static const unsigned int first_of_level[6] = {18, 12, 8, 4, 0}; /* data, L1, L2, L3, L4 */

static random_fn *rnd;
static uint64_t frames[2][NR_FRAMES];

static bool chance(uint32_t one_in)
{
    return rnd(one_in) == 0;
}

static unsigned int domain_index(void)
{
    return current->domain->id;
}

static unsigned int level_of(unsigned int i)
{
    return i < 4 ? 4 : i < 8 ? 3 : i < 12 ? 2 : i < 18 ? 1 : 0;
}

/* A frame that is mostly used as a table of the level (0: data). */
static uint64_t frame_of_level(unsigned int dom, unsigned int level)
{
    unsigned int end = level == 0 ? NR_FRAMES : first_of_level[level - 1];

    return frames[dom][first_of_level[level] + rnd(end - first_of_level[level])];
}

static uint64_t any_frame(void)
{
    if (chance(8))
        return rnd(MACHINE_FRAMES + 4);
    if (chance(8))
        return frames[!domain_index()][rnd(NR_FRAMES)];
    return frames[domain_index()][rnd(NR_FRAMES)];
}

static unsigned int entry_index(void)
{
    static const uint16_t interesting[] = {0, 1, 2, 3, 255, 256, 257, 271, 272, 511};

    return chance(16) ? rnd(512) : interesting[rnd(sizeof(interesting) / sizeof(interesting[0]))];
}

static uint64_t random_va(void)
{
    uint64_t va = 0;

    for (unsigned int level = 4; level >= 1; level--)
        va = va << 9 | entry_index();
    va <<= PAGE_SHIFT;
    return va >> 47 & 1 ? va | 0xffff000000000000 : va;
}

/* An entry for a table of the level, mostly plausible. */
static pte_t random_pte(unsigned int level)
{
    uint64_t mfn = chance(10) ? any_frame() : frame_of_level(domain_index(), level ? level - 1 : 0),
             flags = PTE_US;

    if (level <= 1 && chance(12))
        mfn = DEVICE_FRAME + rnd(17);
    if (level <= 1 && chance(6)) /* tables are mapped read-only */
        return pte_make(_mfn(frame_of_level(domain_index(), 1)), PTE_P | PTE_US);
    if (!chance(6))
        flags |= PTE_P;
    if (chance(2))
        flags |= PTE_RW;
    if (chance(4))
        flags |= PTE_A | PTE_D;
    if (chance(8))
        flags |= PTE_NX;
    if (chance(40))
        flags |= PTE_PCD;
    if (chance(40))
        flags |= PTE_PSE;
    if (chance(40))
        flags |= PTE_G;
    return chance(10) ? 0 : pte_make(_mfn(mfn), flags);
}

static uint32_t random_fd(void)
{
    static const uint32_t fds[] = {
        0, 1, 2, 5, DOMID_IO, DOMID_XEN, DOMID_SELF | 1u << 16, 1 | 2u << 16, DOMID_SELF | 2u << 16};

    return chance(8) ? fds[rnd(sizeof(fds) / sizeof(fds[0]))] : DOMID_SELF;
}

/* Mostly a hypercall is repeated until it is done; sometimes the guest gives up. */
static unsigned int patience(void)
{
    return chance(6) ? rnd(3) : 100000;
}

/* The guest writes to a page of its own: what it fills in before it makes a table of it. */
static void store(void)
{
    unsigned int i = rnd(NR_FRAMES), n = 1 + rnd(4);
    struct page_info *page;

    if (!mfn_valid(_mfn(frames[domain_index()][i])))
        return;
    page = mfn_to_page(_mfn(frames[domain_index()][i]));
    if (!get_page_and_type(page, current->domain, PGT_WRITABLE))
        return;
    while (n--)
        ((pte_t *)page_to_virt(page))[entry_index()] = random_pte(level_of(i));
    put_page_and_type(page);
}

static void mmu_update(void)
{
    struct mmu_update u[4];
    unsigned int n = 1 + rnd(4), level = chance(2) ? 1 : rnd(5);
    uint64_t table = frame_of_level(domain_index(), level);

    for (unsigned int i = 0; i < n; i++) {
        if (chance(3)) {
            level = rnd(5);
            table = chance(10) ? any_frame() : frame_of_level(domain_index(), level);
        }
        u[i].ptr = table << PAGE_SHIFT | entry_index() * 8 | (chance(3) ? rnd(5) : 0);
        u[i].val = random_pte(level);
    }
    machine_hypercall(hc_mmu_update, (uint64_t)u, n, 0, random_fd(), patience());
}

static void mmuext(void)
{
    uint64_t vcpus = rnd(4);
    struct mmuext_op op[2];
    unsigned int n = 1 + rnd(2);

    for (unsigned int i = 0; i < n; i++) {
        unsigned int cmd = chance(3) ? rnd(22) : rnd(5), level = cmd < 4 ? cmd + 1 : rnd(5);

        if (cmd == MMUEXT_NEW_BASEPTR || cmd == MMUEXT_NEW_USER_BASEPTR)
            level = 4;
        op[i] = (struct mmuext_op){.cmd = cmd};
        op[i].arg1.mfn = chance(10) ? any_frame() : frame_of_level(domain_index(), level);
        op[i].arg2.src_mfn = any_frame();
        if (cmd == MMUEXT_TLB_FLUSH_MULTI || cmd == MMUEXT_INVLPG_MULTI)
            op[i].arg2.vcpumask.p = &vcpus;
    }
    machine_hypercall(hc_mmuext_op, (uint64_t)op, n, 0, chance(10) ? rnd(4) : DOMID_SELF, patience());
}

static void update_va(void)
{
    uint64_t flags = rnd(3) | (chance(2) ? UVMF_ALL : 0);

    if (chance(4))
        machine_hypercall(hc_update_va_mapping_otherdomain, random_va(), random_pte(1), flags,
                          random_fd() & 0xffff, 0);
    else
        machine_hypercall(hc_update_va_mapping, random_va(), random_pte(1), flags, 0, 0);
}

/* Frames come and go; the table of frames follows where it can. */
static void exchange(void)
{
    unsigned int order = rnd(3), n = 1u << order, first = rnd(NR_FRAMES - n + 1);
    uint64_t in[4], out[4] = {500, 501, 502, 503};
    struct xen_memory_exchange x = {
        .in = {.nr_extents = n, .domid = DOMID_SELF},
        .out = {.nr_extents = 1, .extent_order = order, .domid = DOMID_SELF},
    };

    memcpy(in, &frames[domain_index()][first], sizeof(uint64_t) * n);
    x.in.extent_start.p = in;
    x.out.extent_start.p = out;
    if (machine_hypercall(hc_memory_op, XENMEM_exchange, (uint64_t)&x, 0, 0, 100) == 0)
        for (unsigned int i = 0; i < n; i++)
            frames[domain_index()][first + i] = out[0] + i;
}

static void replace_frame(void)
{
    uint64_t *frame = &frames[domain_index()][rnd(NR_FRAMES)], list = *frame;
    struct xen_memory_reservation r = {.nr_extents = 1, .mem_flags = 31, .domid = DOMID_SELF};

    r.extent_start.p = &list;
    machine_hypercall(hc_memory_op, XENMEM_decrease_reservation, (uint64_t)&r, 0, 0, patience());
    list = 600;
    if (machine_hypercall(hc_memory_op, chance(2) ? XENMEM_populate_physmap : XENMEM_increase_reservation,
                          (uint64_t)&r, 0, 0, 0) == 1)
        *frame = list;
}

static void trapped_write(void)
{
    static const uint8_t insns[][16] = {
        {0x48, 0x89, 0x07},                   /* mov %rax, (%rdi) */
        {0x48, 0x87, 0x07},                   /* xchg %rax, (%rdi) */
        {0xf0, 0x48, 0x0f, 0xb1, 0x37},       /* lock cmpxchg %rsi, (%rdi) */
        {0xf0, 0x80, 0x27, 0xfd},             /* lock andb $~2, (%rdi) */
        {0x48, 0x83, 0x0f, 0x02},             /* or $2, (%rdi) */
        {0x89, 0x07},                         /* mov %eax, (%rdi) */
        {0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01}, /* lock btr $1, (%rdi) */
    };
    struct cpu_user_regs regs = {.rip = (uint64_t)insns[rnd(sizeof(insns) / sizeof(insns[0]))],
                                 .rax = random_pte(1),
                                 .rsi = random_pte(1)};

    (void)pv_emulate_pt_write(current, random_va() + entry_index() * 8, &regs);
}

static void run_another(void)
{
    machine_run(rnd(MACHINE_CPUS), machine_domain[rnd(2)]->vcpu[rnd(2)]);
    if (domain_index() >= 2)
        machine_run(0, machine_domain[0]->vcpu[0]);
}

static void something(void)
{
    machine_preempt_every = chance(3) ? 1 + rnd(5) : 0;
    switch (rnd(20)) {
    case 0 ... 2:
        store();
        break;
    case 3 ... 7:
        mmu_update();
        break;
    case 8 ... 10:
        mmuext();
        break;
    case 11 ... 12:
        update_va();
        break;
    case 13:
        exchange();
        break;
    case 14:
        replace_frame();
        break;
    case 15:
        trapped_write();
        break;
    case 16:
        run_another();
        break;
    case 17:
        machine_softirqs();
        break;
    default:
        for (unsigned int i = 0; i < 8; i++)
            machine_touch(random_va(), chance(2));
    }
    machine_preempt_every = 0;
}

void mm_random_step(void)
{
    something();
    machine_check_tlbs();
    assert_int_equal(audit_machine(), 0);
}

static void give_tables(unsigned int dom)
{
    struct domain *d = machine_domain[dom];

    for (unsigned int i = 0; i < NR_FRAMES; i++) {
        struct page_info *page = alloc_frames(d, 0, ALLOC_BITS(31));

        assert_non_null(page);
        frames[dom][i] = mfn_x(page_to_mfn(page));
    }
    for (unsigned int i = 0; i < 2; i++) {
        struct page_info *l4 = mfn_to_page(_mfn(frames[dom][i]));

        assert_true(get_page_and_type(l4, d, PGT_L4));
        d->vcpu[i]->pv.kernel_table = l4;
        pv_update_kernel_cr3(d->vcpu[i]);
    }
}

void mm_random_begin(random_fn *source)
{
    rnd = source;
    machine_reset();
    give_tables(0);
    give_tables(1);
}

void mm_random_end(void)
{
    machine_end();
}
