/* memory_op: the guest's reservation, exchanging frames, and the maps it may ask for. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/memory.h>

#define EXTENTS 8

static xen_pfn_t frames[EXTENTS], frames2[64];

static long memory_op(unsigned int cmd, void *arg)
{
    return HC2(__HYPERVISOR_memory_op, cmd, arg);
}

static long reserve(unsigned int cmd, xen_pfn_t *list, unsigned long nr, unsigned int order,
                    unsigned int flags)
{
    struct xen_memory_reservation r = {
        .nr_extents = nr, .extent_order = order, .mem_flags = flags, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, list);
    return memory_op(cmd, &r);
}

static long current(domid_t domid)
{
    struct xen_memory_domain d = {.domid = domid};

    return memory_op(XENMEM_current_reservation, &d);
}

static void p2m_set(unsigned long pfn, unsigned long mfn)
{
    ((volatile unsigned long *)start_info->mfn_list)[pfn] = mfn;
}

static void test_queries(void)
{
    struct xen_memory_domain self = {.domid = DOMID_SELF}, zero = {.domid = 0}, one = {.domid = 1},
                             io = {.domid = DOMID_IO};
    long ram = memory_op(XENMEM_maximum_ram_page, NULL);

    result("current reservation", "nr_pages %d", current(DOMID_SELF) == (long)start_info->nr_pages);
    result("current reservation of 0", "%d", current(0) == (long)start_info->nr_pages);
    result_errno("current reservation of 1", current(1));
    result_errno("current reservation of io", current(DOMID_IO));
    result_errno("current reservation, bad pointer", memory_op(XENMEM_current_reservation, (void *)0x1000));
    result("maximum reservation is at least that", "%d",
           memory_op(XENMEM_maximum_reservation, &self) >= current(DOMID_SELF));
    result_errno("maximum reservation of 1", memory_op(XENMEM_maximum_reservation, &one));
    result("maximum reservation of 0 equal to self", "%d",
           memory_op(XENMEM_maximum_reservation, &zero) == memory_op(XENMEM_maximum_reservation, &self));
    result_errno("maximum reservation of io", memory_op(XENMEM_maximum_reservation, &io));
    result("maximum ram page plausible", "%d", ram > 0x1ff00 && ram <= 0x20000);
    /* max_pfn of shared_info is what the guest writes there. */
    result_errno("maximum gpfn", memory_op(XENMEM_maximum_gpfn, &self));
    shared_info->arch.max_pfn = 4711;
    result_errno("maximum gpfn, max_pfn 4711", memory_op(XENMEM_maximum_gpfn, &self));
    result_errno("maximum gpfn of 1", memory_op(XENMEM_maximum_gpfn, &one));
    shared_info->arch.max_pfn = 0;
}

static void test_decrease_increase(void)
{
    long before = current(DOMID_SELF);
    void *hole = page_hole(), *used = page_alloc();

    /* page_hole's own frame is still in the P2M, but mapped nowhere. */
    frames[0] = virt_to_mfn(hole);
    result_errno("decrease one", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0));
    result("reservation after", "%ld", current(DOMID_SELF) - before);
    result_errno("map what was given back",
                 hc_update_va_mapping((unsigned long)hole, pte_make(frames[0], PTE_DATA), UVMF_INVLPG));
    result_errno("decrease it again", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0));
    frames[0] = virt_to_mfn(used);
    result_errno("decrease a mapped page", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0));
    result("reservation after that", "%ld", current(DOMID_SELF) - before);
    result("mapped page can be used", "%d", (*(volatile int *)used = 7) == 7);
    frames[0] = 1ul << 40;
    result_errno("decrease out of range", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0));
    frames[0] = start_info->shared_info >> 12;
    result_errno("decrease shared info", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0));
    frames[0] = virt_to_mfn(kernel_l4);
    result_errno("decrease page table", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0));
    result_errno("decrease none", reserve(XENMEM_decrease_reservation, frames, 0, 0, 0));
    result_errno("decrease, order 60", reserve(XENMEM_decrease_reservation, frames, 1, 60, 0));
    result_errno("decrease, bad list", reserve(XENMEM_decrease_reservation, (xen_pfn_t *)0x1000, 1, 0, 0));
    result_errno("decrease, list in VMM",
                 reserve(XENMEM_decrease_reservation, (xen_pfn_t *)0xffff820000000000, 1, 0, 0));
    result("reservation now", "%ld", current(DOMID_SELF) - before);
    frames[0] = 0;
    result_errno("increase", reserve(XENMEM_increase_reservation, frames, 1, 0, 0));
    result("increase gave a frame", "%d", frames[0] != 0);
    result("reservation after increase", "%ld", current(DOMID_SELF) - before);
    result_errno("map new frame",
                 hc_update_va_mapping((unsigned long)hole, pte_make(frames[0], PTE_DATA), UVMF_INVLPG));
    p2m_set(virt_to_pfn(hole), frames[0]);
    mmu_update_one((frames[0] << 12) | MMU_MACHPHYS_UPDATE, virt_to_pfn(hole));
    result_errno("increase without list", reserve(XENMEM_increase_reservation, NULL, 0, 0, 0));
    result_errno("increase, order 60", reserve(XENMEM_increase_reservation, frames, 1, 60, 0));
    result_errno("increase, order 20", reserve(XENMEM_increase_reservation, frames, 1, 20, 0));
    result("reservation at the end", "%ld", current(DOMID_SELF) - before);
}

