/* Debug keys that show the state of the whole machine. */
#include <base/bug.h>
#include <base/compiler.h>
#include <console/keyhandler.h>
#include <console/keys.h>
#include <console/printk.h>
#include <cpu/cpu_info.h>
#include <cpu/machine.h>
#include <cpu/smp.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <mm/page_alloc.h>
#include <sched/sched.h>
#include <time/time.h>

static void restart(char key)
{
    printk("Debug key '%c': restarting the machine\n", key);
    machine_restart();
}

static void show_guest(void *unused)
{
    struct vcpu *v = current;

    if (is_idle_vcpu(v)) {
        printk("CPU %u: idle\n", smp_processor_id());
        return;
    }
    printk("CPU %u: d%uv%u\n", smp_processor_id(), v->domain->id, v->id);
    show_registers(guest_regs());
}

/* One CPU after the other, so that their lines do not mix. */
static void show_cpus(char key)
{
    unsigned int cpu;

    for_each_online_cpu (cpu) {
        cpumask_t one = {{0}};

        cpumask_set(&one, cpu);
        on_selected_cpus(&one, show_guest, NULL);
    }
}

static const char *domain_state(const struct domain *d)
{
    return d->dying == DOMAIN_DEAD    ? "dead"
           : d->dying == DOMAIN_DYING ? "dying"
           : d->is_shut_down          ? "shut down"
           : d->pause_count           ? "paused"
                                      : "running";
}

/* A snapshot without locks: what changes meanwhile may look odd. */
static void show_vcpu(const struct vcpu *v)
{
    uint64_t flags = READ_ONCE(v->sched.pause_flags);
    const vcpu_info_t *info = v->vcpu_info;

    key_printk("  vCPU %u on CPU %u: %s%s%s%s, pause count %u", v->id, v->processor,
               v->sched.is_running ? "running" : "not running", flags & VPF_DOWN ? ", down" : "",
               flags & VPF_BLOCKED ? ", blocked" : "", flags & VPF_POLL ? ", polling" : "",
               v->sched.pause_count);
    if (info)
        key_printk(", upcall pending %u mask %u", info->evtchn_upcall_pending, info->evtchn_upcall_mask);
    key_printk("\n");
}

static void show_domains(char key)
{
    struct domain *d;

    for (domid_t next = 0; (d = domain_find_next(next)); next = d->id + 1, domain_put(d)) {
        struct vcpu *v;

        key_printk("d%u: %s, %u references, %lu pages (at most %lu)\n", d->id, domain_state(d), d->refcount,
                   d->mm.tot_pages, d->mm.max_pages);
        for_each_vcpu (d, v)
            if (v->id < KEY_ITEMS)
                show_vcpu(v);
    }
}

/* Pages that belong to domains, those of the VMM that they see (grant tables and such) not counted. */
static uint64_t domain_pages(void)
{
    uint64_t pages = 0;
    struct domain *d;

    for (uint32_t next = 0; (d = domain_find_next((domid_t)next)) != NULL; next = d->id + 1U, domain_put(d))
        pages += d->mm.tot_pages;
    return pages;
}

static void show_memory(char key)
{
    uint64_t domains = domain_pages(), free = free_page_count();

    key_printk("System time %lu.%06lu s\n", (unsigned long)(now() / SECONDS(1)),
               (unsigned long)(now() % SECONDS(1) / MICROSECS(1)));
    key_printk("%lu pages: %lu free, %lu of domains, %lu of the VMM (%lu below 4 GiB free)\n", total_pages,
               free, domains, total_pages - free - domains, free_page_count_of_width(0, 32));
}

static void crash(char key)
{
    panic("debug key '%c'", key);
}

void __init debug_keys_init(void)
{
    register_keyhandler('R', restart, "restart the machine");
    register_keyhandler('d', show_cpus, "registers of the guests that run now");
    register_keyhandler('q', show_domains, "domains and vCPUs");
    register_keyhandler('m', show_memory, "system time and memory");
    register_keyhandler('C', crash, "crash the machine: shows what each CPU does");
}
