/* unit: hv/pv/emulate_priv.c hv/pv/emulate_io.c hv/pv/emulate_mem.c hv/pv/decode.c hv/pv/iopl.c
 * hv/pv/ioport.c tests/unit/stubs/printk.c */
#include "unit.h"
#include <stdlib.h>
#include <string.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <cpu/control.h>
#include <cpu/cpuid_policy.h>
#include <cpu/desc.h>
#include <cpu/fpu.h>
#include <cpu/msr_policy.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <irq/pci.h>
#include <mm/guest_access.h>
#include <mm/iomem.h>
#include <mm/page_alloc.h>
#include <mm/pt_update.h>
#include <pv/debugreg.h>
#include <pv/descriptor.h>
#include <pv/flags.h>
#include <pv/ioport.h>
#include <pv/port_io.h>
#include <pv/pv.h>
#include <pv/segment.h>

#define CODE   0x400000UL /* one page */
#define DATA   0x500000UL /* one page; the page behind it is missing */
#define STATUS 0x1f7      /* a port that counts its reads */

/* The guest's memory. */
static uint8_t code[PAGE_SIZE], data[PAGE_SIZE];
static bool data_readonly;

static uint8_t *guest_byte(uint64_t gva)
{
    if (gva - CODE < PAGE_SIZE)
        return &code[gva - CODE];
    if (gva - DATA < PAGE_SIZE)
        return &data[gva - DATA];
    return NULL;
}

int copy_from_guest(void *dst, uint64_t gva, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!guest_byte(gva + i))
            return -EFAULT;
        ((uint8_t *)dst)[i] = *guest_byte(gva + i);
    }
    return 0;
}

int copy_to_guest(uint64_t gva, const void *src, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!guest_byte(gva + i) || data_readonly)
            return -EFAULT;
        *guest_byte(gva + i) = ((const uint8_t *)src)[i];
    }
    return 0;
}

bool guest_range_ok(uint64_t gva, size_t len)
{
    return gva < 0x800000000000 || gva >= 0xffff880000000000;
}

/* The machine's ports. */
static struct {
    uint16_t port;
    uint32_t value;
    unsigned int bytes;
} last_out;
static unsigned int outs, status_reads;

uint32_t port_in(uint16_t port, unsigned int bytes)
{
    if (port == STATUS)
        return status_reads++;
    return 0x12345678 & (bytes == 4 ? ~0u : (1u << 8 * bytes) - 1);
}

void port_out(uint16_t port, unsigned int bytes, uint32_t value)
{
    last_out.port = port;
    last_out.bytes = bytes;
    last_out.value = value;
    outs++;
}

static uint32_t pci_register = 0x12378086;

uint32_t pci_cf8_read(uint32_t cf8, unsigned int offset, unsigned int bytes)
{
    assert_int_equal(cf8 >> 31, 1);
    return pci_register >> (8 * offset) & (bytes == 4 ? ~0u : (1u << 8 * bytes) - 1);
}

void pci_cf8_write(uint32_t cf8, unsigned int offset, unsigned int bytes, uint32_t value)
{
    uint32_t mask = (bytes == 4 ? ~0u : (1u << 8 * bytes) - 1) << (8 * offset);

    assert_int_equal(cf8 >> 31, 1);
    pci_register = (pci_register & ~mask) | (value << (8 * offset) & mask);
}

/* The guest. */
static struct domain domain;
static struct vcpu vcpu;
static vcpu_info_t vcpu_info_area;
static struct cpu_info info;
static struct cpu_user_regs *const regs = &info.guest_regs;
static struct {
    unsigned int count;
    uint32_t vector, error;
    uint64_t cr2;
} injected;
static unsigned int preempt_after, wbinvds;
static uint64_t descriptors[4];

struct cpu_features host_cpu;
bool cpuid_faulting;
uint64_t cr4_guest_bits = CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE;

struct cpu_info *get_cpu_info(void)
{
    return &info;
}

void pv_inject_exception(uint32_t vector, uint32_t error_code, uint32_t flags)
{
    injected.count++;
    injected.vector = vector;
    injected.error = error_code;
}

void pv_inject_page_fault(uint64_t cr2, uint32_t error_code)
{
    pv_inject_exception(TRAP_PF, error_code, PV_EVENT_ERROR_CODE);
    injected.cr2 = cr2;
}

bool pv_in_kernel_mode(const struct vcpu *v, const struct cpu_user_regs *r)
{
    return v->pv.kernel_mode;
}

void pv_toggle_mode(struct vcpu *v)
{
    v->pv.kernel_mode = !v->pv.kernel_mode;
}

bool hypercall_preempt_check(void)
{
    return preempt_after && --preempt_after == 0;
}

void fpu_set_ts(struct vcpu *v, bool ts)
{
    v->pv.cr0_guest = ts ? CR0_TS : 0;
}

