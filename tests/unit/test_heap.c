/* unit: hv/mm/heap.c */
#include <unit.h>
#include <stdlib.h>
#include <base/bug.h>
#include <mm/page_alloc.h>
#include <mm/page_ref.h>

#define FRAMES 64

struct page_info *frame_table;
static char *memory;
static unsigned int in_use;

void *mfn_to_virt(mfn_t mfn)
{
    return memory + mfn_x(mfn) * PAGE_SIZE;
}

mfn_t virt_to_mfn(const void *va)
{
    return _mfn((uint64_t)((const char *)va - memory) / PAGE_SIZE);
}

void panic(const char *fmt, ...)
{
    abort();
}

struct page_info *alloc_frames(struct domain *d, unsigned int order, uint32_t flags)
{
    for (uint64_t m = 1; m < FRAMES && order == 0; m++) {
        struct page_info *page = &frame_table[m];

        if (page->count_info)
            continue;
        *page = (struct page_info){.count_info = PGC_STATE_INUSE, .owner = DOMID_INVALID};
        in_use++;
        return page;
    }
    return NULL;
}

void free_frames(struct page_info *page, unsigned int order)
{
    assert_int_equal(order, 0);
    assert_int_equal(page->count_info, PGC_STATE_INUSE);
    page->count_info = 0;
    in_use--;
}

void *alloc_vmm_pages(unsigned int order)
{
    struct page_info *page = alloc_frames(NULL, order, 0);

    return page ? page_to_virt(page) : NULL;
}

void free_vmm_pages(void *va, unsigned int order)
{
    free_frames(virt_to_page(va), order);
}

void page_last_put(struct page_info *page)
{
    fail_msg("a frame of the heap lost its last reference");
}

static int setup(void **state)
{
    frame_table = calloc(FRAMES, sizeof(*frame_table));
    memory = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
    in_use = 0;
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(in_use, 0);
    free(frame_table);
    free(memory);
    return 0;
}

static void test_frames_come_and_go(void **state)
{
    void *o[PAGE_SIZE / 64 + 1];

    for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
        o[i] = xzalloc_bytes(33);
        assert_non_null(o[i]);
        assert_int_equal((uint64_t)o[i] % 64, 0);
    }
    assert_int_equal(in_use, 2);
    for (size_t i = 0; i < ARRAY_SIZE(o); i++)
        xfree(o[i]);
    assert_int_equal(in_use, 0);
    o[0] = xzalloc_bytes(PAGE_SIZE);
    assert_int_equal(in_use, 1);
    xfree(o[0]);
}

/* Guests name frames by number, also these: none must get a reference, or the frame would go when they drop
 * it. */
static void test_no_references(void **state)
{
    void *o = xzalloc_bytes(100), *large = xzalloc_bytes(PAGE_SIZE);

    assert_false(page_get_owned(virt_to_page(o), DOMID_INVALID));
    assert_false(page_get_owned(virt_to_page(large), DOMID_INVALID));
    xfree(o);
    xfree(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frames_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_references, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
