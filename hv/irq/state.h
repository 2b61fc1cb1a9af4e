/* Physical interrupts of a domain, embedded in struct domain. */
#ifndef IRQ_STATE_H
#define IRQ_STATE_H

#include <base/spinlock.h>
#include <base/types.h>

struct pirq;

struct pirq_domain {
    spinlock_t lock;     /* LOCK_PIRQ */
    struct pirq **pirqs; /* nr_pirqs entries, NULL where not mapped */
    uint32_t nr_pirqs;
    uint64_t *eoi_map; /* guest's page of PHYSDEVOP_pirq_eoi_gmfn, mapped; NULL if none */
    struct page_info *eoi_map_page;
    bool auto_unmask; /* eoi_gmfn v1: an EOI also unmasks the port */
};

#endif
