/* unit: hv/boot/elf.c hv/boot/elf_notes.c hv/boot/bzimage.c */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <boot/bzimage.h>
#include <boot/elf.h>
#include <boot/elf_format.h>
#include <xen/features.h>

#define CODE_SIZE  100
#define NOTES_AT   0x200
#define NOTES_SIZE 0x200
#define CODE_AT    0x400
#define FILE_SIZE  (CODE_AT + CODE_SIZE)

/* A small kernel: two segments to load and one of notes. */
struct test_file {
    struct elf64_header h;
    struct elf64_segment ph[3];
    struct elf64_section sh[2];
};

static uint8_t file[FILE_SIZE];
static struct test_file *const head = (struct test_file *)file;
static size_t notes_used;

static void add_note(const char *owner, uint32_t type, const void *desc, uint32_t len)
{
    struct elf64_note note = {.namesz = strlen(owner) + 1, .descsz = len, .type = type};
    uint8_t *p = file + NOTES_AT + notes_used;

    memcpy(p, &note, sizeof(note));
    memcpy(p + sizeof(note), owner, note.namesz);
    memcpy(p + sizeof(note) + ROUND_UP(note.namesz, 4), desc, len);
    notes_used += sizeof(note) + ROUND_UP(note.namesz, 4) + ROUND_UP(len, 4);
    assert_true(notes_used <= NOTES_SIZE);
    head->ph[2].filesz = notes_used;
}

static void add_number(uint32_t type, uint64_t value, uint32_t width)
{
    add_note("Xen", type, &value, width);
}

static int setup(void **state)
{
    (void)state;
    memset(file, 0, sizeof(file));
    notes_used = 0;
    memcpy(head->h.ident, ELF_MAGIC "\2\1\1", 7);
    head->h.type = ELF_TYPE_EXEC;
    head->h.machine = ELF_MACHINE_X86_64;
    head->h.entry = 0xffffffff81000040;
    head->h.phoff = offsetof(struct test_file, ph);
    head->h.phentsize = sizeof(struct elf64_segment);
    head->h.phnum = 3;
    head->h.shentsize = sizeof(struct elf64_section);
    head->ph[0] = (struct elf64_segment){.type = ELF_SEGMENT_LOAD,
                                         .flags = 5,
                                         .offset = CODE_AT,
                                         .filesz = CODE_SIZE,
                                         .memsz = CODE_SIZE,
                                         .vaddr = 0xffffffff81000000,
                                         .paddr = 0x1000000};
    head->ph[1] = (struct elf64_segment){.type = ELF_SEGMENT_LOAD,
                                         .flags = 6,
                                         .offset = CODE_AT,
                                         .filesz = 10,
                                         .memsz = 0x2000,
                                         .vaddr = 0xffffffff81200000,
                                         .paddr = 0x1200000};
    head->ph[2] = (struct elf64_segment){.type = ELF_SEGMENT_NOTE, .offset = NOTES_AT};
    for (int i = 0; i < CODE_SIZE; i++)
        file[CODE_AT + i] = i + 1;
    return 0;
}

/* Opens an exactly sized copy, so that a read beyond it is caught. */
static int open_copy(size_t size, struct elf_image *image, struct xen_elfnotes *notes, const char **why)
{
    uint8_t *copy = malloc(size ? size : 1);
    int err;

    memcpy(copy, file, size);
    *why = NULL;
    err = elf_open(image, copy, size, why);
    if (!err && notes)
        err = elf_xen_notes(image, notes, why);
    if (err) {
        assert_int_equal(err, -ENOEXEC);
        assert_non_null(*why);
    }
    free(copy);
    return err;
}

static int try_open(const char **why)
{
    struct elf_image image;

    return open_copy(sizeof(file), &image, NULL, why);
}

