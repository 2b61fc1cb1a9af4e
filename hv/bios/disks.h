/*
 * Disks as the BIOS knows them: BIOS Enhanced Disk Drive Specification 3.0 (INT 13h, functions 41h and 48h),
 * and from before it functions 02h and 08h.
 */
#ifndef BIOS_DISKS_H
#define BIOS_DISKS_H

#include <base/types.h>

#define BIOS_DISKS_MAX      6  /* as many as Linux has room for: EDDMAXNR in <asm/setup.h>'s <linux/edd.h> */
#define BIOS_SIGNATURES_MAX 16 /* EDD_MBR_SIG_MAX there */
#define EDD_PARAMS_SIZE     74

struct bios_disk {
    uint8_t device;     /* from 80h on */
    uint8_t version;    /* of the extensions; 30h: EDD 3.0 */
    uint16_t interface; /* support bitmap */
    uint16_t max_cylinder;
    uint8_t max_head, sectors_per_track; /* function 08h; all 0 if it fails */
    uint8_t params[EDD_PARAMS_SIZE];     /* function 48h */
    uint16_t params_length;              /* bytes of it that are filled in; its first two say the same */
};

struct bios_signature {
    uint8_t device;
    uint32_t signature; /* at 1b8h of the master boot record */
};

struct bios_disks {
    uint32_t nr_disks, nr_signatures;
    struct bios_disk disk[BIOS_DISKS_MAX];                /* those with the extensions */
    struct bios_signature signature[BIOS_SIGNATURES_MAX]; /* those with a master boot record */
};

extern struct bios_disks bios_disks;

/* After bios_call_init(). Asks for what the extensions know, and reads the disks' first sectors. */
void bios_disks_read(bool with_extensions, bool with_signatures);

#endif
