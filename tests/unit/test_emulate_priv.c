/* unit: hv/pv/emulate_priv.c hv/pv/emulate_io.c hv/pv/emulate_mem.c hv/pv/decode.c hv/pv/iopl.c
 * hv/pv/ioport.c tests/unit/stubs/printk.c tests/unit/fixtures/emulate.c */
#include <string.h>

#include <unit.h>
#include <cpu/control.h>
#include <cpu/cpuid_policy.h>
#include <cpu/traps.h>
#include <pv/debugreg.h>
#include <pv/descriptor.h>
#include <pv/flags.h>
#include <pv/pv.h>
#include "fixtures/emulate.h"

static void test_kernel_only(void **state)
{
    vcpu.pv.kernel_mode = false;
    vcpu.pv.iopl = 3;
    regs->rcx = 0x10;
    assert_false(EMULATE(0x0f, 0x32));
    assert_false(EMULATE(0x0f, 0x30));
    assert_false(EMULATE(0x0f, 0x20, 0xc0));
    assert_false(EMULATE(0x0f, 0x22, 0xc0));
    assert_false(EMULATE(0x0f, 0x21, 0xc0));
    assert_false(EMULATE(0x0f, 0x06));
    assert_false(EMULATE(0x0f, 0x09));
    assert_false(EMULATE(0x0f, 0x31));
    assert_false(EMULATE(0x0f, 0x01, 0xd1));
    assert_int_equal(regs->rip, CODE);
}

static void test_msrs(void **state)
{
    regs->rcx = 0x10;
    assert_true(EMULATE(0x0f, 0x32));
    assert_int_equal(regs->rax, 0x55667788);
    assert_int_equal(regs->rdx, 0x11223344);
    regs->rax = 0xffffffff00000002;
    regs->rdx = 0xffffffff00000001;
    assert_true(EMULATE(0x0f, 0x30));
    regs->rcx = 0x11;
    assert_false(EMULATE(0x0f, 0x32));
    assert_false(EMULATE(0x0f, 0x30));
    /* Before there is a handler, a read gives zero instead of the end of the domain. */
    vcpu.pv.trap_table[TRAP_GP].address = 0;
    assert_true(EMULATE(0x0f, 0x32));
    assert_int_equal(regs->rax | regs->rdx, 0);
    assert_false(EMULATE(0x0f, 0x30));
}

static void test_control_registers(void **state)
{
    assert_true(EMULATE(0x0f, 0x20, 0xc3)); /* mov %cr0, %rbx */
    assert_int_equal(regs->rbx, 0x80050033);
    regs->rbx |= CR0_TS;
    assert_true(EMULATE(0x0f, 0x22, 0xc3));
    assert_int_equal(vcpu.pv.cr0_guest, CR0_TS);
    assert_true(EMULATE(0x0f, 0x06)); /* clts */
    assert_int_equal(vcpu.pv.cr0_guest, 0);
    regs->rbx = 0x80040033; /* WP */
    assert_false(EMULATE(0x0f, 0x22, 0xc3));
    regs->rbx = 5UL << 12;
    assert_true(EMULATE(0x0f, 0x22, 0xdb)); /* mov %rbx, %cr3 */
    regs->rbx = 7UL << 12;
    assert_false(EMULATE(0x0f, 0x22, 0xdb));
    regs->rbx = ~0UL;
    assert_true(EMULATE(0x0f, 0x22, 0xe3)); /* cr4: only what is the guest's changes */
    assert_true(EMULATE(0x0f, 0x20, 0xe3));
    assert_int_equal(regs->rbx, 0x660 | cr4_guest_bits);
    assert_false(EMULATE(0x44, 0x0f, 0x20, 0xc3)); /* cr8 */
}

/* Preempted while the new tables are validated: the instruction comes again. */
static void test_cr3_preempted(void **state)
{
    regs->rbx = 6UL << 12;
    assert_true(EMULATE(0x0f, 0x22, 0xdb));
    assert_int_equal(regs->rip, CODE);
    assert_int_equal(injected.count, 0);
}

static void test_debug_registers(void **state)
{
    regs->rbx = 0x1000;
    assert_true(EMULATE(0x0f, 0x23, 0xc3));
    assert_int_equal(vcpu.pv.debugreg[0], 0x1000);
    regs->rbx = 1;
    assert_false(EMULATE(0x0f, 0x23, 0xc3));
    assert_true(EMULATE(0x0f, 0x23, 0xe3)); /* dr4 that does not exist: #UD */
    assert_int_equal(injected.vector, TRAP_UD);
}

static void test_single_step(void **state)
{
    regs->rflags = RFLAGS_TF | RFLAGS_RF;
    regs->rcx = 0x10;
    assert_true(EMULATE(0x0f, 0x32));
    assert_int_equal(regs->rip, CODE + 2);
    assert_int_equal(injected.vector, TRAP_DB);
    assert_int_equal(vcpu.pv.debugreg[6], DR6_STEP);
    assert_int_equal(regs->rflags, RFLAGS_TF);
}

