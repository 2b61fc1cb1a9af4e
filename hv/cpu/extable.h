/*
 * Exception table: where the VMM continues after a fault at an instruction
 * that is allowed to fault (guest access, safe MSR access, segment loads).
 */
#ifndef CPU_EXTABLE_H
#define CPU_EXTABLE_H

#include <base/types.h>

/* For inline assembly and .S files: a fault at label `from` continues at `to`. */
#define EXTABLE(from, to) EXTABLE_TEXT(#from, #to)
/* The same of strings, such as an operand of the assembly. */
#define EXTABLE_TEXT(from, to)                                                                               \
    ".pushsection .ex_table, \"a\"\n\t.balign 4\n\t"                                                         \
    ".long " from " - .\n\t.long " to " - .\n\t.popsection\n\t"

struct extable_entry {
    int32_t from, to; /* relative to their own address */
};

/* Continuation for the faulting address; 0 if there is none. */
uint64_t extable_find(uint64_t rip);

#endif
