#include <base/compiler.h>
#include <base/errno.h>
#include <base/spinlock.h>
#include <console/printk.h>
#include <cpu/features.h>
#include <cpu/smp.h>
#include <irq/irq_desc.h>
#include <irq/msi.h>
#include <irq/msi_regs.h>
#include <irq/pci.h>
#include <irq/pci_guest.h>
#include <irq/pci_io.h>
#include <mm/iomem.h>
#include <mm/ioremap.h>
#include <mm/page.h>
#include <mm/page_alloc.h>

/* One MSI capability in use, or one MSI-X entry. The list is under LOCK_PCI_DEVICES, the rest fixed. */
struct msi_entry {
    struct msi_entry *next; /* of the same device */
    struct pci_device *dev;
    bool is_msix;
    uint8_t cap;                 /* offset of the capability */
    uint8_t mask_reg;            /* MSI: offset of the mask register, 0 if there is none */
    bool is_64bit;               /* MSI */
    uint32_t nr;                 /* messages asked for */
    uint32_t first_irq, nr_irqs; /* sources: nr rounded up to a power of two */
    uint32_t index;              /* MSI-X: entry in the table */
    uint32_t mask_bits;          /* MSI: mask register as last written; atomic, each source its bit */
    bool masked;                 /* MSI-X: likewise */
};

static volatile uint8_t *msix_entry(const struct msi_entry *e)
{
    return e->dev->msix_table + (size_t)e->index * MSIX_ENTRY_SIZE;
}

static void msix_set_mask(struct irq_desc *desc, bool masked)
{
    struct msi_entry *e = desc->msi;

    e->masked = masked;
    pci_mmio_write(msix_entry(e) + MSIX_ENTRY_CONTROL, 4, masked ? MSIX_ENTRY_MASKED : 0);
    /* The read makes sure that the write has reached the device. */
    (void)pci_mmio_read(msix_entry(e) + MSIX_ENTRY_CONTROL, 4);
}

static void msix_mask(struct irq_desc *desc)
{
    msix_set_mask(desc, true);
}

static void msix_unmask(struct irq_desc *desc)
{
    msix_set_mask(desc, false);
}

static void msix_write_message(const struct msi_entry *e, struct msi_message m)
{
    pci_mmio_write(msix_entry(e) + MSIX_ENTRY_ADDRESS, 4, (uint32_t)m.address);
    pci_mmio_write(msix_entry(e) + MSIX_ENTRY_HIGH, 4, (uint32_t)(m.address >> 32));
    pci_mmio_write(msix_entry(e) + MSIX_ENTRY_DATA, 4, m.data);
}

static struct msi_message message_of(const struct irq_desc *desc)
{
    return msi_compose(desc->vector, cpu_to_apicid[desc->cpu]);
}

/* An unmasked entry must not be changed (6.8.2.9); what the device has to say meanwhile stays pending. */
static void msix_retarget(struct irq_desc *desc)
{
    bool was_masked = desc->msi->masked;

    msix_mask(desc);
    msix_write_message(desc->msi, message_of(desc));
    if (!was_masked)
        msix_unmask(desc);
}

static const struct irq_chip msix_chip = {
    .name = "MSI-X", .mask = msix_mask, .unmask = msix_unmask, .retarget = msix_retarget};

/*
 * Sources of one group share the register but not the lock. Whose value is overtaken on its way to the device
 * by a newer one would undo that: so each looks again after its write, the last of them too.
 */
static void msi_write_mask(const struct msi_entry *e)
{
    uint32_t bits;

    do {
        bits = READ_ONCE(e->mask_bits);
        pci_write(e->dev, e->mask_reg, 4, bits);
        smp_mb();
    } while (bits != READ_ONCE(e->mask_bits));
}

static void msi_set_mask(struct irq_desc *desc, bool masked)
{
    struct msi_entry *e = desc->msi;
    uint32_t bit = 1u << (desc->irq - e->first_irq);

    if (!e->mask_reg)
        return; /* what comes while nobody is bound is dropped */
    if (masked)
        atomic_or(&e->mask_bits, bit);
    else
        atomic_and(&e->mask_bits, ~bit);
    msi_write_mask(e);
}

static void msi_mask(struct irq_desc *desc)
{
    msi_set_mask(desc, true);
}

static void msi_unmask(struct irq_desc *desc)
{
    msi_set_mask(desc, false);
}

