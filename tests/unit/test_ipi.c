/* unit: hv/cpu/ipi.c */
#include <stdlib.h>
#include <string.h>

#include <cpu/cpu_info.h>
#include <cpu/smp.h>
#include <irq/irq.h>
#include <unit.h>

static struct cpu_info infos[TEST_CPUS];
static uint32_t this, eois;
static void (*handlers[256])(struct cpu_user_regs *);
static cpumask_t called;

struct cpu_info *get_cpu_info(void)
{
    return &infos[this];
}

void panic(const char *fmt, ...)
{
    abort();
}

void apic_eoi(void)
{
    eois++;
}

void set_direct_vector(uint8_t vector, void (*fn)(struct cpu_user_regs *))
{
    handlers[vector] = fn;
}

static void interrupt(uint32_t cpu, uint8_t vector)
{
    uint32_t before = this;

    this = cpu;
    eois = 0;
    handlers[vector](NULL);
    this = before;
    /* A second one would take another interrupt out of service. */
    assert_int_equal(eois, 1);
}

void send_ipi(uint32_t cpu, uint8_t vector)
{
    assert_int_not_equal(cpu, this);
    interrupt(cpu, vector);
}

static void note_cpu(void *arg)
{
    assert_ptr_equal(arg, &called);
    assert_false(cpumask_test(&called, this));
    cpumask_set(&called, this);
}

static int setup(void **state)
{
    nr_cpus = 4;
    cpu_online_map.bits[0] = 0xb; /* not 2 */
    for (uint32_t cpu = 0; cpu < TEST_CPUS; cpu++)
        infos[cpu].cpu = cpu;
    this = 0;
    memset(&called, 0, sizeof(called));
    smp_ipi_init();
    return 0;
}

static void test_one_eoi_for_an_event_check(void **state)
{
    eois = 0;
    smp_send_event_check(1);
    assert_int_equal(eois, 1);
    eois = 0;
    smp_send_event_check(0); /* itself: nothing to send */
    assert_int_equal(eois, 0);
}

static void test_calls(void **state)
{
    cpumask_t mask = {.bits = {0xe}};

    on_selected_cpus(&mask, note_cpu, &called);
    assert_int_equal(called.bits[0], 0xa);
    /* One that is late, or meant for nobody. */
    interrupt(3, VECTOR_CALL_FUNCTION);
    assert_int_equal(called.bits[0], 0xa);
}

static void test_call_of_oneself(void **state)
{
    cpumask_t all = {.bits = {0xf}}, self = {.bits = {1}};

    on_selected_cpus(&self, note_cpu, &called);
    assert_int_equal(called.bits[0], 1);
    memset(&called, 0, sizeof(called));
    on_selected_cpus(&all, note_cpu, &called);
    assert_int_equal(called.bits[0], 0xb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_eoi_for_an_event_check, setup),
        cmocka_unit_test_setup(test_calls, setup),
        cmocka_unit_test_setup(test_call_of_oneself, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
