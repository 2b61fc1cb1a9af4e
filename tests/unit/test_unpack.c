/* unit: hv/boot/unpack.c hv/boot/unpack/xz.c hv/boot/unpack/zstd.c hv/boot/unpack/gzip.c
 * hv/boot/unpack/arena.c tests/unit/stubs/unpack_init.c */
/* unit-ldflags: -llzma -lzstd -lz */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <base/errno.h>
#include <boot/unpack.h>
#include <boot/unpack/libs.h>

#define SIZE 20000

static uint8_t plain[SIZE];
static uint8_t arena[4 << 20] __attribute__((aligned(16)));

/* As Linux's build appends it to what it packs. */
static size_t append_size(uint8_t *out, size_t len)
{
    uint32_t size = SIZE;

    memcpy(out + len, &size, 4);
    return len + 4;
}

/* With the x86 filter and CRC32, as Linux's scripts/xz_wrap.sh does. */
static size_t pack_xz(uint8_t *out, size_t room)
{
    lzma_options_lzma options;
    lzma_filter filters[] = {
        {.id = LZMA_FILTER_X86}, {.id = LZMA_FILTER_LZMA2, .options = &options}, {.id = LZMA_VLI_UNKNOWN}};
    size_t pos = 0;

    assert_false(lzma_lzma_preset(&options, 6));
    options.dict_size = 1 << 20;
    assert_int_equal(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, plain, SIZE, out, &pos, room),
                     LZMA_OK);
    return append_size(out, pos);
}

static size_t pack_zstd(uint8_t *out, size_t room)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    size_t len;

    ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
    len = ZSTD_compress2(ctx, out, room, plain, SIZE);
    assert_false(ZSTD_isError(len));
    ZSTD_freeCCtx(ctx);
    return append_size(out, len);
}

/* A gzip file ends with its size anyway. */
static size_t pack_gzip(uint8_t *out, size_t room)
{
    z_stream strm = {.next_in = plain, .avail_in = SIZE, .next_out = out, .avail_out = room};

    assert_int_equal(deflateInit2(&strm, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&strm, Z_FINISH), Z_STREAM_END);
    deflateEnd(&strm);
    return strm.total_out;
}

static const struct packer {
    const char *name;
    size_t (*pack)(uint8_t *out, size_t room);
} packers[] = {{"xz", pack_xz}, {"zstd", pack_zstd}, {"gzip", pack_gzip}};

#define NR_PACKERS (sizeof(packers) / sizeof(packers[0]))

/* Compressible, with call instructions for the filter to work on. */
static int setup(void **state)
{
    (void)state;
    srand(1);
    for (size_t i = 0; i < SIZE; i++)
        plain[i] = rand() % 8 ? (int)(i / 100) : rand();
    for (size_t i = 0; i + 5 < SIZE; i += 50) {
        uint32_t target = 4000 - i;

        plain[i] = 0xe8;
        memcpy(plain + i + 1, &target, 4);
    }
    return 0;
}

/* From an exactly sized copy into exactly sized room, so that any overrun is caught. */
static int try_unpack(const uint8_t *packed, size_t len, size_t room, size_t arena_size, uint8_t **out,
                      const char **why)
{
    uint8_t *copy = malloc(len ? len : 1), *dst = malloc(room ? room : 1);
    int err;

    memcpy(copy, packed, len);
    *why = NULL;
    err = unpack(copy, len, dst, room, arena, arena_size, why);
    free(copy);
    if (err)
        assert_non_null(*why);
    if (out && !err)
        *out = dst;
    else
        free(dst);
    return err;
}

static void test_round_trip(void **state)
{
    static uint8_t packed[SIZE * 2];

    (void)state;
    for (size_t i = 0; i < NR_PACKERS; i++) {
        size_t len = packers[i].pack(packed, sizeof(packed)), size = 0;
        uint8_t *out;
        const char *why;

        assert_int_equal(unpack_size(packed, len, &size, &why), 0);
        assert_int_equal(size, SIZE);
        assert_int_equal(try_unpack(packed, len, size, sizeof(arena), &out, &why), 0);
        assert_memory_equal(out, plain, SIZE);
        free(out);
    }
}

static void test_wrong_room(void **state)
{
    static uint8_t packed[SIZE * 2];

    (void)state;
    for (size_t i = 0; i < NR_PACKERS; i++) {
        size_t len = packers[i].pack(packed, sizeof(packed));
        const char *why;

        for (size_t room = 0; room < SIZE; room += room < 10 || room > SIZE - 10 ? 1 : 997) {
            assert_int_equal(try_unpack(packed, len, room, sizeof(arena), NULL, &why), -ENOSPC);
            assert_non_null(strstr(why, packers[i].name));
        }
        assert_int_equal(try_unpack(packed, len, SIZE + 1, sizeof(arena), NULL, &why), -EINVAL);
        assert_non_null(strstr(why, "shorter"));
    }
}

static void test_every_truncation(void **state)
{
    static uint8_t packed[SIZE * 2];

    (void)state;
    for (size_t i = 0; i < NR_PACKERS; i++) {
        size_t len = packers[i].pack(packed, sizeof(packed));
        const char *why;

        /* What is missing may be just the size behind the stream, which unpack() does not need. */
        for (size_t cut = 0; cut < len - 4; cut++) {
            int err = try_unpack(packed, cut, SIZE, sizeof(arena), NULL, &why);

            assert_int_equal(err, -EINVAL);
            assert_non_null(cut < 6 ? why : strstr(why, "truncated"));
        }
    }
}

