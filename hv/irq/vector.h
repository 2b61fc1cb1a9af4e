/* Vectors of each CPU, and the descriptors to which they lead. Takes LOCK_VECTOR. */
#ifndef IRQ_VECTOR_H
#define IRQ_VECTOR_H

#include <base/types.h>

struct irq_desc;

/*
 * Claims nr consecutive, nr-aligned vectors (a power of two up to 32) on cpu,
 * for descs[0..nr-1]. Numbers are given out in turn, so that those of two
 * descriptors seldom collide when one of them moves to the other's CPU.
 * The first, or -ENOSPC.
 */
int vector_alloc(uint32_t cpu, uint32_t nr, struct irq_desc *const descs[]);
/* Claims this number on another CPU; true also if it is desc's there already. */
bool vector_claim(uint32_t cpu, uint8_t vector, struct irq_desc *desc);
void vector_free(uint32_t cpu, uint8_t vector);
/* Whom it leads to on this CPU; NULL: nobody. Interrupts off; no lock. */
struct irq_desc *vector_lookup(uint8_t vector);

#endif
