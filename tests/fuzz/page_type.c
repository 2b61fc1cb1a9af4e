/* fuzz: hv/mm/page_type.c hv/mm/validate.c hv/mm/pt_update.c hv/mm/mmu_update.c hv/mm/update_va.c
 * hv/mm/mmuext.c hv/mm/memory_op.c hv/mm/reservation.c hv/mm/exchange.c hv/mm/memory_maps.c
 * hv/mm/retire.c hv/mm/page_alloc.c hv/mm/teardown.c hv/mm/audit.c hv/mm/guest_access.c
 * hv/mm/pt_write.c hv/mm/pt_write_fault.c tests/unit/stubs/mm_machine.c
 * tests/unit/stubs/mm_random.c */
/* fuzz-ldflags: -lcmocka */
/* The input decides what guests do next, two bytes a choice, and the machine is audited after each step. */
#include <stddef.h>
#include <stubs/mm_random.h>

#define MAX_STEPS 40

static const uint8_t *input, *input_end;

static uint32_t from_input(uint32_t limit)
{
    uint32_t v;

    if (input_end - input < 2) {
        input = input_end;
        return 0;
    }
    v = input[0] | (uint32_t)input[1] << 8;
    input += 2;
    return v % limit;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_end = data + size;
    mm_random_begin(from_input);
    for (unsigned int i = 0; i < MAX_STEPS && input < input_end; i++)
        mm_random_step();
    mm_random_end();
    return 0;
}
