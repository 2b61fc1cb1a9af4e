/* HYPERVISOR_physdev_op (<xen/physdev.h>): dom0 and driver domains about the machine's interrupts and
 * devices. */
#include <base/errno.h>
#include <base/nospec.h>
#include <base/compiler.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <irq/ioapic.h>
#include <irq/irq_desc.h>
#include <irq/msi.h>
#include <irq/pci.h>
#include <irq/pirq.h>
#include <mm/guest_access.h>
#include <pv/iopl.h>
#include <xen/physdev.h>

/* Each operation has its argument copied in, and copied out afterwards if the row says so. */
union physdev_arg {
    struct physdev_eoi eoi;
    struct physdev_pirq_eoi_gmfn eoi_gmfn;
    struct physdev_irq_status_query status;
    struct physdev_set_iopl set_iopl;
    struct physdev_set_iobitmap set_iobitmap;
    struct physdev_apic apic;
    struct physdev_irq irq;
    struct physdev_map_pirq map;
    struct physdev_unmap_pirq unmap;
    struct physdev_manage_pci manage;
    struct physdev_manage_pci_ext manage_ext;
    struct physdev_restore_msi restore;
    struct physdev_setup_gsi gsi;
    struct physdev_get_free_pirq free_pirq;
    struct physdev_pci_mmcfg_reserved mmcfg;
    struct physdev_pci_device_add add;
    struct physdev_pci_device device;
    struct physdev_dbgp_op dbgp;
};

struct physdev_row {
    int (*fn)(union physdev_arg *arg);
    uint8_t size;
    bool privileged;
    bool copy_back; /* when the result is 0 */
};

static int op_eoi(union physdev_arg *arg)
{
    return pirq_eoi(current->domain, arg->eoi.irq);
}

static int op_eoi_gmfn_v1(union physdev_arg *arg)
{
    return pirq_set_eoi_map(current->domain, _mfn(arg->eoi_gmfn.gmfn), true);
}

static int op_eoi_gmfn_v2(union physdev_arg *arg)
{
    return pirq_set_eoi_map(current->domain, _mfn(arg->eoi_gmfn.gmfn), false);
}

/* Obsolete (see the header), but not refused. */
static int op_unmask_notify(union physdev_arg *arg)
{
    return 0;
}

static int op_status(union physdev_arg *arg)
{
    return pirq_status(current->domain, arg->status.irq, &arg->status.flags);
}

static int op_set_iopl(union physdev_arg *arg)
{
    return pv_set_iopl(current, arg->set_iopl.iopl);
}

static int op_set_iobitmap(union physdev_arg *arg)
{
    uint64_t va = guest_handle_va(arg->set_iobitmap.bitmap);

    if (arg->set_iobitmap.nr_ports > 65536 ||
        !guest_range_ok(va, DIV_ROUND_UP(arg->set_iobitmap.nr_ports, 8)))
        return -EINVAL;
    current->pv.iobitmap = va;
    current->pv.iobitmap_ports = arg->set_iobitmap.nr_ports;
    return 0;
}

static int op_apic_read(union physdev_arg *arg)
{
    return ioapic_guest_read(_paddr(arg->apic.apic_physbase), arg->apic.reg, &arg->apic.value);
}

static int op_apic_write(union physdev_arg *arg)
{
    return ioapic_guest_write(_paddr(arg->apic.apic_physbase), arg->apic.reg, arg->apic.value);
}

/*
 * Old kernels want a vector before they bind a GSI. It is of no use to the guest, and Xen refuses no number,
 * so kernels take any failure as fatal to the interrupt.
 */
static int op_alloc_irq_vector(union physdev_arg *arg)
{
    uint32_t gsi = arg->irq.irq;

    arg->irq.vector = 0;
    if (gsi < nr_gsis && pirq_map_gsi(current->domain, gsi, (int)gsi) == (int)gsi)
        arg->irq.vector = irq_desc_get(gsi)->vector;
    return 0;
}

static struct pci_address map_address(const struct physdev_map_pirq *map, bool with_segment)
{
    return (struct pci_address){.seg = with_segment ? (uint16_t)((uint32_t)map->bus >> 16) : 0,
                                .bus = (uint8_t)map->bus,
                                .devfn = (uint8_t)map->devfn};
}

/* Sources of the device for a map of type MSI: first irq or -errno, their number in *nr. */
static int map_alloc_msi(struct physdev_map_pirq *map, uint32_t *nr)
{
    struct pci_address address = map_address(map, map->type != MAP_PIRQ_TYPE_MSI);
    int rc;

    *nr = 1;
    if (map->type != MAP_PIRQ_TYPE_MULTI_MSI)
        return map->table_base ? msix_alloc(address, (uint32_t)map->entry_nr, map->table_base)
                               : msi_alloc(address, 1);
    if (map->table_base)
        return -EINVAL;
    if (map->entry_nr <= 0 || map->entry_nr > MSI_MAX_MESSAGES)
        return -EDOM;
    *nr = (uint32_t)map->entry_nr;
    rc = msi_alloc(address, *nr);
    if (rc == -EINVAL)
        map->entry_nr = (int)msi_capacity(address);
    return rc;
}

