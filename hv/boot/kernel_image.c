#include <base/compiler.h>
#include <base/errno.h>
#include <boot/bzimage.h>
#include <boot/kernel_image.h>
#include <boot/unpack.h>
#include <lib/string.h>
#include <mm/page_alloc.h>

static __init unsigned int order_for(size_t size)
{
    unsigned int order = 0;

    while (PAGE_SIZE << order < size)
        order++;
    return order;
}

/* Not zeroed: everything that is used of it is written first. */
static __init void *alloc_memory(unsigned int order)
{
    struct page_info *page = alloc_frames(NULL, order, ALLOC_NO_SCRUB);

    return page ? page_to_virt(page) : NULL;
}

static __init int unpack_payload(struct kernel_image *kernel, const void *payload, size_t len,
                                 const char **why)
{
    unsigned int arena_order = order_for(UNPACK_ARENA);
    void *arena;
    int err = unpack_size(payload, len, &kernel->size, why);

    if (err)
        return err;
    kernel->order = order_for(kernel->size);
    kernel->memory = alloc_memory(kernel->order);
    arena = alloc_memory(arena_order);
    if (kernel->memory && arena) {
        err = unpack(payload, len, kernel->memory, kernel->size, arena, PAGE_SIZE << arena_order, why);
    } else {
        *why = "too little memory to unpack it";
        err = -ENOMEM;
    }
    if (arena)
        free_vmm_pages(arena, arena_order);
    kernel->elf = kernel->memory;
    if (err)
        kernel_image_close(kernel);
    return err;
}

__init int kernel_image_open(struct kernel_image *kernel, const void *module, size_t len, const char **why)
{
    const void *payload;
    size_t payload_len;
    int err;

    *kernel = (struct kernel_image){.elf = module, .size = len};
    if (len >= 4 && !memcmp(module, "\177ELF", 4))
        return 0;
    if (!bzimage_detect(module, len)) {
        *why = "neither an ELF file nor a bzImage";
        return -ENOEXEC;
    }
    err = bzimage_payload(module, len, &payload, &payload_len, why);
    if (err)
        return err;
    return unpack_payload(kernel, payload, payload_len, why);
}

__init void kernel_image_close(struct kernel_image *kernel)
{
    if (kernel->memory)
        free_vmm_pages(kernel->memory, kernel->order);
    *kernel = (struct kernel_image){0};
}
