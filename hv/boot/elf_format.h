/* ELF file structures: System V ABI, chapter 4 and 5; x86-64 supplement. */
#ifndef BOOT_ELF_FORMAT_H
#define BOOT_ELF_FORMAT_H

#include <base/types.h>

#define ELF_MAGIC          "\177ELF"
#define ELF_IDENT_CLASS    4
#define ELF_IDENT_DATA     5
#define ELF_CLASS_64       2
#define ELF_DATA_LITTLE    1
#define ELF_TYPE_EXEC      2
#define ELF_TYPE_DYN       3
#define ELF_MACHINE_X86_64 62
#define ELF_SEGMENT_LOAD   1
#define ELF_SEGMENT_NOTE   4
#define ELF_SEGMENT_EXEC   1
#define ELF_SEGMENT_WRITE  2
#define ELF_SECTION_NOTE   7

struct elf64_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf64_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf64_section {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
};

struct elf64_note {
    uint32_t namesz, descsz, type; /* then name and descriptor, each padded to 4 bytes */
};

struct xen_elfnotes;

/*
 * Adds the Xen notes among @len bytes of notes; others, and what follows a note that does not fit,
 * are ignored.  A Xen note whose contents make no sense sets *@why.  (elf_notes.c)
 */
void elf_scan_notes(const uint8_t *p, uint64_t len, struct xen_elfnotes *notes, const char **why);

#endif
