/* Direct writes to page tables that are mapped read-only: emulated for level 1 once the guest asks for it. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"

static char *va;
static uint64_t *pte; /* where va's entry is seen, read-only */
static uint64_t *page;
static uint64_t good; /* an entry for page */

/* What the entry is after the write under trial: frame right or not, flags without U/S and G. */
static void result_write(const char *name)
{
    uint64_t now = *(volatile uint64_t *)pte, frame = now & PTE_FRAME;

    if (trap.count)
        result(name, "vector %lu error %lx rip+%ld, entry %s", trap.first.vector, trap.first.error_code,
               (long)(trap.first.rip - trap_start),
               !now                          ? "clear"
               : frame == (good & PTE_FRAME) ? "good"
                                             : "else");
    else
        result(name, "done, %s frame, flags %lx",
               frame == (good & PTE_FRAME) ? "good"
               : frame                     ? "other"
                                           : "no",
               now & 0x8000000000000efbul);
}

static void reset(uint64_t value)
{
    must("reset", hc_update_va_mapping((unsigned long)va, value, UVMF_INVLPG));
}

static void test_before(void)
{
    TRY("movq %0, (%1)", ::"r"(good), "r"(pte) : "memory");
    result_write("without assist");
    result_errno("assist enable",
                 HC2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
    result_errno("assist again",
                 HC2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
}

static void test_stores(void)
{
    const uint64_t ro = pte_make(virt_to_mfn(page), PTE_RO);
    uint64_t old;

    TRY("movq %0, (%1)", ::"r"(good), "r"(pte) : "memory");
    result_write("mov 64");
    *page = 0x1357;
    result("mapping works", "%lx", *(volatile uint64_t *)va);
    TRY("movq $0, (%0)", ::"r"(pte) : "memory");
    result_write("mov 64 of zero");
    reset(0);
    TRY("movl %0, (%1)", ::"r"((uint32_t)good), "r"(pte) : "memory");
    result_write("mov 32 low half");
    reset(0);
    TRY("movl %0, 4(%1)", ::"r"(0x80000000), "r"(pte) : "memory");
    result_write("mov 32 high half");
    TRY("movl %0, (%1)", ::"r"((uint32_t)good), "r"(pte) : "memory");
    result_write("mov 32 low half after high");
    TRY("movw $0, (%0)", ::"r"(pte) : "memory");
    result_write("mov 16");
    reset(good);
    TRY("movb $0, (%0)", ::"r"(pte) : "memory");
    result_write("mov 8");
    reset(good);
    TRY("movq %0, 1(%1)", ::"r"(0ul), "r"(pte) : "memory");
    result_write("mov 64 unaligned");
    reset(good);
    old = *pte;
    TRY("lock cmpxchgq %2, (%1)", : "+a"(old) : "r"(pte), "r"(ro) : "memory", "cc");
    result_write("cmpxchg, match");
    result("cmpxchg, match, rax", "%d", (old & PTE_FRAME) == (good & PTE_FRAME));
    old = 0x77;
    TRY("lock cmpxchgq %2, (%1)", : "+a"(old) : "r"(pte), "r"(0ul) : "memory", "cc");
    result_write("cmpxchg, mismatch");
    result("cmpxchg, mismatch, rax", "%d", (old & PTE_FRAME) == (good & PTE_FRAME));
    reset(good);
    old = 0;
    TRY("xchgq %0, (%1)", : "+r"(old) : "r"(pte) : "memory");
    result_write("xchg");
    result("xchg, old", "%d", (old & PTE_FRAME) == (good & PTE_FRAME));
    reset(good);
    TRY("lock andq $-3, (%0)", ::"r"(pte) : "memory", "cc");
    result_write("lock and");
    reset(good);
    TRY("lock btrl $1, (%0)", ::"r"(pte) : "memory", "cc");
    result_write("lock btr");
    reset(ro);
    TRY("orq $2, (%0)", ::"r"(pte) : "memory", "cc");
    result_write("or");
    reset(good);
    TRY("lock cmpxchgl %2, (%1)", : "+a"(old) : "r"(pte), "r"(0) : "memory", "cc");
    result_write("cmpxchg 32");
    reset(good);
    TRY("cld; stosq", ::"D"(pte), "a"(0ul) : "memory");
    result_write("stos");
    reset(0);
    TRY("cld; movsq", ::"D"(pte), "S"(&good) : "memory");
    result_write("movs");
    reset(0);
    TRY("movnti %0, (%1)", ::"r"(good), "r"(pte) : "memory");
    result_write("movnti");
    reset(0);
    TRY("pushq %%rsp; movq %1, %%rbx; movq %%rsp, %%rcx; movq %1, %%rsp; pushq %0; movq %%rcx, %%rsp; popq "
        "%%rcx",
        ::"r"(good), "r"(pte + 1)
        : "memory", "rbx", "rcx");
    result_write("push");
    reset(0);
}

static void test_refusals(void)
{
    static const struct {
        const char *name;
        uint64_t frame, flags;
    } cases[] = {
        {"write of address bit 50", 1ul << 38, PTE_DATA},
        {"write of free frame", 0x200, PTE_DATA},
        {"write of not present", 0, 0xe00},
        {"write of local APIC", 0xfee00, PTE_DATA},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        reset(good);
        TRY("movq %0, (%1)", ::"r"(pte_make(cases[i].frame, cases[i].flags)), "r"(pte) : "memory");
        result_write(cases[i].name);
    }
    reset(good);
    TRY("movq %0, (%1)", ::"r"(pte_make(virt_to_mfn(kernel_l4), PTE_DATA)), "r"(pte) : "memory");
    result_write("write that maps l4 writable");
    reset(good);
    TRY("movq %0, (%1)", ::"r"(good), "r"(pte_of((unsigned long)va, 2)) : "memory");
    result_trap("write to l2");
    TRY("movq %0, (%1)", ::"r"(good), "r"(pte_of((unsigned long)va, 3)) : "memory");
    result_trap("write to l3");
    TRY("movq %0, (%1)", ::"r"(good), "r"(kernel_l4) : "memory");
    result_trap("write to l4");
}

/* Tables that are read-only to the guest but are not a level-1 table. */
static void test_other_pages(void)
{
    uint64_t *t = page_alloc();

    page_make_readonly(t);
    TRY("movq $0, (%0)", ::"r"(t) : "memory");
    result_trap("write to read-only data");
    must("pin", mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(t), 0));
    TRY("movq %0, (%1)", ::"r"(good), "r"(t) : "memory");
    result_trap("write to pinned, unused l1");
    result("stored", "%d", (*(volatile uint64_t *)t & PTE_FRAME) == (good & PTE_FRAME));
    must("unpin", mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(t), 0));
    TRY("movq %0, (%1)", ::"r"(good), "r"(t) : "memory");
    result_trap("write to l1 no more");
    page_make_writable(t);
}

