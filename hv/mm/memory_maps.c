/* Memory maps for guests: the machine's, a domain's own, and where the machine-to-phys table lies. */
#include <base/errno.h>
#include <boot/e820.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <mm/layout.h>
#include <mm/memory_op.h>
#include <mm/page.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <mm/vmm_paging.h>
#include <xen/memory.h>

/* The layout of an entry, "as BIOS INT 0x15 EAX=0xE820 returns": 20 bytes. */
_Static_assert(sizeof(struct e820_entry) == 20, "e820 entry");

#define MAX_GUEST_E820 128
#define M2P_PER_EXTENT ((1UL << 21) / sizeof(uint64_t))

long memory_get_map(uint64_t arg)
{
    struct domain *d = current->domain;
    struct xen_memory_map m;
    long rc = 0;

    if (copy_from_guest(&m, arg, sizeof(m)))
        return -EFAULT;
    spin_lock(&d->lock);
    if (!d->mm.nr_e820) {
        rc = -ENOSYS;
    } else {
        m.nr_entries = MIN(m.nr_entries, d->mm.nr_e820);
        if (copy_to_guest(guest_handle_va(m.buffer), d->mm.e820, m.nr_entries * sizeof(struct e820_entry)) ||
            copy_to_guest(arg, &m, sizeof(m)))
            rc = -EFAULT;
    }
    spin_unlock(&d->lock);
    return rc;
}

long memory_get_machine_map(uint64_t arg)
{
    struct xen_memory_map m;

    if (!current->domain->is_privileged)
        return -EPERM;
    if (copy_from_guest(&m, arg, sizeof(m)))
        return -EFAULT;
    if (guest_handle_va(m.buffer)) {
        if (m.nr_entries < host_e820.nr)
            return -EINVAL;
        if (copy_to_guest(guest_handle_va(m.buffer), host_e820.entry,
                          host_e820.nr * sizeof(struct e820_entry)))
            return -EFAULT;
    }
    m.nr_entries = host_e820.nr;
    return copy_to_guest(arg, &m, sizeof(m));
}

static void replace_map(struct domain *d, struct e820_entry *map, uint32_t nr)
{
    struct e820_entry *old;

    spin_lock(&d->lock);
    old = d->mm.e820;
    d->mm.e820 = map;
    d->mm.nr_e820 = nr;
    spin_unlock(&d->lock);
    xfree(old);
}

long memory_set_map(uint64_t arg)
{
    struct xen_foreign_memory_map m;
    struct e820_entry *map;
    struct domain *d;
    int rc;

    if (copy_from_guest(&m, arg, sizeof(m)))
        return -EFAULT;
    if (m.map.nr_entries > MAX_GUEST_E820 || !m.map.nr_entries)
        return -EINVAL;
    if (!current->domain->is_privileged)
        return -EPERM;
    rc = domain_find_permitted(m.domid, &d);
    if (rc)
        return rc;
    map = xzalloc_array(struct e820_entry, m.map.nr_entries);
    if (!map)
        rc = -ENOMEM;
    else if (copy_from_guest(map, guest_handle_va(m.map.buffer), m.map.nr_entries * sizeof(*map)))
        rc = -EFAULT;
    else
        replace_map(d, map, m.map.nr_entries);
    if (rc)
        xfree(map);
    domain_put(d);
    return rc;
}

void memory_map_free(struct domain *d)
{
    replace_map(d, NULL, 0);
}

long memory_machphys_mapping(uint64_t arg)
{
    struct xen_machphys_mapping m = {
        .v_start = RO_M2P_START,
        .v_end = RO_M2P_END,
        .max_mfn = (RO_M2P_END - RO_M2P_START) / sizeof(uint64_t) - 1,
    };

    return copy_to_guest(arg, &m, sizeof(m));
}

/* Frame behind the n-th 2 MiB of the table, 0 where there is none. */
static uint64_t m2p_extent(uint64_t n)
{
    uint64_t va = RW_M2P_START + (n << 21);
    pte_t e = vmm_l4[pt_index(va, 4)];

    for (unsigned int level = 3; level >= 2 && (e & PTE_P); level--)
        e = ((const pte_t *)mfn_to_virt(pte_mfn(e)))[pt_index(va, level)];
    return e & PTE_P ? mfn_x(pte_mfn(e)) & ~511UL : 0;
}

long memory_machphys_mfn_list(uint64_t arg)
{
    uint64_t extents = DIV_ROUND_UP(max_page, M2P_PER_EXTENT);
    struct xen_machphys_mfn_list l;
    uint32_t i;

    if (!current->domain->is_privileged)
        return -EPERM;
    if (copy_from_guest(&l, arg, sizeof(l)))
        return -EFAULT;
    for (i = 0; i < l.max_extents && i < extents; i++) {
        uint64_t mfn = m2p_extent(i);

        if (copy_to_guest_index(guest_handle_va(l.extent_start), i, &mfn))
            return -EFAULT;
    }
    l.nr_extents = i;
    return copy_to_guest(arg, &l, sizeof(l));
}

void __init machphys_share(void)
{
    uint64_t extents = DIV_ROUND_UP(max_page, M2P_PER_EXTENT);

    for (uint64_t i = 0; i < extents; i++) {
        uint64_t mfn = m2p_extent(i);

        for (uint64_t j = 0; mfn && j < 512; j++)
            share_vmm_page_with_tools(mfn_to_page(_mfn(mfn + j)), false);
    }
}
