/* A kernel as the boot loader brought it: an ELF file, or a bzImage with a packed one inside. */
#ifndef BOOT_KERNEL_IMAGE_H
#define BOOT_KERNEL_IMAGE_H

#include <base/types.h>

struct kernel_image {
    const void *elf; /* within the module, or in memory of its own */
    size_t size;
    void *memory; /* NULL if there is none */
    unsigned int order;
};

/*
 * Finds or unpacks the ELF file in the module of @len bytes, which must outlive it.  Boot CPU, with
 * the page allocator working.  0, or an error with *@why set to a constant text.
 */
int kernel_image_open(struct kernel_image *kernel, const void *module, size_t len, const char **why);

/* Frees what open allocated. */
void kernel_image_close(struct kernel_image *kernel);

#endif