/* Only the destination changes, in the low half of the address: one write. */
static void msi_retarget(struct irq_desc *desc)
{
    const struct msi_entry *e = desc->msi;

    pci_write(e->dev, e->cap + MSI_ADDRESS, 4, (uint32_t)message_of(desc).address);
}

static const struct irq_chip msi_chip = {
    .name = "MSI", .mask = msi_mask, .unmask = msi_unmask, .retarget = msi_retarget};
/* The messages of a group share one address. */
static const struct irq_chip multi_msi_chip = {
    .name = "MSI", .mask = msi_mask, .unmask = msi_unmask, .retarget = msi_retarget, .fixed_cpu = true};

static uint32_t cap_control(const struct msi_entry *e)
{
    return pci_read(e->dev, e->cap + CAP_CONTROL, 2);
}

static void msi_set_enable(const struct msi_entry *e, bool on)
{
    uint32_t control = cap_control(e) & ~(MSI_ENABLE | MSI_MULTI_MASK);
    uint32_t order = (uint32_t)__builtin_ctz(e->nr_irqs);

    pci_write(e->dev, e->cap + CAP_CONTROL, 2, control | order << MSI_MULTI_SHIFT | (on ? MSI_ENABLE : 0));
}

/* Off while it is written; it goes on when dom0 says so. */
static void msi_program(const struct msi_entry *e, bool enable)
{
    const struct irq_desc *desc = irq_desc_get(e->first_irq);
    struct msi_message m = message_of(desc);
    unsigned int data = e->cap + (e->is_64bit ? 12 : 8);

    msi_set_enable(e, false);
    pci_write(e->dev, e->cap + MSI_ADDRESS, 4, (uint32_t)m.address);
    if (e->is_64bit)
        pci_write(e->dev, e->cap + MSI_ADDRESS_HIGH, 4, (uint32_t)(m.address >> 32));
    pci_write(e->dev, data, 2, m.data);
    if (e->mask_reg)
        msi_write_mask(e);
    if (enable)
        msi_set_enable(e, true);
}

static void msix_program(const struct msi_entry *e)
{
    const struct irq_desc *desc = irq_desc_get(e->first_irq);

    pci_mmio_write(msix_entry(e) + MSIX_ENTRY_CONTROL, 4, MSIX_ENTRY_MASKED);
    msix_write_message(e, message_of(desc));
    pci_mmio_write(msix_entry(e) + MSIX_ENTRY_CONTROL, 4, e->masked ? MSIX_ENTRY_MASKED : 0);
}

/* Sources for the entry; they lead to it from now on. */
static int entry_get_sources(struct msi_entry *e, const struct irq_chip *chip)
{
    int first = irq_desc_alloc(e->nr_irqs, chip, irq_first_cpu());

    if (first < 0)
        return first;
    e->first_irq = (uint32_t)first;
    for (uint32_t i = 0; i < e->nr_irqs; i++)
        irq_desc_get(e->first_irq + i)->msi = e;
    e->next = e->dev->entries;
    e->dev->entries = e;
    return 0;
}

static int msi_alloc_locked(struct pci_device *dev, uint32_t nr)
{
    struct msi_entry *e;
    uint32_t control;
    int rc;

    if (!dev || !pci_find_capability(dev, PCI_CAP_MSI))
        return -ENODEV;
    if (dev->entries)
        return -EEXIST;
    e = xzalloc(struct msi_entry);
    if (!e)
        return -ENOMEM;
    e->dev = dev;
    e->cap = pci_find_capability(dev, PCI_CAP_MSI);
    e->nr = nr;
    e->nr_irqs = nr == 1 ? 1 : 2u << (31 - __builtin_clz(nr - 1));
    control = cap_control(e);
    e->is_64bit = control & MSI_64BIT;
    e->mask_reg = control & MSI_MASKABLE ? (uint8_t)(e->cap + (e->is_64bit ? 16 : 12)) : 0;
    e->mask_bits = e->mask_reg ? 0xffffffffu >> (32 - e->nr_irqs) : 0;
    rc = e->nr_irqs > 1u << MSI_CAPABLE(control)
             ? -EINVAL
             : entry_get_sources(e, nr == 1 ? &msi_chip : &multi_msi_chip);
    if (rc) {
        xfree(e);
        return rc;
    }
    msi_program(e, false);
    return (int)e->first_irq;
}

