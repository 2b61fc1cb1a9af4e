#include <base/atomic.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <cpu/control.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <cpu/softirq.h>
#include <mm/retire.h>
#include <mm/tlb.h>
#include <mm/tlb_tag.h>
#include <mm/xpti.h>
#include <sched/sched.h>

/*
 * The clock advances with each full flush, and times are compared modulo
 * 2^32. So that no CPU's note is ever half a turn behind, all CPUs flush each
 * time the clock has gone an eighth of its range. Zero is never a valid time.
 */
#define EPOCH (1u << 29)
static uint32_t tlb_clock = 1;
static DEFINE_PER_CPU(uint32_t, tlb_flushed);

static DEFINE_PER_CPU(struct tlb_tags, tags);
bool pcid_enabled __ro_after_init;
static bool have_invpcid __ro_after_init;

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

static __initdata bool opt_pcid = true, opt_invpcid = true;
BOOT_OPTION_BOOL("invpcid", opt_invpcid);

/* A boolean, or "xpti=<bool>": only for guests on split tables (which are never tagged here), or only for
 * others. */
static __init int parse_pcid(const char *value)
{
    int on = parse_bool(value), split = parse_named_bool(value, "xpti");

    if (on < 0 && split < 0)
        return -EINVAL;
    opt_pcid = on < 0 ? !split : on;
    return 0;
}
BOOT_OPTION_CUSTOM("pcid", parse_pcid);

/* CR4.PCIDE can be set in 64-bit mode with tag 0 in CR3: SDM vol 3, 4.10.1. */
void __init pcid_init(void)
{
    pcid_enabled = opt_pcid && cpu_has(PCID) && !xpti_enabled();
    have_invpcid = opt_invpcid && cpu_has(INVPCID);
    if (pcid_enabled)
        host_cr4 |= CR4_PCIDE;
}

void tlb_init(void)
{
    open_softirq(SOFTIRQ_TLB_EPOCH, flush_tlb_local_global);
    open_softirq(SOFTIRQ_RETIRE, retire_flush);
}

/* With tags a load of CR3 leaves those of others: only a flush of all is noted then. */
void load_cr3(uint64_t cr3)
{
    uint32_t t = tick();

    write_cr3(cr3);
    if (likely(!pcid_enabled))
        WRITE_ONCE(this_cpu(tlb_flushed), t);
}

void tlb_leave(struct vcpu *prev)
{
    if (unlikely(pcid_enabled) && !is_idle_vcpu(prev))
        tlb_tag_leave(&this_cpu(tags), &prev->tag);
}

void tlb_enter(struct vcpu *next)
{
    uint64_t epoch = READ_ONCE(next->domain->tlb_epoch);

    if (unlikely(pcid_enabled))
        write_cr3(
            tlb_tag_enter(&this_cpu(tags), &next->tag, smp_processor_id(), epoch, next->pv.kernel_mode));
    else
        load_cr3(next->tag.cr3[next->pv.kernel_mode]);
}

/*
 * Tagged, the value that is loaded lacks TLB_TAG_KEEP even if an interrupt has
 * emptied the tags since the table was set: up to here the old table's entries
 * filled them again.
 */
void tlb_reload(struct vcpu *v)
{
    bool mode = v->pv.kernel_mode;

    if (unlikely(pcid_enabled)) {
        write_cr3(tlb_tag_flush(&v->tag, mode));
        tlb_tag_loaded(&v->tag, mode);
    } else {
        load_cr3(v->tag.cr3[mode]);
    }
}

void flush_tlb_local(void)
{
    struct vcpu *v = current;

    if (unlikely(pcid_enabled) && !is_idle_vcpu(v))
        write_cr3(tlb_tag_flush(&v->tag, v->pv.kernel_mode));
    else
        load_cr3(read_cr3());
}

/* INVPCID, type 0 (SDM vol 2): it faults, unlike INVLPG, on an address that is not canonical; guests may name
 * any. */
static void invpcid_address(uint64_t tag, uint64_t va)
{
    const uint64_t descriptor[2] = {tag, va};

    if (likely(is_canonical(va)))
        __asm__ __volatile__("invpcid %0, %1" : : "m"(descriptor), "r"(0UL) : "memory");
}

/* The hypercall that asks for it, and mode switches, run one after the other on this CPU: the flush may wait.
 */
void tlb_other_mode_stale(uint64_t va)
{
    struct vcpu *v = current;

    if (is_idle_vcpu(v))
        return;
    if (have_invpcid)
        invpcid_address(tlb_tag_other(&v->tag, v->pv.kernel_mode), va);
    else
        tlb_tag_other_stale(&v->tag, v->pv.kernel_mode);
}

void flush_tlb_local_global(void)
{
    uint64_t flags = local_irq_save(), cr4 = read_cr4();
    struct tlb_tags *t = &this_cpu(tags);
    struct vcpu *v = t->running ? current : NULL;
    uint64_t epoch = v ? READ_ONCE(v->domain->tlb_epoch) : 0;
    uint32_t clock = tick();

    /* Changing CR4.PGE invalidates everything, global entries too, with any PCID: SDM vol 3, 4.10.4.1. */
    write_cr4(cr4 ^ CR4_PGE);
    write_cr4(cr4);
    WRITE_ONCE(this_cpu(tlb_flushed), clock);
    tlb_tag_all_flushed(t, v ? &v->tag : NULL, epoch);
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

/*
 * An interrupt may come between the choice of a mode's CR3 and its load, so
 * nothing is left to that load here: what must go is gone when this returns.
 */
static void flush_one_here(void *arg)
{
    uint64_t va = (uint64_t)arg;

    invlpg(va);
    if (likely(!pcid_enabled) || !this_cpu(tags).running)
        return;
    if (!have_invpcid) {
        flush_tlb_local_global();
        return;
    }
    for (unsigned int mode = 0; mode < 2; mode++)
        invpcid_address(current->tag.cr3[mode] & TLB_TAG_MASK, va);
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
