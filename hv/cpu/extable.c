#include <cpu/extable.h>

extern const struct extable_entry __start_ex_table[], __stop_ex_table[];

/* Few entries (guest access, MSRs, selectors), looked up only after a fault: linear. */
uint64_t extable_find(uint64_t rip)
{
    for (const struct extable_entry *e = __start_ex_table; e < __stop_ex_table; e++)
        if ((uint64_t)&e->from + (uint64_t)(int64_t)e->from == rip)
            return (uint64_t)&e->to + (uint64_t)(int64_t)e->to;
    return 0;
}
