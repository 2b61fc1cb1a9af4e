#include <base/bug.h>
#include <base/spinlock.h>
#include <cpu/insn.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <irq/irq.h>

cpumask_t cpu_online_map;
unsigned int nr_cpus = 1;
uint32_t cpu_to_apicid[MAX_CPUS];
uint32_t cpu_to_acpiid[MAX_CPUS];

static DEFINE_SPINLOCK(call_lock, LOCK_SHOOTDOWN);

static struct {
    void (*fn)(void *arg);
    void *arg;
    cpumask_t todo; /* CPUs that have not finished */
} call;

/*
 * The sender fills call, then sets todo and sends; a receiver clears its bit
 * as its last access. The lock keeps call stable until todo is empty.
 */
static void call_function_interrupt(struct cpu_user_regs *regs)
{
    unsigned int cpu = smp_processor_id();

    apic_eoi();
    if (!cpumask_test(&call.todo, cpu))
        return;
    call.fn(call.arg);
    cpumask_clear(&call.todo, cpu);
}

static void event_check_interrupt(struct cpu_user_regs *regs)
{
    apic_eoi(); /* softirqs are looked at on the way out */
}

void smp_ipi_init(void)
{
    set_direct_vector(VECTOR_CALL_FUNCTION, call_function_interrupt);
    set_direct_vector(VECTOR_EVENT_CHECK, event_check_interrupt);
}

static void call_here(const cpumask_t *mask, void (*fn)(void *), void *arg)
{
    if (cpumask_test(mask, smp_processor_id())) {
        uint64_t flags = local_irq_save();

        fn(arg);
        local_irq_restore(flags);
    }
}

void on_selected_cpus(const cpumask_t *mask, void (*fn)(void *), void *arg)
{
    unsigned int self = smp_processor_id(), cpu;
    cpumask_t others = {0};

    for (unsigned int i = 0; i < MAX_CPUS / 64; i++)
        others.bits[i] = mask->bits[i] & cpu_online_map.bits[i];
    others.bits[self / 64] &= ~(1UL << (self % 64));
    if (cpumask_empty(&others)) {
        call_here(mask, fn, arg);
        return;
    }
    /* With interrupts off two callers could wait for each other for ever. */
    ASSERT(local_irq_is_enabled());
    spin_lock(&call_lock);
    call.fn = fn;
    call.arg = arg;
    for (unsigned int i = 0; i < MAX_CPUS / 64; i++)
        __atomic_store_n(&call.todo.bits[i], others.bits[i], __ATOMIC_SEQ_CST);
    for_each_cpu(cpu, &others) send_ipi(cpu, VECTOR_CALL_FUNCTION);
    call_here(mask, fn, arg);
    for (unsigned int i = 0; i < MAX_CPUS / 64; i++)
        while (load_acquire(&call.todo.bits[i]))
            cpu_relax();
    spin_unlock(&call_lock);
}

void smp_send_event_check(unsigned int cpu)
{
    if (cpu != smp_processor_id())
        send_ipi(cpu, VECTOR_EVENT_CHECK);
}
