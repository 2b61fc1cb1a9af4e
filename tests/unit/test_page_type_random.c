/* unit: hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/mmu_update.c hv/mm/update_va.c
 * hv/mm/mmuext.c hv/mm/memory_op.c hv/mm/reservation.c hv/mm/exchange.c hv/mm/memory_maps.c
 * hv/mm/retire.c hv/mm/page_alloc.c hv/mm/teardown.c hv/mm/audit.c hv/mm/guest_access.c
 * hv/mm/pt_write.c hv/mm/pt_write_fault.c tests/unit/stubs/mm_machine.c
 * tests/unit/stubs/mm_random.c */
#include <unit.h>
#include <stdio.h>
#include <stdlib.h>
#include <stubs/mm_random.h>

#define SEQUENCES 12
#define STEPS     1500

static uint64_t seed;

/* Knuth, TAOCP vol 2, 3.3.4: the multiplier of MMIX. */
static uint32_t next(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % limit);
}

/* MM_SEED=n runs one other sequence, for as long as MM_STEPS says. */
static void test_sequences(void **state)
{
    const char *one = getenv("MM_SEED"), *steps = getenv("MM_STEPS");
    uint64_t first = one ? strtoul(one, NULL, 0) : 1, last = one ? first : SEQUENCES;
    unsigned long n = steps ? strtoul(steps, NULL, 0) : STEPS;

    for (uint64_t s = first; s <= last; s++) {
        seed = s;
        fprintf(stderr, "sequence %lu\n", s);
        mm_random_begin(next);
        for (unsigned long i = 0; i < n; i++)
            mm_random_step();
        mm_random_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sequences)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
