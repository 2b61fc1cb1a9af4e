/*
 * The decompression libraries behind three functions.
 *
 * Everything in hv/boot/unpack/ is linked with the libraries into one object of which only the
 * symbols below are visible, see unpack.mk.  This header is included on both sides of that border.
 */
#ifndef BOOT_UNPACK_LIBS_H
#define BOOT_UNPACK_LIBS_H

#include <stddef.h>
#include <stdint.h>

/* Working memory.  Only the block allocated last can be given back. */
struct unpack_arena {
    char *base;
    size_t size, used;
};

enum unpack_status {
    UNPACK_OK,
    UNPACK_CORRUPT,
    UNPACK_TRUNCATED,
    UNPACK_NO_MEMORY,
    UNPACK_NO_SPACE,    /* the output is longer than dst */
    UNPACK_UNSUPPORTED, /* the stream uses an option that the library does not know */
};

/*
 * One stream from @src into at most @size bytes at @dst; what follows the stream is ignored.
 * *@produced is the length of the output.
 */
typedef enum unpack_status unpack_fn(const void *src, size_t len, void *dst, size_t size, size_t *produced,
                                     struct unpack_arena *arena);

unpack_fn unpack_xz, unpack_zstd, unpack_gzip;

/* The libraries' constructors; once, before the functions above. */
void unpack_libs_init(void);

void *arena_alloc(void *arena, size_t count, size_t size);
void arena_free(void *arena, void *block);

#endif
