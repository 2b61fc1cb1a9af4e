#include <base/atomic.h>
#include <base/bug.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>

DEFINE_PER_CPU(uint32_t, softirq_pending);

static void (*handlers[NR_SOFTIRQS])(void);

void open_softirq(enum softirq nr, void (*fn)(void))
{
    handlers[nr] = fn;
}

void raise_softirq(enum softirq nr)
{
    atomic_or(&this_cpu(softirq_pending), (uint32_t)BIT(nr));
}

/*
 * The other CPU either sees the bit before it halts or enters a guest (it looks
 * with interrupts off), or takes the IPI afterwards. Whoever found the bit set
 * already need not send: the CPU that set it first has sent or is sending, and
 * the bit is cleared before the handler runs, so nothing is missed.
 */
void cpu_raise_softirq(unsigned int cpu, enum softirq nr)
{
    uint32_t bit = (uint32_t)BIT(nr);

    if (__atomic_fetch_or(&per_cpu(softirq_pending, cpu), bit, __ATOMIC_SEQ_CST) & bit)
        return;
    if (cpu != smp_processor_id())
        smp_send_event_check(cpu);
}

/*
 * In rounds, so that one that raises itself does not keep out the others; each
 * in rising order, so that SCHEDULE, which may not come back, is last: what it
 * leaves pending is found on the exit path of the vCPU that it switched to.
 */
void do_softirq(void)
{
    uint32_t pending;

    while ((pending = READ_ONCE(this_cpu(softirq_pending))) != 0) {
        for (; pending; pending &= pending - 1) {
            uint32_t nr = (uint32_t)__builtin_ctz(pending);

            BUG_ON(nr >= NR_SOFTIRQS || !handlers[nr]);
            atomic_and(&this_cpu(softirq_pending), ~(uint32_t)BIT(nr));
            handlers[nr]();
        }
    }
}
