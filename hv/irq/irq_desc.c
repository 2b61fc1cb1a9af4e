#include <base/bug.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <console/printk.h>
#include <cpu/cpu_info.h>
#include <cpu/insn.h>
#include <domain/domain.h>
#include <event/evtchn.h>
#include <irq/apic.h>
#include <irq/irq.h>
#include <irq/irq_desc.h>
#include <irq/pirq.h>
#include <irq/vector.h>
#include <mm/page_alloc.h>

uint32_t nr_gsis __ro_after_init;

/* Entries appear, filled in, and stay. */
static struct irq_desc *irq_descs[MAX_IRQS];

static void (*direct_handlers[256])(struct cpu_user_regs *) __ro_after_init;

void __init set_direct_vector(uint8_t vector, void (*fn)(struct cpu_user_regs *))
{
    direct_handlers[vector] = fn;
}

static struct irq_desc *create_desc(uint32_t irq)
{
    struct irq_desc *desc = xzalloc(struct irq_desc);

    if (desc) {
        spin_lock_init(&desc->lock, LOCK_IRQ_DESC);
        desc->irq = irq;
        store_release(&irq_descs[irq], desc);
    }
    return desc;
}

void __init irq_desc_init(uint32_t count)
{
    for (uint32_t irq = 0; irq < count; irq++)
        if (!create_desc(irq))
            panic("No memory for interrupt descriptors");
    nr_gsis = count;
}

struct irq_desc *irq_desc_get(uint32_t irq)
{
    return irq < MAX_IRQS ? load_acquire(&irq_descs[irq]) : NULL;
}

/* Without interrupt remapping neither an RTE nor a message can name a higher APIC ID. */
static bool cpu_addressable(uint32_t cpu)
{
    return cpu_to_apicid[cpu] <= 0xff;
}

uint32_t irq_first_cpu(void)
{
    return cpu_addressable(smp_processor_id()) ? smp_processor_id() : 0;
}

static void take_vector(struct irq_desc *desc, uint32_t cpu, uint8_t vector)
{
    desc->vector = vector;
    desc->cpu = cpu;
    cpumask_set(&desc->claimed, cpu);
}

/* On *cpu, or if that has none left on another one, which *cpu becomes. The first, or -ENOSPC. */
static int alloc_vectors(uint32_t *cpu, uint32_t nr, struct irq_desc *const descs[])
{
    int vector = vector_alloc(*cpu, nr, descs);
    uint32_t other;

    for_each_online_cpu (other) {
        if (vector >= 0)
            break;
        if (!cpu_addressable(other))
            continue;
        vector = vector_alloc(other, nr, descs);
        *cpu = other;
    }
    return vector;
}

int irq_desc_assign_vector(struct irq_desc *desc, uint32_t cpu)
{
    int vector;

    if (desc->vector)
        return 0;
    vector = alloc_vectors(&cpu, 1, &desc);
    if (vector < 0)
        return vector;
    take_vector(desc, cpu, (uint8_t)vector);
    desc->chip->mask(desc);
    desc->chip->retarget(desc);
    return 0;
}

/* First of nr free numbers in a row, with a descriptor each; or -ENOSPC, -ENOMEM. */
static int find_free_numbers(uint32_t nr)
{
    uint32_t run = 0;

    for (uint32_t irq = nr_gsis; irq < MAX_IRQS; irq++) {
        if (!irq_descs[irq] && !create_desc(irq))
            return -ENOMEM;
        run = irq_descs[irq]->chip ? 0 : run + 1;
        if (run == nr)
            return (int)(irq - nr + 1);
    }
    return -ENOSPC;
}

int irq_desc_alloc(uint32_t nr, const struct irq_chip *chip, uint32_t cpu)
{
    int first = find_free_numbers(nr), vector;

    if (first < 0)
        return first;
    vector = alloc_vectors(&cpu, nr, &irq_descs[first]);
    if (vector < 0)
        return vector;
    for (uint32_t i = 0; i < nr; i++) {
        struct irq_desc *desc = irq_descs[(uint32_t)first + i];
        unsigned long flags = spin_lock_irqsave(&desc->lock);

        take_vector(desc, cpu, (uint8_t)((uint32_t)vector + i));
        desc->chip = chip;
        desc->level = false;
        spin_unlock_irqrestore(&desc->lock, flags);
    }
    return first;
}

void irq_desc_release(struct irq_desc *desc)
{
    unsigned long flags = spin_lock_irqsave(&desc->lock);
    uint32_t cpu;

    ASSERT(!desc->nr_guests && !desc->fn);
    for_each_cpu(cpu, &desc->claimed) vector_free(cpu, desc->vector);
    desc->claimed = (cpumask_t){{0}};
    desc->vector = 0;
    desc->msi = NULL;
    desc->chip = NULL;
    spin_unlock_irqrestore(&desc->lock, flags);
}

