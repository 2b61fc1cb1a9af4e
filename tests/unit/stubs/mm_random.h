/* Random sequences of everything that guests can do to page tables and frames, checked after each step. */
#ifndef TESTS_UNIT_MM_RANDOM_H
#define TESTS_UNIT_MM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* A number below `limit`, from the test's source of randomness. */
typedef uint32_t random_fn(uint32_t limit);

/* A machine with two domains that have some tables. */
void mm_random_begin(random_fn *source);
/* One thing happens; then all invariants are asserted. */
void mm_random_step(void);
/* Everything must come back. */
void mm_random_end(void);

#endif
