/*
 * Rights to ports, device memory and interrupts (xl.cfg's ioports, iomem and irq): what dom0 may give to a
 * second domain, what that can do with it, and what is left when it is taken away.
 */
#include "common/child.h"
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/event_channel.h>
#include <xen/physdev.h>

static long ioport(domid_t id, uint32_t first, uint32_t nr, uint8_t allow)
{
    domctl_clear();
    domctl_arg.u.ioport_permission.first_port = first;
    domctl_arg.u.ioport_permission.nr_ports = nr;
    domctl_arg.u.ioport_permission.allow_access = allow;
    return domctl(XEN_DOMCTL_ioport_permission, id);
}

static long iomem(domid_t id, uint64_t first, uint64_t nr, uint8_t allow)
{
    domctl_clear();
    domctl_arg.u.iomem_permission.first_mfn = first;
    domctl_arg.u.iomem_permission.nr_mfns = nr;
    domctl_arg.u.iomem_permission.allow_access = allow;
    return domctl(XEN_DOMCTL_iomem_permission, id);
}

static long mapping(domid_t id, uint64_t gfn, uint64_t mfn, uint64_t nr, uint32_t add)
{
    domctl_clear();
    domctl_arg.u.memory_mapping = (struct xen_domctl_memory_mapping){gfn, mfn, nr, add, 0};
    return domctl(XEN_DOMCTL_memory_mapping, id);
}

static long ioport_mapping(domid_t id, uint32_t gport, uint32_t mport, uint32_t nr, uint32_t add)
{
    domctl_clear();
    domctl_arg.u.ioport_mapping = (struct xen_domctl_ioport_mapping){gport, mport, nr, add};
    return domctl(XEN_DOMCTL_ioport_mapping, id);
}

static long irq(domid_t id, uint32_t pirq, uint8_t allow)
{
    domctl_clear();
    domctl_arg.u.irq_permission.pirq = (uint8_t)pirq;
    domctl_arg.u.irq_permission.allow_access = allow;
    return domctl(XEN_DOMCTL_irq_permission, id);
}

static int mapped;

static long map_pirq(domid_t id, int gsi, int pirq)
{
    struct physdev_map_pirq m = {.domid = id, .type = MAP_PIRQ_TYPE_GSI, .index = gsi, .pirq = pirq};
    long ret = HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &m);

    mapped = m.pirq;
    return ret;
}

static long unmap_pirq(domid_t id, int pirq)
{
    struct physdev_unmap_pirq m = {.domid = id, .pirq = pirq};

    return HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, &m);
}

/*
 * In the child. Words: 0 iopl, 1 port, 2 value and vector of an IN, 3 value of the entry, 4 result of
 * mapping it, 5 vector of reading the window, 6 pirq, 7 result of bind_pirq, 8 write the port?, 9 the entry
 * of the window, 10 result of eoi, 11 of status, 12 its flags, 13 of unmapping
 */
CHILD_FN static void child_devices(volatile uint64_t *a)
{
    uint32_t iopl = (uint32_t)a[0], value = 0;
    struct mmu_update u = {.ptr = a[9], .val = a[3]};
    struct evtchn_bind_pirq bind = {.pirq = (uint32_t)a[6]};
    struct evtchn_close close;
    struct physdev_eoi eoi = {.irq = (uint32_t)a[6]};
    struct physdev_irq_status_query query = {.irq = (uint32_t)a[6]};
    uint64_t vector;

    if (iopl)
        child_call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, (unsigned long)&iopl, 0, 0);
    CHILD_TRY(vector, "inb %%dx, %%al", CHILD_OUTPUT("+a"(value)), "d"((uint16_t)a[1]));
    a[2] = vector << 32 | value;
    if (a[8]) {
        value = (uint32_t)a[8];
        CHILD_TRY(vector, "outb %%al, %%dx\n inb %%dx, %%al", CHILD_OUTPUT("+a"(value)), "d"((uint16_t)a[1]));
        a[8] = vector << 32 | value;
    }
    a[4] = (uint64_t)child_call(__HYPERVISOR_mmu_update, (unsigned long)&u, 1, 0, DOMID_SELF);
    CHILD_TRY(vector, "movl (%%rdx), %%eax", CHILD_OUTPUT("+a"(value)), "d"(CHILD_WINDOW));
    a[5] = vector;
    a[7] =
        (uint64_t)child_call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, (unsigned long)&bind, 0, 0);
    a[10] = (uint64_t)child_call(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, (unsigned long)&eoi, 0, 0);
    a[11] = (uint64_t)child_call(__HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, (unsigned long)&query,
                                 0, 0);
    a[12] = query.flags;
    if (!a[7]) {
        close.port = bind.port;
        child_call(__HYPERVISOR_event_channel_op, EVTCHNOP_close, (unsigned long)&close, 0, 0);
    }
    if (a[13]) {
        u.val = 0;
        a[13] = (uint64_t)child_call(__HYPERVISOR_mmu_update, (unsigned long)&u, 1, 0, DOMID_SELF);
    }
    CHILD_END();
}

