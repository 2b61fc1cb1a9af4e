/* Xen's ELF notes: <xen/elfnote.h>. */
#include <base/compiler.h>
#include <boot/elf.h>
#include <boot/elf_format.h>
#include <lib/string.h>
#include <xen/features.h>

#define NOTE_OWNER "Xen"

/* Names in XEN_ELFNOTE_FEATURES, by the XENFEAT_ number (<xen/features.h>). */
static const char *const feature_names[] = {
    [XENFEAT_writable_page_tables] = "writable_page_tables",
    [XENFEAT_writable_descriptor_tables] = "writable_descriptor_tables",
    [XENFEAT_auto_translated_physmap] = "auto_translated_physmap",
    [XENFEAT_supervisor_mode_kernel] = "supervisor_mode_kernel",
    [XENFEAT_pae_pgdir_above_4gb] = "pae_pgdir_above_4gb",
    [XENFEAT_hvm_callback_vector] = "hvm_callback_vector",
    [XENFEAT_hvm_safe_pvclock] = "hvm_safe_pvclock",
    [XENFEAT_dom0] = "dom0",
};

static __init int feature_number(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(feature_names); i++)
        if (feature_names[i] && strlen(feature_names[i]) == len && !memcmp(feature_names[i], name, len))
            return i;
    return -1;
}

/* "name|name|!name": with an exclamation mark the kernel cannot do without. */
static __init void parse_features(const char *s, size_t len, struct xen_elfnotes *notes, const char **why)
{
    const char *end = s + strnlen(s, len);

    while (s < end) {
        bool required = *s == '!';
        const char *name = s + required, *stop = name;
        int n;

        while (stop < end && *stop != '|')
            stop++;
        n = feature_number(name, stop - name);
        if (n >= 0) {
            notes->features_supported |= 1u << n;
            if (required)
                notes->features_required |= 1u << n;
        } else if (required) {
            *why = "kernel requires a feature that is not known";
        }
        s = stop + 1;
    }
}

static __init void copy_string(char *dst, const uint8_t *desc, uint32_t len)
{
    size_t n = MIN(strnlen((const char *)desc, len), (size_t)XEN_NOTE_STRING_MAX - 1);

    memcpy(dst, desc, n);
    dst[n] = '\0';
}

/* Numbers are as wide as the note says. */
static __init bool read_number(const uint8_t *desc, uint32_t len, uint64_t *out)
{
    *out = 0;
    if (len != 1 && len != 2 && len != 4 && len != 8)
        return false;
    memcpy(out, desc, len);
    return true;
}

static __init void read_l1_pairs(const uint8_t *desc, uint32_t len, struct xen_elfnotes *notes)
{
    if (len < 16 || len % 16)
        return;
    memcpy(&notes->l1_mfn_mask, desc + len - 16, 8);
    memcpy(&notes->l1_mfn_value, desc + len - 8, 8);
}

static __init void add_note(uint32_t type, const uint8_t *desc, uint32_t len, struct xen_elfnotes *notes,
                            const char **why)
{
    switch (type) {
    case XEN_ELFNOTE_GUEST_OS:
        copy_string(notes->guest_os, desc, len);
        break;
    case XEN_ELFNOTE_GUEST_VERSION:
        copy_string(notes->guest_version, desc, len);
        break;
    case XEN_ELFNOTE_XEN_VERSION:
        copy_string(notes->xen_version, desc, len);
        break;
    case XEN_ELFNOTE_LOADER:
        copy_string(notes->loader, desc, len);
        break;
    case XEN_ELFNOTE_FEATURES:
        parse_features((const char *)desc, len, notes, why);
        break;
    case XEN_ELFNOTE_L1_MFN_VALID:
        read_l1_pairs(desc, len, notes);
        break;
    case XEN_ELFNOTE_INFO:
    case XEN_ELFNOTE_PAE_MODE: /* of 32-bit kernels */
    case XEN_ELFNOTE_BSD_SYMTAB:
        break;
    default:
        if (!read_number(desc, len, &notes->value[type]))
            *why = "kernel has a Xen note of a wrong size";
        if (type == XEN_ELFNOTE_SUPPORTED_FEATURES)
            notes->features_supported |= notes->value[type];
        break;
    }
    notes->present |= 1u << type;
}

void __init elf_scan_notes(const uint8_t *p, uint64_t len, struct xen_elfnotes *notes, const char **why)
{
    struct elf64_note note;

    while (len >= sizeof(note)) {
        uint64_t name_room, desc_room;

        memcpy(&note, p, sizeof(note));
        p += sizeof(note);
        len -= sizeof(note);
        name_room = ROUND_UP((uint64_t)note.namesz, 4);
        desc_room = ROUND_UP((uint64_t)note.descsz, 4);
        /* The last note's padding may be missing. */
        if (name_room > len || note.descsz > len - name_room)
            return;
        if (note.namesz == sizeof(NOTE_OWNER) && !memcmp(p, NOTE_OWNER, sizeof(NOTE_OWNER)) &&
            note.type <= XEN_ELFNOTE_MAX)
            add_note(note.type, p + name_room, note.descsz, notes, why);
        if (desc_room > len - name_room)
            return;
        p += name_room + desc_room;
        len -= name_room + desc_room;
    }
}