static void test_bit_flips(void **state)
{
    static uint8_t packed[SIZE * 2];

    (void)state;
    for (size_t i = 0; i < NR_PACKERS; i++) {
        size_t len = packers[i].pack(packed, sizeof(packed));
        unsigned int accepted = 0;

        for (size_t bit = 0; bit < len * 8; bit += bit < 200 * 8 ? 1 : 61) {
            uint8_t *out = NULL;
            const char *why;

            packed[bit / 8] ^= 1 << bit % 8;
            if (!try_unpack(packed, len, SIZE, sizeof(arena), &out, &why)) {
                /* Some header bits mean nothing; but wrong contents never pass the checksum. */
                assert_memory_equal(out, plain, SIZE);
                accepted++;
                free(out);
            }
            packed[bit / 8] ^= 1 << bit % 8;
        }
        assert_true(accepted < 200);
    }
}

static void test_small_arena(void **state)
{
    static uint8_t packed[SIZE * 2];

    (void)state;
    for (size_t i = 0; i < NR_PACKERS; i++) {
        size_t len = packers[i].pack(packed, sizeof(packed)), size;
        const char *why;
        int err = -ENOMEM;

        for (size = 0; err == -ENOMEM && size <= sizeof(arena); size += 4096) {
            err = try_unpack(packed, len, SIZE, size, NULL, &why);
            assert_true(err == 0 || err == -ENOMEM);
            if (err)
                assert_non_null(strstr(why, "memory"));
        }
        assert_int_equal(err, 0);
        assert_true(size > 8192);
    }
}

static void test_other_formats(void **state)
{
    static const struct {
        const char *data, *text;
        int err;
    } cases[] = {
        {"BZh91AY&SYxxxx", "bzip2", -EOPNOTSUPP},        {"\x5d\0\0\0\x02xxxxxxx", "lzma", -EOPNOTSUPP},
        {"\x89LZO\0\r\n\x1a\nxxxx", "lzo", -EOPNOTSUPP}, {"\x02\x21\x4c\x18xxxxxxx", "lz4", -EOPNOTSUPP},
        {"garbage garbage", "neither", -EINVAL},
    };
    const char *why;
    size_t size;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(unpack_size(cases[i].data, 12, &size, &why), cases[i].err);
        assert_non_null(strstr(why, cases[i].text));
        assert_int_equal(try_unpack((const uint8_t *)cases[i].data, 12, 100, sizeof(arena), NULL, &why),
                         cases[i].err);
    }
    assert_int_equal(unpack_size("", 0, &size, &why), -EINVAL);
}

static void test_not_packed(void **state)
{
    static const uint8_t elf[] = "\177ELF and so on";
    uint8_t *out;
    const char *why;
    size_t size;

    (void)state;
    assert_int_equal(unpack_size(elf, sizeof(elf), &size, &why), 0);
    assert_int_equal(size, sizeof(elf));
    assert_int_equal(try_unpack(elf, sizeof(elf), size, 0, &out, &why), 0);
    assert_memory_equal(out, elf, size);
    free(out);
    assert_int_equal(try_unpack(elf, sizeof(elf), size - 1, 0, NULL, &why), -ENOSPC);
}

static void test_bad_sizes(void **state)
{
    static const uint8_t zero[] = "\xfd"
                                  "7zXZ\0xxxxxxxx\0\0\0",
                         huge[] = "\xfd"
                                  "7zXZ\0xxxxxx\xff\xff\xff";
    const char *why;
    size_t size;

    (void)state;
    assert_int_equal(unpack_size(zero, sizeof(zero), &size, &why), -EINVAL);
    assert_int_equal(unpack_size(huge, sizeof(huge) - 1, &size, &why), -EINVAL);
    assert_int_equal(unpack_size(zero, 7, &size, &why), -EINVAL);
}

static void test_arena(void **state)
{
    struct unpack_arena a = {.base = (char *)arena, .size = 1000};
    char *p, *q, *r;

    (void)state;
    assert_null(arena_alloc(&a, 1, 1000)); /* the block's header needs room too */
    assert_null(arena_alloc(&a, SIZE_MAX, 2));
    assert_null(arena_alloc(&a, 1, SIZE_MAX));
    p = arena_alloc(&a, 3, 33);
    q = arena_alloc(&a, 1, 1);
    assert_non_null(p);
    assert_true(q >= p + 99);
    assert_int_equal((uintptr_t)p % 16, 0);
    assert_int_equal((uintptr_t)q % 16, 0);
    memset(p, 1, 99);
    memset(q, 2, 1);

    /* Only the last block comes back; the one before it does once it is the last. */
    arena_free(&a, q);
    r = arena_alloc(&a, 1, 1);
    assert_ptr_equal(r, q);
    arena_free(&a, p);
    assert_true((char *)arena_alloc(&a, 1, 1) > r);
    arena_free(&a, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_wrong_room),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_small_arena),
        cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_not_packed),
        cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test(test_arena),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