static bool loaded;

static void devices(const char *title, uint32_t iopl, uint16_t port, uint64_t write, uint64_t entry,
                    uint32_t pirq, bool unmap)
{
    char name[64];
    size_t n = strlen(title);

    if (loaded)
        child_rerun();
    else
        child_load(child_devices);
    loaded = true;
    child_put(0, iopl);
    child_put(1, port);
    child_put(3, entry);
    child_put(6, pirq);
    child_put(8, write);
    child_put(9, child_window_entry());
    child_put(13, unmap);
    memcpy(name, title, n);
    memcpy(name + n, ", ran", 6);
    result(name, "%d", child_run());
    memcpy(name + n, ", port", 7);
    result(name, "in %x out %x", (uint32_t)(child_get(2) >> 32) ? 0xdead : (uint32_t)child_get(2),
           (uint32_t)(child_get(8) >> 32) ? 0xdead : (uint32_t)child_get(8));
    memcpy(name + n, ", memory", 9);
    result(name, "map %e read vector %lu unmap %e", (long)child_get(4), child_get(5), (long)child_get(13));
    memcpy(name + n, ", irq", 6);
    result(name, "bind %e eoi %e status %e flags %x", (long)child_get(7), (long)child_get(10),
           (long)child_get(11), (uint32_t)child_get(12));
}

#define VGA     0xb8ul
#define UC      (PTE_PCD | PTE_PWT)
#define GSI     5
#define SCRATCH 0x3ff /* scratch register of the machine's UART: the VMM's own */
#define PORT    0x70  /* CMOS index */
#define FREE    0x510 /* no device */

static void test_ports(void)
{
    result_errno("no ports", ioport(CHILD_ID, FREE, 0, 1));
    result_errno("ports at the end", ioport(CHILD_ID, 0xffff, 1, 1));
    result_errno("ports beyond the end", ioport(CHILD_ID, 0xffff, 2, 1));
    result_errno("ports, first beyond the end", ioport(CHILD_ID, 0x10000, 1, 1));
    result_errno("ports, wrapping", ioport(CHILD_ID, 0x10, ~0u, 1));
    result_errno("all ports", ioport(CHILD_ID, 0, 0x10000, 1));
    result_errno("ports of the serial line", ioport(CHILD_ID, 0x3f8, 8, 1));
    result_errno("ports of the PIC", ioport(CHILD_ID, 0x20, 2, 1));
    result_errno("port of the PIT", ioport(CHILD_ID, 0x40, 1, 1));
    result_errno("port of the speaker's counter", ioport(CHILD_ID, 0x42, 1, 1));
    result_errno("port of the speaker", ioport(CHILD_ID, 0x61, 1, 1));
    result_errno("port of resets", ioport(CHILD_ID, 0xcf9, 1, 1));
    result_errno("ports of PM1a", ioport(CHILD_ID, 0x600, 8, 1));
    result_errno("ports of the keyboard", ioport(CHILD_ID, 0x60, 1, 1));
    result_errno("ports of PCI", ioport(CHILD_ID, 0xcf8, 8, 1));
    result_errno("ports of the PM timer", ioport(CHILD_ID, 0x608, 4, 1));
    result_errno("ports of CMOS", ioport(CHILD_ID, 0x70, 2, 1));
    result_errno("ports of CMOS, again", ioport(CHILD_ID, 0x70, 2, 1));
    result_errno("ports, take away unknown", ioport(CHILD_ID, 0x200, 8, 0));
    result_errno("ports, take away the VMM's", ioport(CHILD_ID, 0x3f8, 8, 0));
    result_errno("ports of dom0, give", ioport(0, 0x200, 8, 1));
    result_errno("ports of dom0, give the VMM's", ioport(0, 0x3f8, 8, 1));
    result_errno("ports of nobody", ioport(CHILD_ID + 1, 0x200, 8, 1));
    result_errno("ports, allow 2", ioport(CHILD_ID, 0x210, 1, 2));
    result_errno("port mapping", ioport_mapping(CHILD_ID, 0x210, 0x210, 1, 1));
    result_errno("port mapping of nobody", ioport_mapping(CHILD_ID + 1, 0x210, 0x210, 1, 1));
}