static int map_msi(struct domain *d, struct physdev_map_pirq *map)
{
    uint32_t nr;
    int irq = map_alloc_msi(map, &nr), pirq;

    if (irq < 0)
        return irq;
    pirq = pirq_map_msi(d, (uint32_t)irq, nr, map->pirq);
    if (pirq < 0)
        msi_free((uint32_t)irq);
    return pirq;
}

static int map_by_type(struct domain *d, struct physdev_map_pirq *map)
{
    switch (map->type) {
    case MAP_PIRQ_TYPE_GSI:
        return map->index < 0 ? -EINVAL : pirq_map_gsi(d, (uint32_t)map->index, map->pirq);
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        return map_msi(d, map);
    default:
        return -EINVAL;
    }
}

static int op_map_pirq(union physdev_arg *arg)
{
    struct domain *d = domain_find(arg->map.domid);
    int rc;

    if (!d)
        return -ESRCH;
    rc = map_by_type(d, &arg->map);
    domain_put(d);
    if (rc < 0)
        return rc;
    arg->map.pirq = rc;
    return 0;
}

static int op_unmap_pirq(union physdev_arg *arg)
{
    struct domain *d = domain_find(arg->unmap.domid);
    int rc;

    if (!d)
        return -ESRCH;
    rc = arg->unmap.pirq < 0 ? -EINVAL : pirq_unmap(d, (uint32_t)arg->unmap.pirq);
    domain_put(d);
    return rc;
}

static int op_setup_gsi(union physdev_arg *arg)
{
    if (arg->gsi.gsi < 0)
        return -EINVAL;
    return gsi_set_mode((uint32_t)arg->gsi.gsi,
                        (struct gsi_mode){.level = arg->gsi.triggering, .active_low = arg->gsi.polarity});
}

static int op_get_free_pirq(union physdev_arg *arg)
{
    int pirq = pirq_reserve(current->domain, arg->free_pirq.type == MAP_PIRQ_TYPE_GSI);
    if (pirq < 0)
        return pirq;
    arg->free_pirq.pirq = (uint32_t)pirq;
    return 0;
}

static int op_manage_pci_add(union physdev_arg *arg)
{
    return pci_device_add((struct pci_address){0, arg->manage.bus, arg->manage.devfn}, false);
}

static int op_manage_pci_remove(union physdev_arg *arg)
{
    return pci_device_remove((struct pci_address){0, arg->manage.bus, arg->manage.devfn});
}

static int op_manage_pci_add_ext(union physdev_arg *arg)
{
    return pci_device_add((struct pci_address){0, arg->manage_ext.bus, arg->manage_ext.devfn},
                          arg->manage_ext.is_virtfn);
}

static int op_pci_device_add(union physdev_arg *arg)
{
    return pci_device_add((struct pci_address){arg->add.seg, arg->add.bus, arg->add.devfn},
                          arg->add.flags & XEN_PCI_DEV_VIRTFN);
}

static struct pci_address device_address(const struct physdev_pci_device *device)
{
    return (struct pci_address){device->seg, device->bus, device->devfn};
}

static int op_pci_device_remove(union physdev_arg *arg)
{
    return pci_device_remove(device_address(&arg->device));
}

static int op_mmcfg_reserved(union physdev_arg *arg)
{
    return pci_mmcfg_confirm(arg->mmcfg.address, arg->mmcfg.segment, arg->mmcfg.start_bus,
                             arg->mmcfg.end_bus);
}

static int op_restore_msi(union physdev_arg *arg)
{
    return msi_restore((struct pci_address){0, arg->restore.bus, arg->restore.devfn});
}

static int op_restore_msi_ext(union physdev_arg *arg)
{
    return msi_restore(device_address(&arg->device));
}

static int op_prepare_msix(union physdev_arg *arg)
{
    return msix_prepare(device_address(&arg->device));
}

static int op_release_msix(union physdev_arg *arg)
{
    return msix_release(device_address(&arg->device));
}

/* A reset of the EHCI controller that may carry a debug port: the VMM uses none, so nothing is to be saved.
 */
static int op_dbgp(union physdev_arg *arg)
{
    return arg->dbgp.op == PHYSDEVOP_DBGP_RESET_PREPARE || arg->dbgp.op == PHYSDEVOP_DBGP_RESET_DONE
               ? 0
               : -ENOSYS;
}

#define ANYONE false
#define DOM0   true
#define IN     false
#define INOUT  true
#define ROW(handler, field, who, direction)                                                                  \
    {                                                                                                        \
        handler, sizeof(((union physdev_arg *)0)->field), who, direction                                     \
    }

