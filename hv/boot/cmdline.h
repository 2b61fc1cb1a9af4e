/*
 * The VMM's command line: words "name", "no-name" or "name=value", as Xen defines them.
 *
 * An option is registered where it is used, by one of the macros below at file level; the variable
 * keeps its initializer unless the option is given.  A later word overrides an earlier one of the
 * same name, unless the option's parser collects.  In names "-" and "_" are the same.
 */
#ifndef BOOT_CMDLINE_H
#define BOOT_CMDLINE_H

#include <base/compiler.h>
#include <base/types.h>

enum boot_option_type { OPTION_BOOL, OPTION_UINT, OPTION_SIZE, OPTION_STRING, OPTION_CUSTOM };

struct boot_option {
    const char *name;
    void *var;
    int (*parse)(const char *value);
    uint32_t param; /* OPTION_SIZE: shift of the default unit; OPTION_STRING: size of the array */
    uint8_t type;   /* enum boot_option_type */
    bool essential; /* panic on a bad value instead of keeping the default */
} __aligned(32);    /* its own size: the compiler would align some more than others */

/* Bounded by symbols of the link script; on the host by the linker, for a section with such a name. */
#ifdef HOSPES_UNIT_TEST
#define BOOT_OPTION_SECTION "boot_options"
#else
#define BOOT_OPTION_SECTION ".init.boot_options"
#endif

#define BOOT_OPTION_DEFINE(line, ...)                                                                        \
    static const struct boot_option boot_option_##line __used __section(BOOT_OPTION_SECTION) = {__VA_ARGS__}
#define BOOT_OPTION_AT(line, ...) BOOT_OPTION_DEFINE(line, __VA_ARGS__)

/* bool: "name", "no-name", "name=yes|on|true|enable|1", "name=no|off|false|disable|0" */
#define BOOT_OPTION_BOOL(opt, variable)                                                                      \
    _Static_assert(_Generic((variable), bool : 1, default : 0), "bool");                                     \
    BOOT_OPTION_AT(__LINE__, .name = (opt), .var = &(variable), .type = OPTION_BOOL)

/* uint32_t: decimal, or hexadecimal after 0x */
#define BOOT_OPTION_UINT(opt, variable)                                                                      \
    _Static_assert(_Generic((variable), uint32_t : 1, default : 0), "uint32_t");                             \
    BOOT_OPTION_AT(__LINE__, .name = (opt), .var = &(variable), .type = OPTION_UINT)

/* uint64_t in bytes: suffixes B K M G T; without one in units of 1 << shift */
#define BOOT_OPTION_SIZE(opt, variable, shift)                                                               \
    _Static_assert(_Generic((variable), uint64_t : 1, default : 0), "uint64_t");                             \
    BOOT_OPTION_AT(__LINE__, .name = (opt), .var = &(variable), .param = (shift), .type = OPTION_SIZE)

/* char array; a value that does not fit is refused */
#define BOOT_OPTION_STRING(opt, array)                                                                       \
    BOOT_OPTION_AT(__LINE__, .name = (opt), .var = (array), .param = sizeof(array), .type = OPTION_STRING)

/*
 * int parse(const char *value): called for each occurrence, with "" for the bare name and "no" for
 * "no-name".  The string is terminated and lives only during the call.  Returns 0, or -EINVAL
 * (-ERANGE) when the value is bad; it must then leave the setting as it was.
 */
#define BOOT_OPTION_CUSTOM(opt, function)                                                                    \
    BOOT_OPTION_AT(__LINE__, .name = (opt), .parse = (function), .type = OPTION_CUSTOM)

/* As BOOT_OPTION_CUSTOM, where going on with the default would be worse than stopping. */
#define BOOT_OPTION_ESSENTIAL(opt, function)                                                                 \
    BOOT_OPTION_AT(__LINE__, .name = (opt), .parse = (function), .type = OPTION_CUSTOM, .essential = true)

/* Names that are accepted and not looked at; ends with NULL. */
extern const char *const cmdline_ignored[];

/* Longest command line that is looked at; the rest is ignored with a warning. */
#define CMDLINE_MAX 2048

/*
 * Parses the whole line; to be called once, before any option is used.  One warning names each
 * unknown option and each bad value.  The first word is the image's name and skipped if
 * @skip_image_name (multiboot 1; multiboot 2's line has no such word).  What follows a word "--"
 * is not ours: see cmdline_dom0_args().  @line NULL means an empty one.
 */
void cmdline_parse(const char *line, bool skip_image_name);

/* The words after "--", to be added to dom0's own command line; "" if there are none. */
const char *cmdline_dom0_args(void);

/* dom0's command line: its module's, @given, and those words. Warns if @size bytes are too few. */
void cmdline_for_dom0(char *dst, size_t size, const char *given);

/* The line as it was given, without the image's name and Debian's "placeholder" for it: for
 * XENVER_commandline. */
const char *cmdline_saved(void);

/* A boolean value as in BOOT_OPTION_BOOL: 1, 0, or -EINVAL.  "" is true. */
int parse_bool(const char *value);

/* The same for one item of a list: "name", "no-name", "name=value". -ENOENT: another name. */
int parse_named_bool(const char *item, const char *name);

/* Calls @parse for each item of a list separated by commas, up to the first that gives an error. */
int parse_items(const char *value, int (*parse)(const char *item));

#endif
