/* Compiler attributes, array and bit helpers, compile-time assertions. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#define __packed       __attribute__((packed))
#define __aligned(n)   __attribute__((aligned(n)))
#define __section(s)   __attribute__((section(s)))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __noreturn     __attribute__((noreturn))
#define __must_check   __attribute__((warn_unused_result))
#define __maybe_unused __attribute__((unused))
#define __used         __attribute__((used))
#define noinline       __attribute__((noinline))
/* Only where the sole array is never indexed by a variable. */
#define __no_stack_protector __attribute__((no_stack_protector))
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Code and data only needed until dom0 runs; freed then (see boot/). */
#ifndef HOSPES_UNIT_TEST
#define __init      __section(".init.text") noinline
#define __initdata  __section(".init.data")
#define __initconst __section(".init.rodata")
/* Written during boot, read-only afterwards. */
#define __ro_after_init __section(".data.ro_after_init")
#else
#define __init
#define __initdata
#define __initconst
#define __ro_after_init
#endif

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define ROUND_UP(x, a)     (((x) + (a)-1) & ~((__typeof__(x))(a)-1))
#define ROUND_DOWN(x, a)   ((x) & ~((__typeof__(x))(a)-1))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define BIT(n)             (1UL << (n))

/* Both are evaluated once; __COUNTER__ keeps the names apart when one is used in the other. */
#define MINMAX_PASTE(a, n) a##n
#define MINMAX_(a, b, op, n)                                                                                 \
    ({                                                                                                       \
        __typeof__(a) MINMAX_PASTE(_a, n) = (a);                                                             \
        __typeof__(b) MINMAX_PASTE(_b, n) = (b);                                                             \
        MINMAX_PASTE(_a, n) op MINMAX_PASTE(_b, n) ? MINMAX_PASTE(_a, n) : MINMAX_PASTE(_b, n);              \
    })
#define MINMAX(a, b, op, n) MINMAX_(a, b, op, n)
#define MIN(a, b)           MINMAX(a, b, <, __COUNTER__)
#define MAX(a, b)           MINMAX(a, b, >, __COUNTER__)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define BUILD_BUG_ON(cond) _Static_assert(!(cond), #cond)

/* One access, not torn, repeated or elided by the compiler. */
#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define barrier() __asm__ __volatile__("" ::: "memory")

#endif
