/*
 * 64-bit x86 ELF executables: kernels (System V ABI, chapters 4 and 5) and their Xen notes
 * (<xen/elfnote.h>).
 *
 * The file is untrusted.  Nothing is copied: the structures point into it, so it must outlive them.
 * Errors come as -ENOEXEC with *@why set to a constant text that says what is wrong.
 */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include <base/types.h>
#include <xen/elfnote.h>

#define ELF_MAX_SEGMENTS 32

/* A PT_LOAD segment; offset + filesz lies within the file, and neither address range wraps. */
struct elf_segment {
    uint64_t vaddr, paddr;
    const uint8_t *data; /* filesz bytes; the rest up to memsz is zero */
    uint64_t filesz, memsz;
    bool writable, executable;
};

struct elf_image {
    const uint8_t *data;
    size_t size;
    uint64_t entry;
    uint64_t paddr_start, paddr_end; /* all segments, physical addresses as in the file */
    uint64_t vaddr_start, vaddr_end;
    uint32_t nr_segments;
    struct elf_segment segments[ELF_MAX_SEGMENTS];
    uint64_t phoff, shoff; /* checked, as are the counts */
    uint16_t phnum, shnum;
};

/* Checks the headers and fills *@image. */
int elf_open(struct elf_image *image, const void *data, size_t size, const char **why);

#define XEN_NOTE_STRING_MAX 64

/* The notes of owner "Xen".  For those that are absent the value is zero or empty. */
struct xen_elfnotes {
    uint32_t present;                    /* bit n: XEN_ELFNOTE_* number n was there */
    uint64_t value[XEN_ELFNOTE_MAX + 1]; /* of notes that are numbers */
    char guest_os[XEN_NOTE_STRING_MAX], guest_version[XEN_NOTE_STRING_MAX];
    char xen_version[XEN_NOTE_STRING_MAX], loader[XEN_NOTE_STRING_MAX];
    /* Bit n: XENFEAT_* number n; from the notes FEATURES and SUPPORTED_FEATURES. */
    uint32_t features_supported, features_required;
    uint64_t l1_mfn_mask, l1_mfn_value; /* L1_MFN_VALID; the last pair */
};

static inline bool xen_note_present(const struct xen_elfnotes *notes, unsigned int type)
{
    return notes->present >> type & 1;
}

/* From the PT_NOTE segments, or without Xen notes there from the SHT_NOTE sections. */
int elf_xen_notes(const struct elf_image *image, struct xen_elfnotes *notes, const char **why);

#endif
