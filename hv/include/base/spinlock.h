/*
 * Ticket spinlocks and reader-writer locks. Debug builds check the order of
 * <base/locks.h> and that a lock is released by the CPU that took it.
 */
#ifndef BASE_SPINLOCK_H
#define BASE_SPINLOCK_H

#include <base/atomic.h>
#include <base/compiler.h>
#include <base/locks.h>
#include <base/types.h>

typedef struct {
    uint16_t next;  /* ticket of the next CPU to come */
    uint16_t owner; /* ticket being served */
    uint16_t rank;  /* enum lock_rank */
    uint16_t cpu;   /* holder, for the checks; 0xffff when free */
} __attribute__((aligned(4))) spinlock_t;

#define SPINLOCK_INIT(r)                                                                                     \
    {                                                                                                        \
        .next = 0, .owner = 0, .rank = (r), .cpu = 0xffff                                                    \
    }
#define DEFINE_SPINLOCK(n, r) spinlock_t n = SPINLOCK_INIT(r)

static inline void spin_lock_init(spinlock_t *lock, enum lock_rank rank)
{
    *lock = (spinlock_t)SPINLOCK_INIT(rank);
}

#ifdef HOSPES_UNIT_TEST

/* Unit tests are single-threaded: only balance is tracked. */
static inline void spin_lock(spinlock_t *lock)
{
    lock->owner++;
}
static inline bool spin_trylock(spinlock_t *lock)
{
    lock->owner++;
    return true;
}
static inline void spin_unlock(spinlock_t *lock)
{
    lock->owner--;
}
static inline bool spin_is_locked(const spinlock_t *lock)
{
    return lock->owner != 0;
}
#define spin_lock_irqsave(lock)             (spin_lock(lock), 0UL)
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), spin_unlock(lock))
#define spin_lock_irq(lock)                 spin_lock(lock)
#define spin_unlock_irq(lock)               spin_unlock(lock)

#else

void spin_lock(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);

static inline bool spin_is_locked(const spinlock_t *lock)
{
    return READ_ONCE(lock->owner) != READ_ONCE(lock->next);
}

/* Returns the RFLAGS to give to spin_unlock_irqrestore(). */
unsigned long spin_lock_irqsave(spinlock_t *lock);
void spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
void spin_lock_irq(spinlock_t *lock);
void spin_unlock_irq(spinlock_t *lock);

#endif

#ifdef HOSPES_UNIT_TEST
static inline void spin_lock_nested(spinlock_t *lock)
{
    lock->owner++;
}
#else
/* As spin_lock(), but a lock of the same rank may be held. */
void spin_lock_nested(spinlock_t *lock);
#endif

/* Takes two locks of equal rank, lower address first; a == b is taken once. */
static inline void spin_lock_pair(spinlock_t *a, spinlock_t *b)
{
    spinlock_t *first = a < b ? a : b, *second = a < b ? b : a;

    spin_lock(first);
    if (first != second)
        spin_lock_nested(second);
}

static inline void spin_unlock_pair(spinlock_t *a, spinlock_t *b)
{
    spin_unlock(a);
    if (a != b)
        spin_unlock(b);
}

#endif
