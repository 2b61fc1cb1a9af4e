/* unit: hv/pv/emulate_priv.c hv/pv/emulate_io.c hv/pv/emulate_mem.c hv/pv/decode.c hv/pv/iopl.c
 * hv/pv/ioport.c tests/unit/stubs/printk.c tests/unit/fixtures/emulate.c */
#include <unit.h>
#include <cpu/traps.h>
#include <mm/page_alloc.h>
#include <pv/flags.h>
#include <pv/ioport.h>
#include <pv/pv.h>
#include "fixtures/emulate.h"

static void test_in_widths(void **state)
{
    regs->rax = 0xaaaaaaaaaaaaaaaa;
    regs->rdx = 0x1234;
    assert_true(EMULATE(0xec));
    assert_int_equal(regs->rax, 0xaaaaaaaaaaaaaa78);
    assert_int_equal(regs->rip, CODE + 1);
    assert_true(EMULATE(0x66, 0xed));
    assert_int_equal(regs->rax, 0xaaaaaaaaaaaa5678);
    assert_true(EMULATE(0xed));
    assert_int_equal(regs->rax, 0x12345678);
    assert_true(EMULATE(0xe5, 0x80));
    assert_int_equal(regs->rip, CODE + 6);
}

static void test_out_widths(void **state)
{
    regs->rax = 0xffffffff11223344;
    regs->rdx = 0xffff0080;
    assert_true(EMULATE(0xee));
    assert_int_equal(last_out.port, 0x80);
    assert_int_equal(last_out.value, 0x44);
    assert_true(EMULATE(0xef));
    assert_int_equal(last_out.value, 0x11223344);
    assert_int_equal(last_out.bytes, 4);
}

static void test_port_rights(void **state)
{
    regs->rdx = 0x300;
    vcpu.pv.iopl = 0;
    assert_false(EMULATE(0xec));
    assert_int_equal(regs->rip, CODE);
    vcpu.pv.iopl = 1;
    vcpu.pv.kernel_mode = false;
    assert_false(EMULATE(0xec));
    vcpu.pv.iopl = 3;
    assert_true(EMULATE(0xec));
    vcpu.pv.kernel_mode = true;
    vcpu.pv.iopl = 0;
    domain.vm_assist = 1u << VMASST_TYPE_architectural_iopl; /* the kernel is ring 0 then */
    assert_true(EMULATE(0xec));
    domain.vm_assist = 0;
}

/* A clear bit allows; all bytes of the access must be allowed and in the map; kernel memory is looked at. */
static void test_io_bitmap(void **state)
{
    vcpu.pv.kernel_mode = false;
    vcpu.pv.iopl = 0;
    vcpu.pv.iobitmap = DATA;
    vcpu.pv.iobitmap_ports = 16;
    data[0] = 0x7f; /* port 7 allowed */
    data[1] = 0xfe; /* port 8 allowed */
    regs->rdx = 7;
    assert_true(EMULATE(0xec));
    assert_true(EMULATE(0x66, 0xed));
    assert_false(EMULATE(0xed));
    regs->rdx = 8;
    assert_false(EMULATE(0x66, 0xed));
    regs->rdx = 16;
    assert_false(EMULATE(0xec));
    data[1] = 0;
    regs->rdx = 15;
    assert_true(EMULATE(0xec));
    assert_false(EMULATE(0x66, 0xed)); /* runs past the end */
    assert_false(vcpu.pv.kernel_mode);
}