static void test_memory(void)
{
    result_errno("no frames", iomem(CHILD_ID, VGA, 0, 1));
    result_errno("frames, wrapping", iomem(CHILD_ID, 1, ~0ul, 1));
    result_errno("frame beyond all", iomem(CHILD_ID, 1ul << 52, 1, 1));
    result_errno("frame beyond the width", iomem(CHILD_ID, 1ul << 40, 1, 1));
    result_errno("frame high up", iomem(CHILD_ID, 1ul << 27, 1, 1));
    result_errno("frame of the APIC", iomem(CHILD_ID, 0xfee00, 1, 1));
    result_errno("frame of the IO-APIC", iomem(CHILD_ID, 0xfec00, 1, 1));
    result_errno("frame of the HPET", iomem(CHILD_ID, 0xfed00, 1, 1));
    result_errno("frames with the APIC in them", iomem(CHILD_ID, 0xfe000, 0x1000, 1));
    result_errno("frame of RAM", iomem(CHILD_ID, virt_to_mfn(kernel_l4), 1, 1));
    result_errno("frame of the VMM", iomem(CHILD_ID, 0x200, 1, 1));
    result_errno("VGA", iomem(CHILD_ID, VGA, 8, 1));
    result_errno("VGA, again", iomem(CHILD_ID, VGA, 8, 1));
    result_errno("frames, take away unknown", iomem(CHILD_ID, 0xa0, 8, 0));
    result_errno("frames, take away the VMM's", iomem(CHILD_ID, 0xfee00, 1, 0));
    result_errno("frames of dom0, give", iomem(0, 0xa0, 1, 1));
    result_errno("frames of dom0, give the VMM's", iomem(0, 0xfee00, 1, 1));
    result_errno("frames of nobody", iomem(CHILD_ID + 1, VGA, 1, 1));
    result_errno("memory_mapping", mapping(CHILD_ID, 0x1000, VGA, 1, 1));
    result_errno("memory_mapping, remove", mapping(CHILD_ID, 0x1000, VGA, 1, 0));
    result_errno("memory_mapping of what it may not", mapping(CHILD_ID, 0x1000, 0xa0, 1, 1));
    result_errno("memory_mapping of the VMM's", mapping(CHILD_ID, 0x1000, 0xfee00, 1, 1));
    result_errno("memory_mapping of none", mapping(CHILD_ID, 0x1000, VGA, 0, 1));
    result_errno("memory_mapping of many", mapping(CHILD_ID, 0x1000, VGA, 65, 1));
    result_errno("memory_mapping, wrapping", mapping(CHILD_ID, ~0ul, VGA, 2, 1));
    result_errno("memory_mapping for nobody", mapping(CHILD_ID + 1, 0x1000, VGA, 1, 1));
}

