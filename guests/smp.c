/* A second vCPU: creating it, running on it, events, interrupts and TLB flushes between the two. */
#include "common/context.h"
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/sched.h>
#include <xen/vcpu.h>

static struct vcpu_guest_context ctx;
static char second_stack[8192] __attribute__((aligned(4096)));
static volatile unsigned int up_count, event2_port;
static volatile uint64_t argument, answer;
static struct vcpu_info *volatile second_info;

/* What the second vCPU is told to do; it clears the word when done. */
enum command { IDLE, CALL, READ, BLOCK, DOWN, TIMER, REGISTER };
static volatile enum command command;

static volatile struct {
    uint64_t cs, ss, ds, fs, gs, rflags, rdi, rsi, rax, mask;
} entry;

static long vcpu_op(unsigned int cmd, unsigned int vcpu, void *arg)
{
    return HC3(__HYPERVISOR_vcpu_op, cmd, vcpu, arg);
}

static void yield(void)
{
    HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

static void second_event(struct regs *regs)
{
    unsigned long sel = __sync_lock_test_and_set(&second_info->evtchn_pending_sel, 0);

    (void)regs;
    second_info->evtchn_upcall_pending = 0;
    for (; sel; sel &= sel - 1) {
        unsigned int word = (unsigned int)__builtin_ctzl(sel);
        unsigned long bits = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word];

        if (bits)
            event2_port = word * 64 + (unsigned int)__builtin_ctzl(bits);
        __sync_fetch_and_and(&shared_info->evtchn_pending[word], ~bits);
    }
}

static void second_command(enum command c)
{
    struct vcpu_set_singleshot_timer s;
    struct vcpu_register_vcpu_info r;

    switch (c) {
    case CALL:
        answer = (uint64_t)HC2(__HYPERVISOR_xen_version, 0, 0);
        break;
    case READ:
        answer = *(volatile uint64_t *)argument;
        break;
    case BLOCK:
        command = IDLE;
        answer = (uint64_t)HC2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
        break;
    case DOWN:
        command = IDLE;
        answer = (uint64_t)vcpu_op(VCPUOP_down, 1, NULL);
        up_count++;
        break;
    case TIMER:
        s = (struct vcpu_set_singleshot_timer){.timeout_abs_ns = system_time() + 1000000};
        answer = (uint64_t)vcpu_op(VCPUOP_set_singleshot_timer, 1, &s);
        break;
    case REGISTER:
        r = (struct vcpu_register_vcpu_info){.mfn = virt_to_mfn((void *)argument)};
        /* An upcall comes with the registration, so the handler must know the new place before. */
        second_info->evtchn_upcall_mask = 1;
        answer = (uint64_t)vcpu_op(VCPUOP_register_vcpu_info, 1, &r);
        second_info = (void *)argument;
        answer |= (uint64_t)!second_info->evtchn_upcall_mask << 32;
        second_info->evtchn_upcall_mask = 0;
        break;
    case IDLE:
        break;
    }
}

void second_main(void);
__asm__(".text\nsecond_start:\n"
        "movq %cs, %rax\n movq %rax, entry+0(%rip)\n movq %ss, %rax\n movq %rax, entry+8(%rip)\n"
        "movq %ds, %rax\n movq %rax, entry+16(%rip)\n movq %fs, %rax\n movq %rax, entry+24(%rip)\n"
        "movq %gs, %rax\n movq %rax, entry+32(%rip)\n pushfq\n popq entry+40(%rip)\n"
        "movq %rdi, entry+48(%rip)\n movq %rsi, entry+56(%rip)\n jmp second_main\n");
extern const char second_start[];

void second_main(void)
{
    entry.mask = second_info->evtchn_upcall_mask;
    second_info->evtchn_upcall_mask = 0;
    up_count++;
    for (;;) {
        enum command c = command;

        if (c == IDLE)
            yield();
        else {
            second_command(c);
            if (c != BLOCK && c != DOWN)
                command = IDLE;
        }
    }
}

static uint64_t second_do(enum command c, uint64_t arg)
{
    argument = arg;
    answer = 0xdead;
    __sync_synchronize();
    command = c;
    while (command != IDLE)
        yield();
    return answer;
}

static void fill_context(void)
{
    kernel_context(&ctx, (uint64_t)second_start, (uint64_t)second_stack + sizeof(second_stack) - 8,
                   virt_to_mfn(kernel_l4));
    ctx.user_regs.rflags = 0x202;
    ctx.user_regs.rdi = 0x1d1;
    ctx.user_regs.rsi = 0x151;
    ctx.kernel_ss = FLAT_KERNEL_SS64;
    ctx.kernel_sp = ctx.user_regs.rsp;
    ctx.event_callback_eip = (uint64_t)event_callback2;
    ctx.failsafe_callback_eip = (uint64_t)failsafe_callback;
}