static void test_good(void **state)
{
    struct elf_image image;
    const char *why;

    (void)state;
    assert_int_equal(elf_open(&image, file, sizeof(file), &why), 0);
    assert_int_equal(image.nr_segments, 2);
    assert_int_equal(image.entry, 0xffffffff81000040);
    assert_int_equal(image.paddr_start, 0x1000000);
    assert_int_equal(image.paddr_end, 0x1202000);
    assert_int_equal(image.vaddr_start, 0xffffffff81000000);
    assert_int_equal(image.vaddr_end, 0xffffffff81202000);
    assert_true(image.segments[0].executable && !image.segments[0].writable);
    assert_true(!image.segments[1].executable && image.segments[1].writable);
    assert_ptr_equal(image.segments[1].data, file + CODE_AT);
    assert_int_equal(image.segments[1].filesz, 10);
    assert_int_equal(image.segments[1].memsz, 0x2000);
}

#define REFUSED(change, text)                                                                                \
    do {                                                                                                     \
        setup(NULL);                                                                                         \
        change;                                                                                              \
        assert_int_equal(try_open(&why), -ENOEXEC);                                                          \
        assert_non_null(strstr(why, text));                                                                  \
    } while (0)

static void test_refused(void **state)
{
    const char *why;

    (void)state;
    REFUSED(file[0] = 0, "not an ELF");
    REFUSED(head->h.ident[4] = 1, "64-bit");
    REFUSED(head->h.ident[5] = 2, "64-bit");
    REFUSED(head->h.machine = 3, "64-bit");
    REFUSED(head->h.type = 1, "not an executable");
    REFUSED(head->h.phnum = 0, "program headers");
    REFUSED(head->h.phentsize = 32, "program headers");
    REFUSED(head->h.phnum = 0xffff, "truncated");
    REFUSED(head->h.phoff = FILE_SIZE - 10, "truncated");
    REFUSED(head->h.phoff = UINT64_MAX - 10, "truncated");
    REFUSED(head->ph[0].offset = CODE_AT + 1, "truncated");
    REFUSED(head->ph[0].offset = UINT64_MAX, "truncated");
    REFUSED(head->ph[0].filesz = head->ph[0].memsz = UINT64_MAX, "truncated");
    REFUSED(head->ph[0].memsz = 1, "larger in the file");
    REFUSED(head->ph[1].paddr = UINT64_MAX - 5, "wraps");
    REFUSED(head->ph[1].vaddr = UINT64_MAX - 5, "wraps");
    REFUSED(head->ph[1].memsz = UINT64_MAX, "wraps");
    REFUSED(head->ph[1].paddr = 0x1000000 + CODE_SIZE - 1, "overlap");
    REFUSED(head->ph[1].paddr = 0x1000000 - 0x1fff, "overlap");
    REFUSED(head->ph[0].type = head->ph[1].type = 2, "nothing to load");
    REFUSED(head->ph[0].memsz = head->ph[1].memsz = 0, "nothing to load");
}

static void test_too_many_segments(void **state)
{
    enum { COUNT = ELF_MAX_SEGMENTS + 1 };
    struct {
        struct elf64_header h;
        struct elf64_segment ph[COUNT];
    } *many = calloc(1, sizeof(*many));
    struct elf_image image;
    const char *why;

    (void)state;
    many->h = head->h;
    many->h.phoff = sizeof(many->h);
    many->h.phnum = COUNT;
    for (uint64_t i = 0; i < COUNT; i++)
        many->ph[i] = (struct elf64_segment){.type = ELF_SEGMENT_LOAD, .memsz = 1, .paddr = i, .vaddr = i};
    assert_int_equal(elf_open(&image, many, sizeof(*many), &why), -ENOEXEC);
    assert_non_null(strstr(why, "too many"));
    many->h.phnum--;
    assert_int_equal(elf_open(&image, many, sizeof(*many), &why), 0);
    free(many);
}

