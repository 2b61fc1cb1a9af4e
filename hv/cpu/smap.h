/*
 * Supervisor-mode access prevention: the VMM may touch guest memory only between
 * STAC and CLAC. Both are 3-byte no-operations in the image, which
 * smap_patch_init() overwrites on a CPU that has SMAP.
 */
#ifndef CPU_SMAP_H
#define CPU_SMAP_H

/*
 * NOP (SDM vol 2, NOP: the recommended 3-byte form); the entry of the section is
 * the distance to it, with the low bit telling which of the two it becomes.
 */
#define SMAP_PATCH(is_clac)                                                                                  \
    "661: .byte 0x0f, 0x1f, 0x00\n\t"                                                                        \
    ".pushsection .smap_patch, \"a\"\n\t.balign 8\n\t.long 661b - .\n\t.long " #is_clac "\n\t"               \
    ".popsection\n\t"

/* Inside inline assembly that reads or writes guest memory. */
#define STAC SMAP_PATCH(0)
#define CLAC SMAP_PATCH(1)

/* Boot CPU, after cpu_features_init(), while the image's text is still writable. */
void smap_patch_init(void);

#endif