static void test_initialise(void)
{
    struct vcpu_runstate_info r;

    result_errno("is_up before", vcpu_op(VCPUOP_is_up, 1, 0));
    result_errno("up before initialise", vcpu_op(VCPUOP_up, 1, 0));
    result_errno("initialise, unmapped", vcpu_op(VCPUOP_initialise, 1, (void *)0x1000));
    fill_context();
    ctx.ctrlreg[3] = xen_pfn_to_cr3(1ul << 30);
    result_errno("initialise, bad cr3", vcpu_op(VCPUOP_initialise, 1, &ctx));
    fill_context();
    ctx.ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn(page_alloc()));
    result_errno("initialise, writable page as cr3", vcpu_op(VCPUOP_initialise, 1, &ctx));
    fill_context();
    ctx.gdt_ents = 512;
    ctx.gdt_frames[0] = 1ul << 40;
    result_errno("initialise, bad gdt", vcpu_op(VCPUOP_initialise, 1, &ctx));
    fill_context();
    ctx.gdt_ents = 100000;
    result_errno("initialise, gdt too long", vcpu_op(VCPUOP_initialise, 1, &ctx));
    fill_context();
    ctx.ldt_base = 0x1008;
    ctx.ldt_ents = 16;
    result_errno("initialise, ldt unaligned", vcpu_op(VCPUOP_initialise, 1, &ctx));
    fill_context();
    ctx.fs_base = 0x900000000000;
    result_errno("initialise, fs base noncanonical", vcpu_op(VCPUOP_initialise, 1, &ctx));
    fill_context();
    result_errno("initialise", vcpu_op(VCPUOP_initialise, 1, &ctx));
    result_errno("initialise again", vcpu_op(VCPUOP_initialise, 1, &ctx));
    result_errno("is_up after initialise", vcpu_op(VCPUOP_is_up, 1, 0));
    result_errno("runstate of vcpu not up", vcpu_op(VCPUOP_get_runstate_info, 1, &r));
    result("its state", "%d", r.state);
}

static void test_up(void)
{
    result_errno("up", vcpu_op(VCPUOP_up, 1, 0));
    while (!up_count)
        yield();
    result("entry selectors", "cs %lx ss %lx ds %lx fs %lx gs %lx", entry.cs, entry.ss, entry.ds, entry.fs,
           entry.gs);
    result("entry registers", "rdi %lx rsi %lx rflags %lx mask %lx", entry.rdi, entry.rsi,
           entry.rflags & ~0x8d5ul, entry.mask);
    result_errno("is_up", vcpu_op(VCPUOP_is_up, 1, 0));
    result_errno("up again", vcpu_op(VCPUOP_up, 1, 0));
    result_errno("hypercall on it", (long)second_do(CALL, 0));
    result("time record of vcpu 1", "%d", shared_info->vcpu_info[1].time.tsc_to_system_mul != 0);
}

static void wait_port(unsigned int port)
{
    while (event2_port != port)
        yield();
    event2_port = 0;
}

static void test_events(void)
{
    unsigned int ipi = event_bind_ipi(1), tx, rx;
    struct evtchn_bind_vcpu b;
    struct vcpu_runstate_info r = {.state = 9};

    event_unmask_bit(ipi);
    result_errno("ipi to 1", event_send(ipi));
    wait_port(ipi);
    result("ipi came to 1", "%d", 1);
    event_pair(&tx, &rx);
    event_clear(rx);
    event_clear(tx);
    b = (struct evtchn_bind_vcpu){.port = rx, .vcpu = 1};
    result_errno("bind_vcpu to 1", event_op(EVTCHNOP_bind_vcpu, &b));
    event_unmask_bit(rx);
    event_send(tx);
    wait_port(rx);
    result("event on 1", "%d", 1);
    b.vcpu = 2;
    result_errno("bind_vcpu to 2", event_op(EVTCHNOP_bind_vcpu, &b));
    second_do(BLOCK, 0);
    while (vcpu_op(VCPUOP_get_runstate_info, 1, &r) == 0 && r.state != RUNSTATE_blocked)
        yield();
    result("state when blocked", "%d", r.state);
    event_send(ipi);
    wait_port(ipi);
    result_errno("hypercall after block", (long)second_do(CALL, 0));
}