static void test_irqs(void)
{
    result_errno("irq not mapped by dom0", irq(CHILD_ID, GSI, 1));
    result_errno("irq not mapped by dom0, take away", irq(CHILD_ID, GSI, 0));
    result_errno("irq beyond the end", irq(CHILD_ID, 255, 1));
    result_errno("irq of nobody", irq(CHILD_ID + 1, GSI, 1));
    result_errno("map for nobody", map_pirq(CHILD_ID + 1, GSI, -1));
    result_errno("map for the child, any number", map_pirq(CHILD_ID, GSI, -1));
    result("number", "%d", mapped);
    result_errno("map for the child, again", map_pirq(CHILD_ID, GSI, -1));
    result_errno("map for the child, other number", map_pirq(CHILD_ID, GSI, 6));
    result_errno("unmap the child's, wrong number", unmap_pirq(CHILD_ID, GSI));
    result_errno("unmap the child's at 16", unmap_pirq(CHILD_ID, 16));
    result_errno("map for the child, its number", map_pirq(CHILD_ID, GSI, GSI));
    result_errno("map for the child, taken number", map_pirq(CHILD_ID, 7, GSI));
    result_errno("map for the child, bad GSI", map_pirq(CHILD_ID, 1000, -1));
    result_errno("map for the child, bad number", map_pirq(CHILD_ID, 7, 1000));
    result_errno("map for the child, timer", map_pirq(CHILD_ID, 0, -1));
    result_errno("map for the child, serial line", map_pirq(CHILD_ID, 4, 4));
    result_errno("irq mapped by the child only", irq(CHILD_ID, GSI, 1));
    devices("mapped, no right", 1, FREE, 0, pte_make(VGA, PTE_DATA | UC), GSI, true);
    devices("unmapped", 1, FREE, 0, pte_make(VGA, PTE_DATA | UC), 9, true);
    result_errno("map for dom0", map_pirq(DOMID_SELF, GSI, GSI));
    result_errno("irq mapped by both", irq(CHILD_ID, GSI, 1));
    result_errno("irq, again", irq(CHILD_ID, GSI, 1));
    devices("mapped by both", 1, FREE, 0, pte_make(VGA, PTE_DATA | UC), GSI, true);
}

void guest_main(void)
{
    child_create(1);
    test_ports();
    test_memory();
    test_irqs();
    devices("with rights", 1, PORT, 0x1f, pte_make(VGA, PTE_DATA | UC), GSI, false);
    devices("no iopl", 0, PORT, 0, pte_make(VGA, PTE_DATA | UC), GSI, true);
    devices("cached", 1, PORT, 0, pte_make(VGA, PTE_DATA), GSI, true);
    devices("another port", 1, 0x71, 0, pte_make(VGA + 8, PTE_DATA | UC), 6, true);
    devices("PIC", 1, 0x21, 0, pte_make(0xfee00, PTE_DATA | UC), 4, true);
    devices("port of the serial line", 1, SCRATCH, 0x5a, pte_make(0xfed00, PTE_RO | UC), 0, true);
    devices("kept mapped", 1, PORT, 0x1f, pte_make(VGA, PTE_DATA | UC), GSI, false);
    result_errno("take away ports", ioport(CHILD_ID, PORT, 1, 0));
    result_errno("take away frames while mapped", iomem(CHILD_ID, VGA, 1, 0));
    result_errno("take away the irq", irq(CHILD_ID, GSI, 0));
    result_errno("take away the irq, again", irq(CHILD_ID, GSI, 0));
    devices("rights gone", 1, PORT, 0x1f, pte_make(VGA + 1, PTE_DATA | UC), GSI, true);
    devices("rights gone, map again", 1, PORT + 1, 0, pte_make(VGA, PTE_DATA | UC), GSI, true);
    devices("speaker", 1, 0x61, 0, pte_make(VGA, PTE_RO), GSI, true);
    result_errno("irq, once more", irq(CHILD_ID, GSI, 1));
    devices("irq given again", 1, 0x42, 0, pte_make(VGA + 4, PTE_DATA), GSI, true);
    result_errno("unmap the child's", unmap_pirq(CHILD_ID, GSI));
    result_errno("unmap the child's, again", unmap_pirq(CHILD_ID, GSI));
    result_errno("unmap dom0's", unmap_pirq(DOMID_SELF, GSI));
    result_errno("give again", ioport(CHILD_ID, PORT, 2, 1));
    child_destroy();
    loaded = false;
    child_create(1);
    devices("a new domain", 1, PORT, 0, pte_make(VGA, PTE_DATA | UC), GSI, true);
    child_destroy();
}
