/*
 * Long batches, with a timer ticking: the VMM breaks off and goes on, events
 * come in between, and the answers are those of one piece.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define UPDATES 16384
#define OPS     8192
#define CALLS   4096
#define EXTENTS 4096

static union {
    struct mmu_update update[UPDATES];
    struct mmuext_op op[OPS];
    struct multicall_entry call[CALLS];
    xen_pfn_t frame[EXTENTS];
} big;

static char *va;
static uint64_t *data;
static unsigned int timer_port;

static void test_mmu_update(void)
{
    uint64_t entry = virt_to_machine(pte_of((unsigned long)va, 1));
    unsigned int done = 0;
    long ret;

    for (unsigned int i = 0; i < UPDATES; i++)
        big.update[i] =
            (struct mmu_update){entry, i % 2 ? 0 : pte_make(virt_to_mfn(data), i % 4 ? PTE_RO : PTE_DATA)};
    ret = HC4(__HYPERVISOR_mmu_update, big.update, UPDATES, &done, DOMID_SELF);
    result("mmu_update of 16384", "%e done %u", ret, done);
    big.update[12345].val = pte_make(virt_to_mfn(kernel_l4), PTE_DATA);
    ret = HC4(__HYPERVISOR_mmu_update, big.update, UPDATES, &done, DOMID_SELF);
    result("mmu_update, request 12345 bad", "%e done %u", ret, done);
    result("entry of request 12344 in place", "%d", *pte_of((unsigned long)va, 1) != 0);
    must("unmap", hc_update_va_mapping((unsigned long)va, 0, UVMF_INVLPG));
}

static void test_mmuext(void)
{
    uint64_t *table = page_alloc();
    unsigned int done = 0;
    long ret;

    page_make_readonly(table);
    for (unsigned int i = 0; i < OPS; i++)
        big.op[i] = (struct mmuext_op){.cmd = i % 2 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L1_TABLE + i / 2 % 3,
                                       .arg1.mfn = virt_to_mfn(table)};
    ret = HC4(__HYPERVISOR_mmuext_op, big.op, OPS, &done, DOMID_SELF);
    result("mmuext_op of 8192", "%e done %u", ret, done);
    big.op[5000].cmd = MMUEXT_UNPIN_TABLE;
    ret = HC4(__HYPERVISOR_mmuext_op, big.op, OPS, &done, DOMID_SELF);
    result("mmuext_op, operation 5000 bad", "%e done %u", ret, done);
    page_make_writable(table);
}

static void test_multicall(void)
{
    unsigned int bad = 0;
    long ret;

    for (unsigned int i = 0; i < CALLS; i++) {
        uint64_t pte = i % 2 ? 0 : pte_make(virt_to_mfn(data), PTE_RO);

        big.call[i] = (struct multicall_entry){
            .op = __HYPERVISOR_update_va_mapping, .result = 7, .args = {(unsigned long)va, pte, UVMF_INVLPG}};
    }
    big.call[2000].args[1] = pte_make(virt_to_mfn(kernel_l4), PTE_DATA);
    ret = HC2(__HYPERVISOR_multicall, big.call, CALLS);
    for (unsigned int i = 0; i < CALLS; i++)
        bad += big.call[i].result != 0;
    result("multicall of 4096", "%e, entries with an error %u, entry 2000 %e", ret, bad,
           (long)big.call[2000].result);
}

/* One entry of a multicall that is itself long. */
static void test_long_in_multicall(void)
{
    static struct multicall_entry m[3];
    uint64_t entry = virt_to_machine(pte_of((unsigned long)va, 1));
    static unsigned int done;

    for (unsigned int i = 0; i < UPDATES; i++)
        big.update[i] = (struct mmu_update){entry, i % 2 ? 0 : pte_make(virt_to_mfn(data), PTE_RO)};
    m[0] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {0, 0}};
    m[1] = (struct multicall_entry){
        .op = __HYPERVISOR_mmu_update,
        .args = {(unsigned long)big.update, UPDATES, (unsigned long)&done, DOMID_SELF}};
    m[2] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {7, 0}};
    result_errno("multicall with a long entry", HC2(__HYPERVISOR_multicall, m, 3));
    result("its entries", "%e %e %e done %u", (long)m[0].result, (long)m[1].result, (long)m[2].result, done);
}

