/* fuzz: hv/boot/bzimage.c hv/boot/unpack.c hv/boot/unpack/xz.c hv/boot/unpack/zstd.c
 * hv/boot/unpack/gzip.c hv/boot/unpack/arena.c tests/unit/stubs/unpack_init.c */
/* fuzz-ldflags: -llzma -lzstd -lz */
#include <stdlib.h>
#include <boot/bzimage.h>
#include <boot/unpack.h>
#include "quiet.h"

#define ARENA (1 << 20)
#define ROOM  (1 << 16)

/* A bzImage, or else a payload by itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    const void *payload = data;
    size_t len = size, unpacked;
    void *arena, *dst;

    if (bzimage_detect(data, size) && bzimage_payload(data, size, &payload, &len, &why)) {
        if (!why)
            abort();
        return 0;
    }
    if (unpack_size(payload, len, &unpacked, &why)) {
        if (!why)
            abort();
        return 0;
    }
    if (unpacked > ROOM)
        unpacked = ROOM;
    arena = malloc(ARENA);
    dst = malloc(unpacked);
    if (unpack(payload, len, dst, unpacked, arena, ARENA, &why) && !why)
        abort();
    free(arena);
    free(dst);
    return 0;
}
