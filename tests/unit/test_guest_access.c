/* unit: hv/mm/guest_access.c */
#include <unit.h>
#include <mm/guest_access.h>

static const struct {
    uint64_t va;
    bool ok;
} addresses[] = {
    {0, true},
    {0x1000, true},
    {0x00007fffffffffff, true},
    {0x0000800000000000, false},
    {0x8000000000000000, false},
    {0xffff7fffffffffff, false},
    {VMM_VIRT_START, false},
    {DIRECTMAP_START + 0x123456, false},
    {VMM_VIRT_END - 1, false},
    {VMM_VIRT_END, true},
    {0xffffffffffffffff, true},
};

/* What passes the check is left as it is; what does not is no address of the VMM's even if the CPU goes on.
 */
static void test_addresses(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        uint64_t va = addresses[i].va;

        assert_int_equal(guest_address_ok(va), addresses[i].ok);
        assert_int_equal(guest_range_ok(va, 1), addresses[i].ok);
        assert_int_equal(guest_address_nospec(va), addresses[i].ok ? va : 0);
    }
}

static void test_ranges(void **state)
{
    assert_true(guest_range_ok(0, GUEST_LOW_END));
    assert_false(guest_range_ok(0, GUEST_LOW_END + 1));
    assert_false(guest_range_ok(GUEST_LOW_END - 8, 9));
    assert_true(guest_range_ok(GUEST_LOW_END - 8, 8));
    assert_true(guest_range_ok(VMM_VIRT_END, -VMM_VIRT_END));
    assert_false(guest_range_ok(VMM_VIRT_END, 1 - VMM_VIRT_END));
    assert_false(guest_range_ok(-8UL, 9));
    assert_false(guest_range_ok(0x1000, ~0UL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses), cmocka_unit_test(test_ranges)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
