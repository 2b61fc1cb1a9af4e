/* unit: hv/time/scale.c hv/time/discipline.c hv/time/calibrate.c hv/time/wallclock.c */
#include <domain/domain.h>
#include <stdlib.h>
#include <time/calibrate.h>
#include <time/discipline.h>
#include <time/scale.h>
#include <time/time.h>
#include <time/wallclock.h>
#include <unit.h>

#define NS_PER_S 1000000000ULL
#define YEARS(n) ((n)*31557600ULL)

static const uint64_t frequencies[] = {1000,       1193182,    3579545,    100000000,
                                       999999999,  1000000000, 1000000001, 2000000000,
                                       2000000001, 2596126000, 5400000000, 9999999999};

/* Beyond it a counter below 1 GHz would overflow. */
static uint64_t max_ticks(struct time_scale s)
{
    return s.shift > 0 ? UINT64_MAX >> s.shift : UINT64_MAX;
}

static void test_scale_is_accurate_for_a_century(void **state)
{
    for (unsigned int i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
        uint64_t hz = frequencies[i];
        struct time_scale s = time_scale_for_hz(hz);
        uint64_t seconds = YEARS(100), ns;

        assert_true(s.mul >= 1u << 31);
        ns = time_scale_ticks(s, hz);
        assert_true(ns <= NS_PER_S && ns + 2 >= NS_PER_S);
        if (seconds > max_ticks(s) / hz)
            seconds = max_ticks(s) / hz;
        assert_true(hz < 900000000 || hz > 5000000000 || seconds == YEARS(100));
        ns = time_scale_ticks(s, seconds * hz);
        /* Off by less than 0.5e-9, and never too much. */
        assert_true(ns <= seconds * NS_PER_S);
        assert_true(seconds * NS_PER_S - ns <= seconds + 2);
    }
}

static void test_scale_is_monotonic(void **state)
{
    for (unsigned int i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
        struct time_scale s = time_scale_for_hz(frequencies[i]);
        uint64_t last = 0, t = 0;

        srand(3);
        for (int step = 0; step < 20000; step++) {
            uint64_t ns, more = step < 10000 ? 1 : (uint64_t)rand() << (rand() % 20);

            if (more > max_ticks(s) - t)
                break;
            t += more;
            ns = time_scale_ticks(s, t);
            assert_true(ns >= last);
            last = ns;
        }
    }
}

