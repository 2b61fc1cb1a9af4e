/* Debug key: every interrupt source in use. */
#include <base/compiler.h>
#include <console/keyhandler.h>
#include <domain/domain.h>
#include <irq/irq.h>
#include <irq/irq_desc.h>
#include <irq/pirq.h>
#include <lib/printf.h>

#define LINE_SIZE 200

/* A copy, so that nothing is printed with the source locked: false if it is free. */
static bool describe(struct irq_desc *desc, char *line)
{
    unsigned long flags = spin_lock_irqsave(&desc->lock);
    bool used = desc->chip && desc->vector;
    int n = 0;

    if (used)
        n = scnprintf(line, LINE_SIZE, "IRQ %3u: %-7s %s vector %02x CPU%-3u count %lu moved %lu%s",
                      desc->irq, desc->chip->name, desc->level ? "level" : "edge ", desc->vector, desc->cpu,
                      (unsigned long)desc->count, (unsigned long)desc->moves, desc->fn ? " VMM" : "");
    for (uint32_t i = 0; used && i < desc->nr_guests; i++) {
        const struct pirq *p = desc->guests[i];

        n += scnprintf(line + n, LINE_SIZE - (size_t)n, " d%u:pirq %u:port %u%s", p->domain->id, p->pirq,
                       p->port, p->eoi_owed ? " owes EOI" : "");
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return used;
}

static void dump_irqs(char key)
{
    char line[LINE_SIZE];

    for (uint32_t irq = 0; irq < MAX_IRQS; irq++) {
        struct irq_desc *desc = irq_desc_get(irq);

        if (desc && describe(desc, line))
            key_printk("%s\n", line);
    }
}

void __init irq_dump_init(void)
{
    register_keyhandler('i', dump_irqs, "interrupt sources");
}
