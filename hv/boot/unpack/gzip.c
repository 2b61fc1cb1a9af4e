#include <boot/unpack/libs.h>
#define ZLIB_CONST
#include <zlib.h>

#define GZIP_ONLY (16 + MAX_WBITS) /* zlib's way to ask for the gzip format */

static void *gzip_alloc(void *arena, unsigned int items, unsigned int size)
{
    return arena_alloc(arena, items, size);
}

enum unpack_status unpack_gzip(const void *src, size_t len, void *dst, size_t size, size_t *produced,
                               struct unpack_arena *arena)
{
    z_stream strm = {.zalloc = gzip_alloc, .zfree = arena_free, .opaque = arena};
    int ret;

    *produced = 0;
    if (len > UINT32_MAX || size > UINT32_MAX)
        return UNPACK_UNSUPPORTED;
    if (inflateInit2(&strm, GZIP_ONLY) != Z_OK)
        return UNPACK_NO_MEMORY;
    strm.next_in = src;
    strm.avail_in = len;
    strm.next_out = dst;
    strm.avail_out = size;

    ret = inflate(&strm, Z_FINISH);
    *produced = size - strm.avail_out;
    inflateEnd(&strm);
    switch (ret) {
    case Z_STREAM_END:
        return UNPACK_OK;
    case Z_MEM_ERROR:
        return UNPACK_NO_MEMORY;
    case Z_BUF_ERROR:
        return strm.avail_in ? UNPACK_NO_SPACE : UNPACK_TRUNCATED;
    default:
        return UNPACK_CORRUPT;
    }
}
