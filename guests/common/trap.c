#include "trap.h"
#include "hypercall.h"
#include "lib.h"
#include "mm.h"
#include <xen/callback.h>

struct trap_record trap;
volatile unsigned long trap_resume, trap_start;
volatile bool trap_continue;
volatile unsigned int event_count[EVENT_COUNT_MAX];
void (*event_hook)(unsigned int port);
void (*event2_hook)(struct regs *regs);
volatile bool event_ignore;

static bool in_user;
static uint64_t *user_l4;
char user_kernel_stack[KERNEL_STACK_SIZE]
    __attribute__((aligned(4096), section(".bss.page,\"aw\",@nobits#")));

extern const unsigned long trap_stubs[256];
void trap_handler(struct regs *regs);

struct vcpu_info *vcpu_info(void)
{
    return &shared_info->vcpu_info[0];
}

void trap_clear(void)
{
    memset(&trap, 0, sizeof(trap));
}

static void record(const struct regs *regs)
{
    trap.last = *regs;
    if (trap.count++)
        return;
    trap.first = *regs;
    trap.frame = (uint64_t)&regs->rip;
    trap.cr2 = vcpu_info()->arch.cr2;
    trap.upcall_mask = vcpu_info()->evtchn_upcall_mask;
    __asm__ volatile("movw %%ds, %0\n\tmovw %%es, %1\n\tmovw %%fs, %2\n\tmovw %%gs, %3"
                     : "=m"(trap.ds), "=m"(trap.es), "=m"(trap.fs), "=m"(trap.gs));
}

static void scan_events(void)
{
    struct vcpu_info *v = vcpu_info();
    unsigned long sel;

    v->evtchn_upcall_pending = 0;
    __asm__ volatile("xchgq %0, %1" : "=r"(sel), "+m"(v->evtchn_pending_sel) : "0"(0ul) : "memory");
    for (; sel; sel &= sel - 1) {
        unsigned int word = (unsigned int)__builtin_ctzl(sel);
        unsigned long bits = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word];

        for (; bits; bits &= bits - 1) {
            unsigned int port = word * 64 + (unsigned int)__builtin_ctzl(bits);

            __sync_fetch_and_and(&shared_info->evtchn_pending[word], ~(1ul << (port % 64)));
            event_count[port]++;
            if (event_hook)
                event_hook(port);
        }
    }
}

static void die(const struct regs *r)
{
    print("UNEXPECTED trap vector %lx error %lx rip %lx cs %lx rflags %lx rsp %lx cr2 %lx\n", r->vector,
          r->error_code, r->rip, r->cs, r->rflags, r->rsp, vcpu_info()->arch.cr2);
    print("  rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx resume %lx start %lx\n", r->rax, r->rbx, r->rcx,
          r->rdx, r->rsi, r->rdi, trap_resume, trap_start);
    finish();
}

void trap_handler(struct regs *regs)
{
    if (regs->vector == CALLBACK_EVENT2) {
        event2_hook(regs);
        return;
    }
    record(regs);
    if (in_user && (regs->cs & 3) == 3) {
        in_user = false;
        user_leave();
    }
    if (regs->vector == CALLBACK_EVENT && !trap_resume) {
        if (event_ignore)
            regs->rflags &= ~0x200ul;
        else
            scan_events();
        return;
    }
    if (trap_continue)
        return;
    if (!trap_resume)
        die(regs);
    if (in_user) {
        in_user = false;
        user_leave();
    }
    regs->rip = trap_resume;
    regs->cs = FLAT_KERNEL_CS64 & ~3ul;
}

long trap_set_cs(unsigned int vector, uint8_t flags, uint16_t cs, unsigned long address)
{
    struct trap_info table[2] = {{.vector = (uint8_t)vector, .flags = flags, .cs = cs, .address = address}};

    return HC1(__HYPERVISOR_set_trap_table, table);
}

long trap_set(unsigned int vector, uint8_t flags, bool present)
{
    return trap_set_cs(vector, flags, FLAT_KERNEL_CS64, present ? trap_stubs[vector] : 0);
}

long callback_register(uint16_t type, uint16_t flags, void (*address)(void))
{
    struct callback_register arg = {.type = type, .flags = flags, .address = (unsigned long)address};

    return HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &arg);
}

