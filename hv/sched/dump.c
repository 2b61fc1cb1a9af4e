/* The debug key that shows the run queues. */
#include <console/keyhandler.h>
#include <sched/dump.h>
#include <sched/runqueue.h>
#include <sched/sched.h>

static const char *const state_names[] = {"running", "runnable", "blocked", "offline"};

/* What one line of a run queue shows, copied under its lock. */
struct entry {
    domid_t domain;
    uint32_t id;
    int64_t behind; /* weighted ns from min_vruntime */
};

#define MAX_ENTRIES KEY_ITEMS

static void show_queue(uint32_t cpu)
{
    struct runqueue *rq = cpu_runqueue(cpu);
    struct entry entries[MAX_ENTRIES];
    uint32_t n = 0, waiting;
    unsigned long flags = spin_lock_irqsave(&rq->lock);
    domid_t domain = rq->curr->domain->id;
    uint32_t id = rq->curr->id;
    uint64_t load = rq->load;

    waiting = rq->nr_queued;
    for (struct vcpu *v = rq->first; v && n < MAX_ENTRIES; v = v->sched.next)
        entries[n++] = (struct entry){v->domain->id, v->id, v->sched.vruntime - rq->min_vruntime};
    spin_unlock_irqrestore(&rq->lock, flags);

    key_printk("CPU%u: d%uv%u runs, %u wait, load %lu, idle for %lu ms since boot\n", cpu, domain, id,
               waiting, load, sched_cpu_idle_ns(cpu) / 1000000);
    for (uint32_t i = 0; i < n; i++)
        key_printk("  d%uv%u vruntime %+ld us\n", entries[i].domain, entries[i].id, entries[i].behind / 1000);
}

static void show_vcpu(struct vcpu *v)
{
    vcpu_runstate_info_t r;

    vcpu_runstate_get(v, &r);
    key_printk(
        "d%uv%u: CPU%u %s flags %lx pauses %u+%u%s; ran %lu, waited %lu, blocked %lu, offline %lu ms\n",
        v->domain->id, v->id, v->processor, state_names[r.state], v->sched.pause_flags, v->sched.pause_count,
        v->domain->pause_count, v->sched.throttled ? " capped" : "", r.time[0] / 1000000, r.time[1] / 1000000,
        r.time[2] / 1000000, r.time[3] / 1000000);
}

static void show(char key)
{
    uint32_t cpu, id = 0;
    struct domain *d;
    struct vcpu *v;

    key_printk("System time %ld ns, time slice %u to %u ms, ratelimit %u us\n", now(),
               (uint32_t)(SLICE_MIN / 1000000), (uint32_t)(SLICE_MAX / 1000000), sched_get_ratelimit());
    for_each_online_cpu (cpu)
        show_queue(cpu);
    while (id < DOMID_FIRST_RESERVED && (d = domain_find_next((domid_t)id)) != NULL) {
        id = d->id + 1u;
        key_printk("Domain %u: weight %u, cap %u\n", d->id, d->sched.weight, d->sched.cap);
        for_each_vcpu (d, v)
            if (v->id < KEY_ITEMS)
                show_vcpu(v);
        domain_put(d);
    }
}

void __init sched_dump_init(void)
{
    register_keyhandler('r', show, "show the run queues");
}
