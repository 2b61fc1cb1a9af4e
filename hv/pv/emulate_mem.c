/* Code and memory operands of an instruction that is emulated for current. */
#include <pv/emulate_mem.h>
#include <cpu/desc.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <pv/descriptor.h>
#include <pv/pv.h>
#include <pv/segment.h>

#define DESC_L              BIT(53)
#define DESC_DB             BIT(54)
#define DESC_G              BIT(55)
#define DESC_EXPAND_DOWN(d) (((d) >> 42 & 3) == 1) /* data (bit 43 clear) with bit 42 */

static uint32_t desc_base(uint64_t d)
{
    return (uint32_t)((d >> 16 & 0xffffff) | (d >> 32 & 0xff000000));
}

static uint32_t desc_limit(uint64_t d)
{
    uint32_t limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));

    return d & DESC_G ? limit << 12 | 0xfff : limit;
}

bool pv_code_segment(const struct vcpu *v, const struct cpu_user_regs *regs, struct code_segment *cs)
{
    uint64_t d;

    *cs = (struct code_segment){.bits = 64};
    if (likely(regs->cs == GUEST_CS64))
        return true;
    if (!pv_read_descriptor(v, regs->cs, &d))
        return false;
    if (!(d & DESC_L))
        *cs = (struct code_segment){.bits = d & DESC_DB ? 32 : 16, .base = desc_base(d)};
    return true;
}

unsigned int pv_fetch(const struct cpu_user_regs *regs, const struct code_segment *cs, uint8_t *bytes)
{
    uint64_t va = cs->bits == 64 ? regs->rip : (uint32_t)(regs->rip + cs->base);
    unsigned int in_page = (unsigned int)(PAGE_SIZE - (va & ~PAGE_MASK));

    if (likely(copy_from_guest(bytes, va, MAX_INSN_LEN) == 0))
        return MAX_INSN_LEN;
    return in_page < MAX_INSN_LEN && copy_from_guest(bytes, va, in_page) == 0 ? in_page : 0;
}

uint64_t *pv_register(struct cpu_user_regs *regs, unsigned int n)
{
    uint64_t *const table[16] = {&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp,
                                 &regs->rsi, &regs->rdi, &regs->r8,  &regs->r9,  &regs->r10, &regs->r11,
                                 &regs->r12, &regs->r13, &regs->r14, &regs->r15};

    return table[n & 15];
}

static uint16_t selector_of(const struct cpu_user_regs *regs, enum insn_seg seg)
{
    struct pv_selectors s;

    pv_read_selectors(&s);
    switch (seg) {
    case SEG_ES:
        return s.es;
    case SEG_CS:
        return regs->cs;
    case SEG_SS:
        return regs->ss;
    case SEG_FS:
        return s.fs;
    case SEG_GS:
        return s.gs;
    default:
        return s.ds;
    }
}

/* Compatibility mode: base and limit count (SDM vol 3, 5.3). Expand-down segments are refused. */
static bool compat_address(struct vcpu *v, const struct cpu_user_regs *regs, enum insn_seg seg,
                           uint64_t offset, unsigned int bytes, uint64_t *linear)
{
    uint16_t selector = selector_of(regs, seg);
    uint64_t d;

    if (!(selector & ~3u) || !pv_read_descriptor(v, selector, &d) || DESC_EXPAND_DOWN(d) ||
        (uint32_t)offset + (uint64_t)bytes - 1 > desc_limit(d))
        return false;
    *linear = (uint32_t)(desc_base(d) + offset);
    return true;
}

bool pv_linear_address(struct vcpu *v, const struct cpu_user_regs *regs, unsigned int code_bits,
                       enum insn_seg seg, uint64_t offset, unsigned int bytes, uint64_t *linear)
{
    if (code_bits != 64) {
        if (!compat_address(v, regs, seg, offset, bytes, linear))
            return false;
    } else {
        *linear = offset;
        if (seg == SEG_FS)
            *linear += read_fs_base();
        else if (seg == SEG_GS)
            *linear += read_gs_base();
    }
    return guest_range_ok(*linear, bytes);
}

bool pv_operand_address(struct vcpu *v, struct cpu_user_regs *regs, unsigned int code_bits,
                        const struct insn *insn, unsigned int bytes, uint64_t *linear)
{
    uint64_t offset = (uint64_t)(int64_t)insn->disp;
    enum insn_seg seg = insn->seg;

    if (insn->base != NO_REG)
        offset += *pv_register(regs, insn->base);
    if (insn->index != NO_REG)
        offset += *pv_register(regs, insn->index) << insn->scale;
    if (insn->rip_relative)
        offset += regs->rip + insn->len;
    if (seg == SEG_DEFAULT)
        seg = insn->base == 4 || insn->base == 5 ? SEG_SS : SEG_DS; /* RSP, RBP */
    return pv_linear_address(v, regs, code_bits, seg, truncate_to(offset, insn->address_size), bytes, linear);
}

void pv_inject_copy_fault(uint64_t linear, unsigned int bytes, bool write)
{
    uint64_t next_page = (linear | ~PAGE_MASK) + 1;
    uint32_t error = PFEC_USER | (write ? PFEC_WRITE : 0);
    uint8_t byte;

    /* The first byte of the two pages that cannot be reached as wanted; a readable one is write-protected. */
    if (linear + bytes > next_page && copy_from_guest(&byte, linear, 1) == 0 &&
        (!write || copy_to_guest(linear, &byte, 1) == 0))
        linear = next_page;
    if (write && copy_from_guest(&byte, linear, 1) == 0)
        error |= PFEC_PRESENT;
    pv_inject_page_fault(linear, error);
}