static void test_populate(void)
{
    long before = current(DOMID_SELF);
    void *hole = page_hole();
    unsigned long pfn = virt_to_pfn(hole);

    frames[0] = virt_to_mfn(hole);
    must("decrease", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0) - 1);
    p2m_set(pfn, ~0ul);
    frames[0] = pfn;
    result_errno("populate", reserve(XENMEM_populate_physmap, frames, 1, 0, 0));
    result("populate set m2p", "%d", mfn_to_pfn(frames[0]) == pfn);
    result("reservation after populate", "%ld", current(DOMID_SELF) - before);
    p2m_set(pfn, frames[0]);
    result_errno("map it",
                 hc_update_va_mapping((unsigned long)hole, pte_make(frames[0], PTE_DATA), UVMF_INVLPG));
    frames[0] = virt_to_mfn(hole);
    must("unmap", hc_update_va_mapping((unsigned long)hole, 0, UVMF_INVLPG));
    must("decrease again", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0) - 1);
    frames[0] = pfn;
    result_errno("populate below 32 bits",
                 reserve(XENMEM_populate_physmap, frames, 1, 0, XENMEMF_address_bits(32)));
    result("frame below 4 GiB", "%d", frames[0] < (1ul << 20));
    must("decrease once more", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0) - 1);
    frames[0] = pfn;
    result_errno("populate below 12 bits",
                 reserve(XENMEM_populate_physmap, frames, 1, 0, XENMEMF_address_bits(12)));
    frames[0] = pfn;
    result_errno("populate from node 0",
                 reserve(XENMEM_populate_physmap, frames, 1, 0, XENMEMF_exact_node(0)));
    must("decrease node", reserve(XENMEM_decrease_reservation, frames, 1, 0, 0) - 1);
    frames[0] = pfn;
    result_errno("populate, order 60", reserve(XENMEM_populate_physmap, frames, 1, 60, 0));
    result_errno("populate, bad list", reserve(XENMEM_populate_physmap, (xen_pfn_t *)0x1000, 1, 0, 0));
    result_errno("populate on demand",
                 reserve(XENMEM_populate_physmap, frames, 1, 0, XENMEMF_populate_on_demand));
    for (unsigned int i = 0; i < EXTENTS; i++)
        frames[i] = 0x100000 + i;
    result_errno("populate eight", reserve(XENMEM_populate_physmap, frames, EXTENTS, 0, 0));
    result("distinct frames", "%d", frames[0] != frames[1] && frames[6] != frames[7]);
    result_errno("decrease eight", reserve(XENMEM_decrease_reservation, frames, EXTENTS, 0, 0));
    frames[0] = 0x100000;
    result_errno("populate order 3", reserve(XENMEM_populate_physmap, frames, 1, 3, 0));
    result("aligned", "%lu", frames[0] & 7);
    result("m2p of order 3", "%d", mfn_to_pfn(frames[0] + 7) == 0x100007);
    result_errno("decrease order 3", reserve(XENMEM_decrease_reservation, frames, 1, 3, 0));
    result("reservation at the end of populate", "%ld", current(DOMID_SELF) - before);
}

