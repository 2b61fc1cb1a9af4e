/*
 * The order of all locks, outermost first. A CPU may take a lock only of a
 * higher rank than every lock it already holds (equal ranks only through the
 * *_pair helpers, lower address first). Debug builds check this in spin_lock().
 *
 * "irq" marks locks that are also taken from interrupt handlers: they are
 * always taken with interrupts off (spin_lock_irqsave or with interrupts
 * already disabled).
 */
#ifndef BASE_LOCKS_H
#define BASE_LOCKS_H

enum lock_rank {
    LOCK_NONE,
    LOCK_DOMCTL,            /* one control operation (domctl, sysctl, platform_op) at a time */
    LOCK_DOMLIST,           /* the table of domains: entries appear and go only under it */
    LOCK_DOMAIN,            /* domain->lock: life cycle, vCPU creation, pause counts, memory map */
    LOCK_PIRQ,              /* domain->pirqs: map and bind of physical interrupts; irq-descriptor owners */
    LOCK_PCI_DEVICES,       /* known PCI devices and their MSIs */
    LOCK_GRANT,             /* a domain's grant table version, frames and map tracking */
    LOCK_PAGE_ALLOC_DOMAIN, /* domain->mm.page_lock: page list and page counts */
    LOCK_EVTCHN,            /* domain->events.lock: allocation, binding and closing of ports (irq) */
    LOCK_EVTCHN_PORT,       /* one channel's state against a concurrent send (irq) */
    LOCK_EVTCHN_FIFO,       /* one FIFO queue's tail (irq) */
    LOCK_IRQ_DESC,          /* one interrupt's routing, handler and guest bindings (irq) */
    LOCK_VECTOR,            /* vector allocation on all CPUs (irq) */
    LOCK_PCI,               /* PCI configuration mechanism 1's address/data pair (irq) */
    LOCK_CMOS,              /* the CMOS's index/data pair */
    LOCK_IOAPIC,            /* the IO-APIC's index/data register pair (irq) */
    LOCK_SCHED,             /* one CPU's run queue and the state of vCPUs on it (irq) */
    LOCK_TIMER,             /* one CPU's timer heap (irq) */
    LOCK_TIME,              /* wall clock and calibration values (irq) */
    LOCK_IOMEM,             /* which device frames a domain may map */
    LOCK_DEVICE_WINDOW,     /* the page through which single writes to devices go */
    LOCK_VMM_PT,            /* the VMM's own page tables (ioremap) */
    LOCK_HEAP,              /* small-object allocator */
    LOCK_PAGE_ALLOC,        /* free frame lists (irq) */
    LOCK_SHOOTDOWN,         /* one cross-CPU call at a time */
    LOCK_MCA,               /* machine checks kept for dom0 */
    LOCK_KEYHANDLER,        /* debug-key table */
    LOCK_CONSOLE,           /* serial line and console ring (irq); leaf, so that anything may print */
};

#endif