void fpu_cr4_changed(struct vcpu *v)
{
}

bool domain_drives_devices(const struct domain *d)
{
    return d->is_hardware || d->mm.drives_devices;
}

void *xzalloc_bytes(size_t size)
{
    return calloc(1, size);
}

void xfree(void *p)
{
    free(p);
}

uint64_t guest_tsc(const struct vcpu *v)
{
    return 0x0123456789abcdef;
}

uint64_t pv_guest_cr4_mask(const struct vcpu *v)
{
    return cr4_guest_bits;
}

uint64_t pv_guest_xcr0_mask(const struct vcpu *v)
{
    return 3;
}

bool fpu_xcr0_valid(uint64_t xcr0)
{
    return xcr0 == 1 || xcr0 == 3;
}

void fpu_set_xcr0(struct vcpu *v, uint64_t xcr0)
{
    v->pv.xcr0 = xcr0;
}

int load_guest_cr3(mfn_t mfn)
{
    return mfn_x(mfn) == 5 ? 0 : mfn_x(mfn) == 6 ? -ERESTART : -EINVAL;
}

int pv_set_debugreg(struct vcpu *v, uint32_t reg, uint64_t value)
{
    if (reg == 4)
        return -ENODEV;
    if (value == 1)
        return -EPERM;
    v->pv.debugreg[reg] = value;
    return 0;
}

int pv_get_debugreg(struct vcpu *v, uint32_t reg, uint64_t *value)
{
    *value = v->pv.debugreg[reg];
    return reg == 4 ? -ENODEV : 0;
}

void pv_debug_io(struct vcpu *v, uint16_t port, unsigned int bytes)
{
}

bool pv_debug_take_pending(struct vcpu *v)
{
    return false;
}

void pv_debug_single_step(struct vcpu *v)
{
    v->pv.debugreg[6] |= DR6_STEP;
}

int guest_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    *value = 0x1122334455667788;
    return msr == 0x10 ? 0 : -EPERM;
}

int guest_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    return msr == 0x10 && value == 0x100000002 ? 0 : -EPERM;
}

void cpuid_for_guest(struct vcpu *v, uint32_t leaf, uint32_t sub, struct cpuid_regs *out)
{
    *out = (struct cpuid_regs){leaf + 1, sub + 1, 3, 4};
}

bool pv_read_descriptor(const struct vcpu *v, uint16_t selector, uint64_t *desc)
{
    if (selector >> 3 >= ARRAY_SIZE(descriptors))
        return false;
    *desc = descriptors[selector >> 3];
    return true;
}

void pv_read_selectors(struct pv_selectors *s)
{
    *s = (struct pv_selectors){.ds = 0x13, .es = 0x13, .fs = 0, .gs = 0};
}

uint64_t read_fs_base(void)
{
    return 0x80;
}

uint64_t read_gs_base(void)
{
    return 0x100;
}

void wbinvd(void)
{
    wbinvds++;
}

struct page_info *frame_table;

static int setup(void **state)
{
    memset(&domain, 0, sizeof(domain));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&info, 0, sizeof(info));
    memset(&injected, 0, sizeof(injected));
    memset(code, 0xf4, sizeof(code));
    memset(data, 0, sizeof(data));
    data_readonly = cpuid_faulting = false;
    preempt_after = outs = status_reads = wbinvds = 0;
    domain.is_hardware = true;
    vcpu.domain = &domain;
    vcpu.vcpu_info = &vcpu_info_area;
    vcpu.pv.kernel_mode = true;
    vcpu.pv.iopl = 1;
    vcpu.pv.trap_table[TRAP_GP].address = 1;
    info.current_vcpu = &vcpu;
    regs->rip = CODE;
    regs->cs = GUEST_CS64;
    return 0;
}

static bool emulate(const void *insn, size_t len)
{
    memcpy(code + (regs->rip - CODE), insn, len);
    return pv_emulate_privileged(regs);
}
#define EMULATE(...)                                                                                         \
    ({                                                                                                       \
        static const uint8_t bytes_[] = {__VA_ARGS__};                                                       \
        emulate(bytes_, sizeof(bytes_));                                                                     \
    })

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

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_widths),
        TEST(test_out_widths),
        TEST(test_port_rights),
        TEST(test_io_bitmap),
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
        TEST(test_kernel_only),
        TEST(test_msrs),
        TEST(test_control_registers),
        TEST(test_cr3_preempted),
        TEST(test_debug_registers),
        TEST(test_single_step),
        TEST(test_xsetbv),
        TEST(test_given_ports),
        TEST(test_rdtsc),
        TEST(test_cpuid),
        TEST(test_umip),
        TEST(test_fetch_at_page_end),
        TEST(test_wbinvd_only_where_it_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