int msi_alloc(struct pci_address address, uint32_t nr)
{
    int rc;

    if (nr == 0 || nr > MSI_MAX_MESSAGES)
        return -EINVAL;
    pci_devices_lock();
    rc = msi_alloc_locked(pci_device_find(address), nr);
    pci_devices_unlock();
    return rc;
}

uint32_t msi_capacity(struct pci_address address)
{
    struct pci_device *dev;
    uint32_t n = 0;

    pci_devices_lock();
    dev = pci_device_find(address);
    if (dev && pci_find_capability(dev, PCI_CAP_MSI)) {
        uint32_t control = pci_read(dev, pci_find_capability(dev, PCI_CAP_MSI) + CAP_CONTROL, 2);

        n = MIN(1u << MSI_CAPABLE(control), (uint32_t)MSI_MAX_MESSAGES);
    }
    pci_devices_unlock();
    return n;
}

/* Device memory all through, and not the VMM's own: the address may be dom0's word only. */
static bool table_address_ok(uint64_t start, uint32_t size)
{
    if (start == 0 || !phys_range_ok(start, size))
        return false;
    for (uint64_t a = start & PAGE_MASK; a < start + size; a += PAGE_SIZE)
        if (mfn_valid(paddr_to_mfn(_paddr(a))) || iomem_denied(paddr_to_mfn(_paddr(a))) ||
            iomem_read_only(paddr_to_mfn(_paddr(a))))
            return false;
    return true;
}

/* Whatever firmware or a kernel before us left in them: MSI-X goes on with the first entry. */
static void mask_all_entries(volatile uint8_t *table, uint32_t size)
{
    for (uint32_t i = 0; i < size; i += MSIX_ENTRY_SIZE)
        pci_mmio_write(table + i + MSIX_ENTRY_CONTROL, 4, MSIX_ENTRY_MASKED);
}