static long reserve(unsigned int cmd, unsigned long nr)
{
    struct xen_memory_reservation r = {.nr_extents = nr, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, big.frame);
    return HC2(__HYPERVISOR_memory_op, cmd, &r);
}

static void test_reservation(void)
{
    struct xen_memory_domain self = {.domid = DOMID_SELF};
    long before = HC2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
    unsigned int wrong = 0;

    for (unsigned int i = 0; i < EXTENTS; i++)
        big.frame[i] = 0x200000 + i;
    result_errno("populate 4096", reserve(XENMEM_populate_physmap, EXTENTS));
    for (unsigned int i = 0; i < EXTENTS; i++)
        wrong += mfn_to_pfn(big.frame[i]) != 0x200000 + i;
    result("m2p entries wrong", "%u", wrong);
    result("reservation grew", "%ld",
           HC2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) - before);
    big.frame[3000] = 1ul << 40;
    result_errno("decrease 4096, the 3000th bad", reserve(XENMEM_decrease_reservation, EXTENTS));
    result("reservation then", "%ld",
           HC2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) - before);
}

/* 256 tables with 512 entries each, all linked under one L3, validated by one pin. */
static void test_big_pin(void)
{
    enum { TABLES = 128 };
    uint64_t *l3 = page_alloc(), *l2 = page_alloc();
    static uint64_t *l1[TABLES];
    unsigned int writable = 0;
    long pin, unpin;

    for (unsigned int t = 0; t < TABLES; t++) {
        l1[t] = page_alloc();
        for (unsigned int i = 0; i < 512; i++)
            l1[t][i] = pte_make(virt_to_mfn(data), i % 2 ? PTE_DATA : PTE_RO);
        l2[t] = pte_make(virt_to_mfn(l1[t]), PTE_TABLE);
        page_make_readonly(l1[t]);
    }
    page_make_readonly(l2);
    l3[0] = pte_make(virt_to_mfn(l2), PTE_TABLE);
    page_make_readonly(l3);
    pin = mmuext(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3), 0);
    result("pin of a tree of 130 tables", "%e, last table writable %e", pin,
           hc_update_va_mapping((unsigned long)l1[TABLES - 1],
                                pte_make(virt_to_mfn(l1[TABLES - 1]), PTE_DATA), UVMF_INVLPG));
    unpin = mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l3), 0);
    result("unpin of it", "%e, last table writable %e", unpin,
           hc_update_va_mapping((unsigned long)l1[TABLES - 1],
                                pte_make(virt_to_mfn(l1[TABLES - 1]), PTE_DATA), UVMF_INVLPG));
    l1[TABLES - 1][511] = pte_make(virt_to_mfn(kernel_l4), PTE_DATA);
    page_make_readonly(l1[TABLES - 1]);
    result_errno("pin with the last entry bad", mmuext(MMUEXT_PIN_L3_TABLE, virt_to_mfn(l3), 0));
    for (unsigned int t = 0; t < TABLES; t++)
        writable +=
            !hc_update_va_mapping((unsigned long)l1[t], pte_make(virt_to_mfn(l1[t]), PTE_DATA), UVMF_INVLPG);
    result("tables writable after the refusal", "%u", writable);
}

void guest_main(void)
{
    struct vcpu_set_periodic_timer p = {.period_ns = 1000000};

    va = page_hole();
    data = page_alloc();
    timer_port = event_bind_virq(VIRQ_TIMER, 0);
    event_unmask_bit(timer_port);
    vcpu_info()->evtchn_upcall_mask = 0;
    must("periodic", HC3(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, &p));
    test_mmu_update();
    test_mmuext();
    test_multicall();
    test_long_in_multicall();
    test_reservation();
    test_big_pin();
    result("timer ticked meanwhile", "%d", event_count[timer_port] > 0);
    vcpu_info()->evtchn_upcall_mask = 1;
}
