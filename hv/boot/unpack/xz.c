#include <boot/unpack/libs.h>
#include <lzma.h>

enum unpack_status unpack_xz(const void *src, size_t len, void *dst, size_t size, size_t *produced,
                             struct unpack_arena *arena)
{
    lzma_allocator allocator = {.alloc = arena_alloc, .free = arena_free, .opaque = arena};
    lzma_stream strm = LZMA_STREAM_INIT;
    lzma_ret ret;

    strm.allocator = &allocator;
    strm.next_in = src;
    strm.avail_in = len;
    strm.next_out = dst;
    strm.avail_out = size;

    ret = lzma_stream_decoder(&strm, arena->size, 0);
    /* As long as there is progress: the last bytes of output may come before the stream's end. */
    while (ret == LZMA_OK)
        ret = lzma_code(&strm, LZMA_FINISH);
    *produced = size - strm.avail_out;

    enum unpack_status status = ret == LZMA_STREAM_END                                ? UNPACK_OK
                                : ret == LZMA_MEM_ERROR || ret == LZMA_MEMLIMIT_ERROR ? UNPACK_NO_MEMORY
                                : ret == LZMA_OPTIONS_ERROR                           ? UNPACK_UNSUPPORTED
                                : ret == LZMA_BUF_ERROR && strm.avail_in              ? UNPACK_NO_SPACE
                                : ret == LZMA_BUF_ERROR                               ? UNPACK_TRUNCATED
                                                                                      : UNPACK_CORRUPT;
    lzma_end(&strm);
    return status;
}
