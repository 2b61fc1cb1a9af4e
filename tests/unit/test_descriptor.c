/* unit: hv/pv/descriptor.c */
#include "unit.h"
#include <base/compiler.h>
#include <pv/descriptor.h>

/* Base, limit and flag bits that the rules do not look at. */
#define OTHER_BITS 0xab5cd0123456789aUL
#define ACCESS     (0xffUL << 40)

static uint64_t make(unsigned int access)
{
    return (OTHER_BITS & ~ACCESS) | (uint64_t)access << 40;
}

/* All 256 access bytes: what 4.17 answers and leaves in the table (tests/oracle/desc.txt has samples). */
static void test_every_access_byte(void **state)
{
    (void)state;
    for (unsigned int access = 0; access < 256; access++) {
        bool present = access & 0x80, segment = access & 0x10;
        unsigned int type = access & 15;
        uint64_t before = make(access), d = before, wanted = before;
        bool ok = true;

        if (present && segment) {
            wanted |= 3UL << 45;
        } else if (present && type == 12) {
            wanted = (wanted & ~(3UL << 45)) | 3UL << 16;
        } else if (present) {
            ok = type == 0;
        }
        assert_int_equal(pv_descriptor_ok(&d), ok);
        if (ok)
            assert_int_equal(d, wanted);
    }
}

/* The flag nibble (G, D, L, AVL) makes no difference. */
static void test_flags_do_not_matter(void **state)
{
    (void)state;
    for (unsigned int access = 0; access < 256; access++)
        for (uint64_t flags = 0; flags < 16; flags++) {
            uint64_t a = (uint64_t)access << 40, b = a | flags << 52;
            bool ok = pv_descriptor_ok(&a);

            assert_int_equal(pv_descriptor_ok(&b), ok);
            if (ok)
                assert_int_equal(b, a | flags << 52);
        }
}

/* No accepted descriptor is a way into a ring below 3. */
static void test_nothing_below_ring_3(void **state)
{
    (void)state;
    for (unsigned int access = 0; access < 256; access++) {
        uint64_t d = make(access);

        if (!pv_descriptor_ok(&d) || !(d >> 47 & 1))
            continue;
        if (d >> 44 & 1)
            assert_int_equal(d >> 45 & 3, 3);
        else if ((d >> 40 & 15) != 0)
            assert_int_equal(d >> 45 & 3, 0);
    }
}

static void test_page(void **state)
{
    static uint64_t page[512];

    (void)state;
    page[0] = 0;
    page[1] = make(0x9b);
    page[511] = make(0x93);
    assert_true(pv_descriptor_page_ok(page));
    assert_int_equal(page[1], make(0xfb));
    assert_int_equal(page[511], make(0xf3));
    for (unsigned int i = 0; i < 512; i += 73) {
        uint64_t old = page[i];

        page[i] = make(0x89); /* TSS */
        assert_false(pv_descriptor_page_ok(page));
        page[i] = old;
    }
    page[511] = make(0x8e); /* interrupt gate */
    assert_false(pv_descriptor_page_ok(page));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_access_byte),
        cmocka_unit_test(test_flags_do_not_matter),
        cmocka_unit_test(test_nothing_below_ring_3),
        cmocka_unit_test(test_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
