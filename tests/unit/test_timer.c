/* unit: hv/time/timer_heap.c hv/time/timer.c */
#include <cpu/percpu.h>
#include <cpu/softirq.h>
#include <irq/irq.h>
#include <stdlib.h>
#include <time/time.h>
#include <time/timer_heap.h>
#include <string.h>
#include <unit.h>

/* Two CPUs of a machine; the clock and the local timers are ours. */
static struct cpu_info info;
static s_time_t clock_ns, programmed[TEST_CPUS];
static void (*timer_softirq)(void);
static unsigned int raised[TEST_CPUS];

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

s_time_t now(void)
{
    return clock_ns;
}

void apic_timer_set(s_time_t deadline)
{
    programmed[info.cpu] = deadline;
}

void open_softirq(enum softirq nr, void (*fn)(void))
{
    assert_int_equal(nr, SOFTIRQ_TIMER);
    timer_softirq = fn;
}

void cpu_raise_softirq(unsigned int cpu, enum softirq nr)
{
    assert_int_equal(nr, SOFTIRQ_TIMER);
    raised[cpu]++;
}

void panic(const char *fmt, ...)
{
    abort();
}

/* Checks shape and order below t; returns the number of nodes. i: its place in the complete tree. */
static uint32_t check_node(const struct timer *t, const struct timer *parent, uint32_t i, uint32_t count)
{
    if (!t) {
        assert_true(i > count);
        return 0;
    }
    assert_true(i <= count);
    assert_ptr_equal(t->parent, parent);
    if (parent)
        assert_true(parent->expires <= t->expires);
    return 1 + check_node(t->left, t, 2 * i, count) + check_node(t->right, t, 2 * i + 1, count);
}

static void check_heap(const struct timer_heap *h)
{
    assert_int_equal(check_node(h->root, NULL, 1, h->count), h->count);
}

#define MANY 300

static void test_heap_against_model(void **state)
{
    static struct timer t[MANY];
    bool in[MANY] = {false};
    struct timer_heap h = {0};
    uint32_t count = 0;

    srand(7);
    for (int step = 0; step < 40000; step++) {
        int i = rand() % MANY;
        s_time_t least = INT64_MAX;

        if (in[i]) {
            timer_heap_remove(&h, &t[i]);
            count--;
        } else {
            t[i].expires = rand() % 500;
            timer_heap_insert(&h, &t[i]);
            count++;
        }
        in[i] = !in[i];
        assert_int_equal(h.count, count);
        if (step % 8 == 0)
            check_heap(&h);
        for (int j = 0; j < MANY; j++)
            if (in[j] && t[j].expires < least)
                least = t[j].expires;
        if (count)
            assert_int_equal(h.root->expires, least);
        else
            assert_null(h.root);
    }
}

struct record {
    struct timer timer;
    s_time_t fired_at;
    unsigned int count;
    s_time_t again; /* handler arms it for this */
};

static void fired(void *data)
{
    struct record *r = data;

    r->fired_at = clock_ns;
    r->count++;
    if (r->again)
        timer_set(&r->timer, r->again);
}

static int setup(void **state)
{
    info.cpu = 0;
    clock_ns = 1000;
    memset(raised, 0, sizeof(raised));
    timers_init();
    timers_init_cpu(1);
    return 0;
}

static void advance(s_time_t t)
{
    clock_ns = t;
    timer_softirq();
}

static void test_fires_once_and_never_early(void **state)
{
    struct record a = {0}, b = {0};

    timer_init(&a.timer, fired, &a, 0);
    timer_init(&b.timer, fired, &b, 0);
    timer_set(&a.timer, 50000);
    assert_int_equal(programmed[0], 50000);
    timer_set(&b.timer, 20000);
    assert_int_equal(programmed[0], 20000);
    advance(19999);
    assert_int_equal(a.count + b.count, 0);
    advance(20000);
    assert_int_equal(b.count, 1);
    assert_int_equal(a.count, 0);
    assert_int_equal(programmed[0], 50000);
    advance(60000);
    assert_int_equal(a.count, 1);
    assert_false(timer_is_pending(&a.timer));
    advance(100000);
    assert_int_equal(a.count + b.count, 2);
}