/* With rights it finds what it was given, and CMOS only with both of its ports. */
static void test_given_ports(void **state)
{
    domain.is_hardware = false;
    assert_int_equal(ioport_permit(&domain, 0x80, 0x81, true), 0);
    assert_true(domain.mm.drives_devices);
    assert_true(ioport_access_ok(&domain, 0x80, 2));
    assert_false(ioport_access_ok(&domain, 0x80, 4));
    assert_false(ioport_access_ok(&domain, 0x7f, 1));
    regs->rdx = 0x80;
    assert_true(EMULATE(0xee));
    assert_int_equal(outs, 1);
    regs->rdx = 0x82;
    assert_true(EMULATE(0xee));
    assert_int_equal(outs, 1);
    assert_int_equal(ioport_permit(&domain, 0x71, 0x71, true), 0);
    regs->rdx = 0x71;
    assert_true(EMULATE(0xee));
    assert_int_equal(outs, 1);
    assert_int_equal(ioport_permit(&domain, 0x70, 0x70, true), 0);
    assert_true(EMULATE(0xee));
    assert_int_equal(outs, 3);
    assert_int_equal(ioport_permit(&domain, 0, 0xffff, false), 0);
    assert_true(EMULATE(0xee));
    assert_int_equal(outs, 3);
    xfree(domain.pv.ioport_bitmap);
    domain.pv.ioport_bitmap = NULL;
    domain.mm.drives_devices = false;
    domain.is_hardware = true;
    assert_false(ioport_may_give(&domain, 0xcf8, 0xcf8));
    assert_true(ioport_may_give(&domain, 0x80, 0x8f));
    assert_int_equal(ioport_permit(&domain, 0x80, 0x80, false), 0);
    assert_false(ioport_may_give(&domain, 0x80, 0x8f));
    assert_false(ioport_access_ok(&domain, 0x80, 1));
    xfree(domain.pv.ioport_bitmap);
    domain.pv.ioport_bitmap = NULL;
}

/* Without rights to the device a guest finds nothing there. */
static void test_ordinary_domain(void **state)
{
    domain.is_hardware = false;
    regs->rdx = 0x71;
    assert_true(EMULATE(0xec));
    assert_int_equal(regs->rax, 0xff);
    assert_true(EMULATE(0xee));
    assert_int_equal(outs, 0);
    regs->rdx = 0xcf8;
    regs->rax = 0x80000000;
    assert_true(EMULATE(0xef));
    regs->rdx = 0xcfc;
    assert_true(EMULATE(0xed));
    assert_int_equal(regs->rax, 0xffffffff);
}

static void test_pci(void **state)
{
    regs->rdx = 0xcf8;
    regs->rax = 0x80000010;
    assert_true(EMULATE(0xef));
    assert_int_equal(outs, 0); /* the machine's register is not touched */
    regs->rax = 0;
    assert_true(EMULATE(0xed));
    assert_int_equal(regs->rax, 0x80000010);
    regs->rdx = 0xcfe;
    assert_true(EMULATE(0x66, 0xed));
    assert_int_equal(regs->rax & 0xffff, 0x1237);
    regs->rdx = 0xcfd;
    regs->rax = 0x55;
    assert_true(EMULATE(0xee));
    assert_int_equal(pci_register, 0x12375586);
    regs->rdx = 0xcf8;
    regs->rax = 0x10; /* not enabled */
    assert_true(EMULATE(0xef));
    regs->rdx = 0xcfc;
    assert_true(EMULATE(0xed));
    assert_int_equal(regs->rax, 0xffffffff);
}

static void out_byte(uint16_t port, uint8_t value)
{
    regs->rdx = port;
    regs->rax = value;
    assert_true(EMULATE(0xee));
}

static void test_cmos_and_timer(void **state)
{
    out_byte(0x70, 0x8f);
    assert_int_equal(outs, 0);
    regs->rdx = 0x70;
    assert_true(EMULATE(0xec));
    assert_int_equal(regs->rax & 0xff, 0x8f);
    regs->rdx = 0x71;
    assert_true(EMULATE(0xec));
    assert_int_equal(last_out.port, 0x70);
    assert_int_equal(last_out.value, 0x0f); /* the NMI bit stays the VMM's */
    outs = 0;
    out_byte(0x43, 0x34); /* channel 0 */
    out_byte(0x43, 0xc2); /* read-back of channel 0 */
    out_byte(0x43, 0xca); /* of channels 0 and 2 */
    out_byte(0x40, 1);
    assert_int_equal(outs, 0);
    out_byte(0x43, 0xb6);
    out_byte(0x43, 0xe8);
    out_byte(0x42, 1);
    assert_int_equal(outs, 3);
}

static void test_string_in(void **state)
{
    regs->rdx = STATUS;
    regs->rdi = DATA + 10;
    regs->rcx = 5;
    assert_true(EMULATE(0xf3, 0x6c));
    assert_int_equal(regs->rcx, 0);
    assert_int_equal(regs->rdi, DATA + 15);
    assert_int_equal(regs->rip, CODE + 2);
    for (uint8_t i = 0; i < 5; i++)
        assert_int_equal(data[10 + i], i);
    assert_int_equal(data[9] | data[15], 0);
    regs->rcx = 0;
    assert_true(EMULATE(0xf3, 0x6c));
    assert_int_equal(status_reads, 5);
}