static void add_linux_notes(void)
{
    uint64_t pair[2] = {1, 1};

    add_note("GNU", 3, "build-id", 8);
    add_note("Xen", XEN_ELFNOTE_GUEST_OS, "linux", 6);
    add_note("Xen", XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
    add_number(XEN_ELFNOTE_VIRT_BASE, 0xffffffff80000000, 8);
    add_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000, 8);
    add_number(XEN_ELFNOTE_MOD_START_PFN, 1, 4);
    add_number(XEN_ELFNOTE_SUPPORTED_FEATURES, 1 << XENFEAT_dom0, 4);
    add_note("Xen", XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb|unheard_of", 53);
    add_note("Xen", XEN_ELFNOTE_L1_MFN_VALID, pair, 16);
    add_note("Xen", XEN_ELFNOTE_LOADER, "generic", 7); /* not terminated */
}

static void check_linux_notes(const struct xen_elfnotes *notes)
{
    assert_string_equal(notes->guest_os, "linux");
    assert_string_equal(notes->xen_version, "xen-3.0");
    assert_string_equal(notes->loader, "generic");
    assert_int_equal(notes->value[XEN_ELFNOTE_VIRT_BASE], 0xffffffff80000000);
    assert_int_equal(notes->value[XEN_ELFNOTE_INIT_P2M], 0x8000000000);
    assert_int_equal(notes->value[XEN_ELFNOTE_MOD_START_PFN], 1);
    assert_true(xen_note_present(notes, XEN_ELFNOTE_INIT_P2M));
    assert_false(xen_note_present(notes, XEN_ELFNOTE_ENTRY));
    assert_int_equal(notes->features_supported, 1 << XENFEAT_dom0 | 1 << XENFEAT_writable_page_tables |
                                                    1 << XENFEAT_pae_pgdir_above_4gb);
    assert_int_equal(notes->features_required, 1 << XENFEAT_writable_page_tables);
    assert_int_equal(notes->l1_mfn_mask, 1);
    assert_int_equal(notes->l1_mfn_value, 1);
}

static void test_notes(void **state)
{
    struct xen_elfnotes notes;
    struct elf_image image;
    const char *why;

    (void)state;
    assert_int_equal(open_copy(sizeof(file), &image, &notes, &why), -ENOEXEC);
    assert_non_null(strstr(why, "no Xen notes"));

    add_linux_notes();
    assert_int_equal(open_copy(sizeof(file), &image, &notes, &why), 0);
    check_linux_notes(&notes);
}

static void test_notes_in_section(void **state)
{
    struct xen_elfnotes notes;
    struct elf_image image;
    const char *why;

    (void)state;
    add_linux_notes();
    head->ph[2].type = 0;
    head->h.shoff = offsetof(struct test_file, sh);
    head->h.shnum = 2;
    head->sh[1] = (struct elf64_section){.type = ELF_SECTION_NOTE, .offset = NOTES_AT, .size = notes_used};
    assert_int_equal(open_copy(sizeof(file), &image, &notes, &why), 0);
    check_linux_notes(&notes);

    head->sh[1].size = UINT64_MAX; /* skipped */
    assert_int_equal(open_copy(sizeof(file), &image, &notes, &why), -ENOEXEC);
}

static void test_bad_notes(void **state)
{
    struct xen_elfnotes notes;
    struct elf_image image;
    const char *why;

    (void)state;
    add_note("Xen", XEN_ELFNOTE_ENTRY, "abc", 3);
    assert_int_equal(open_copy(sizeof(file), &image, &notes, &why), -ENOEXEC);
    assert_non_null(strstr(why, "wrong size"));

    setup(NULL);
    add_note("Xen", XEN_ELFNOTE_FEATURES, "!unheard_of", 12);
    assert_int_equal(open_copy(sizeof(file), &image, &notes, &why), -ENOEXEC);
    assert_non_null(strstr(why, "requires"));

    /* Numbers out of range of the table, and strings that are too long, do no harm. */
    setup(NULL);
    add_number(XEN_ELFNOTE_MAX + 1, 1, 8);
    add_number(XEN_ELFNOTE_CRASH_INFO, 1, 8);
    assert_int_equal(open_copy(sizeof(file), &image, &notes, &why), -ENOEXEC);
    assert_int_equal(notes.present, 0);

    char long_string[100];

    memset(long_string, 'x', sizeof(long_string));
    add_note("Xen", XEN_ELFNOTE_GUEST_OS, long_string, sizeof(long_string));
    assert_int_equal(open_copy(sizeof(file), &image, &notes, &why), 0);
    assert_int_equal(strlen(notes.guest_os), XEN_NOTE_STRING_MAX - 1);
}

static void test_every_truncation(void **state)
{
    struct xen_elfnotes notes;
    struct elf_image image;
    const char *why;

    (void)state;
    add_linux_notes();
    for (size_t size = 0; size < sizeof(file); size++)
        assert_int_equal(open_copy(size, &image, &notes, &why), -ENOEXEC);

    /* And of the notes alone: what fits is taken. */
    for (size_t size = 0; size < notes_used; size++) {
        head->ph[2].filesz = size;
        open_copy(sizeof(file), &image, &notes, &why);
    }
}

static void test_every_bit_flip(void **state)
{
    struct xen_elfnotes notes;
    struct elf_image image;
    const char *why;

    (void)state;
    add_linux_notes();
    for (size_t bit = 0; bit < CODE_AT * 8; bit++) {
        file[bit / 8] ^= 1 << bit % 8;
        if (!open_copy(sizeof(file), &image, &notes, &why))
            assert_in_range(image.nr_segments, 1, 2);
        file[bit / 8] ^= 1 << bit % 8;
    }
}

static uint8_t bz[2048];

static void make_bzimage(void)
{
    uint32_t offset = 16, length = 2048 - 3 * 512 - 16;

    memset(bz, 0, sizeof(bz));
    bz[0x1f1] = 2;
    memcpy(bz + 0x1fe, "\x55\xaaxxHdrS\x0d\x02", 10);
    memcpy(bz + 0x248, &offset, 4);
    memcpy(bz + 0x24c, &length, 4);
}

static int try_bzimage(size_t size, size_t *start, size_t *len, const char **why)
{
    uint8_t *copy = malloc(size ? size : 1);
    const void *payload;
    int err;

    memcpy(copy, bz, size);
    err = bzimage_payload(copy, size, &payload, len, why);
    if (err)
        assert_int_equal(err, -ENOEXEC);
    else
        *start = (const uint8_t *)payload - copy;
    free(copy);
    return err;
}

static void test_bzimage(void **state)
{
    size_t start, len;
    const char *why;

    (void)state;
    make_bzimage();
    assert_int_equal(try_bzimage(sizeof(bz), &start, &len, &why), 0);
    assert_int_equal(start, 3 * 512 + 16);
    assert_int_equal(len, 2048 - 3 * 512 - 16);
    for (size_t size = 0; size < sizeof(bz); size++) {
        assert_int_equal(try_bzimage(size, &start, &len, &why), -ENOEXEC);
        assert_non_null(strstr(why, size < 0x250 ? "not a bzImage" : "truncated"));
    }

    bz[0x207] = 1;
    assert_int_equal(try_bzimage(sizeof(bz), &start, &len, &why), -ENOEXEC);
    assert_non_null(strstr(why, "too old"));
    make_bzimage();
    memset(bz + 0x24c, 0, 4);
    assert_int_equal(try_bzimage(sizeof(bz), &start, &len, &why), -ENOEXEC);
    assert_non_null(strstr(why, "no payload"));
    memset(bz + 0x248, 0xff, 8);
    assert_int_equal(try_bzimage(sizeof(bz), &start, &len, &why), -ENOEXEC);
    make_bzimage();
    bz[0x202] = 'h';
    assert_int_equal(try_bzimage(sizeof(bz), &start, &len, &why), -ENOEXEC);
    /* No count of set-up sectors means four: then the payload does not fit here. */
    make_bzimage();
    bz[0x1f1] = 0;
    assert_int_equal(try_bzimage(sizeof(bz), &start, &len, &why), -ENOEXEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_too_many_segments, setup),
        cmocka_unit_test_setup(test_notes, setup),
        cmocka_unit_test_setup(test_notes_in_section, setup),
        cmocka_unit_test_setup(test_bad_notes, setup),
        cmocka_unit_test_setup(test_every_truncation, setup),
        cmocka_unit_test_setup(test_every_bit_flip, setup),
        cmocka_unit_test(test_bzimage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