void trap_setup(void)
{
    static struct trap_info table[257];
    unsigned int n = 0;

    for (unsigned int v = 0; v < 256; v++)
        table[n++] = (struct trap_info){
            .vector = (uint8_t)v, .flags = 0, .cs = FLAT_KERNEL_CS64, .address = trap_stubs[v]};
    HC1(__HYPERVISOR_set_trap_table, table);
    callback_register(CALLBACKTYPE_event, 0, event_callback);
    callback_register(CALLBACKTYPE_failsafe, 0, failsafe_callback);
}

static const char *vector_name(uint64_t vector)
{
    static const char *const callbacks[] = {"event",     "failsafe", "nmi",   "syscall",
                                            "syscall32", "sysenter", "event2"};
    static char number[4];
    int n = 0;

    if (vector >= CALLBACK_EVENT)
        return callbacks[vector - CALLBACK_EVENT];
    if (vector >= 100)
        number[n++] = (char)('0' + vector / 100);
    if (vector >= 10)
        number[n++] = (char)('0' + vector / 10 % 10);
    number[n++] = (char)('0' + vector % 10);
    number[n] = 0;
    return number;
}

void result_trap(const char *name)
{
    const struct regs *r = &trap.first;

    if (!trap.count)
        result(name, "no trap");
    else
        result(name, "vector %s error %lx rip+%ld", vector_name(r->vector), r->error_code,
               (long)(r->rip - trap_start));
}

void result_vector(const char *name)
{
    if (!trap.count)
        result(name, "no trap");
    else
        result(name, "vector %s", vector_name(trap.first.vector));
}

/* CF, PF, AF, ZF, SF, OF depend on the compiler's code around the trap. */
#define ARITHMETIC_FLAGS 0x8d5ul

void result_frame(const char *name)
{
    const struct regs *r = &trap.first;

    if (!trap.count)
        result(name, "no trap");
    else
        result(name, "vector %s error %lx rip+%ld cs %lx rflags %lx ss %lx mask %d traps %u",
               vector_name(r->vector), r->error_code, (long)(r->rip - trap_start), r->cs,
               r->rflags & ~ARITHMETIC_FLAGS, r->ss, trap.upcall_mask, trap.count);
}

/* User mode */

void user_setup(void)
{
    unsigned long pages = (unsigned long)(_user_end - _user_start) / PAGE_SIZE;
    uint64_t *l3 = page_alloc(), *l2 = page_alloc(), *l1 = page_alloc();

    user_l4 = page_alloc();
    for (unsigned long i = 0; i < pages; i++)
        l1[i] = pte_make(virt_to_mfn(_user_start + i * PAGE_SIZE), PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
    l2[(USER_BASE >> 21) & 511] = pte_make(virt_to_mfn(l1), PTE_TABLE);
    l3[0] = pte_make(virt_to_mfn(l2), PTE_TABLE);
    user_l4[0] = pte_make(virt_to_mfn(l3), PTE_TABLE);
    page_make_readonly(l1);
    page_make_readonly(l2);
    page_make_readonly(l3);
    page_make_readonly(user_l4);
    must("pin user L4", mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(user_l4), 0));
    must("kernel slot 0", mmu_update_one(virt_to_machine(kernel_l4), user_l4[0]));
    must("user base", mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(user_l4), 0));
    must("stack switch", HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS64,
                             (unsigned long)user_kernel_stack + KERNEL_STACK_SIZE));
}

struct iret_context user_context(const void *code, bool compat)
{
    return (struct iret_context){
        .rax = 0x1aaa,
        .r11 = 0x1b11,
        .rcx = 0x1c0c,
        .rip = USER_ADDRESS(code),
        .cs = compat ? FLAT_USER_CS32 : FLAT_USER_CS64,
        .rflags = 0x202,
        .rsp = USER_BASE + (unsigned long)(_user_end - _user_start) - 64,
        .ss = FLAT_USER_SS64,
    };
}

void user_enter_recorded(const struct iret_context *ctx)
{
    trap_clear();
    trap_start = ctx->rip;
    in_user = true;
    trap_resume = 1;
    user_enter(ctx);
    trap_resume = 0;
    in_user = false;
}

void user_run(const void *code)
{
    struct iret_context ctx = user_context(code, false);

    user_enter_recorded(&ctx);
}
