#include <base/compiler.h>
#include <bios/call.h>
#include <bios/disks.h>
#include <lib/string.h>

#define INT_DISK         0x13
#define DISK_READ        0x0201 /* function 02h, one sector */
#define DISK_GEOMETRY    0x0800
#define DISK_EXTENSIONS  0x4100
#define DISK_PARAMS      0x4800
#define FIRST_SECTOR     0x0001 /* cylinder 0, sector 1: sectors count from 1 */
#define EXTENSIONS_ASK   0x55aa
#define EXTENSIONS_THERE 0xaa55

#define FIRST_DISK    0x80
#define BDA_NR_DISKS  0x75
#define MBR_SIGNATURE 0x1b8
#define MBR_MAGIC     0x1fe
#define MBR_MAGIC_IS  0xaa55

struct bios_disks bios_disks __ro_after_init;

static bool __init disk_call(uint32_t function, uint8_t device, struct bios_registers *r)
{
    r->eax = function;
    r->edx = device;
    bios_call(INT_DISK, r);
    return !(r->eflags & BIOS_CARRY);
}

/* Some BIOSes give fewer bytes than they could, or say more than they were given room for. */
static void __init read_params(struct bios_disk *d)
{
    struct bios_registers r = {0};
    uint8_t *buffer = bios_buffer(&r.ds);
    uint16_t length = EDD_PARAMS_SIZE;

    memcpy(buffer, &length, sizeof(length));
    if (!disk_call(DISK_PARAMS, d->device, &r))
        return;
    memcpy(&length, buffer, sizeof(length));
    d->params_length = MIN(length, (uint16_t)EDD_PARAMS_SIZE);
    memcpy(d->params, buffer, d->params_length);
}

static void __init read_geometry(struct bios_disk *d)
{
    struct bios_registers r = {0};

    if (!disk_call(DISK_GEOMETRY, d->device, &r))
        return;
    d->max_cylinder = (uint16_t)((r.ecx >> 8 & 0xff) | (r.ecx & 0xc0) << 2);
    d->sectors_per_track = r.ecx & 0x3f;
    d->max_head = (uint8_t)(r.edx >> 8);
}

static void __init read_disk(uint8_t device)
{
    struct bios_disk *d = &bios_disks.disk[bios_disks.nr_disks];
    struct bios_registers r = {.ebx = EXTENSIONS_ASK};

    if (bios_disks.nr_disks == BIOS_DISKS_MAX || !disk_call(DISK_EXTENSIONS, device, &r) ||
        (uint16_t)r.ebx != EXTENSIONS_THERE)
        return;
    d->device = device;
    d->version = (uint8_t)(r.eax >> 8);
    d->interface = (uint16_t)r.ecx;
    read_geometry(d);
    read_params(d);
    bios_disks.nr_disks++;
}

static void __init read_signature(uint8_t device)
{
    struct bios_signature *s = &bios_disks.signature[bios_disks.nr_signatures];
    struct bios_registers r = {.ecx = FIRST_SECTOR};
    const uint8_t *buffer = bios_buffer(&r.es);
    uint16_t magic;

    if (!disk_call(DISK_READ, device, &r))
        return;
    memcpy(&magic, buffer + MBR_MAGIC, sizeof(magic));
    if (magic != MBR_MAGIC_IS)
        return;
    s->device = device;
    memcpy(&s->signature, buffer + MBR_SIGNATURE, sizeof(s->signature));
    bios_disks.nr_signatures++;
}

void __init bios_disks_read(bool with_extensions, bool with_signatures)
{
    uint32_t disks = MIN((uint32_t)bios_data(BDA_NR_DISKS), (uint32_t)BIOS_SIGNATURES_MAX);

    for (uint32_t i = 0; i < disks; i++) {
        if (with_extensions)
            read_disk((uint8_t)(FIRST_DISK + i));
        if (with_signatures)
            read_signature((uint8_t)(FIRST_DISK + i));
    }
}
