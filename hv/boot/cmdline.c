#include <base/bug.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <lib/ctype.h>
#include <lib/parse.h>
#include <lib/printf.h>
#include <lib/string.h>

_Static_assert(sizeof(struct boot_option) == 32, "the linker lays them out as an array");
extern const struct boot_option __start_boot_options[], __stop_boot_options[];

static char saved_line[CMDLINE_MAX];
static char dom0_args[CMDLINE_MAX];

__init int parse_bool(const char *value)
{
    static const char *const yes[] = {"", "yes", "on", "true", "enable", "1"};
    static const char *const no[] = {"no", "off", "false", "disable", "0"};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
        if (!strcmp(value, yes[i]))
            return 1;
    for (size_t i = 0; i < ARRAY_SIZE(no); i++)
        if (!strcmp(value, no[i]))
            return 0;
    return -EINVAL;
}

__init int parse_named_bool(const char *item, const char *name)
{
    bool negated = !strncmp(item, "no-", 3);
    size_t n = strlen(name);

    item += negated ? 3 : 0;
    if (strncmp(item, name, n) || (item[n] && item[n] != '='))
        return -ENOENT;
    if (negated)
        return item[n] ? -EINVAL : 0;
    return parse_bool(item[n] ? item + n + 1 : "");
}

__init int parse_items(const char *value, int (*parse)(const char *item))
{
    static __initdata char item[CMDLINE_MAX];
    int err;

    do {
        const char *end = strchr(value, ',');
        size_t n = end ? (size_t)(end - value) : strlen(value);

        if (n >= sizeof(item))
            return -ERANGE;
        memcpy(item, value, n);
        item[n] = '\0';
        err = parse(item);
        value += n + 1;
        if (!end)
            return err;
    } while (!err);
    return err;
}

static __init int set_uint(const struct boot_option *opt, const char *value)
{
    const char *end;
    uint64_t n;
    int err = parse_u64(value, &end, 0, &n);

    if (err)
        return err;
    if (*end)
        return -EINVAL;
    if (n > UINT32_MAX)
        return -ERANGE;
    *(uint32_t *)opt->var = n;
    return 0;
}

static __init int set_size(const struct boot_option *opt, const char *value)
{
    const char *end;
    uint64_t n;
    int err = parse_size(value, &end, opt->param, &n);

    if (err)
        return err;
    if (*end)
        return -EINVAL;
    *(uint64_t *)opt->var = n;
    return 0;
}

static __init int set_bool(const struct boot_option *opt, const char *value)
{
    int b = parse_bool(value);

    if (b < 0)
        return b;
    *(bool *)opt->var = b;
    return 0;
}

static __init int set_option(const struct boot_option *opt, const char *value)
{
    switch (opt->type) {
    case OPTION_BOOL:
        return set_bool(opt, value);
    case OPTION_UINT:
        return set_uint(opt, value);
    case OPTION_SIZE:
        return set_size(opt, value);
    case OPTION_STRING:
        if (strlen(value) >= opt->param)
            return -ERANGE;
        strlcpy(opt->var, value, opt->param);
        return 0;
    default:
        return opt->parse(value);
    }
}

static __init bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
            return false;
    return *a == *b;
}

static __init const struct boot_option *find_option(const char *name)
{
    for (const struct boot_option *opt = __start_boot_options; opt < __stop_boot_options; opt++)
        if (same_name(opt->name, name))
            return opt;
    return NULL;
}

static __init bool is_ignored(const char *name)
{
    for (uint32_t i = 0; cmdline_ignored[i]; i++)
        if (same_name(cmdline_ignored[i], name) ||
            (!strncmp(name, "no-", 3) && same_name(cmdline_ignored[i], name + 3)))
            return true;
    return false;
}

/* @word is "name", "no-name" or "name=value" and may be written to. */
static __init void parse_word(char *word)
{
    char *value = strchr(word, '=');
    const char *name = word, *shown;
    const struct boot_option *opt;
    int err;

    if (value)
        *value++ = '\0';
    shown = value ? value : "";
    opt = find_option(name);
    if (!opt && !value && !strncmp(name, "no-", 3)) {
        name += 3;
        opt = find_option(name);
        shown = "no";
        if (opt && opt->type != OPTION_BOOL && opt->type != OPTION_CUSTOM)
            opt = NULL;
    }
    if (!opt && is_ignored(word))
        return;
    if (!opt) {
        printk_warn("Command line: unknown option \"%s\"\n", word);
        return;
    }

    err = set_option(opt, shown);
    if (!err)
        return;
    if (opt->essential)
        boot_refuse("Command line: bad value \"%s\" for option %s", shown, name);
    printk_warn("Command line: bad value \"%s\" for option %s%s, default kept\n", shown, name,
                err == -ERANGE ? " (out of range)" : "");
}

static __init const char *skip_spaces(const char *s)
{
    while (is_space(*s))
        s++;
    return s;
}

static __init const char *word_end(const char *s)
{
    while (*s && !is_space(*s))
        s++;
    return s;
}

__init void cmdline_parse(const char *line, bool skip_image_name)
{
    static __initdata char word[CMDLINE_MAX];

    line = skip_spaces(line ? line : "");
    if (skip_image_name)
        line = skip_spaces(word_end(line));
    /* What Debian's GRUB entries have in place of the name, for loaders that would take it away. */
    if (!strncmp(line, "placeholder", 11) && (!line[11] || is_space(line[11])))
        line = skip_spaces(line + 11);
    if (strlcpy(saved_line, line, sizeof(saved_line)) >= sizeof(saved_line))
        printk_warn("Command line: longer than %zu bytes, cut short\n", sizeof(saved_line) - 1);

    for (line = saved_line; *(line = skip_spaces(line));) {
        const char *end = word_end(line);

        strlcpy(word, line, end - line + 1);
        line = end;
        if (!strcmp(word, "--")) {
            strlcpy(dom0_args, skip_spaces(line), sizeof(dom0_args));
            return;
        }
        parse_word(word);
    }
}

const char *cmdline_dom0_args(void)
{
    return dom0_args;
}

void __init cmdline_for_dom0(char *dst, size_t size, const char *given)
{
    int len = snprintf(dst, size, "%s%s%s", given, *dom0_args ? " " : "", dom0_args);

    if ((size_t)len >= size)
        printk_warn("dom0's command line: longer than %zu bytes, cut short\n", size - 1);
}

const char *cmdline_saved(void)
{
    return saved_line;
}
