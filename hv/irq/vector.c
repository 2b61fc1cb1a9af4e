#include <base/compiler.h>
#include <base/errno.h>
#include <base/spinlock.h>
#include <cpu/percpu.h>
#include <irq/irq.h>
#include <irq/vector.h>

#define VECTOR_LEGACY_SYSCALL2 0x82 /* guests' second software-interrupt gate: see irq.h */

struct vector_table {
    struct irq_desc *desc[256];
};

/* Written under LOCK_VECTOR before the source can use the vector; read without. */
static DEFINE_PER_CPU(struct vector_table, vectors);

static DEFINE_SPINLOCK(vector_lock, LOCK_VECTOR);
static uint32_t next_vector = VECTOR_FIRST_DYNAMIC;

static bool vector_usable(uint32_t vector)
{
    return vector >= VECTOR_FIRST_DYNAMIC && vector <= VECTOR_LAST_DYNAMIC &&
           vector != VECTOR_LEGACY_SYSCALL && vector != VECTOR_LEGACY_SYSCALL2;
}

static bool block_free(uint32_t cpu, uint32_t first, uint32_t nr)
{
    for (uint32_t v = first; v < first + nr; v++)
        if (!vector_usable(v) || per_cpu(vectors, cpu).desc[v])
            return false;
    return true;
}

int vector_alloc(uint32_t cpu, uint32_t nr, struct irq_desc *const descs[])
{
    unsigned long flags = spin_lock_irqsave(&vector_lock);
    int rc = -ENOSPC;

    for (uint32_t tried = 0; tried < 256; tried += nr) {
        uint32_t first = ROUND_UP(next_vector, nr);

        if (first + nr - 1 > VECTOR_LAST_DYNAMIC)
            first = ROUND_UP(VECTOR_FIRST_DYNAMIC, nr);
        next_vector = first + nr;
        if (!block_free(cpu, first, nr))
            continue;
        for (uint32_t i = 0; i < nr; i++)
            WRITE_ONCE(per_cpu(vectors, cpu).desc[first + i], descs[i]);
        rc = (int)first;
        break;
    }
    spin_unlock_irqrestore(&vector_lock, flags);
    return rc;
}

bool vector_claim(uint32_t cpu, uint8_t vector, struct irq_desc *desc)
{
    unsigned long flags = spin_lock_irqsave(&vector_lock);
    struct irq_desc **slot = &per_cpu(vectors, cpu).desc[vector];
    bool ok = !*slot || *slot == desc;

    if (ok)
        WRITE_ONCE(*slot, desc);
    spin_unlock_irqrestore(&vector_lock, flags);
    return ok;
}

void vector_free(uint32_t cpu, uint8_t vector)
{
    unsigned long flags = spin_lock_irqsave(&vector_lock);

    WRITE_ONCE(per_cpu(vectors, cpu).desc[vector], NULL);
    spin_unlock_irqrestore(&vector_lock, flags);
}

struct irq_desc *vector_lookup(uint8_t vector)
{
    return READ_ONCE(this_cpu(vectors).desc[vector]);
}