static void test_stop_rearm_kill(void **state)
{
    struct record a = {0}, zero = {0};

    timer_init(&a.timer, fired, &a, 0);
    timer_set(&a.timer, 2000);
    timer_stop(&a.timer);
    timer_stop(&a.timer);
    advance(3000);
    assert_int_equal(a.count, 0);
    timer_set(&a.timer, 9000);
    timer_set(&a.timer, 4000);
    advance(4000);
    assert_int_equal(a.count, 1);
    timer_set(&a.timer, 5000);
    timer_kill(&a.timer);
    timer_set(&a.timer, 6000);
    advance(7000);
    assert_int_equal(a.count, 1);
    timer_kill(&zero.timer);
}

static void test_rearming_for_the_past_ends(void **state)
{
    struct record a = {.again = 1};

    timer_init(&a.timer, fired, &a, 0);
    timer_set(&a.timer, 2000);
    advance(2000);
    assert_int_equal(a.count, 1);
    a.again = 0;
    advance(2001);
    assert_int_equal(a.count, 2);
    assert_false(timer_is_pending(&a.timer));
    timer_kill(&a.timer);
}

static void test_other_cpu(void **state)
{
    struct record a = {0};

    timer_init(&a.timer, fired, &a, 1);
    timer_set(&a.timer, 2000);
    assert_int_equal(raised[1], 1);
    advance(3000);
    assert_int_equal(a.count, 0);
    info.cpu = 1;
    timer_softirq();
    assert_int_equal(a.count, 1);

    timer_set(&a.timer, 9000);
    timer_migrate(&a.timer, 0);
    assert_int_equal(raised[0], 1);
    advance(9000);
    assert_int_equal(a.count, 1);
    info.cpu = 0;
    timer_softirq();
    assert_int_equal(a.count, 2);
    timer_migrate(&a.timer, 1);
    assert_int_equal(a.timer.cpu, 1);
    timer_migrate(&a.timer, 0);
}

#define TIMERS 60

static void test_snapshot(void **state)
{
    struct timer t[5], copies[3];

    for (uint32_t i = 0; i < 5; i++) {
        timer_init(&t[i], NULL, &t[i], 1);
        timer_set(&t[i], MILLISECS(50 - 10 * (int)i));
    }
    assert_int_equal(timer_snapshot(1, copies, 3), 5);
    assert_int_equal(copies[0].expires, MILLISECS(10));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(copies[i].expires, ((struct timer *)copies[i].data)->expires);
    assert_int_equal(timer_snapshot(0, copies, 3), 0);
    for (uint32_t i = 0; i < 5; i++)
        timer_kill(&t[i]);
}

/* Each armed timer fires once, between its time and the next look at the clock, wherever it was moved to. */
static void test_random_against_model(void **state)
{
    static struct record r[TIMERS];
    s_time_t due[TIMERS] = {0};
    unsigned int expected[TIMERS] = {0};

    srand(11);
    for (int i = 0; i < TIMERS; i++)
        timer_init(&r[i].timer, fired, &r[i], (uint32_t)i % 2);
    for (int step = 0; step < 20000; step++) {
        int i = rand() % TIMERS;

        info.cpu = (uint32_t)rand() % 2;
        switch (rand() % 5) {
        case 0:
        case 1:
            due[i] = clock_ns + rand() % 3000 - 200;
            timer_set(&r[i].timer, due[i]);
            break;
        case 2:
            due[i] = 0;
            timer_stop(&r[i].timer);
            break;
        case 3:
            timer_migrate(&r[i].timer, (uint32_t)rand() % 2);
            break;
        default:
            clock_ns += rand() % 400;
            for (info.cpu = 0; info.cpu < 2; info.cpu++)
                timer_softirq();
            for (int j = 0; j < TIMERS; j++)
                if (due[j] && due[j] <= clock_ns) {
                    expected[j]++;
                    due[j] = 0;
                }
        }
        for (int j = 0; j < TIMERS; j++) {
            assert_int_equal(r[j].count, expected[j]);
            assert_int_equal(timer_is_pending(&r[j].timer), due[j] != 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_against_model),
        cmocka_unit_test_setup(test_fires_once_and_never_early, setup),
        cmocka_unit_test_setup(test_stop_rearm_kill, setup),
        cmocka_unit_test_setup(test_rearming_for_the_past_ends, setup),
        cmocka_unit_test_setup(test_other_cpu, setup),
        cmocka_unit_test_setup(test_snapshot, setup),
        cmocka_unit_test_setup(test_random_against_model, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
