#include <base/compiler.h>
#include <base/errno.h>
#include <boot/bzimage.h>
#include <lib/string.h>

/* Offsets in the image, "The Real-Mode Kernel Header". */
#define SETUP_SECTS    0x1f1
#define BOOT_FLAG      0x1fe
#define HEADER_MAGIC   0x202
#define HEADER_VERSION 0x206
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define HEADER_END     0x250

#define BOOT_FLAG_VALUE 0xaa55
#define PAYLOAD_VERSION 0x0208 /* first one with a payload to be found */
#define SECTOR          512
#define OLD_SETUP_SECTS 4

static __init uint32_t get(const uint8_t *image, uint32_t offset, uint32_t bytes)
{
    uint32_t value = 0;

    memcpy(&value, image + offset, bytes);
    return value;
}

__init bool bzimage_detect(const void *image, size_t size)
{
    const uint8_t *p = image;

    return size >= HEADER_END && get(p, BOOT_FLAG, 2) == BOOT_FLAG_VALUE &&
           !memcmp(p + HEADER_MAGIC, "HdrS", 4);
}

__init int bzimage_payload(const void *image, size_t size, const void **payload, size_t *len,
                           const char **why)
{
    const uint8_t *p = image;
    uint64_t offset, length;

    if (!bzimage_detect(image, size)) {
        *why = "not a bzImage";
        return -ENOEXEC;
    }
    if (get(p, HEADER_VERSION, 2) < PAYLOAD_VERSION) {
        *why = "bzImage is too old: it does not tell where its kernel is";
        return -ENOEXEC;
    }
    offset = p[SETUP_SECTS] ? p[SETUP_SECTS] : OLD_SETUP_SECTS;
    offset = (offset + 1) * SECTOR + get(p, PAYLOAD_OFFSET, 4);
    length = get(p, PAYLOAD_LENGTH, 4);
    if (!length) {
        *why = "bzImage has no payload";
        return -ENOEXEC;
    }
    if (offset > size || length > size - offset) {
        *why = "bzImage is truncated: its payload ends beyond it";
        return -ENOEXEC;
    }
    *payload = p + offset;
    *len = length;
    return 0;
}
