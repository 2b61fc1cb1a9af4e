#include <base/compiler.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <boot/dom0.h>
#include <domain/domain.h>
#include <lib/parse.h>
#include <lib/string.h>

/*
 * dom0_mem=[min:SIZE,][max:SIZE,]SIZE, each SIZE a number of KiB or with a
 * suffix, negative for "all but", "N%" of RAM, or "SIZE+N%" of it; dom0_max_vcpus=N, MIN-MAX,
 * MIN- or -MAX (xen-command-line(7)).
 */
struct amount {
    bool given, all_but;
    uint64_t bytes;
    uint32_t percent;
};

static struct amount opt_size __initdata, opt_min __initdata, opt_max __initdata;
static uint32_t opt_vcpus_min __initdata = 1, opt_vcpus_max __initdata = ~0u;

static int __init parse_amount(const char *s, const char **end, struct amount *out)
{
    struct amount a = {.given = true};
    bool fixed_part = false;
    uint64_t n;
    int rc;

    if (*s == '-') {
        a.all_but = true;
        s++;
    }
    rc = parse_u64(s, end, 10, &n);
    if (!rc && **end != '%') {
        rc = parse_size(s, end, 10, &a.bytes);
        fixed_part = !rc && **end == '+';
        if (fixed_part)
            rc = parse_u64(*end + 1, end, 10, &n);
    }
    if (!rc && (fixed_part || **end == '%')) {
        if (**end != '%' || n >= 100 || a.all_but)
            return -EINVAL;
        ++*end;
        a.percent = (uint32_t)n;
    }
    if (!rc)
        *out = a;
    return rc;
}

static int __init parse_dom0_mem(const char *value)
{
    struct amount size = {0}, min = {0}, max = {0};
    const char *s = value;

    do {
        struct amount *which = &size;

        if (!strncmp(s, "min:", 4)) {
            which = &min;
            s += 4;
        } else if (!strncmp(s, "max:", 4)) {
            which = &max;
            s += 4;
        }
        if (which->given || parse_amount(s, &s, which))
            return -EINVAL;
    } while (*s++ == ',');
    if (s[-1])
        return -EINVAL;
    opt_size = size;
    opt_min = min;
    opt_max = max;
    return 0;
}
BOOT_OPTION_CUSTOM("dom0_mem", parse_dom0_mem);

static int __init parse_dom0_max_vcpus(const char *value)
{
    uint64_t low = 1, high = ~0u;
    const char *s = value;

    if (*s != '-') {
        if (parse_u64(s, &s, 10, &low) || low < 1)
            return -EINVAL;
        if (low > MAX_VCPUS_PER_DOMAIN)
            return -ERANGE;
        if (!*s)
            high = low;
    }
    if (*s == '-' && *++s && (parse_u64(s, &s, 10, &high) || high < low || high > ~0u))
        return -EINVAL;
    if (*s)
        return -EINVAL;
    opt_vcpus_min = (uint32_t)low;
    opt_vcpus_max = (uint32_t)high;
    return 0;
}
BOOT_OPTION_CUSTOM("dom0_max_vcpus", parse_dom0_max_vcpus);

static uint64_t __init amount_pages(const struct amount *a, uint64_t free)
{
    uint64_t pages = a->bytes / PAGE_SIZE;

    if (a->all_but)
        return pages < free ? free - pages : 0;
    return pages + free / 100 * a->percent;
}

struct dom0_size __init dom0_choose_size(uint64_t free, uint32_t cpus)
{
    /* Kept back by default: a sixteenth, at most 128 MiB, for the VMM and for DMA buffers. */
    uint64_t reserve = MIN(free / 16, (128UL << 20) / PAGE_SIZE), available = free - reserve;
    struct dom0_size size = {.pages = available, .max_pages = ~0UL, .vcpus = cpus};

    if (opt_size.given)
        size.pages = amount_pages(&opt_size, free);
    if (opt_min.given)
        size.pages = MAX(size.pages, amount_pages(&opt_min, free));
    if (opt_max.given) {
        size.max_pages = amount_pages(&opt_max, free);
        size.pages = MIN(size.pages, size.max_pages);
    }
    size.pages = MIN(size.pages, available);
    if (size.max_pages != ~0UL)
        size.max_pages = MAX(size.max_pages, size.pages);
    size.vcpus = MIN(MAX(size.vcpus, opt_vcpus_min), opt_vcpus_max);
    return size;
}
