/* fuzz: hv/boot/elf.c hv/boot/elf_notes.c */
#include <stdlib.h>
#include <boot/elf.h>
#include "quiet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile uint8_t sink;
    struct xen_elfnotes notes;
    struct elf_image image;
    const char *why = NULL;

    if (elf_open(&image, data, size, &why)) {
        if (!why)
            abort();
        return 0;
    }
    for (uint32_t i = 0; i < image.nr_segments; i++) {
        const struct elf_segment *seg = &image.segments[i];

        if (seg->filesz > seg->memsz || seg->paddr + seg->memsz < seg->paddr)
            abort();
        for (uint64_t n = 0; n < seg->filesz; n++)
            sink = seg->data[n];
    }
    (void)sink;
    if (elf_xen_notes(&image, &notes, &why) && !why)
        abort();
    return 0;
}