/* One more user of the device's table; the first maps it. */
static int msix_table_get(struct pci_device *dev, uint8_t cap, uint64_t table_base)
{
    uint32_t size = MSIX_SIZE(pci_read(dev, cap + CAP_CONTROL, 2)) * MSIX_ENTRY_SIZE;
    uint32_t where = pci_read(dev, cap + MSIX_TABLE, 4);
    uint64_t bar = dev->is_virtfn ? table_base : pci_memory_bar(dev, where & 7);
    uint64_t start = bar + (where & ~7u);

    if (!(pci_read(dev, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) && !dev->is_virtfn)
        return -ENXIO;
    if (!bar || start < bar || (table_base && table_base != bar) || !table_address_ok(start, size))
        return -EINVAL;
    if (!dev->msix_table) {
        dev->msix_table = ioremap(_paddr(start), size);
        if (!dev->msix_table)
            return -ENOMEM;
        dev->msix_bar = bar;
        dev->msix_address = start;
        dev->msix_size = size;
        mask_all_entries(dev->msix_table, size);
    }
    dev->msix_users++;
    pci_guard_msix_table(dev);
    return 0;
}

static void msix_table_put(struct pci_device *dev)
{
    if (--dev->msix_users)
        return;
    vunmap_range(dev->msix_table, dev->msix_size);
    dev->msix_table = NULL;
    pci_guard_msix_table(dev);
}

/* Whether the entry is in use, or the device uses plain MSI. */
static bool msix_conflict(const struct pci_device *dev, uint32_t index)
{
    for (const struct msi_entry *e = dev->entries; e; e = e->next)
        if (!e->is_msix || e->index == index)
            return true;
    return false;
}

static int msix_entry_create(struct pci_device *dev, uint8_t cap, uint32_t index)
{
    struct msi_entry *e = xzalloc(struct msi_entry);
    int rc;

    if (!e)
        return -ENOMEM;
    e->dev = dev;
    e->cap = cap;
    e->is_msix = true;
    e->masked = true;
    e->nr = e->nr_irqs = 1;
    e->index = index;
    rc = entry_get_sources(e, &msix_chip);
    if (rc) {
        xfree(e);
        return rc;
    }
    /* Some devices let their table be written only while MSI-X is enabled. */
    pci_write(dev, cap + CAP_CONTROL, 2, cap_control(e) | MSIX_ENABLE);
    msix_program(e);
    return (int)e->first_irq;
}

static int msix_alloc_locked(struct pci_device *dev, uint32_t index, uint64_t table_base)
{
    uint8_t cap = dev ? pci_find_capability(dev, PCI_CAP_MSIX) : 0;
    int rc;

    if (!cap)
        return -ENODEV;
    if (index >= MSIX_SIZE(pci_read(dev, cap + CAP_CONTROL, 2)))
        return -EINVAL;
    if (msix_conflict(dev, index))
        return -EEXIST;
    rc = msix_table_get(dev, cap, table_base);
    if (rc)
        return rc;
    /* Perhaps mapped when the device told another size. */
    rc = index < dev->msix_size / MSIX_ENTRY_SIZE ? msix_entry_create(dev, cap, index) : -EINVAL;
    if (rc < 0)
        msix_table_put(dev);
    return rc;
}

int msix_alloc(struct pci_address address, uint32_t entry, uint64_t table_base)
{
    int rc;

    pci_devices_lock();
    rc = msix_alloc_locked(pci_device_find(address), entry, table_base);
    pci_devices_unlock();
    return rc;
}

static void entry_silence(struct msi_entry *e)
{
    if (!e->is_msix) {
        msi_set_enable(e, false);
        return;
    }
    pci_mmio_write(msix_entry(e) + MSIX_ENTRY_CONTROL, 4, MSIX_ENTRY_MASKED);
    (void)pci_mmio_read(msix_entry(e) + MSIX_ENTRY_CONTROL, 4);
}

void msi_free(uint32_t irq)
{
    struct msi_entry *e, **link;
    struct pci_device *dev;

    pci_devices_lock();
    e = irq_desc_get(irq)->msi;
    dev = e->dev;
    entry_silence(e);
    for (uint32_t i = 0; i < e->nr_irqs; i++)
        irq_desc_release(irq_desc_get(e->first_irq + i));
    for (link = &dev->entries; *link != e;)
        link = &(*link)->next;
    *link = e->next;
    if (e->is_msix) {
        if (!dev->entries)
            pci_write(dev, e->cap + CAP_CONTROL, 2, cap_control(e) & ~MSIX_ENABLE);
        msix_table_put(dev);
    }
    xfree(e);
    pci_devices_unlock();
}

uint32_t msi_group_size(uint32_t irq)
{
    const struct msi_entry *e = irq_desc_get(irq)->msi;

    return e->first_irq == irq ? e->nr : 0;
}

/* No interrupt may change routing or masks meanwhile: each source's lock is held as it is written. */
static void entry_restore(struct msi_entry *e)
{
    struct irq_desc *desc = irq_desc_get(e->first_irq);
    unsigned long flags = spin_lock_irqsave(&desc->lock);

    if (e->is_msix)
        msix_program(e);
    else
        msi_program(e, true);
    spin_unlock_irqrestore(&desc->lock, flags);
}

int msi_restore(struct pci_address address)
{
    struct pci_device *dev;
    int rc = 0;

    pci_devices_lock();
    dev = pci_device_find(address);
    if (!dev)
        rc = -ENODEV;
    else if (dev->msix_users && !(pci_read(dev, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) && !dev->is_virtfn)
        rc = -ENXIO;
    else if (dev->entries && dev->entries->is_msix)
        pci_write(dev, dev->entries->cap + CAP_CONTROL, 2, cap_control(dev->entries) | MSIX_ENABLE);
    for (struct msi_entry *e = rc ? NULL : dev->entries; e; e = e->next)
        entry_restore(e);
    pci_devices_unlock();
    return rc;
}

int msix_prepare(struct pci_address address)
{
    struct pci_device *dev;
    uint8_t cap;
    int rc;

    pci_devices_lock();
    dev = pci_device_find(address);
    cap = dev ? pci_find_capability(dev, PCI_CAP_MSIX) : 0;
    rc = !cap ? -ENODEV : dev->msix_users ? -EBUSY : msix_table_get(dev, cap, 0);
    if (!rc)
        dev->msix_prepared = true;
    pci_devices_unlock();
    return rc;
}

int msix_release(struct pci_address address)
{
    struct pci_device *dev;
    int rc = 0;

    pci_devices_lock();
    dev = pci_device_find(address);
    if (!dev)
        rc = -ENODEV;
    else if (!dev->msix_prepared || dev->entries)
        rc = -EBUSY;
    if (!rc) {
        dev->msix_prepared = false;
        msix_table_put(dev);
    }
    pci_devices_unlock();
    return rc;
}
