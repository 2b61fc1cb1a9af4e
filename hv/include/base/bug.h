/*
 * Broken invariants of the VMM itself. Nothing a guest does may reach these:
 * a guest's mistake is an errno or domain_crash().
 */
#ifndef BASE_BUG_H
#define BASE_BUG_H

#include <base/compiler.h>

/*
 * Stops the other CPUs, prints the message, a symbolized backtrace of this CPU and what the others
 * were doing, then reboots or halts as "noreboot" says. Takes no lock.
 */
void panic(const char *fmt, ...) __printf(1, 2) __noreturn;

/*
 * What the loader, the firmware or the options give cannot be booted: the line says why, and the
 * machine ends as after a panic. No backtrace, as nothing of ours is wrong.
 */
void boot_refuse(const char *fmt, ...) __printf(1, 2) __noreturn;

#define BUG() panic("BUG at %s:%d", __FILE__, __LINE__)

#define BUG_ON(cond)                                                                                         \
    do {                                                                                                     \
        if (unlikely(cond))                                                                                  \
            panic("BUG at %s:%d: %s", __FILE__, __LINE__, #cond);                                            \
    } while (0)

/* Checked in debug builds (the default; make DEBUG=0 leaves them out). */
#ifdef HOSPES_DEBUG
#define ASSERT(cond)                                                                                         \
    do {                                                                                                     \
        if (unlikely(!(cond)))                                                                               \
            panic("ASSERT at %s:%d: %s", __FILE__, __LINE__, #cond);                                         \
    } while (0)
#else
#define ASSERT(cond) ((void)sizeof(cond))
#endif

#endif
