#include <base/compiler.h>
#include <base/errno.h>
#include <boot/unpack.h>
#include <boot/unpack/libs.h>
#include <boot/unpack_env.h>
#include <lib/string.h>

struct format {
    const char *magic;
    uint8_t magic_len;
    unpack_fn *fn;           /* NULL: not packed, or not supported */
    const char *unsupported; /* says so */
    const char *errors[UNPACK_UNSUPPORTED + 1];
};

#define ERRORS(name)                                                                                         \
    .errors = {[UNPACK_CORRUPT] = name " payload is corrupt",                                                \
               [UNPACK_TRUNCATED] = name " payload is truncated",                                            \
               [UNPACK_NO_MEMORY] = name " payload needs more memory to unpack than there is",               \
               [UNPACK_NO_SPACE] = name " payload is longer than its image says",                            \
               [UNPACK_UNSUPPORTED] = name " payload uses an option that is not supported"}

static const struct format formats[] = {
    {"\xfd"
     "7zXZ\0",
     6, unpack_xz, NULL, ERRORS("xz")},
    {"\x28\xb5\x2f\xfd", 4, unpack_zstd, NULL, ERRORS("zstd")},
    {"\x1f\x8b", 2, unpack_gzip, NULL, ERRORS("gzip")},
    {.magic = "\177ELF", .magic_len = 4},
    {.magic = "BZh", .magic_len = 3, .unsupported = "payload is packed with bzip2, which is not supported"},
    {.magic = "\x5d\0\0",
     .magic_len = 3,
     .unsupported = "payload is packed with lzma, which is not supported"},
    {.magic = "\x89LZO", .magic_len = 4, .unsupported = "payload is packed with lzo, which is not supported"},
    {.magic = "\x02\x21\x4c\x18",
     .magic_len = 4,
     .unsupported = "payload is packed with lz4, which is not supported"},
};

/* The format, if it can be handled. */
static __init int find_format(const void *payload, size_t len, const struct format **format, const char **why)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        const struct format *f = &formats[i];

        if (len < f->magic_len || memcmp(payload, f->magic, f->magic_len))
            continue;
        if (f->unsupported) {
            *why = f->unsupported;
            return -EOPNOTSUPP;
        }
        *format = f;
        return 0;
    }
    *why = "payload is neither an ELF file nor packed in a known format";
    return -EINVAL;
}

__init int unpack_size(const void *payload, size_t len, size_t *size, const char **why)
{
    const struct format *format;
    uint32_t value;
    int err = find_format(payload, len, &format, why);

    if (err)
        return err;
    if (!format->fn) {
        *size = len;
        return 0;
    }
    if (len < format->magic_len + sizeof(value)) {
        *why = format->errors[UNPACK_TRUNCATED];
        return -EINVAL;
    }
    memcpy(&value, (const char *)payload + len - sizeof(value), sizeof(value));
    if (!value || value > UNPACK_MAX) {
        *why = "payload does not tell a sensible unpacked size (is it truncated?)";
        return -EINVAL;
    }
    *size = value;
    return 0;
}

static __init int status_to_errno(enum unpack_status status)
{
    switch (status) {
    case UNPACK_OK:
        return 0;
    case UNPACK_NO_MEMORY:
        return -ENOMEM;
    case UNPACK_NO_SPACE:
        return -ENOSPC;
    case UNPACK_UNSUPPORTED:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}

__init int unpack(const void *payload, size_t len, void *dst, size_t size, void *arena_base,
                  size_t arena_size, const char **why)
{
    struct unpack_arena arena = {.base = arena_base, .size = arena_size};
    const struct format *format;
    enum unpack_status status;
    struct unpack_env env;
    size_t produced = 0;
    int err = find_format(payload, len, &format, why);

    if (err)
        return err;
    if (!format->fn) {
        if (len > size) {
            *why = "payload is longer than the room for it";
            return -ENOSPC;
        }
        memcpy(dst, payload, len);
        return 0;
    }

    unpack_env_enter(&env);
    unpack_libs_init();
    status = format->fn(payload, len, dst, size, &produced, &arena);
    unpack_env_leave(&env);

    if (status != UNPACK_OK) {
        *why = format->errors[status];
        return status_to_errno(status);
    }
    if (produced != size) {
        *why = "payload is shorter than its image says";
        return -EINVAL;
    }
    return 0;
}
