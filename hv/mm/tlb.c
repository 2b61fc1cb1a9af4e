#include <base/atomic.h>
#include <cpu/control.h>
#include <cpu/insn.h>
#include <cpu/softirq.h>
#include <mm/retire.h>
#include <mm/tlb.h>

/*
 * The clock advances with each full flush, and times are compared modulo
 * 2^32. So that no CPU's note is ever half a turn behind, all CPUs flush each
 * time the clock has gone an eighth of its range. Zero is never a valid time.
 */
#define EPOCH (1u << 29)
static uint32_t tlb_clock = 1;
static DEFINE_PER_CPU(uint32_t, tlb_flushed);

uint32_t tlb_clock_now(void)
{
    return READ_ONCE(tlb_clock);
}

/*
 * The clock after this flush's tick. Who removed an entry and then read an
 * earlier time did both before the tick, and so before the flush that follows:
 *
 *   this CPU              another
 *                         entry = 0 (and a locked instruction)
 *                         stamp = clock     (t)
 *   clock = t + 1
 *   flush
 *   note = t + 1
 */
static uint32_t tick(void)
{
    uint32_t t = READ_ONCE(tlb_clock), next = t + 1 ? t + 1 : 1;

    /* One increment per value is enough: a lost race means that somebody else ticked, before our flush. */
    if (cmpxchg(&tlb_clock, t, next) == t && !(t % EPOCH)) {
        unsigned int cpu;

        for_each_online_cpu (cpu)
            cpu_raise_softirq(cpu, SOFTIRQ_TLB_EPOCH);
    }
    return next;
}

void tlb_init(void)
{
    open_softirq(SOFTIRQ_TLB_EPOCH, flush_tlb_local_global);
    open_softirq(SOFTIRQ_RETIRE, retire_flush);
}

void load_cr3(uint64_t cr3)
{
    uint32_t t = tick();

    write_cr3(cr3);
    WRITE_ONCE(this_cpu(tlb_flushed), t);
}

void flush_tlb_local(void)
{
    load_cr3(read_cr3());
}

void flush_tlb_local_global(void)
{
    uint64_t flags = local_irq_save(), cr4 = read_cr4();
    uint32_t t = tick();

    /* Changing CR4.PGE invalidates everything, global entries too, with any PCID: SDM vol 3, 4.10.4.1. */
    write_cr4(cr4 ^ CR4_PGE);
    write_cr4(cr4);
    WRITE_ONCE(this_cpu(tlb_flushed), t);
    local_irq_restore(flags);
}

static void flush_here(void *unused)
{
    flush_tlb_local_global();
}

void flush_tlb_mask(const cpumask_t *mask)
{
    on_selected_cpus(mask, flush_here, NULL);
}

static void flush_one_here(void *va)
{
    invlpg((uint64_t)va);
}

void flush_tlb_one_mask(const cpumask_t *mask, uint64_t va)
{
    on_selected_cpus(mask, flush_one_here, (void *)va);
}

/*
 * A frame's stamp is the clock when its last writable (or table) use ended.
 * A CPU whose note is later flushed after that. Equal is not enough: the use
 * may have ended after the flush.
 */
void tlb_filter(cpumask_t *mask, uint32_t stamp)
{
    unsigned int cpu;

    for_each_cpu(cpu, mask)
    {
        uint32_t flushed = READ_ONCE(per_cpu(tlb_flushed, cpu));

        if (flushed && (int32_t)(flushed - stamp) > 0)
            cpumask_clear(mask, cpu);
    }
}
