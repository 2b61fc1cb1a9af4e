/* Atomic read-modify-write on plain integers; all are full barriers on x86. */
#ifndef BASE_ATOMIC_H
#define BASE_ATOMIC_H

#include <base/types.h>
#include <base/compiler.h>

#define smp_mb() __asm__ __volatile__("lock addl $0, -4(%%rsp)" ::: "memory", "cc")
/* x86 is TSO: loads are not reordered with loads, nor stores with stores (SDM vol 3, 8.2). */
#define smp_rmb() barrier()
#define smp_wmb() barrier()

/* Returns the value seen; the exchange happened if it equals old. */
#define cmpxchg(ptr, old, new)                                                                               \
    ({                                                                                                       \
        __typeof__(*(ptr)) _old = (old);                                                                     \
        __atomic_compare_exchange_n((ptr), &_old, (new), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);         \
        _old;                                                                                                \
    })

#define xchg(ptr, v)       __atomic_exchange_n((ptr), (v), __ATOMIC_SEQ_CST)
#define atomic_add(ptr, v) ((void)__atomic_fetch_add((ptr), (v), __ATOMIC_SEQ_CST))
#define atomic_sub(ptr, v) ((void)__atomic_fetch_sub((ptr), (v), __ATOMIC_SEQ_CST))
#define atomic_inc(ptr)    atomic_add(ptr, 1)
#define atomic_dec(ptr)    atomic_sub(ptr, 1)
/* True if the result is zero. */
#define atomic_dec_and_test(ptr)  (__atomic_sub_fetch((ptr), 1, __ATOMIC_SEQ_CST) == 0)
#define atomic_add_return(ptr, v) __atomic_add_fetch((ptr), (v), __ATOMIC_SEQ_CST)
#define atomic_or(ptr, v)         ((void)__atomic_fetch_or((ptr), (v), __ATOMIC_SEQ_CST))
#define atomic_and(ptr, v)        ((void)__atomic_fetch_and((ptr), (v), __ATOMIC_SEQ_CST))
#define load_acquire(ptr)         __atomic_load_n((ptr), __ATOMIC_ACQUIRE)
#define store_release(ptr, v)     __atomic_store_n((ptr), (v), __ATOMIC_RELEASE)

static inline void cpu_relax(void)
{
    __asm__ __volatile__("pause" ::: "memory");
}

#endif