static void test_xsetbv(void **state)
{
    regs->rax = 3;
    assert_true(EMULATE(0x0f, 0x01, 0xd1));
    assert_int_equal(injected.vector, TRAP_UD); /* no OSXSAVE */
    injected.vector = 0;
    vcpu.pv.cr4_guest = CR4_OSXSAVE;
    assert_true(EMULATE(0x0f, 0x01, 0xd1));
    assert_int_equal(vcpu.pv.xcr0, 3);
    regs->rax = 7;
    assert_false(EMULATE(0x0f, 0x01, 0xd1));
    regs->rax = 1;
    regs->rcx = 1;
    assert_false(EMULATE(0x0f, 0x01, 0xd1));
    assert_int_equal(vcpu.pv.xcr0, 3);
}

/* CR4.TSD is the VMM's where it emulates the counter; the guest's own is against its programs. */
static void test_rdtsc(void **state)
{
    vcpu.pv.tsc_aux = 0x55;
    assert_true(EMULATE(0x0f, 0x31));
    assert_int_equal(regs->rax, 0x89abcdef);
    assert_int_equal(regs->rdx, 0x01234567);
    assert_true(EMULATE(0x0f, 0x01, 0xf9));
    assert_int_equal(regs->rcx, 0x55);
    vcpu.pv.kernel_mode = false;
    assert_false(EMULATE(0x0f, 0x31));
    domain.time.tsc.emulated = true;
    assert_true(EMULATE(0x0f, 0x31));
    assert_true(EMULATE(0x0f, 0x01, 0xf9));
    vcpu.pv.cr4_guest = CR4_TSD;
    assert_false(EMULATE(0x0f, 0x31));
    assert_false(EMULATE(0x0f, 0x01, 0xf9));
    vcpu.pv.kernel_mode = true;
    assert_true(EMULATE(0x0f, 0x31));
    domain.time.tsc.emulated = false;
}

static void test_cpuid(void **state)
{
    static const uint8_t forced[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};

    memcpy(code, forced, sizeof(forced));
    regs->rax = 0xffffffff00000010;
    regs->rcx = 7;
    assert_true(pv_emulate_forced_cpuid(regs));
    assert_int_equal(regs->rax, 0x11);
    assert_int_equal(regs->rbx, 8);
    assert_int_equal(regs->rdx, 4);
    assert_int_equal(regs->rip, CODE + 7);
    assert_false(pv_emulate_forced_cpuid(regs));
    regs->rip = CODE + PAGE_SIZE - 3; /* cut off */
    memcpy(code + PAGE_SIZE - 3, forced, 3);
    assert_false(pv_emulate_forced_cpuid(regs));
    regs->rip = CODE;
    assert_false(EMULATE(0x0f, 0xa2)); /* did not fault on this machine */
    cpuid_faulting = true;
    assert_true(EMULATE(0x0f, 0xa2));
    vcpu.pv.kernel_mode = false;
    vcpu.pv.cpuid_faulting = true; /* the guest wants its programs' CPUID to fault */
    assert_false(EMULATE(0x0f, 0xa2));
}

static void test_umip(void **state)
{
    vcpu.pv.kernel_mode = false;
    regs->rsp = DATA + 64;
    memset(data, 0xaa, 64);
    assert_true(EMULATE(0x0f, 0x01, 0x44, 0x24, 0xe0)); /* sgdt -0x20(%rsp) */
    assert_int_equal(data[32] | data[33] << 8, DESC_GDT_LIMIT);
    for (unsigned int i = 34; i < 42; i++)
        assert_int_equal(data[i], 0); /* where the table is, is the VMM's secret */
    assert_int_equal(data[42], 0xaa);
    regs->rbx = ~0UL;
    assert_true(EMULATE(0x66, 0x0f, 0x01, 0xe3)); /* smsw %bx */
    assert_int_equal(regs->rbx, 0xffffffffffff0033);
    assert_true(EMULATE(0x0f, 0x00, 0xc3)); /* sldt %ebx */
    assert_int_equal(regs->rbx, 0);
}

static void test_fetch_at_page_end(void **state)
{
    regs->rip = CODE + PAGE_SIZE - 2;
    regs->rcx = 0x10;
    assert_true(EMULATE(0x0f, 0x32));
    regs->rip = CODE + PAGE_SIZE - 1;
    code[PAGE_SIZE - 1] = 0x0f;
    assert_false(pv_emulate_privileged(regs));
    regs->rip = CODE + PAGE_SIZE;
    assert_false(pv_emulate_privileged(regs));
}

static void test_wbinvd_only_where_it_matters(void **state)
{
    assert_true(EMULATE(0x0f, 0x09));
    assert_int_equal(wbinvds, 1);
    domain.is_hardware = false;
    assert_true(EMULATE(0x0f, 0x09));
    assert_int_equal(wbinvds, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kernel_only),
        TEST(test_msrs),
        TEST(test_control_registers),
        TEST(test_cr3_preempted),
        TEST(test_debug_registers),
        TEST(test_single_step),
        TEST(test_xsetbv),
        TEST(test_rdtsc),
        TEST(test_cpuid),
        TEST(test_umip),
        TEST(test_fetch_at_page_end),
        TEST(test_wbinvd_only_where_it_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