static void test_assist_ops(void)
{
    static const unsigned int types[] = {0, 1, 2, 3, 4, 5, 6, 31, 32, 33, 64, 0xffffffff};

    for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
        long on = HC2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, types[i]);
        long off = HC2(__HYPERVISOR_vm_assist, VMASST_CMD_disable, types[i]);
        char name[] = "assist type 00";

        name[12] = (char)('0' + types[i] / 10 % 10);
        name[13] = (char)('0' + types[i] % 10);
        result(types[i] == 0xffffffff ? "assist type of all ones" : name, "enable %e disable %e", on, off);
    }
    result_errno("assist command 2", HC2(__HYPERVISOR_vm_assist, 2, 2));
    reset(0);
    TRY("movq %0, (%1)", ::"r"(good), "r"(pte) : "memory");
    result_write("assist disabled");
}

USER_CODE(u_write, "movq %rcx, (%rax)\n int3");

static void test_user(void)
{
    struct iret_context ctx = user_context(u_write, false);

    HC2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
    ctx.rax = (uint64_t)pte;
    ctx.rcx = good;
    user_enter_recorded(&ctx);
    result_trap("write from user mode");
}

void guest_main(void)
{
    user_setup();
    va = page_hole();
    pte = pte_of((unsigned long)va, 1);
    page = page_alloc();
    good = pte_make(virt_to_mfn(page), PTE_DATA);
    test_before();
    test_stores();
    test_refusals();
    test_other_pages();
    test_user();
    test_assist_ops();
}