static long exchange(xen_pfn_t *in, unsigned long nr_in, unsigned int order_in, xen_pfn_t *out,
                     unsigned long nr_out, unsigned int order_out, unsigned int bits, unsigned long *done)
{
    struct xen_memory_exchange x = {
        .in = {.nr_extents = nr_in, .extent_order = order_in, .domid = DOMID_SELF},
        .out = {.nr_extents = nr_out, .extent_order = order_out, .mem_flags = bits, .domid = DOMID_SELF},
        .nr_exchanged = done ? *done : 0,
    };
    long ret;

    set_xen_guest_handle(x.in.extent_start, in);
    set_xen_guest_handle(x.out.extent_start, out);
    ret = memory_op(XENMEM_exchange, &x);
    if (done)
        *done = x.nr_exchanged;
    return ret;
}

static void test_exchange(void)
{
    long before = current(DOMID_SELF);
    char *holes[4];
    xen_pfn_t out[8];
    unsigned long done = 0, pfn;
    bool contiguous = true;

    for (int i = 0; i < 4; i++)
        holes[i] = page_hole();
    pfn = virt_to_pfn(holes[0]);
    frames2[0] = virt_to_mfn(holes[0]);
    out[0] = pfn;
    result_errno("exchange one", exchange(frames2, 1, 0, out, 1, 0, 32, &done));
    result("exchanged", "%lu", done);
    result("other frame, m2p set", "%d %d", out[0] != frames2[0], mfn_to_pfn(out[0]) == pfn);
    result_errno("map old frame",
                 hc_update_va_mapping((unsigned long)holes[0], pte_make(frames2[0], PTE_DATA), UVMF_INVLPG));
    result_errno("map exchanged frame",
                 hc_update_va_mapping((unsigned long)holes[0], pte_make(out[0], PTE_DATA), UVMF_INVLPG));
    p2m_set(pfn, out[0]);
    for (int i = 0; i < 4; i++) {
        hc_update_va_mapping((unsigned long)holes[i], 0, UVMF_INVLPG);
        frames2[i] = virt_to_mfn(holes[i]);
    }
    out[0] = pfn;
    done = 0;
    result_errno("exchange four for order 2", exchange(frames2, 4, 0, out, 1, 2, 32, &done));
    result("exchanged four", "%lu aligned %d", done, !(out[0] & 3));
    for (unsigned int i = 0; i < 4; i++) {
        contiguous = contiguous && mfn_to_pfn(out[0] + i) == pfn + i;
        p2m_set(pfn + i, out[0] + i);
    }
    result("m2p contiguous", "%d", contiguous);
    frames2[0] = out[0];
    for (unsigned int i = 0; i < 4; i++)
        out[i] = pfn + i;
    done = 0;
    result_errno("exchange order 2 for four", exchange(frames2, 1, 2, out, 4, 0, 0, &done));
    result("exchanged one of order 2", "%lu", done);
    for (unsigned int i = 0; i < 4; i++)
        p2m_set(pfn + i, out[i]);
    frames2[0] = virt_to_mfn(holes[0]);
    result_errno("exchange, sizes differ", exchange(frames2, 1, 0, out, 1, 1, 0, NULL));
    result_errno("exchange, nothing", exchange(frames2, 0, 0, out, 0, 0, 0, NULL));
    result_errno("exchange, both orders", exchange(frames2, 1, 1, out, 1, 1, 0, NULL));
    done = 5;
    result_errno("exchange, nr_exchanged too large", exchange(frames2, 1, 0, out, 1, 0, 0, &done));
    frames2[0] = virt_to_mfn(kernel_l4);
    out[0] = pfn;
    done = 0;
    result_errno("exchange page table", exchange(frames2, 1, 0, out, 1, 0, 0, &done));
    frames2[0] = start_info->shared_info >> 12;
    result_errno("exchange shared info", exchange(frames2, 1, 0, out, 1, 0, 0, &done));
    frames2[0] = 1ul << 40;
    result_errno("exchange out of range", exchange(frames2, 1, 0, out, 1, 0, 0, &done));
    frames2[0] = virt_to_mfn(holes[0]);
    result_errno("exchange to 12 bits", exchange(frames2, 1, 0, out, 1, 0, 12, &done));
    result_errno("exchange, bad in list", exchange((xen_pfn_t *)0x1000, 1, 0, out, 1, 0, 0, &done));
    result_errno("exchange, order 40", exchange(frames2, 1, 40, out, 1, 40, 0, &done));
    result("reservation after exchanges", "%ld", current(DOMID_SELF) - before);
}

