/* unit: hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/audit.c hv/mm/guest_access.c */
/* unit-ldflags: -pthread */
/*
 * Several CPUs (threads) take, use and drop types of the same frames at once. Holders note themselves, so
 * that two types at a time are seen; at the end, nothing may be left and all counts must agree.
 */
#include <unit.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <base/atomic.h>
#include <base/bug.h>
#include <base/errno.h>
#include <console/printk.h>
#include <control/hypercall.h>
#include <cpu/features.h>
#include <domain/domain.h>
#include <mm/audit.h>
#include <mm/guest_access.h>
#include <mm/iomem.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <mm/pt_update.h>
#include <mm/retire.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <mm/vmm_paging.h>
#include <pv/descriptor.h>

#define FRAMES  24 /* 1-11 are used as data and L1, 12-17 as L2, 18-23 as L3 */
#define THREADS 4
#define STEPS   30000

struct page_info *frame_table;
uint64_t max_page = FRAMES;
cpumask_t cpu_online_map;
pte_t vmm_l4[PT_ENTRIES];
struct cpu_features host_cpu = {.phys_bits = 40};

static char *memory;
static struct domain domain = {.refcount = 1};
static struct vcpu vcpus[THREADS];
static __thread struct cpu_info cpu_info;
static __thread uint64_t seed;
static uint32_t writers[FRAMES], tables[FRAMES];
static uint32_t clock_now = 1;
static unsigned long used, refused, preempted;

struct cpu_info *get_cpu_info(void)
{
    return &cpu_info;
}

static uint32_t rnd(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % limit);
}

void panic(const char *fmt, ...)
{
    fprintf(stderr, "%s\n", fmt);
    abort();
}

void printk(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
}

bool mfn_valid(mfn_t mfn)
{
    return mfn_x(mfn) && mfn_x(mfn) < FRAMES;
}

void *mfn_to_virt(mfn_t mfn)
{
    return memory + mfn_x(mfn) * PAGE_SIZE;
}

void *xzalloc_bytes(size_t size)
{
    return calloc(1, size);
}

void xfree(void *p)
{
    free(p);
}

bool domain_drives_devices(const struct domain *d)
{
    return d->is_hardware;
}

bool iomem_access_ok(struct domain *d, mfn_t mfn)
{
    return false;
}

bool iomem_write_protected(mfn_t mfn)
{
    return false;
}

uint32_t tlb_clock_now(void)
{
    return __atomic_add_fetch(&clock_now, 1, __ATOMIC_SEQ_CST);
}

void tlb_filter(cpumask_t *mask, uint32_t stamp)
{
}

void flush_tlb_local(void)
{
}

void flush_tlb_mask(const cpumask_t *mask)
{
}

void flush_cache_lines(const void *start, size_t length)
{
}

void retire_frame(struct page_info *page)
{
    panic("the owner's reference went");
}

bool hypercall_preempt_check(void)
{
    return rnd(4) == 0;
}

bool pv_descriptor_page_ok(uint64_t *table)
{
    return true;
}

struct domain *domain_by_id(domid_t id)
{
    return id == 0 ? &domain : NULL;
}

struct domain *domain_find_next(domid_t first)
{
    return first ? NULL : &domain;
}

struct domain *domain_find(domid_t id)
{
    return NULL;
}

void domain_put(struct domain *d)
{
}

struct vcpu *domain_vcpu(const struct domain *d, uint32_t id)
{
    return NULL;
}

int copy_from_guest(void *dst, uint64_t gva, size_t len)
{
    return -EFAULT;
}

