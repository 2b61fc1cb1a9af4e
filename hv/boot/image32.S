/*
 * The linked VMM as an ELF32 image, which multiboot 1 loaders take: the bytes
 * of the 64-bit link, and the size of what follows them as zeroes.
 */
    .section .image, "awx", @progbits
    .incbin IMAGE_BIN
    .section .image_bss, "aw", @nobits
    .skip IMAGE_BSS
