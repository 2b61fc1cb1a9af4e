/*
 * What the libraries expect of a C library besides memory functions, which they get from the VMM.
 * Only their default allocators refer to these, and those are not used.
 */
#include <boot/unpack/libs.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void free(void *block);

void *malloc(size_t size)
{
    (void)size;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    (void)count;
    (void)size;
    return NULL;
}

void free(void *block)
{
    (void)block;
}

/* libzstd's hooks for tracing. They may be left undefined, but address 0 is out of the image's reach. */
unsigned long long ZSTD_trace_decompress_begin(const void *ctx);
void ZSTD_trace_decompress_end(unsigned long long trace_ctx, const void *trace);

unsigned long long ZSTD_trace_decompress_begin(const void *ctx)
{
    (void)ctx;
    return 0;
}

void ZSTD_trace_decompress_end(unsigned long long trace_ctx, const void *trace)
{
    (void)trace_ctx;
    (void)trace;
}

typedef void constructor(void);

/* From unpack.lds: the libraries' .init_array. */
extern constructor *const unpack_ctors_start[], *const unpack_ctors_end[];

void unpack_libs_init(void)
{
    for (constructor *const *ctor = unpack_ctors_start; ctor < unpack_ctors_end; ctor++)
        (*ctor)();
}
