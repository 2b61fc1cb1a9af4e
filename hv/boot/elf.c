#include <base/compiler.h>
#include <base/errno.h>
#include <boot/elf.h>
#include <boot/elf_format.h>
#include <lib/string.h>

static __init int fail(const char **why, const char *what)
{
    *why = what;
    return -ENOEXEC;
}

/* Does the range lie within the file? */
static __init bool within(const struct elf_image *image, uint64_t offset, uint64_t len)
{
    return offset <= image->size && len <= image->size - offset;
}

static __init int check_header(const struct elf64_header *h, const char **why)
{
    if (memcmp(h->ident, ELF_MAGIC, 4))
        return fail(why, "not an ELF file");
    if (h->ident[ELF_IDENT_CLASS] != ELF_CLASS_64 || h->ident[ELF_IDENT_DATA] != ELF_DATA_LITTLE ||
        h->machine != ELF_MACHINE_X86_64)
        return fail(why, "ELF file is not for 64-bit x86");
    if (h->type != ELF_TYPE_EXEC && h->type != ELF_TYPE_DYN)
        return fail(why, "ELF file is not an executable");
    if (!h->phnum || h->phentsize != sizeof(struct elf64_segment))
        return fail(why, "ELF file has no usable program headers");
    return 0;
}

static __init int add_segment(struct elf_image *image, const struct elf64_segment *ph, const char **why)
{
    struct elf_segment *seg = &image->segments[image->nr_segments];
    uint64_t paddr_end, vaddr_end;

    if (!ph->memsz)
        return 0;
    if (image->nr_segments == ELF_MAX_SEGMENTS)
        return fail(why, "ELF file has too many segments");
    if (!within(image, ph->offset, ph->filesz))
        return fail(why, "ELF file is truncated: a segment ends beyond it");
    if (ph->filesz > ph->memsz)
        return fail(why, "ELF segment is larger in the file than in memory");
    if (__builtin_add_overflow(ph->paddr, ph->memsz, &paddr_end) ||
        __builtin_add_overflow(ph->vaddr, ph->memsz, &vaddr_end))
        return fail(why, "ELF segment wraps around the end of the address space");

    for (uint32_t i = 0; i < image->nr_segments; i++) {
        const struct elf_segment *other = &image->segments[i];

        if (ph->paddr < other->paddr + other->memsz && other->paddr < paddr_end)
            return fail(why, "ELF segments overlap");
    }

    *seg = (struct elf_segment){.vaddr = ph->vaddr,
                                .paddr = ph->paddr,
                                .data = image->data + ph->offset,
                                .filesz = ph->filesz,
                                .memsz = ph->memsz,
                                .writable = ph->flags & ELF_SEGMENT_WRITE,
                                .executable = ph->flags & ELF_SEGMENT_EXEC};
    if (!image->nr_segments++) {
        image->paddr_start = image->vaddr_start = UINT64_MAX;
    }
    image->paddr_start = MIN(image->paddr_start, ph->paddr);
    image->paddr_end = MAX(image->paddr_end, paddr_end);
    image->vaddr_start = MIN(image->vaddr_start, ph->vaddr);
    image->vaddr_end = MAX(image->vaddr_end, vaddr_end);
    return 0;
}

static __init struct elf64_segment program_header(const struct elf_image *image, uint16_t i)
{
    struct elf64_segment ph;

    /* The file need not be aligned. */
    memcpy(&ph, image->data + image->phoff + (uint64_t)i * sizeof(ph), sizeof(ph));
    return ph;
}

static __init struct elf64_section section_header(const struct elf_image *image, uint16_t i)
{
    struct elf64_section sh;

    memcpy(&sh, image->data + image->shoff + (uint64_t)i * sizeof(sh), sizeof(sh));
    return sh;
}

__init int elf_open(struct elf_image *image, const void *data, size_t size, const char **why)
{
    struct elf64_header h;
    int err;

    *image = (struct elf_image){.data = data, .size = size};
    if (size < sizeof(h))
        return fail(why, "too short for an ELF file");
    memcpy(&h, data, sizeof(h));
    err = check_header(&h, why);
    if (err)
        return err;

    image->entry = h.entry;
    image->phoff = h.phoff;
    image->phnum = h.phnum;
    if (!within(image, h.phoff, (uint64_t)h.phnum * sizeof(struct elf64_segment)))
        return fail(why, "ELF file is truncated: program headers end beyond it");
    /* Only a second source of notes: no reason to refuse the file. */
    if (h.shentsize == sizeof(struct elf64_section) &&
        within(image, h.shoff, (uint64_t)h.shnum * sizeof(struct elf64_section))) {
        image->shoff = h.shoff;
        image->shnum = h.shnum;
    }

    for (uint16_t i = 0; i < image->phnum; i++) {
        struct elf64_segment ph = program_header(image, i);

        if (ph.type == ELF_SEGMENT_LOAD && (err = add_segment(image, &ph, why)))
            return err;
    }
    return image->nr_segments ? 0 : fail(why, "ELF file has nothing to load");
}

__init int elf_xen_notes(const struct elf_image *image, struct xen_elfnotes *notes, const char **why)
{
    *notes = (struct xen_elfnotes){0};
    *why = NULL;

    for (uint16_t i = 0; i < image->phnum; i++) {
        struct elf64_segment ph = program_header(image, i);

        if (ph.type == ELF_SEGMENT_NOTE && within(image, ph.offset, ph.filesz))
            elf_scan_notes(image->data + ph.offset, ph.filesz, notes, why);
    }
    for (uint16_t i = 0; i < image->shnum && !notes->present && !*why; i++) {
        struct elf64_section sh = section_header(image, i);

        if (sh.type == ELF_SECTION_NOTE && within(image, sh.offset, sh.size))
            elf_scan_notes(image->data + sh.offset, sh.size, notes, why);
    }
    if (*why)
        return -ENOEXEC;
    return notes->present ? 0 : fail(why, "kernel has no Xen notes");
}
