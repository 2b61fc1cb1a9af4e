#include <boot/unpack/libs.h>

#define ALIGNMENT 16
/* Before each block: where the arena ended before it was allocated. */
#define HEADER ALIGNMENT

void *arena_alloc(void *opaque, size_t count, size_t size)
{
    struct unpack_arena *arena = opaque;
    size_t bytes, before = arena->used;
    char *block;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > arena->size)
        return NULL;
    bytes = ((bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1)) + HEADER;
    if (bytes > arena->size - arena->used)
        return NULL;

    block = arena->base + before + HEADER;
    *(size_t *)(block - HEADER) = before;
    arena->used += bytes;
    /* The end of this block, to recognize the last one. */
    *(size_t *)(block - HEADER + sizeof(size_t)) = arena->used;
    return block;
}

void arena_free(void *opaque, void *ptr)
{
    struct unpack_arena *arena = opaque;
    char *block = ptr;

    if (block && *(size_t *)(block - HEADER + sizeof(size_t)) == arena->used)
        arena->used = *(size_t *)(block - HEADER);
}
