/* A context in memory of our own and a stable output buffer are not yet in the stable interface. */
#define ZSTD_STATIC_LINKING_ONLY
#include <boot/unpack/libs.h>
#include <zstd.h>
#include <zstd_errors.h>

static enum unpack_status decode(ZSTD_DCtx *ctx, ZSTD_inBuffer *in, ZSTD_outBuffer *out)
{
    size_t ret;

    /* The output as the window: nothing is copied, and any window size will do. */
    if (ZSTD_isError(ZSTD_DCtx_setParameter(ctx, ZSTD_d_stableOutBuffer, 1)) ||
        ZSTD_isError(ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, ZSTD_WINDOWLOG_MAX)))
        return UNPACK_UNSUPPORTED;

    do {
        size_t in_before = in->pos, out_before = out->pos;

        ret = ZSTD_decompressStream(ctx, out, in);
        if (ZSTD_isError(ret))
            break;
        if (ret && in->pos == in_before && out->pos == out_before)
            return out->pos == out->size && in->pos != in->size ? UNPACK_NO_SPACE : UNPACK_TRUNCATED;
    } while (ret);

    if (!ZSTD_isError(ret))
        return UNPACK_OK;
    switch (ZSTD_getErrorCode(ret)) {
    case ZSTD_error_memory_allocation:
        return UNPACK_NO_MEMORY;
    case ZSTD_error_dstSize_tooSmall:
        return UNPACK_NO_SPACE;
    case ZSTD_error_version_unsupported:
    case ZSTD_error_frameParameter_unsupported:
    case ZSTD_error_frameParameter_windowTooLarge:
    case ZSTD_error_dictionary_wrong:
        return UNPACK_UNSUPPORTED;
    default:
        return UNPACK_CORRUPT;
    }
}

static void *zstd_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, 1, size);
}

enum unpack_status unpack_zstd(const void *src, size_t len, void *dst, size_t size, size_t *produced,
                               struct unpack_arena *arena)
{
    ZSTD_customMem memory = {.customAlloc = zstd_alloc, .customFree = arena_free, .opaque = arena};
    ZSTD_inBuffer in = {.src = src, .size = len};
    ZSTD_outBuffer out = {.dst = dst, .size = size};
    ZSTD_DCtx *ctx = ZSTD_createDCtx_advanced(memory);
    enum unpack_status status;

    *produced = 0;
    if (!ctx)
        return UNPACK_NO_MEMORY;
    status = decode(ctx, &in, &out);
    *produced = out.pos;
    ZSTD_freeDCtx(ctx);
    return status;
}
