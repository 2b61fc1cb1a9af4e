/*
 * The environment that the distribution's libraries were compiled for: SSE registers that may be
 * used, a red zone below the stack pointer that no exception writes to, and the stack protector's
 * word at %fs:0x28.
 *
 * Between enter and leave interrupts are off, every exception is taken on a stack of its own, and
 * an exception is fatal.  Boot CPU; nothing may hold FPU state.
 */
#ifndef BOOT_UNPACK_ENV_H
#define BOOT_UNPACK_ENV_H

#include <base/types.h>

#ifdef HOSPES_UNIT_TEST

struct unpack_env {
    int unused;
};

static inline void unpack_env_enter(struct unpack_env *env)
{
    (void)env;
}

static inline void unpack_env_leave(struct unpack_env *env)
{
    (void)env;
}

#else

struct unpack_env {
    uint64_t flags, cr0, cr4, fs_base;
    uint32_t moved_vectors; /* exceptions that got a stack of their own only for this */
    /* What %fs points to; gcc's ABI for x86-64 Linux has the protector's word at offset 0x28. */
    uint64_t thread[8];
};

void unpack_env_enter(struct unpack_env *env);
void unpack_env_leave(struct unpack_env *env);

#endif
#endif
