/*
 * The wall clock is kept as the time of day at system time 0; guests add their
 * system time to it. The CMOS clock is read once, and then dom0 sets the clock.
 */
#include <acpi/acpi.h>
#include <base/atomic.h>
#include <base/bug.h>
#include <base/spinlock.h>
#include <cpu/insn.h>
#include <domain/domain.h>
#include <time/time.h>
#include <time/wallclock.h>

#define NS_PER_S 1000000000ULL

static DEFINE_SPINLOCK(lock, LOCK_TIME);
static uint64_t base_seconds; /* time of day at system time 0 */
static uint32_t base_ns;

/* MC146818: registers 0, 2, 4, 7, 8, 9, status registers A and B. */
#define CMOS_INDEX    0x70
#define CMOS_DATA     0x71
#define CMOS_STATUS_A 10
#define CMOS_STATUS_B 11
#define CMOS_UPDATING 0x80 /* A: the time registers are about to change */
#define CMOS_BINARY   0x04 /* B: not BCD */
#define CMOS_24_HOURS 0x02 /* B */
#define CMOS_PM       0x80 /* hour, in 12-hour mode */

static uint8_t from_bcd(uint8_t v, uint8_t status_b)
{
    return status_b & CMOS_BINARY ? v : (uint8_t)((v >> 4) * 10 + (v & 15));
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static uint64_t days_since_epoch(uint32_t year, uint32_t month, uint32_t day)
{
    /* The year begins in March, so that the leap day is its last. */
    uint32_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

    return 365ULL * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

uint64_t cmos_to_seconds(const struct cmos_time *t)
{
    uint8_t b = t->status_b;
    uint32_t second = from_bcd(t->second, b), minute = from_bcd(t->minute, b);
    uint32_t hour = from_bcd(t->hour & (uint8_t)~CMOS_PM, b), day = from_bcd(t->day, b);
    uint32_t month = from_bcd(t->month, b), year = from_bcd(t->year, b), century = from_bcd(t->century, b);

    if (!(b & CMOS_24_HOURS)) {
        if (!hour || hour > 12)
            return 0;
        hour = hour % 12 + (t->hour & CMOS_PM ? 12 : 0);
    }
    if (century < 19 || century > 99)
        century = year >= 70 ? 19 : 20;
    if (second > 59 || minute > 59 || hour > 23 || !day || day > 31 || !month || month > 12 || year > 99)
        return 0;
    if (century == 19 && year < 70)
        return 0;
    return ((days_since_epoch(century * 100 + year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
}

static uint8_t __init cmos_read(uint8_t index)
{
    outb(CMOS_INDEX, index);
    return inb(CMOS_DATA);
}

static struct cmos_time __init cmos_read_time(void)
{
    return (struct cmos_time){.second = cmos_read(0),
                              .minute = cmos_read(2),
                              .hour = cmos_read(4),
                              .day = cmos_read(7),
                              .month = cmos_read(8),
                              .year = cmos_read(9),
                              .century = acpi_fadt.century ? cmos_read(acpi_fadt.century & 0x7f) : 0,
                              .status_b = cmos_read(CMOS_STATUS_B)};
}

/* Twice the same second, and no update under way, makes a consistent reading. Bounded for a dead clock. */
static uint64_t __init cmos_seconds(void)
{
    uint64_t seconds = 0, last;

    for (int i = 0; i < 100; i++) {
        struct cmos_time t;

        for (int j = 0; j < 300 && (cmos_read(CMOS_STATUS_A) & CMOS_UPDATING); j++)
            udelay(10);
        last = seconds;
        t = cmos_read_time();
        seconds = cmos_to_seconds(&t);
        if (i && seconds == last)
            break;
    }
    return seconds;
}

/* Time of day at system time 0, if it is seconds + ns at `at`. */
static void set_base(uint64_t seconds, uint64_t ns, uint64_t at)
{
    uint64_t at_ns = at % NS_PER_S;
    unsigned long flags;

    seconds += ns / NS_PER_S;
    ns %= NS_PER_S;
    if (ns < at_ns) {
        ns += NS_PER_S;
        seconds--;
    }
    flags = spin_lock_irqsave(&lock);
    base_seconds = seconds - at / NS_PER_S;
    base_ns = (uint32_t)(ns - at_ns);
    spin_unlock_irqrestore(&lock, flags);
}

void __init wallclock_init(void)
{
    uint64_t seconds = cmos_seconds();

    set_base(seconds, 0, (uint64_t)now());
}

/* Readers retry while the version is odd or has changed: <xen/xen.h>, struct shared_info. */
void time_update_wallclock(struct domain *d)
{
    shared_info_t *s = d->shared_info;
    unsigned long flags;
    uint64_t seconds;

    if (!s)
        return;
    flags = spin_lock_irqsave(&lock);
    seconds = base_seconds + (uint64_t)d->time.time_offset_seconds;
    WRITE_ONCE(s->wc_version, ++d->time.wc_version);
    smp_wmb();
    WRITE_ONCE(s->wc_sec, (uint32_t)seconds);
    WRITE_ONCE(s->wc_sec_hi, (uint32_t)(seconds >> 32));
    WRITE_ONCE(s->wc_nsec, base_ns);
    smp_wmb();
    WRITE_ONCE(s->wc_version, ++d->time.wc_version);
    spin_unlock_irqrestore(&lock, flags);
}

void time_set_wallclock(uint64_t seconds, uint32_t nanoseconds, uint64_t system_time_base)
{
    struct domain *d;
    uint32_t id = 0;

    set_base(seconds, nanoseconds, system_time_base);
    while (id < DOMID_FIRST_RESERVED && (d = domain_find_next((domid_t)id)) != NULL) {
        id = d->id + 1u;
        time_update_wallclock(d);
        domain_put(d);
    }
}

uint64_t wallclock_seconds(void)
{
    unsigned long flags = spin_lock_irqsave(&lock);
    uint64_t seconds = base_seconds, ns = base_ns + (uint64_t)now();

    spin_unlock_irqrestore(&lock, flags);
    return seconds + ns / NS_PER_S;
}