static void test_timer(void)
{
    unsigned int port = event_bind_virq(VIRQ_TIMER, 1);
    struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = system_time() + 1000000};

    event_unmask_bit(port);
    result_errno("singleshot of 1 from 0", vcpu_op(VCPUOP_set_singleshot_timer, 1, &s));
    result_errno("stop periodic of 1 from 0", vcpu_op(VCPUOP_stop_periodic_timer, 1, 0));
    result_errno("singleshot of 1 from 1", (long)second_do(TIMER, 0));
    wait_port(port);
    result("timer on 1", "%d", 1);
    event_close(port);
}

static void test_flush(void)
{
    uint64_t *a = page_alloc(), *b = page_alloc(), *va = page_hole();
    uint64_t mask = 2;
    struct mmuext_op op = {.cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = (unsigned long)va};

    *a = 0xaaaa;
    *b = 0xbbbb;
    must("map a",
         hc_update_va_mapping((unsigned long)va, pte_make(virt_to_mfn(a), PTE_DATA), UVMF_INVLPG | UVMF_ALL));
    result("1 reads", "%lx", second_do(READ, (uint64_t)va));
    must("map b",
         hc_update_va_mapping((unsigned long)va, pte_make(virt_to_mfn(b), PTE_DATA), UVMF_INVLPG | UVMF_ALL));
    result("1 reads after invlpg all", "%lx", second_do(READ, (uint64_t)va));
    must("map a", hc_update_va_mapping((unsigned long)va, pte_make(virt_to_mfn(a), PTE_DATA),
                                       UVMF_INVLPG | (unsigned long)&mask));
    result("1 reads after invlpg multi", "%lx", second_do(READ, (uint64_t)va));
    must("map b", hc_update_va_mapping((unsigned long)va, pte_make(virt_to_mfn(b), PTE_DATA), UVMF_NONE));
    op.arg2.vcpumask.p = &mask;
    result_errno("mmuext invlpg multi", HC4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF));
    result("1 reads after it", "%lx", second_do(READ, (uint64_t)va));
    must("map a", hc_update_va_mapping((unsigned long)va, pte_make(virt_to_mfn(a), PTE_DATA), UVMF_NONE));
    result_errno("mmuext flush all", mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0));
    result("1 reads after flush all", "%lx", second_do(READ, (uint64_t)va));
    /* The VMM must flush by itself when a frame changes its type. */
    must("unmap", hc_update_va_mapping((unsigned long)va, 0, UVMF_NONE));
    must("unmap its own mapping",
         hc_update_va_mapping((unsigned long)a, pte_make(virt_to_mfn(a), PTE_RO), UVMF_NONE));
    memset(b, 0, PAGE_SIZE);
    result("pin as table after", "%d", mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(a), 0) != 0);
    mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(a), 0);
}

static void test_info(void)
{
    struct vcpu_register_vcpu_info r = {.mfn = virt_to_mfn(page_alloc())};
    struct vcpu_info *info = page_alloc();
    unsigned int ipi = event_bind_ipi(1);

    result_errno("register vcpu_info on 1", (long)second_do(REGISTER, (uint64_t)info));
    result("time moved along", "%d", info->time.tsc_to_system_mul != 0);
    event_unmask_bit(ipi);
    event_send(ipi);
    wait_port(ipi);
    result("event through new vcpu_info", "%d", 1);
    result_errno("register vcpu_info of 1 from 0", vcpu_op(VCPUOP_register_vcpu_info, 1, &r));
    result_errno("register vcpu_info of 0", vcpu_op(VCPUOP_register_vcpu_info, 0, &r));
    result_errno("register vcpu_info of 0 again", vcpu_op(VCPUOP_register_vcpu_info, 0, &r));
}

static void test_down(void)
{
    unsigned int before = up_count;

    second_do(DOWN, 0);
    while (vcpu_op(VCPUOP_is_up, 1, 0) == 1)
        yield();
    result_errno("is_up after down", vcpu_op(VCPUOP_is_up, 1, 0));
    result_errno("up after down", vcpu_op(VCPUOP_up, 1, 0));
    while (up_count == before)
        yield();
    result("goes on", "%e", (long)answer);
    result_errno("down from 0", vcpu_op(VCPUOP_down, 1, 0));
    result_errno("is_up then", vcpu_op(VCPUOP_is_up, 1, 0));
}

void guest_main(void)
{
    second_info = &shared_info->vcpu_info[1];
    event2_hook = second_event;
    test_initialise();
    test_up();
    test_events();
    test_timer();
    test_flush();
    test_info();
    test_down();
}
