#include <base/bug.h>
#include <base/spinlock.h>
#include <cpu/cpu_info.h>
#include <cpu/insn.h>
#include <cpu/percpu.h>

#define NO_CPU 0xffff

#ifdef HOSPES_DEBUG

/*
 * The locks each CPU holds, in order of taking. An interrupt handler's locks
 * go on top of those of what it interrupted, and are not ordered after them:
 * what it interrupted held none that handlers take, since those are only ever
 * held with interrupts off. A place is counted before it is filled, and emptied
 * before it is not counted any more: a handler that comes in between finds it
 * empty and uses the next one.
 */
#define MAX_HELD 32 /* a change of grant version holds every stripe at once */
struct held {
    uint32_t count;
    uint32_t depth[MAX_HELD]; /* irq_depth at which each was taken */
    spinlock_t *lock[MAX_HELD];
};
static DEFINE_PER_CPU(struct held, held);

static noinline void wrong_order(const spinlock_t *lock, const spinlock_t *last)
{
    panic("lock order: rank %u taken while holding rank %u", lock->rank, last->rank);
}

static __always_inline void check_order(const spinlock_t *lock, bool equal_ok)
{
    const struct held *h = &this_cpu(held);
    const spinlock_t *last;

    if (!h->count)
        return;
    last = h->lock[h->count - 1];
    if (!last || h->depth[h->count - 1] != get_cpu_info()->irq_depth)
        return;
    if (unlikely(last->rank > lock->rank || (last->rank == lock->rank && !equal_ok)))
        wrong_order(lock, last);
}

static __always_inline void note_taken(spinlock_t *lock)
{
    struct held *h = &this_cpu(held);
    uint32_t n = h->count;

    lock->cpu = (uint16_t)smp_processor_id();
    BUG_ON(n == MAX_HELD);
    WRITE_ONCE(h->count, n + 1);
    h->depth[n] = get_cpu_info()->irq_depth;
    barrier();
    WRITE_ONCE(h->lock[n], lock);
}

/* It is not the one taken last: those above it move down. */
static noinline void close_gap(struct held *h, const spinlock_t *lock)
{
    uint64_t flags = local_irq_save();
    uint32_t n = h->count, i = n;

    while (i > 0 && h->lock[i - 1] != lock)
        i--;
    BUG_ON(!i);
    for (; i < n; i++) {
        h->lock[i - 1] = h->lock[i];
        h->depth[i - 1] = h->depth[i];
    }
    h->lock[n - 1] = NULL;
    h->count = n - 1;
    local_irq_restore(flags);
}

static __always_inline void note_released(spinlock_t *lock)
{
    struct held *h = &this_cpu(held);
    uint32_t n = h->count;

    BUG_ON(lock->cpu != smp_processor_id() || !n);
    lock->cpu = NO_CPU;
    if (unlikely(h->lock[n - 1] != lock)) {
        close_gap(h, lock);
        return;
    }
    WRITE_ONCE(h->lock[n - 1], NULL);
    barrier();
    WRITE_ONCE(h->count, n - 1);
}

#else

#define check_order(lock, equal_ok) ((void)(lock), (void)(equal_ok))
#define note_taken(lock)            ((void)(lock))
#define note_released(lock)         ((void)(lock))

#endif

static __always_inline void take_ticket(spinlock_t *lock)
{
    uint16_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_ACQUIRE);

    while (load_acquire(&lock->owner) != ticket)
        cpu_relax();
}

void spin_lock(spinlock_t *lock)
{
    check_order(lock, false);
    take_ticket(lock);
    note_taken(lock);
}

void spin_lock_nested(spinlock_t *lock)
{
    check_order(lock, true);
    take_ticket(lock);
    note_taken(lock);
}

bool spin_trylock(spinlock_t *lock)
{
    uint16_t owner = READ_ONCE(lock->owner);
    uint32_t old = owner | (uint32_t)owner << 16, new = (uint16_t)(owner + 1) | (uint32_t)owner << 16;

    /* next and owner are the lower and upper half of one word. */
    if (!__atomic_compare_exchange_n((uint32_t *)lock, &old, new, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    note_taken(lock);
    return true;
}

void spin_unlock(spinlock_t *lock)
{
    note_released(lock);
    store_release(&lock->owner, (uint16_t)(lock->owner + 1));
}

unsigned long spin_lock_irqsave(spinlock_t *lock)
{
    uint64_t flags = local_irq_save();

    spin_lock(lock);
    return flags;
}

void spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
    spin_unlock(lock);
    local_irq_restore(flags);
}

void spin_lock_irq(spinlock_t *lock)
{
    local_irq_disable();
    spin_lock(lock);
}

void spin_unlock_irq(spinlock_t *lock)
{
    spin_unlock(lock);
    local_irq_enable();
}
