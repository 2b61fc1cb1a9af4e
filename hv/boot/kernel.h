/* dom0's kernel: from a boot module to checked segments and the notes it carries. */
#ifndef BOOT_KERNEL_H
#define BOOT_KERNEL_H

#include <base/types.h>
#include <boot/boot_info.h>

#define KERNEL_MAX_SEGMENTS 16

struct kernel_segment {
    uint64_t virt; /* where the guest sees it */
    const void *data;
    uint64_t file_size, mem_size;
};

struct kernel_image {
    uint64_t virt_base;            /* address of pfn 0 */
    uint64_t virt_start, virt_end; /* of all segments */
    uint64_t entry;
    uint64_t hypercall_page; /* 0: none */
    uint64_t init_p2m;
    bool has_init_p2m, mod_start_pfn;
    uint32_t nr_segments;
    struct kernel_segment segment[KERNEL_MAX_SEGMENTS];
    const char *cmdline; /* without the module's name */
    void *unpacked;      /* VMM pages that hold the ELF image, or NULL */
    unsigned int unpacked_order;
};

/* Unpacks if need be and checks everything. Panics with one line that names what is wrong. */
void kernel_open(struct kernel_image *k, const struct boot_module *module);
/* Gives back what held the unpacked image. */
void kernel_close(struct kernel_image *k);

#endif
