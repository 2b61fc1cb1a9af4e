/*
 * Unpacking of kernels at boot, with the distribution's own static liblzma, libzstd and zlib.
 *
 * Boot CPU only, before any guest runs: the libraries use SSE registers, the red zone and a stack
 * protector of their own, and lie in the init-only section.  Errors are -EINVAL (broken data),
 * -EOPNOTSUPP (a format that is not supported), -ENOMEM (the arena is too small) or -ENOSPC (@dst
 * is), with *@why set to a constant text.
 */
#ifndef BOOT_UNPACK_H
#define BOOT_UNPACK_H

#include <base/types.h>

/* Enough for what kernels are packed with: an xz dictionary of 32 MiB.  More never hurts. */
#define UNPACK_ARENA (34u << 20)

/* Largest kernel that is unpacked. */
#define UNPACK_MAX (1u << 30)

/*
 * The size of what a kernel's payload unpacks to, which stands in its last four bytes.  For a
 * payload that is not packed, its own size.
 */
int unpack_size(const void *payload, size_t len, size_t *size, const char **why);

/*
 * Unpacks (or copies) a payload into exactly @size bytes at @dst.  The @arena is working memory of
 * @arena_size bytes, 16-byte aligned, with no particular contents.
 */
int unpack(const void *payload, size_t len, void *dst, size_t size, void *arena, size_t arena_size,
           const char **why);

#endif