static void test_mul_div(void **state)
{
    assert_int_equal(mul_div(6, 7, 2), 21);
    assert_true(mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    assert_true(mul_div(UINT64_MAX, 2, 1) == UINT64_MAX);
    assert_true(mul_div(UINT64_MAX, 1000, 2000) == UINT64_MAX / 2);
    for (int i = 0; i < 10000; i++) {
        uint64_t a = (uint64_t)rand() * (uint64_t)rand(), b = (uint64_t)rand(), c = (uint64_t)rand() + b;

        assert_true(mul_div(a, b, c) == (uint64_t)((unsigned __int128)a * b / c));
    }
}

static const struct platform_timer hpet = {.hz = 100000000, .mask = UINT32_MAX};
static const struct platform_timer pit = {.hz = 1193182, .mask = 0xffff};
static const struct platform_timer pm = {.hz = 3579545, .mask = 0xffffff};

/* A sample at a time (ns), of a TSC of hz, `noise` ns apart from the truth. */
static struct time_sample sample(const struct platform_timer *pt, uint64_t hz, uint64_t ns, int64_t noise)
{
    uint64_t start = 0xfffff000; /* wraps soon */

    return (struct time_sample){.tsc = mul_div(ns + (uint64_t)noise, hz, NS_PER_S),
                                .count = (start + mul_div(ns, pt->hz, NS_PER_S)) & pt->mask};
}

static void test_calibration_survives_disturbances(void **state)
{
    static const struct platform_timer *const timers[] = {&hpet, &pm, &pit};

    for (unsigned int which = 0; which < 3; which++) {
        const struct platform_timer *pt = timers[which];
        struct time_sample s[CALIBRATION_SAMPLES];
        uint64_t hz = 2596126000, found, error;

        srand(5);
        for (unsigned int i = 0; i < CALIBRATION_SAMPLES; i++) {
            int64_t noise = rand() % 400;

            if (i == 2 || i == 7)
                noise += 3000000; /* the emulator was not running for 3 ms */
            s[i] = sample(pt, hz, 1000000 + i * 5000000ULL, noise);
        }
        found = time_estimate_tsc_hz(pt, s, CALIBRATION_SAMPLES);
        error = found > hz ? found - hz : hz - found;
        /* The PIT alone has 838 ns a count: 40 ppm of 20 ms. */
        assert_true(error < hz / (which == 2 ? 10000 : 20000));
    }
}

static void test_calibration_of_dead_timer(void **state)
{
    struct time_sample s[CALIBRATION_SAMPLES];

    for (unsigned int i = 0; i < CALIBRATION_SAMPLES; i++)
        s[i] = (struct time_sample){.tsc = i * 1000000, .count = 77};
    assert_int_equal(time_estimate_tsc_hz(&hpet, s, CALIBRATION_SAMPLES), 0);
}

/* The clock as hv/time/clock.c keeps it, driven by a TSC whose true rate changes. */
struct machine {
    uint64_t true_ns, tsc, hz;
    uint64_t base_tsc, base_ns;
    struct time_scale scale;
};

static uint64_t machine_now(const struct machine *m)
{
    return m->base_ns + time_scale_ticks(m->scale, m->tsc - m->base_tsc);
}

static void machine_run(struct machine *m, uint64_t ns)
{
    m->true_ns += ns;
    m->tsc += mul_div(ns, m->hz, NS_PER_S);
}

static struct time_sample machine_sample(const struct machine *m, const struct platform_timer *pt)
{
    return (struct time_sample){.tsc = m->tsc, .count = mul_div(m->true_ns, pt->hz, NS_PER_S) & pt->mask};
}

static void test_clock_follows_platform_timer(void **state)
{
    struct machine m = {.hz = 2000000000, .scale = time_scale_for_hz(2000400000)}; /* 200 ppm wrong */
    struct time_sample s = machine_sample(&m, &pm);
    struct discipline d;
    uint64_t last = 0;

    discipline_init(&d, &pm, &s, 0, 2000400000);
    srand(9);
    for (int i = 0; i < 600; i++) {
        struct discipline_result r;

        /* Rate changes of 30 %, and ten seconds in which nobody looked. */
        if (i == 200)
            m.hz = 1400000000;
        if (i == 400)
            m.hz = 2000000000;
        machine_run(&m, i == 100 ? 10 * NS_PER_S : NS_PER_S + (uint64_t)(rand() % 1000000));
        s = machine_sample(&m, &pm);
        assert_true(machine_now(&m) >= last);
        r = discipline_update(&d, &pm, &s, machine_now(&m));
        assert_true(r.hz != 0);
        m.base_ns = machine_now(&m) + r.step;
        m.base_tsc = m.tsc;
        m.scale = time_scale_for_hz(r.hz);
        last = machine_now(&m);
        if (i == 199 || i == 399 || i == 599) {
            int64_t error = (int64_t)(machine_now(&m) - m.true_ns);

            /* A sudden 30 % leaves at most 0.3 s ahead, which is slewed away at 500 ppm. */
            if (i == 199)
                assert_true(error < 5000 && error > -5000);
            else
                assert_true(error < 600000000 && error > -110000000);
        }
    }
}

static uint64_t cmos(uint8_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute, uint8_t second,
                     uint8_t b, uint8_t century)
{
    struct cmos_time t = {second, minute, hour, day, month, year, century, b};

    return cmos_to_seconds(&t);
}

static void test_cmos(void **state)
{
    /* Values of date -u -d ... +%s. BCD, 24 hours. */
    assert_int_equal(cmos(0x23, 0x11, 0x14, 0x22, 0x13, 0x20, 2, 0x20), 1700000000);
    assert_int_equal(cmos(0x70, 0x01, 0x01, 0x00, 0x00, 0x01, 2, 0x19), 1);
    assert_int_equal(cmos(0x00, 0x02, 0x29, 0x12, 0x00, 0x00, 2, 0), 951825600);
    /* Binary, and 12 hours: noon and midnight. */
    assert_int_equal(cmos(23, 11, 14, 22, 13, 20, 6, 20), 1700000000);
    assert_int_equal(cmos(23, 11, 14, 0x80 | 10, 13, 20, 4, 20), 1700000000);
    assert_int_equal(cmos(0x24, 0x02, 0x29, 0x12, 0x00, 0x00, 0, 0x20), 1709164800);
    assert_int_equal(cmos(0x24, 0x02, 0x29, 0x92, 0x00, 0x00, 0, 0x20), 1709208000);
    /* Beyond 32 bits. */
    assert_true(cmos(0x06, 0x02, 0x07, 0x06, 0x28, 0x16, 2, 0x21) == 4294967296ULL);
    /* No time at all. */
    assert_int_equal(cmos(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 0);
    assert_int_equal(cmos(0x23, 0x13, 0x01, 0, 0, 0, 2, 0x20), 0);
    assert_int_equal(cmos(0x23, 0x00, 0x01, 0, 0, 0, 2, 0x20), 0);
    assert_int_equal(cmos(0x23, 0x01, 0x01, 0, 0, 0, 0, 0x20), 0);
}

/* What wallclock.c calls besides. */
static s_time_t clock_ns;
s_time_t now(void)
{
    return clock_ns;
}

static shared_info_t shared;
static struct domain guest = {.id = 1, .shared_info = &shared};

struct domain *domain_find_next(domid_t first)
{
    return first <= guest.id ? &guest : NULL;
}

void domain_put(struct domain *d)
{
}

static void test_wallclock(void **state)
{
    clock_ns = 7 * (s_time_t)NS_PER_S;
    time_set_wallclock(1600000000, 7, NS_PER_S);
    assert_int_equal(shared.wc_sec, 1599999999);
    assert_int_equal(shared.wc_nsec, 7);
    assert_int_equal(shared.wc_version % 2, 0);
    assert_int_equal(wallclock_seconds(), 1600000006);
    time_set_wallclock(1600000000, 5, 6);
    assert_int_equal(shared.wc_sec, 1599999999);
    assert_int_equal(shared.wc_nsec, 999999999);
    time_set_wallclock(0x500000000ULL, 0, 0);
    assert_int_equal(shared.wc_sec_hi, 5);
    assert_int_equal(shared.wc_sec, 0);
    guest.time.time_offset_seconds = -10;
    time_update_wallclock(&guest);
    assert_int_equal(shared.wc_sec_hi, 4);
    assert_int_equal(shared.wc_sec, 0xfffffff6);
    guest.time.time_offset_seconds = 0;
    /* A nanosecond field that holds seconds is carried. */
    time_set_wallclock(1000, 3000000001u, 0);
    assert_int_equal(shared.wc_sec, 1003);
    assert_int_equal(shared.wc_nsec, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale_is_accurate_for_a_century),
        cmocka_unit_test(test_scale_is_monotonic),
        cmocka_unit_test(test_mul_div),
        cmocka_unit_test(test_calibration_survives_disturbances),
        cmocka_unit_test(test_calibration_of_dead_timer),
        cmocka_unit_test(test_clock_follows_platform_timer),
        cmocka_unit_test(test_cmos),
        cmocka_unit_test(test_wallclock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