static void test_string_out_backwards(void **state)
{
    regs->rdx = 0x80;
    regs->rsi = DATA + 4;
    regs->rcx = 3;
    regs->rflags = RFLAGS_DF;
    data[0] = 0x11;
    assert_true(EMULATE(0xf3, 0x66, 0x6f));
    assert_int_equal(outs, 3);
    assert_int_equal(last_out.value, 0x11);
    assert_int_equal(last_out.bytes, 2);
    assert_int_equal(regs->rsi, DATA - 2);
}

/* A fault in the middle leaves the registers at the element that faulted. */
static void test_string_fault(void **state)
{
    regs->rdx = STATUS;
    regs->rdi = DATA + PAGE_SIZE - 6;
    regs->rcx = 4;
    assert_true(EMULATE(0xf3, 0x6d));
    assert_int_equal(injected.vector, TRAP_PF);
    assert_int_equal(injected.cr2, DATA + PAGE_SIZE); /* the first byte that is missing */
    assert_int_equal(injected.error & ~PFEC_USER, PFEC_WRITE);
    assert_int_equal(regs->rcx, 3);
    assert_int_equal(regs->rdi, DATA + PAGE_SIZE - 2);
    assert_int_equal(regs->rip, CODE);
    data_readonly = true;
    regs->rdi = DATA;
    assert_true(EMULATE(0xf3, 0x6d));
    assert_int_equal(injected.cr2, DATA);
    assert_int_equal(injected.error & ~PFEC_USER, PFEC_WRITE | PFEC_PRESENT);
}

static void test_string_into_vmm(void **state)
{
    regs->rdx = STATUS;
    regs->rdi = 0xffff820000000000;
    regs->rcx = 1;
    assert_false(EMULATE(0xf3, 0x6c));
    assert_int_equal(injected.count, 0);
    assert_int_equal(regs->rcx, 1);
}

static void test_string_preempted(void **state)
{
    regs->rdx = STATUS;
    regs->rdi = DATA;
    regs->rcx = 1000;
    preempt_after = 2;
    assert_true(EMULATE(0xf3, 0x6c));
    assert_int_equal(regs->rip, CODE);
    assert_in_range(regs->rcx, 1, 999);
    assert_int_equal(regs->rdi, DATA + 1000 - regs->rcx);
    assert_true(pv_emulate_privileged(regs));
    assert_int_equal(regs->rcx, 0);
    assert_int_equal(regs->rip, CODE + 2);
}

static void test_string_segments(void **state)
{
    regs->rdx = 0x80;
    regs->rsi = DATA - 0x80;
    data[0] = 0x77;
    assert_true(EMULATE(0x64, 0x6e));
    assert_int_equal(last_out.value, 0x77);
    regs->rsi = 0xffffffff00000000 | DATA;
    assert_true(EMULATE(0x67, 0x6e)); /* 32-bit addresses */
    assert_int_equal(last_out.value, 0x77);
    assert_int_equal(regs->rsi, DATA + 1);
}

/* A 32-bit program: base and limit of the segments count. */
static void test_compat(void **state)
{
    vcpu.pv.kernel_mode = false;
    vcpu.pv.iopl = 3;
    descriptors[1] = 0x00cffb000000ffff | (CODE & 0xffffff) << 16; /* code, based at CODE */
    descriptors[2] = 0x0040f30000000010 | (DATA & 0xffffff) << 16; /* data, 17 bytes at DATA */
    regs->cs = 0x0b;
    regs->rip = 0;
    code[0] = 0x6c;
    regs->rdx = STATUS;
    regs->rdi = 16;
    assert_true(pv_emulate_privileged(regs));
    assert_int_equal(regs->rip, 1);
    code[1] = 0x6c;
    assert_false(pv_emulate_privileged(regs)); /* beyond the limit */
    assert_int_equal(injected.count, 0);
    regs->cs = 0x23;
    assert_false(pv_emulate_privileged(regs)); /* no such descriptor */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_widths),
        TEST(test_out_widths),
        TEST(test_port_rights),
        TEST(test_io_bitmap),
        TEST(test_given_ports),
        TEST(test_ordinary_domain),
        TEST(test_pci),
        TEST(test_cmos_and_timer),
        TEST(test_string_in),
        TEST(test_string_out_backwards),
        TEST(test_string_fault),
        TEST(test_string_into_vmm),
        TEST(test_string_preempted),
        TEST(test_string_segments),
        TEST(test_compat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
