/*
 * Interrupt sources. A descriptor stands for one source: a GSI (its number is
 * the GSI's) or an MSI (numbers from nr_gsis on). It routes the source to a
 * vector on one CPU and says who gets it: a handler of the VMM, or the guests
 * that bound it as pirq.
 *
 * Vectors. A descriptor has one vector number for its whole life. It is
 * claimed on each CPU that the source was ever sent to, and stays claimed there
 * until the descriptor is released.
 *
 * So moving a source to another CPU changes the destination only, which is one
 * write for an IO-APIC entry and one for an MSI; there is no moment at which
 * destination and vector do not belong together, and no need to mask:
 *
 *   - An interrupt that left before the write arrives at the old CPU, one after
 *     it at the new CPU; at both the vector leads here. None is lost.
 *   - A level-triggered entry's Remote IRR is cleared by an EOI for its vector,
 *     from any CPU. The vector does not change, so it cannot get stuck.
 *   - If the number is taken on the new CPU by another descriptor the source
 *     stays where it is, which is slower but right.
 *
 * EOI. Edge-triggered interrupts and MSIs get their EOI at once, before the
 * event is sent: another edge during delivery sets IRR and comes again. A
 * level-triggered one would come again at once as well, for as long as the
 * guest has not quieted its device; so its entry is masked before the EOI, and
 * unmasked when every guest to whom it was sent has made its EOI known. If the
 * device still (or again) asserts the line then, it is delivered again, since
 * the IO-APIC looks at the level when the mask goes. So no line is stuck as
 * long as guests say EOI, and a guest that does not stalls only a line that it
 * was given. A guest that unbinds owes no EOI any more.
 */
#ifndef IRQ_IRQ_DESC_H
#define IRQ_IRQ_DESC_H

#include <base/spinlock.h>
#include <base/types.h>
#include <cpu/smp.h>

struct irq_desc;
struct msi_entry;
struct pirq;

#define IRQ_MAX_GUESTS 8
#define MAX_IRQS       4096
#define IRQ_NONE       0xffffffffu

/* How one kind of source is controlled. All with the descriptor's lock held. */
struct irq_chip {
    const char *name;
    void (*mask)(struct irq_desc *desc);
    void (*unmask)(struct irq_desc *desc);
    /* Sends it to desc->cpu from now on; with the same vector. */
    void (*retarget)(struct irq_desc *desc);
    bool fixed_cpu; /* cannot be moved alone */
};

struct irq_desc {
    spinlock_t lock; /* LOCK_IRQ_DESC; all below but irq */
    uint32_t irq;
    const struct irq_chip *chip; /* NULL: free */
    uint8_t vector;              /* 0: none yet */
    bool level;
    bool shareable;         /* the guest that bound it first allows others */
    uint32_t cpu;           /* where it is sent */
    cpumask_t claimed;      /* CPUs on which the vector leads here */
    void (*fn)(void *data); /* the VMM's own handler; excludes guests */
    void *data;
    struct pirq *guests[IRQ_MAX_GUESTS];
    uint32_t nr_guests;
    uint32_t in_flight; /* guests that owe an EOI; level-triggered: masked while not 0 */
    struct msi_entry *msi;
    uint64_t count, moves; /* interrupts taken, changes of CPU; for the debug key */
};

/* Number of GSIs: irq numbers below it. */
extern uint32_t nr_gsis;

/* Boot: registers the debug key. */
void irq_dump_init(void);

/* Boot: descriptors of GSIs 0 .. count-1. */
void irq_desc_init(uint32_t count);

/* The descriptor of a number in use, or NULL. Descriptors are never freed, only reused. Any context. */
struct irq_desc *irq_desc_get(uint32_t irq);

/*
 * nr descriptors with consecutive numbers and consecutive, nr-aligned vectors (nr a power of two up
 * to 32) for MSIs, sent to cpu, or to another one if that has no vectors left; masked in no sense yet. First
 * number, or -ENOSPC, -ENOMEM.
 */
int irq_desc_alloc(uint32_t nr, const struct irq_chip *chip, uint32_t cpu);
/* Gives one back: the source is quiet and unbound. Its vector is free on all CPUs afterwards. */
void irq_desc_release(struct irq_desc *desc);

/* Where a new source goes: the CPU that calls, or CPU 0 if interrupts cannot be sent to the former. */
uint32_t irq_first_cpu(void);

/* Gives a GSI's descriptor a vector if it has none. -ENOSPC. Lock held. */
int irq_desc_assign_vector(struct irq_desc *desc, uint32_t cpu);
/* Sends it to cpu, if that can be done. Lock held. */
void irq_desc_move(struct irq_desc *desc, uint32_t cpu);

/* An EOI of a guest for a level-triggered interrupt. Lock held. */
void irq_desc_guest_eoi(struct irq_desc *desc, struct pirq *pirq);

#endif
