/* unit: hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/memory_op.c hv/mm/reservation.c
 * hv/mm/exchange.c hv/mm/memory_maps.c hv/mm/retire.c hv/mm/page_alloc.c hv/mm/teardown.c
 * hv/mm/audit.c hv/mm/guest_access.c tests/unit/stubs/mm_machine.c */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <base/errno.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <stubs/mm_machine.h>

#define FREE_FRAMES (MACHINE_FRAMES - 8)

static struct domain *d;

static int setup(void **state)
{
    machine_reset();
    d = machine_domain[1];
    return 0;
}

static int teardown(void **state)
{
    machine_end();
    return 0;
}

struct block {
    struct page_info *page;
    unsigned int order;
};

static bool all_zero(const struct block *b)
{
    const char *p = page_to_virt(b->page);

    for (size_t i = 0; i < PAGE_SIZE << b->order; i += 64)
        if (p[i])
            return false;
    return true;
}

/* Every frame belongs to at most one block. */
static void mark(bool *taken, const struct block *b)
{
    uint64_t first = mfn_x(page_to_mfn(b->page));

    assert_int_equal(first & ((1UL << b->order) - 1), 0);
    assert_true(first >= 8 && first + (1UL << b->order) <= MACHINE_FRAMES);
    for (uint64_t i = 0; i < 1UL << b->order; i++) {
        assert_false(taken[first + i]);
        taken[first + i] = true;
        assert_int_equal(b->page[i].count_info & PGC_STATE_MASK, PGC_STATE_INUSE);
    }
}

static void check_blocks(const struct block *blocks, unsigned int n)
{
    bool taken[MACHINE_FRAMES] = {false};
    uint64_t frames = 0;

    for (unsigned int i = 0; i < n; i++) {
        mark(taken, &blocks[i]);
        frames += 1UL << blocks[i].order;
    }
    assert_int_equal(free_page_count(), FREE_FRAMES - frames);
}

static void test_random(void **state)
{
    struct block blocks[MACHINE_FRAMES];
    unsigned int n = 0;

    srand(1);
    for (unsigned int step = 0; step < 4000; step++) {
        if (rand() % 2) {
            unsigned int order = (unsigned int)rand() % 6,
                         bits = rand() % 4 ? 0 : 12 + (unsigned int)rand() % 9;
            struct block b = {alloc_frames(NULL, order, ALLOC_BITS(bits)), order};

            if (b.page) {
                assert_true(all_zero(&b));
                assert_int_equal(b.page->owner, DOMID_INVALID);
                if (bits)
                    assert_true(mfn_x(page_to_mfn(b.page)) + (1UL << order) <= 1UL << (bits - PAGE_SHIFT));
                memset(page_to_virt(b.page), 0xff, PAGE_SIZE << order);
                blocks[n++] = b;
            }
        } else if (n) {
            unsigned int i = (unsigned int)rand() % n;

            free_frames(blocks[i].page, blocks[i].order);
            blocks[i] = blocks[--n];
        }
        check_blocks(blocks, n);
    }
    while (n--)
        free_frames(blocks[n].page, blocks[n].order);
    assert_int_equal(free_page_count(), FREE_FRAMES);
}

/* What was split in any way comes together again. */
static void test_merging(void **state)
{
    struct page_info *frames[FREE_FRAMES], *half;

    for (unsigned int i = 0; i < FREE_FRAMES; i++)
        assert_non_null(frames[i] = alloc_frames(NULL, 0, 0));
    assert_null(alloc_frames(NULL, 0, 0));
    assert_int_equal(free_page_count(), 0);
    for (unsigned int i = 0; i < FREE_FRAMES; i++)
        free_frames(frames[(i * 37) % FREE_FRAMES], 0); /* 37 and 248 have no common factor */
    half = alloc_frames(NULL, 7, 0);
    assert_non_null(half);
    assert_int_equal(mfn_x(page_to_mfn(half)), 128);
    free_frames(half, 7);
    assert_null(alloc_frames(NULL, 8, 0));
    assert_null(alloc_frames(NULL, MAX_ORDER + 1, 0));
}

/* From the top of memory down, but where addresses are limited. */
static void test_order_of_use(void **state)
{
    struct page_info *high = alloc_frames(NULL, 0, 0), *low = alloc_frames(NULL, 0, ALLOC_BITS(17));

    assert_int_equal(mfn_x(page_to_mfn(high)), MACHINE_FRAMES - 1);
    assert_true(mfn_x(page_to_mfn(low)) < 32);
    assert_null(alloc_frames(NULL, 0, ALLOC_BITS(12)));
    assert_null(alloc_frames(NULL, 0, ALLOC_BITS(15))); /* the VMM's own */
    free_frames(high, 0);
    free_frames(low, 0);
}

static void test_domain_frames(void **state)
{
    struct page_info *page;

    d->mm.max_pages = 5;
    page = alloc_frames(d, 2, ALLOC_BITS(40));
    assert_non_null(page);
    assert_int_equal(d->mm.tot_pages, 4);
    assert_int_equal(d->refcount, 2); /* its frames keep it */
    assert_int_equal(page[3].owner, d->id);
    assert_int_equal(page[3].count_info, PGC_STATE_INUSE | PGC_ALLOCATED | 1);
    assert_null(alloc_frames(d, 1, ALLOC_BITS(40)));
    assert_non_null(alloc_frames(d, 0, ALLOC_BITS(40)));
    assert_null(alloc_frames(d, 0, ALLOC_BITS(40)));
    assert_int_equal(free_page_count(), FREE_FRAMES - 5);
    assert_non_null(alloc_frames(d, 0, ALLOC_BITS(40) | ALLOC_NO_REFCOUNT));
    assert_int_equal(d->mm.tot_pages, 5);
    assert_int_equal(d->mm.extra_pages, 1);
    d->dying = DOMAIN_DYING;
    assert_null(alloc_frames(d, 0, ALLOC_BITS(40) | ALLOC_NO_REFCOUNT));
}

/* A domain without an address limit leaves a reserve of low memory, and this machine is all low. */
static void test_low_reserve(void **state)
{
    struct page_info *page = alloc_frames(NULL, 0, 0);

    assert_null(alloc_frames(d, 0, 0));
    assert_non_null(page);
    free_frames(page, 0);
}

static void test_former_contents(void **state)
{
    struct page_info *page = alloc_frames(d, 0, ALLOC_BITS(40)), *again;

    memset(page_to_virt(page), 0x5a, PAGE_SIZE);
    set_gpfn_from_mfn(page_to_mfn(page), 77);
    assert_true(page_release_allocation(page));
    machine_softirqs();
    assert_int_equal(get_gpfn_from_mfn(page_to_mfn(page)), INVALID_M2P_ENTRY);
    again = alloc_frames(machine_domain[2], 0, ALLOC_BITS(40));
    assert_ptr_equal(again, page);
    assert_int_equal(*(uint64_t *)page_to_virt(again), 0);
}

static void test_vmm_pages(void **state)
{
    char *p = alloc_vmm_pages(1);

    assert_non_null(p);
    assert_int_equal(p[0] | p[2 * PAGE_SIZE - 1], 0);
    free_vmm_pages(p, 1);
    free_vmm_pages(NULL, 0);
    assert_null(alloc_vmm_pages(10));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_random),      T(test_merging),   T(test_order_of_use),    T(test_domain_frames),
        T(test_low_reserve), T(test_vmm_pages), T(test_former_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
