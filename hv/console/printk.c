#include <base/errno.h>
#include <boot/cmdline.h>
#include <console/console_internal.h>
#include <console/printk.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <time/time.h>

/*
 * How many levels, from LOG_ERR on, are always printed, and how many are printed up to the rate
 * limit: loglvl=<always>[/<limited>].
 */
struct threshold {
    uint32_t always, limited;
};

static struct threshold vmm_threshold = {.always = LOG_WARN + 1, .limited = LOG_WARN + 1};
static struct threshold guest_threshold = {.always = 0, .limited = LOG_WARN + 1};

/* A message costs one interval; up to BURST of them may be saved up. */
#define RATE_INTERVAL MILLISECS(500)
#define RATE_BURST    10

/*
 * Guests in a few classes, so that what one of them causes hides only what its like have to say; more classes
 * would let all of them together fill a serial line. The VMM's own messages have a class for themselves.
 */
#define GUEST_CLASSES 8
#define VMM_CLASS     GUEST_CLASSES

static struct allowance {
    s_time_t paid_until; /* time up to which the messages so far have used up the allowance */
    uint32_t suppressed;
} allowances[GUEST_CLASSES + 1] = {
    [0 ... VMM_CLASS] = {.paid_until = -RATE_BURST * RATE_INTERVAL}}; /* under LOCK_CONSOLE */

static const char *const level_names[] = {"none", "error", "warning", "info", "debug"};

static int level_from_name(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
        if (strlen(level_names[i]) == len && !strncmp(name, level_names[i], len))
            return i;
    return len == 3 && !strncmp(name, "all", 3) ? NR_LOG_LEVELS : -EINVAL;
}

static int parse_threshold(const char *value, struct threshold *out)
{
    const char *slash = strchr(value, '/');
    int always = level_from_name(value, slash ? (size_t)(slash - value) : strlen(value));
    int limited = slash ? level_from_name(slash + 1, strlen(slash + 1)) : always;

    if (always < 0 || limited < 0)
        return -EINVAL;
    out->always = always;
    out->limited = limited > always ? limited : always;
    return 0;
}

static __init int parse_loglvl(const char *value)
{
    return parse_threshold(value, &vmm_threshold);
}
BOOT_OPTION_CUSTOM("loglvl", parse_loglvl);

static __init int parse_guest_loglvl(const char *value)
{
    return parse_threshold(value, &guest_threshold);
}
BOOT_OPTION_CUSTOM("guest_loglvl", parse_guest_loglvl);

static const char *level_name(uint32_t level)
{
    return level == NR_LOG_LEVELS ? "all" : level_names[level];
}

void printk_threshold_get(bool guests, char *text, size_t size)
{
    const struct threshold *t = guests ? &guest_threshold : &vmm_threshold;

    snprintf(text, size, "%s/%s", level_name(t->always), level_name(t->limited));
}

/* Who prints meanwhile may go by one old and one new number. */
int printk_threshold_set(bool guests, const char *text)
{
    return parse_threshold(text, guests ? &guest_threshold : &vmm_threshold);
}

/* Takes one message from the allowance; false if it is used up.  Console lock held. */
static bool rate_allows(struct allowance *a)
{
    s_time_t t = now();

    if (a->paid_until < t - RATE_BURST * RATE_INTERVAL)
        a->paid_until = t - RATE_BURST * RATE_INTERVAL;
    if (a->paid_until + RATE_INTERVAL > t) {
        a->suppressed++;
        return false;
    }
    a->paid_until += RATE_INTERVAL;
    return true;
}

static bool may_print(const struct threshold *threshold, uint32_t class, enum log_level level)
{
    struct allowance *a = &allowances[class];
    char note[48];

    if ((uint32_t)level < threshold->always)
        return true;
    if ((uint32_t)level >= threshold->limited || !rate_allows(a))
        return false;
    if (a->suppressed) {
        int n = scnprintf(note, sizeof(note), "%u messages suppressed\n", a->suppressed);

        a->suppressed = 0;
        console_emit(note, n);
    }
    return true;
}

/* Formats outside the lock: an argument may be memory that faults. */
static void print(const struct threshold *threshold, uint32_t class, enum log_level level, const char *fmt,
                  va_list args)
{
    char buf[PRINTK_MAX];
    unsigned long flags;
    int len;

    if (threshold && (uint32_t)level >= threshold->limited)
        return;
    len = vsnprintf(buf, sizeof(buf), fmt, args);
    if (len >= (int)sizeof(buf)) {
        len = sizeof(buf) - 1;
        buf[len - 1] = '\n';
    }

    flags = console_acquire();
    if (!threshold || may_print(threshold, class, level))
        console_emit(buf, len);
    console_release(flags);
}

static void __printf(3, 4) print_of_guest(uint32_t class, enum log_level level, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print(&guest_threshold, class, level, fmt, args);
    va_end(args);
}

void printk(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print(NULL, VMM_CLASS, LOG_ERR, fmt, args);
    va_end(args);
}

void printk_level(enum log_level level, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print(&vmm_threshold, VMM_CLASS, level, fmt, args);
    va_end(args);
}

void guest_printk_level(enum log_level level, domid_t domid, const char *fmt, ...)
{
    char text[PRINTK_MAX - 16];
    va_list args;

    if ((uint32_t)level >= guest_threshold.limited)
        return;

    /* Two steps, so that the domain and its message are one piece of output. */
    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) >= (int)sizeof(text))
        text[sizeof(text) - 2] = '\n';
    va_end(args);
    print_of_guest(domid % GUEST_CLASSES, level, "d%u: %s", domid, text);
}