/* Two CPUs may write the same descriptor's routing one after the other, never at once: its lock is held. */
void irq_desc_move(struct irq_desc *desc, uint32_t cpu)
{
    if (cpu == desc->cpu || desc->chip->fixed_cpu || !cpu_addressable(cpu))
        return;
    if (!vector_claim(cpu, desc->vector, desc))
        return;
    cpumask_set(&desc->claimed, cpu);
    desc->cpu = cpu;
    desc->moves++;
    desc->chip->retarget(desc);
}

int request_gsi(uint32_t gsi, void (*fn)(void *), void *data)
{
    struct irq_desc *desc = gsi < nr_gsis ? irq_desc_get(gsi) : NULL;
    unsigned long flags;
    int rc;

    if (!desc || !desc->chip)
        return -EINVAL;
    flags = spin_lock_irqsave(&desc->lock);
    rc = desc->fn || desc->nr_guests ? -EBUSY : irq_desc_assign_vector(desc, irq_first_cpu());
    if (!rc) {
        desc->data = data;
        desc->fn = fn;
        desc->chip->unmask(desc);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

void irq_desc_guest_eoi(struct irq_desc *desc, struct pirq *pirq)
{
    if (!pirq->eoi_owed)
        return;
    pirq->eoi_owed = false;
    if (--desc->in_flight == 0 && desc->nr_guests)
        desc->chip->unmask(desc);
}

/* A port to raise, noted while the descriptor is locked: sending takes locks that come before it. */
struct delivery {
    struct domain *domain;
    uint32_t port;
};

/*
 * Lock held. Each domain found here is bound, hence alive; the reference keeps
 * it so until the event is sent, should it unbind meanwhile on another CPU.
 */
static uint32_t collect_deliveries(struct irq_desc *desc, struct delivery *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < desc->nr_guests; i++) {
        struct pirq *p = desc->guests[i];

        if (desc->level) {
            if (p->eoi_owed)
                continue; /* has not looked yet, or will when its EOI lets the line come again */
            p->eoi_owed = true;
            desc->in_flight++;
        }
        if (domain_get(p->domain))
            out[n++] = (struct delivery){p->domain, p->port};
    }
    return n;
}

/* An interrupt that came to another CPU than its only guest's vCPU: the next one shall not. */
static void follow_vcpu(struct irq_desc *desc)
{
    if (desc->nr_guests == 1)
        irq_desc_move(desc, READ_ONCE(desc->guests[0]->vcpu->processor));
}

static void handle_own(struct irq_desc *desc)
{
    void (*fn)(void *) = desc->fn;
    void *data = desc->data;

    if (desc->level)
        desc->chip->mask(desc);
    spin_unlock(&desc->lock);
    apic_eoi();
    fn(data);
    if (desc->level) {
        spin_lock(&desc->lock);
        desc->chip->unmask(desc);
        spin_unlock(&desc->lock);
    }
}

static void handle_guests(struct irq_desc *desc)
{
    struct delivery deliveries[IRQ_MAX_GUESTS];
    uint32_t n;

    if (desc->level)
        desc->chip->mask(desc); /* stays so if nobody is bound: the last unbind lost the race */
    n = collect_deliveries(desc, deliveries);
    follow_vcpu(desc);
    spin_unlock(&desc->lock);
    apic_eoi();
    for (uint32_t i = 0; i < n; i++) {
        send_guest_port(deliveries[i].domain, deliveries[i].port);
        domain_put(deliveries[i].domain);
    }
}

static void handle_vector(uint8_t vector)
{
    struct irq_desc *desc = vector_lookup(vector);

    if (desc) {
        spin_lock(&desc->lock);
        /* A late interrupt of a source that was released meanwhile, its descriptor perhaps in use again. */
        if (desc->vector == vector) {
            desc->count++;
            if (desc->fn)
                handle_own(desc);
            else
                handle_guests(desc);
            return;
        }
        spin_unlock(&desc->lock);
    }
    /* Such a one without a descriptor; or a spurious one of the PICs, which the APIC knows nothing of. */
    if (apic_in_service(vector))
        apic_eoi();
}

void do_irq(struct cpu_user_regs *regs)
{
    uint8_t vector = (uint8_t)regs->entry_vector;

    get_cpu_info()->irq_depth++;
    if (direct_handlers[vector])
        direct_handlers[vector](regs);
    else if (vector != VECTOR_SPURIOUS) /* has no EOI: SDM vol 3, 10.9 */
        handle_vector(vector);
    get_cpu_info()->irq_depth--;
}
