/*
 * Layout of the VMM image. Virtual address = VMM_IMAGE_START + physical
 * address; loaded at 2 MiB. Each part has pages of its own, so that it can be
 * mapped with just the rights it needs (mm/vmm_paging.c).
 */
#include <mm/layout.h>
#define IMAGE_PADDR 0x200000

OUTPUT_FORMAT("elf64-x86-64")
ENTRY(start_phys)
start_phys = start - VMM_IMAGE_START;

PHDRS
{
    image PT_LOAD FLAGS(7);
}

SECTIONS
{
    . = VMM_IMAGE_START + IMAGE_PADDR;
    _start = .;
    _stext = .;
    .text : AT(ADDR(.text) - VMM_IMAGE_START) {
        *(.text.head)
        . = ALIGN(4096);
        _sentry_text = .; /* what is mapped in guest mode, too: mm/xpti.c */
        *(.text.entry)
        *(.text.entry.stubs)
        . = ALIGN(4096);
        _eentry_text = .;
        *(.text .text.*)
    } :image
    . = ALIGN(4096);
    _etext = .;

    _srodata = .;
    .rodata : AT(ADDR(.rodata) - VMM_IMAGE_START) {
        *(.rodata .rodata.*)
        . = ALIGN(8);
        __start_ex_table = .;
        *(.ex_table)
        __stop_ex_table = .;
        . = ALIGN(8);
        __start_smap_patch = .;
        *(.smap_patch)
        __stop_smap_patch = .;
        . = ALIGN(8);
        __start_mitigate_sites = .;
        *(.mitigate_sites)
        __stop_mitigate_sites = .;
        . = ALIGN(8);
        __start_symtab = .;
        *(.symtab_data)
        __stop_symtab = .;
    } :image
    .note.gnu.build-id : AT(ADDR(.note.gnu.build-id) - VMM_IMAGE_START) {
        __start_build_id = .;
        *(.note.gnu.build-id)
        __stop_build_id = .;
    } :image
    . = ALIGN(4096);
    _erodata = .;

    _sdata = .;
    .data : AT(ADDR(.data) - VMM_IMAGE_START) {
        *(.data.page_aligned)
        . = ALIGN(4096);
        _sro_after_init = .;
        *(.data.ro_after_init)
        . = ALIGN(4096);
        _ero_after_init = .;
        *(.data .data.* .got .got.*)
    } :image
    . = ALIGN(4096);
    _edata = .;

    _sinit = .;
    .init : AT(ADDR(.init) - VMM_IMAGE_START) {
        *(.init.text .init.text.*)
        . = ALIGN(4096);
        _einittext = .;
        *(.init.rodata .init.rodata.*)
        *(.init.data .init.data.*)
        . = ALIGN(64); /* compilers align what is larger than 32 bytes to that */
        __start_boot_options = .;
        *(.init.boot_options)
        __stop_boot_options = .;
        . = ALIGN(4096);
        *(.init.bss .init.bss.*)
    } :image
    . = ALIGN(4096);
    _einit = .;

    .bss (NOLOAD) : AT(ADDR(.bss) - VMM_IMAGE_START) {
        _sbss = .;
        *(.bss.stack)
        *(.bss.page_aligned)
        *(.bss .bss.* COMMON)
        . = ALIGN(64);
        _spercpu = .;
        *(.percpu.bss)
        . = ALIGN(4096);
        _epercpu = .;
    } :image
    . = ALIGN(4096);
    _end = .;

    /DISCARD/ : { *(.note.GNU-stack) *(.comment) *(.eh_frame) *(.note.gnu.property) *(.interp) *(.dyn*) }
}
