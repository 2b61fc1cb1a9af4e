/* unit: hv/boot/dom0_layout.c hv/boot/dom0_tables.c tests/unit/stubs/printk.c */
#include <unit.h>
#include <string.h>
#include <boot/boot_info.h>
#include <boot/dom0_layout.h>
#include <boot/kernel.h>
#include <stubs/printk.h>

#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

static struct dom0_layout layout;

/* A kernel at this address, of this size; `elsewhere`: with RAM disk and p2m list out of its mapping. */
static void choose(uint64_t virt_base, uint64_t size, bool elsewhere, uint64_t initrd_bytes, uint64_t memory)
{
    struct kernel_image k = {.virt_base = virt_base,
                             .virt_start = virt_base + MIB(16),
                             .virt_end = virt_base + size,
                             .mod_start_pfn = elsewhere,
                             .has_init_p2m = elsewhere,
                             .init_p2m = 0x8000000000};
    struct boot_module initrd = {.start = MIB(64), .end = MIB(64) + initrd_bytes};

    memset(&layout, 0, sizeof(layout));
    clear_messages();
    dom0_choose_layout(&layout, &k, initrd_bytes ? &initrd : NULL, memory >> PAGE_SHIFT);
}

/* In order, without gaps but for the slack, all within the mapping and with tables for all of it. */
static void test_typical(void **state)
{
    const struct dom0_layout *l = &layout;

    choose(0xffffffff80000000, MIB(48), false, MIB(100) + 1, GIB(1));
    assert_int_equal(l->initrd_pfn, MIB(48) >> PAGE_SHIFT);
    assert_int_equal(l->p2m_va, l->virt_base + MIB(148) + PAGE_SIZE);
    assert_int_equal(l->start_info_va, l->p2m_va + MIB(2));
    assert_int_equal(l->tables_va, l->start_info_va + PAGE_SIZE);
    assert_int_equal(l->stack_va, l->tables_va + l->nr_tables * PAGE_SIZE);
    assert_true(l->end_va >= l->stack_va + PAGE_SIZE + (512 << 10));
    assert_int_equal(l->end_va % MIB(4), 0);
    assert_true(l->nr_tables >= 1 + dom0_count_tables(l->virt_base, l->end_va));

    choose(0xffffffff80000000, MIB(48), true, MIB(100), GIB(1));
    assert_int_equal(l->start_info_va, l->virt_base + MIB(48));
    assert_int_equal(l->initrd_pfn, dom0_va_to_pfn(l, l->end_va));
    assert_int_equal(l->p2m_pfn, l->initrd_pfn + (MIB(100) >> PAGE_SHIFT));
}

static void refused(const char *why)
{
    assert_non_null(strstr(messages, why));
}

/* What is mapped with the kernel may come to lie beyond the end of addresses. */
static void test_end_of_addresses(void **state)
{
    expect_assert_failure(choose(0xffffffff80000000, MIB(48), false, GIB(2), GIB(64)));
    refused("does not fit");
    expect_assert_failure(choose(0xffffffff80000000, MIB(48), false, 0, GIB(1024)));
    refused("does not fit");
    expect_assert_failure(choose(0xffffffffc0000000, GIB(1) - 1, true, 0, GIB(4)));
    refused("does not fit");
    expect_assert_failure(choose(0xffffffffc0000000, GIB(1) - MIB(3), true, 0, GIB(4)));
    refused("does not fit");
    choose(0xffffffffc0000000, GIB(1) - MIB(8), true, 0, GIB(4));
    assert_int_equal(layout.end_va, -MIB(4));
}

static void test_too_little(void **state)
{
    expect_assert_failure(choose(0xffffffff80000000, MIB(48), true, MIB(100), MIB(128)));
    refused("too little memory: dom0 gets 128 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typical),
        cmocka_unit_test(test_too_little),
        cmocka_unit_test(test_end_of_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
