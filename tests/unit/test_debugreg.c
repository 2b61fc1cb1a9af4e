/* unit: hv/pv/debugreg.c */
#include <unit.h>
#include <cpu/control.h>
#include <cpu/insn.h>
#include <domain/domain.h>
#include <pv/debugreg.h>

/* One CPU; of its registers, those that hold what a vCPU did. */
static uint64_t dr6, dr7;
static struct vcpu vcpus[2];
static struct cpu_info info;

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

uint64_t read_dr6(void)
{
    return dr6;
}

void write_dr6(uint64_t v)
{
    dr6 = v;
}

void write_dr7(uint64_t v)
{
    dr7 = v;
}

void write_dr0(uint64_t v)
{
}

void write_dr1(uint64_t v)
{
}

void write_dr2(uint64_t v)
{
}

void write_dr3(uint64_t v)
{
}

static void switch_to(unsigned int i)
{
    pv_save_debugregs(current);
    info.current_vcpu = &vcpus[i];
    pv_load_debugregs(current);
}

static int setup(void **state)
{
    dr6 = DR6_DEFAULT;
    dr7 = DR7_DEFAULT;
    for (unsigned int i = 0; i < 2; i++)
        pv_debug_init_vcpu(&vcpus[i]);
    info.current_vcpu = &vcpus[0];
    return 0;
}

/* What current finds in DR6 after a single step, as the CPU does it: it only ever adds bits. */
static uint64_t dr6_after_step(void)
{
    uint64_t value;

    dr6 |= DR6_STEP;
    pv_debug_exception(current);
    assert_int_equal(pv_get_debugreg(current, 6, &value), 0);
    return value;
}

/* Bits that one vCPU put into DR6, by a breakpoint or by hand, are not shown to the next. */
static void test_dr6_of_another(void **state)
{
    assert_int_equal(pv_set_debugreg(current, 7, 0x401), 0);
    assert_int_equal(pv_set_debugreg(current, 6, 0xffffafff), 0);
    assert_int_equal(dr6 & 0xe00f, 0xa00f);
    switch_to(1);
    assert_int_equal(dr7, DR7_DEFAULT);
    assert_int_equal(dr6_after_step(), DR6_DEFAULT | DR6_STEP);
    switch_to(0);
    assert_int_equal(dr7, 0x401);
    assert_int_equal(dr6_after_step(), DR6_DEFAULT | 0xa00f | DR6_STEP);
}

static void test_dr6_after_the_last_breakpoint(void **state)
{
    assert_int_equal(pv_set_debugreg(current, 7, 0x401), 0);
    assert_int_equal(pv_set_debugreg(current, 6, 0xffffafff), 0);
    assert_int_equal(pv_set_debugreg(current, 7, 0x400), 0);
    switch_to(1);
    assert_int_equal(dr6_after_step(), DR6_DEFAULT | DR6_STEP);
    switch_to(0);
    assert_int_equal(dr6_after_step(), DR6_DEFAULT | 0xa00f | DR6_STEP);
}

/* A breakpoint on a port is for what the guest has emulated, not for what the VMM does: the CPU does not get
 * it. */
static void test_port_breakpoints(void **state)
{
    uint64_t value;

    current->pv.cr4_guest = CR4_DE;
    assert_int_equal(pv_set_debugreg(current, 0, 0x61), 0);
    assert_int_equal(pv_set_debugreg(current, 7, 0x400 | 2 << 16 | 1 | 1 << 20 | 1 << 3), 0);
    assert_int_equal(dr7, 0x400 | 2 << 16 | 1 << 20 | 1 << 3);
    switch_to(1);
    switch_to(0);
    assert_int_equal(dr7, 0x400 | 2 << 16 | 1 << 20 | 1 << 3);
    assert_int_equal(pv_get_debugreg(current, 7, &value), 0);
    assert_int_equal(value, 0x400 | 2 << 16 | 1 | 1 << 20 | 1 << 3);
    pv_debug_io(current, 0x61, 1);
    assert_true(pv_debug_take_pending(current));
    current->pv.cr4_guest = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_dr6_of_another, setup),
        cmocka_unit_test_setup(test_dr6_after_the_last_breakpoint, setup),
        cmocka_unit_test_setup(test_port_breakpoints, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