static void require(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static pte_t random_entry(unsigned int level)
{
    uint64_t mfn = level == 1 ? 1 + rnd(FRAMES) : level == 2 ? 1 + rnd(11) : 12 + rnd(6);

    if (level > 1 && rnd(6) == 0) /* a linear entry */
        return pte_make(_mfn((level == 2 ? 12 : 18) + rnd(6)), PTE_P | PTE_US);
    return rnd(4) == 0 ? 0 : pte_make(_mfn(mfn), PTE_P | PTE_US | (rnd(2) ? PTE_RW : 0));
}

/* As a guest would: fills a page that is to become a table. */
static void use_writable(struct page_info *page, unsigned int level)
{
    pte_t *entries = page_to_virt(page);

    if (!get_page_and_type(page, &domain, PGT_WRITABLE)) {
        atomic_inc(&refused);
        return;
    }
    atomic_inc(&writers[mfn_x(page_to_mfn(page))]);
    require(!READ_ONCE(tables[mfn_x(page_to_mfn(page))]), "writable while a table");
    for (unsigned int i = 0; i < 3; i++)
        WRITE_ONCE(entries[rnd(4) * 100], random_entry(level));
    atomic_dec(&writers[mfn_x(page_to_mfn(page))]);
    put_page_and_type(page);
    atomic_inc(&used);
}

static void change_entry(struct page_info *page)
{
    struct page_info *old = NULL;
    struct pt_context c;
    unsigned int level = lock_table(page, 0), i = rnd(4) * 100;
    int rc;

    if (!level)
        return;
    pt_context_self(&c);
    if (level == 1)
        rc = pt_update_l1(&c, (pte_t *)page_to_virt(page) + i, random_entry(1), rnd(2));
    else
        rc = pt_update_upper(&c, page, level, i, random_entry(level), false, &old);
    unlock_table(page);
    if (old)
        release_page_and_type(old);
    if (rc)
        atomic_inc(&refused);
}

static void use_table(struct page_info *page, unsigned int level)
{
    uint64_t mfn = mfn_x(page_to_mfn(page));
    int rc;

    if (!get_page(page, &domain))
        return;
    do {
        rc = get_page_type(page, PGT_TABLE(level));
        if (rc == -ERESTART)
            atomic_inc(&preempted);
    } while (rc == -ERESTART && rnd(8)); /* some give up */
    if (rc) {
        put_page(page);
        atomic_inc(&refused);
        return;
    }
    atomic_inc(&tables[mfn]);
    require(!READ_ONCE(writers[mfn]), "a table while writable");
    for (unsigned int i = rnd(4); i > 0; i--)
        change_entry(page);
    atomic_dec(&tables[mfn]);
    release_page_and_type(page);
    atomic_inc(&used);
}

static void *cpu(void *arg)
{
    struct vcpu *v = arg;

    cpu_info.current_vcpu = v;
    cpu_info.cpu = v->id;
    seed = v->id + 1;
    for (unsigned int i = 0; i < STEPS; i++) {
        uint64_t mfn = 1 + rnd(FRAMES - 1);
        unsigned int level = mfn < 12 ? 1 : mfn < 18 ? 2 : 3;
        struct page_info *page = mfn_to_page(_mfn(mfn));

        while (release_pending(v))
            ;
        switch (rnd(4)) {
        case 0:
            use_writable(page, level);
            break;
        case 1:
            change_entry(page);
            break;
        default:
            use_table(page, level);
        }
    }
    while (release_pending(v))
        ;
    return NULL;
}

/* What given-up validations own is taken over and dropped, as teardown does. */
static void drop_partial_work(void)
{
    for (uint64_t m = FRAMES - 1; m > 0; m--) {
        struct page_info *page = mfn_to_page(_mfn(m));

        if (page_inherit_partial(page))
            put_page_and_type(page);
    }
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];

    frame_table = calloc(FRAMES, sizeof(*frame_table));
    memory = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
    memset(memory, 0, FRAMES * PAGE_SIZE);
    for (uint64_t m = 1; m < FRAMES; m++)
        frame_table[m].count_info = PGC_STATE_INUSE | PGC_ALLOCATED | 1;
    for (uint32_t i = 0; i < THREADS; i++) {
        vcpus[i] = (struct vcpu){.domain = &domain, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, cpu, &vcpus[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    cpu_info.current_vcpu = &vcpus[0];
    assert_int_equal(audit_machine(), 0);
    drop_partial_work();
    assert_int_equal(audit_machine(), 0);
    for (uint64_t m = 1; m < FRAMES; m++) {
        assert_int_equal(frame_table[m].count_info & PGC_COUNT_MASK, 1);
        assert_int_equal(frame_table[m].type_info & (PGT_COUNT_MASK | PGT_LOCKED), 0);
    }
    fprintf(stderr, "%lu uses, %lu refusals, %lu preemptions\n", used, refused, preempted);
    assert_true(used > STEPS && refused && preempted);
    free(frame_table);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