static void test_maps(void)
{
    static struct {
        uint64_t addr, size;
        uint32_t type;
    } __attribute__((packed)) e820[64];
    struct xen_memory_map m = {.nr_entries = 64};
    struct xen_machphys_mfn_list l = {.max_extents = 64};
    long ret;
    uint64_t ram = 0;

    set_xen_guest_handle(m.buffer, (void *)e820);
    result_errno("memory map of dom0", memory_op(XENMEM_memory_map, &m));
    m.nr_entries = 64;
    ret = memory_op(XENMEM_machine_memory_map, &m);
    for (unsigned int i = 0; i < m.nr_entries; i++)
        ram += e820[i].type == 1 ? e820[i].size : 0;
    result("machine memory map", "%e first at %lx type %u, RAM %lu MiB", ret, e820[0].addr, e820[0].type,
           (ram + 0xfffff) >> 20);
    m.nr_entries = 1;
    result_errno("machine memory map, one entry", memory_op(XENMEM_machine_memory_map, &m));
    result("entries", "%u", m.nr_entries);
    set_xen_guest_handle(m.buffer, NULL);
    m.nr_entries = 0;
    result_errno("machine memory map, null buffer", memory_op(XENMEM_machine_memory_map, &m));
    set_xen_guest_handle(m.buffer, (void *)0x1000);
    m.nr_entries = 64;
    result_errno("machine memory map, bad buffer", memory_op(XENMEM_machine_memory_map, &m));
    result_errno("machine memory map, bad pointer", memory_op(XENMEM_machine_memory_map, (void *)0x1000));
    set_xen_guest_handle(l.extent_start, frames2);
    ret = memory_op(XENMEM_machphys_mfn_list, &l);
    result("machphys mfn list", "%e %d", ret, l.nr_extents >= 1);
    result_errno("machphys mapping, bad pointer", memory_op(XENMEM_machphys_mapping, (void *)0x1000));
    result_errno("set memory map", memory_op(XENMEM_set_memory_map, (void *)0x1000));
    result_errno("add to physmap, bad pointer", memory_op(XENMEM_add_to_physmap, (void *)0x1000));
    result_errno("translate gpfn list", memory_op(8, NULL));
    result_errno("remove from physmap, bad pointer", memory_op(XENMEM_remove_from_physmap, (void *)0x1000));
    result_errno("sharing freed pages", memory_op(XENMEM_get_sharing_freed_pages, NULL));
    result_errno("sharing shared pages", memory_op(XENMEM_get_sharing_shared_pages, NULL));
    result_errno("unknown 63", memory_op(63, NULL));
    result_errno("reservation, bad pointer", memory_op(XENMEM_increase_reservation, (void *)0x1000));
}

static void test_domains(void)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = 1};
    struct xen_add_to_physmap a = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = 0x100};

    set_xen_guest_handle(r.extent_start, frames);
    result_errno("increase for 1", memory_op(XENMEM_increase_reservation, &r));
    r.domid = 0;
    r.nr_extents = 0;
    result_errno("increase for 0, none", memory_op(XENMEM_increase_reservation, &r));
    result_errno("add to physmap", memory_op(XENMEM_add_to_physmap, &a));
}

void guest_main(void)
{
    test_queries();
    test_decrease_increase();
    test_populate();
    test_exchange();
    test_maps();
    test_domains();
}