static const struct physdev_row rows[] = {
    [PHYSDEVOP_IRQ_UNMASK_NOTIFY] = {op_unmask_notify, 0, ANYONE, IN},
    [PHYSDEVOP_irq_status_query] = ROW(op_status, status, ANYONE, INOUT),
    [PHYSDEVOP_set_iopl] = ROW(op_set_iopl, set_iopl, ANYONE, IN),
    [PHYSDEVOP_set_iobitmap] = ROW(op_set_iobitmap, set_iobitmap, ANYONE, IN),
    [PHYSDEVOP_apic_read] = ROW(op_apic_read, apic, DOM0, INOUT),
    [PHYSDEVOP_apic_write] = ROW(op_apic_write, apic, DOM0, IN),
    [PHYSDEVOP_alloc_irq_vector] = ROW(op_alloc_irq_vector, irq, DOM0, INOUT),
    [PHYSDEVOP_eoi] = ROW(op_eoi, eoi, ANYONE, IN),
    [PHYSDEVOP_map_pirq] = ROW(op_map_pirq, map, DOM0, INOUT),
    [PHYSDEVOP_unmap_pirq] = ROW(op_unmap_pirq, unmap, DOM0, IN),
    [PHYSDEVOP_manage_pci_add] = ROW(op_manage_pci_add, manage, DOM0, IN),
    [PHYSDEVOP_manage_pci_remove] = ROW(op_manage_pci_remove, manage, DOM0, IN),
    [PHYSDEVOP_pirq_eoi_gmfn_v1] = ROW(op_eoi_gmfn_v1, eoi_gmfn, ANYONE, IN),
    [PHYSDEVOP_restore_msi] = ROW(op_restore_msi, restore, DOM0, IN),
    [PHYSDEVOP_manage_pci_add_ext] = ROW(op_manage_pci_add_ext, manage_ext, DOM0, IN),
    [PHYSDEVOP_setup_gsi] = ROW(op_setup_gsi, gsi, DOM0, IN),
    [PHYSDEVOP_get_free_pirq] = ROW(op_get_free_pirq, free_pirq, ANYONE, INOUT),
    [PHYSDEVOP_pci_mmcfg_reserved] = ROW(op_mmcfg_reserved, mmcfg, DOM0, IN),
    [PHYSDEVOP_pci_device_add] = ROW(op_pci_device_add, add, DOM0, IN),
    [PHYSDEVOP_pci_device_remove] = ROW(op_pci_device_remove, device, DOM0, IN),
    [PHYSDEVOP_restore_msi_ext] = ROW(op_restore_msi_ext, device, DOM0, IN),
    [PHYSDEVOP_pirq_eoi_gmfn_v2] = ROW(op_eoi_gmfn_v2, eoi_gmfn, ANYONE, IN),
    [PHYSDEVOP_dbgp_op] = ROW(op_dbgp, dbgp, DOM0, IN),
    [PHYSDEVOP_prepare_msix] = ROW(op_prepare_msix, device, DOM0, IN),
    [PHYSDEVOP_release_msix] = ROW(op_release_msix, device, DOM0, IN),
};

static long do_physdev_op(uint64_t cmd, uint64_t arg_va)
{
    const struct physdev_row *row =
        cmd < ARRAY_SIZE(rows) ? &rows[index_nospec(cmd, ARRAY_SIZE(rows))] : NULL;
    union physdev_arg arg = {0};
    int rc;

    if (!row || !row->fn)
        return -ENOSYS;
    if (row->privileged && !current->domain->is_privileged)
        return -EPERM;
    if (row->size && copy_from_guest(&arg, arg_va, row->size))
        return -EFAULT;
    rc = row->fn(&arg);
    if (rc == 0 && row->copy_back && copy_to_guest(arg_va, &arg, row->size))
        return -EFAULT;
    return rc;
}

long hc_physdev_op(struct hypercall_args *args)
{
    return do_physdev_op(args->a[0], args->a[1]);
}

/* Number 19, for guests made before Xen 3.0.2: one argument, a struct physdev_op with the command in it. */
long hc_physdev_op_compat(struct hypercall_args *args)
{
    uint32_t cmd;

    if (copy_from_guest(&cmd, args->a[0], sizeof(cmd)))
        return -EFAULT;
    switch (cmd) {
    case PHYSDEVOP_IRQ_UNMASK_NOTIFY:
    case PHYSDEVOP_irq_status_query:
    case PHYSDEVOP_set_iopl:
    case PHYSDEVOP_set_iobitmap:
    case PHYSDEVOP_apic_read:
    case PHYSDEVOP_apic_write:
    case PHYSDEVOP_alloc_irq_vector:
        return do_physdev_op(cmd, args->a[0] + offsetof(struct physdev_op, u));
    default:
        return -ENOSYS;
    }
}
