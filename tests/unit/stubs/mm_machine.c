#include <unit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <base/bug.h>
#include <boot/e820.h>
#include <base/errno.h>
#include <console/printk.h>
#include <control/hypercall.h>
#include <cpu/features.h>
#include <cpu/softirq.h>
#include <grant/grant.h>
#include <mm/audit.h>
#include <mm/guest_access.h>
#include <irq/pci_guest.h>
#include <mm/iomem.h>
#include <mm/page_alloc.h>
#include <mm/retire.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <mm/vmm_paging.h>
#include <pv/descriptor.h>
#include <pv/pv.h>
#include <stubs/mm_machine.h>

#define TLB_SIZE 128

struct page_info *frame_table;
uint64_t max_page = MACHINE_FRAMES;
uint64_t total_pages = MACHINE_FRAMES;
cpumask_t cpu_online_map;
pte_t vmm_l4[PT_ENTRIES];
struct boot_e820 host_e820 = {.nr = 1, .entry = {{0, MACHINE_FRAMES << PAGE_SHIFT, E820_RAM}}};
struct cpu_features host_cpu = {.phys_bits = 40};
struct domain *machine_domain[MACHINE_DOMS];
unsigned int machine_preempt_every, machine_flushes, machine_messages;
const char *machine_descriptor_bad;
void (*machine_cache_flushed)(void *start, size_t length);
DEFINE_PER_CPU(uint32_t, softirq_pending);

static char *memory;
static uint64_t m2p[MACHINE_FRAMES];
static struct domain domains[MACHINE_DOMS];
static struct vcpu vcpus[MACHINE_DOMS][2];
static struct vcpu *vcpu_ptrs[MACHINE_DOMS][2];
static shared_info_t shared_infos[MACHINE_DOMS];
static struct cpu_info cpu_infos[MACHINE_CPUS];
static unsigned int this_cpu_nr;
static unsigned int opportunities;

/* What a CPU may have cached: a frame, used as `type` (PGT_NONE: read-only data). */
struct tlb_entry {
    uint64_t va, mfn, type;
};
static struct tlb {
    struct tlb_entry e[TLB_SIZE];
    unsigned int n;
    uint32_t flushed;
} tlbs[MACHINE_CPUS];
static uint32_t tlb_clock = 1;

struct cpu_info *get_cpu_info(void)
{
    return &cpu_infos[this_cpu_nr];
}

void panic(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

void printk(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    machine_messages++;
}

/* Memory */

bool mfn_valid(mfn_t mfn)
{
    return mfn_x(mfn) < MACHINE_FRAMES && (mfn_to_page(mfn)->count_info & PGC_STATE_MASK) != PGC_STATE_NONE;
}

void *mfn_to_virt(mfn_t mfn)
{
    assert_true(mfn_x(mfn) < MACHINE_FRAMES);
    return memory + mfn_x(mfn) * PAGE_SIZE;
}

mfn_t virt_to_mfn(const void *va)
{
    return _mfn((uint64_t)((const char *)va - memory) / PAGE_SIZE);
}

uint64_t *m2p_entry(mfn_t mfn)
{
    assert_true(mfn_x(mfn) < MACHINE_FRAMES);
    return &m2p[mfn_x(mfn)];
}

void *xzalloc_bytes(size_t size)
{
    return calloc(1, size);
}

void xfree(void *p)
{
    free(p);
}

bool domain_drives_devices(const struct domain *d)
{
    return d->is_hardware;
}

bool iomem_access_ok(struct domain *d, mfn_t mfn)
{
    return d->is_hardware && mfn_x(mfn) >= DEVICE_FRAME && mfn_x(mfn) < DENIED_FRAME;
}

bool pci_guest_memory_write(uint64_t address, unsigned int bytes, uint64_t value)
{
    return false;
}

bool iomem_write_protected(mfn_t mfn)
{
    return mfn_x(mfn) == READ_ONLY_FRAME;
}

/* Guests' buffers are the test's own; the lowest page faults. */
int copy_from_guest(void *dst, uint64_t gva, size_t len)
{
    if (gva < PAGE_SIZE && len)
        return -EFAULT;
    memcpy(dst, (const void *)gva, len);
    return 0;
}

int copy_to_guest(uint64_t gva, const void *src, size_t len)
{
    if (gva < PAGE_SIZE && len)
        return -EFAULT;
    memcpy((void *)gva, src, len);
    return 0;
}

/* TLBs */

uint32_t tlb_clock_now(void)
{
    return tlb_clock;
}

static void flush_cpu(unsigned int cpu)
{
    tlbs[cpu].n = 0;
    tlbs[cpu].flushed = ++tlb_clock;
    machine_flushes++;
}

void flush_tlb_local(void)
{
    flush_cpu(this_cpu_nr);
}

void flush_tlb_mask(const cpumask_t *mask)
{
    for (unsigned int cpu = 0; cpu < MACHINE_CPUS; cpu++)
        if (cpumask_test(mask, cpu))
            flush_cpu(cpu);
}

void flush_cache_lines(const void *start, size_t length)
{
    if (machine_cache_flushed)
        machine_cache_flushed((void *)start, length);
}

static void flush_one(unsigned int cpu, uint64_t va)
{
    struct tlb *t = &tlbs[cpu];
    unsigned int kept = 0;

    for (unsigned int i = 0; i < t->n; i++)
        if (pgt_level(t->e[i].type) || t->e[i].va >> PAGE_SHIFT != va >> PAGE_SHIFT)
            t->e[kept++] = t->e[i];
    t->n = kept;
}

void flush_tlb_one_local(uint64_t va)
{
    flush_one(this_cpu_nr, va);
}

void flush_tlb_one_mask(const cpumask_t *mask, uint64_t va)
{
    for (unsigned int cpu = 0; cpu < MACHINE_CPUS; cpu++)
        if (cpumask_test(mask, cpu))
            flush_one(cpu, va);
}

void tlb_filter(cpumask_t *mask, uint32_t stamp)
{
    for (unsigned int cpu = 0; cpu < MACHINE_CPUS; cpu++)
        if ((int32_t)(tlbs[cpu].flushed - stamp) > 0)
            cpumask_clear(mask, cpu);
}

void on_selected_cpus(const cpumask_t *mask, void (*fn)(void *), void *arg)
{
    fn(arg);
}

static void tlb_fill(uint64_t va, mfn_t mfn, uint64_t type)
{
    struct tlb *t = &tlbs[this_cpu_nr];

    if (t->n < TLB_SIZE)
        t->e[t->n++] = (struct tlb_entry){va, mfn_x(mfn), type};
}

static pte_t *walk(uint64_t va, bool write)
{
    mfn_t mfn = _mfn(current->tag.cr3[true] >> PAGE_SHIFT);

    for (unsigned int level = 4;; level--) {
        pte_t *e = (pte_t *)mfn_to_virt(mfn) + pt_index(va, level);

        if ((*e & (PTE_P | PTE_US)) != (PTE_P | PTE_US) || (write && !(*e & PTE_RW)))
            return NULL;
        if (level == 1)
            return e;
        *e |= PTE_A;
        mfn = pte_mfn(*e);
        /* Not PGT_TABLE(level - 1): by a linear entry, a table serves for a lower level. */
        tlb_fill(va, mfn, mfn_to_page(mfn)->type_info & PGT_TYPE_MASK);
    }
}

bool machine_touch(uint64_t va, bool write)
{
    pte_t *e = current->tag.cr3[true] ? walk(va, write) : NULL;

    if (!e)
        return false;
    *e |= PTE_A | (write ? PTE_D : 0);
    if (mfn_valid(pte_mfn(*e)))
        tlb_fill(va, pte_mfn(*e), write ? PGT_WRITABLE : PGT_NONE);
    return true;
}

bool machine_tlb_maps(mfn_t mfn, bool writable)
{
    for (unsigned int cpu = 0; cpu < MACHINE_CPUS; cpu++)
        for (unsigned int i = 0; i < tlbs[cpu].n; i++)
            if (tlbs[cpu].e[i].mfn == mfn_x(mfn) && (!writable || tlbs[cpu].e[i].type == PGT_WRITABLE))
                return true;
    return false;
}

void machine_check_tlbs(void)
{
    for (unsigned int cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        const struct vcpu *v = cpu_infos[cpu].current_vcpu;

        if (v->tag.cr3[true]) {
            const struct page_info *l4 = mfn_to_page(_mfn(v->tag.cr3[true] >> PAGE_SHIFT));

            assert_int_equal(l4->type_info & (PGT_TYPE_MASK | PGT_VALIDATED), PGT_L4 | PGT_VALIDATED);
        }
        for (unsigned int i = 0; i < tlbs[cpu].n; i++) {
            const struct tlb_entry *e = &tlbs[cpu].e[i];
            const struct page_info *page = mfn_to_page(_mfn(e->mfn));

            assert_int_not_equal(page->count_info & PGC_STATE_MASK, PGC_STATE_FREE);
            if (e->type != PGT_NONE && (page->count_info & PGC_COUNT_MASK))
                assert_int_equal(page->type_info & PGT_TYPE_MASK, e->type);
        }
    }
}

/* The rest of the VMM */

void raise_softirq(enum softirq nr)
{
    this_cpu(softirq_pending) |= 1u << nr;
}

void machine_softirqs(void)
{
    unsigned int cpu = this_cpu_nr;

    for (this_cpu_nr = 0; this_cpu_nr < MACHINE_CPUS; this_cpu_nr++)
        retire_flush();
    this_cpu_nr = cpu;
}

bool hypercall_preempt_check(void)
{
    return machine_preempt_every && ++opportunities % machine_preempt_every == 0;
}

void pv_update_user_cr3(struct vcpu *v)
{
}

void pv_update_kernel_cr3(struct vcpu *v)
{
    l4_set_m2p(v->pv.kernel_table, true);
    v->tag.cr3[true] = mfn_x(page_to_mfn(v->pv.kernel_table)) << PAGE_SHIFT;
    if (v == current)
        flush_tlb_local();
}

long grant_acquire_resource(uint64_t arg_gva)
{
    return -EOPNOTSUPP;
}

void pv_invalidate_ldt(struct vcpu *v)
{
}

int pv_set_ldt(struct vcpu *v, uint64_t base, uint32_t entries)
{
    return 0;
}

bool pv_descriptor_page_ok(uint64_t *table)
{
    return !machine_descriptor_bad;
}

/* Domains */

struct domain *domain_by_id(domid_t id)
{
    return id < MACHINE_DOMS && domains[id].refcount ? &domains[id] : NULL;
}

bool domain_get(struct domain *d)
{
    if (!d->refcount)
        return false;
    d->refcount++;
    return true;
}

struct domain *domain_find(domid_t id)
{
    struct domain *d = domain_by_id(id == DOMID_SELF ? current->domain->id : id);

    return d && domain_get(d) ? d : NULL;
}

struct domain *domain_find_next(domid_t first)
{
    for (domid_t id = first; id < MACHINE_DOMS; id++)
        if (domain_by_id(id))
            return domain_find(id);
    return NULL;
}

void domain_put(struct domain *d)
{
    assert_int_not_equal(d->refcount, 0);
    d->refcount--;
}

struct vcpu *domain_vcpu(const struct domain *d, uint32_t id)
{
    return id < d->max_vcpus ? d->vcpu[id] : NULL;
}

void machine_run(unsigned int cpu, struct vcpu *v)
{
    struct vcpu *old = cpu_infos[cpu].current_vcpu;

    this_cpu_nr = cpu;
    if (old == v)
        return;
    for (unsigned int other = 0; other < MACHINE_CPUS; other++)
        if (cpu_infos[other].current_vcpu == v)
            return; /* it runs elsewhere: stay what we are */
    if (old) {
        flush_cpu(cpu);
        cpumask_clear(&old->dirty_cpu, cpu);
        cpumask_clear(&old->domain->dirty_cpumask, cpu);
    }
    cpu_infos[cpu] = (struct cpu_info){.cpu = cpu, .current_vcpu = v};
    cpumask_set(&v->dirty_cpu, cpu);
    cpumask_set(&v->domain->dirty_cpumask, cpu);
}

static void reset_domain(domid_t id)
{
    struct domain *d = &domains[id];

    memset(d, 0, sizeof(*d));
    memset(vcpus[id], 0, sizeof(vcpus[id]));
    d->id = id;
    d->refcount = 1;
    d->is_privileged = d->is_hardware = id == 0;
    d->max_vcpus = 2;
    d->vcpu = vcpu_ptrs[id];
    d->shared_info = &shared_infos[id];
    d->mm.max_pages = MACHINE_FRAMES;
    for (uint32_t i = 0; i < 2; i++) {
        vcpus[id][i].domain = d;
        vcpus[id][i].id = i;
        vcpu_ptrs[id][i] = &vcpus[id][i];
    }
    machine_domain[id] = d;
}

static void first_time(void)
{
    frame_table = calloc(MACHINE_FRAMES, sizeof(*frame_table));
    memory = aligned_alloc(PAGE_SIZE, MACHINE_FRAMES * PAGE_SIZE);
    cpu_online_map.bits[0] = (1u << MACHINE_CPUS) - 1;
    for (uint64_t m = 0; m < MACHINE_FRAMES; m++)
        frame_table[m] = (struct page_info){.count_info = PGC_STATE_INUSE, .owner = DOMID_INVALID};
    free_frame_range(_mfn(8), MACHINE_FRAMES - 8);
    for (unsigned int i = VMM_L4_FIRST; i <= VMM_L4_LAST; i++)
        vmm_l4[i] = pte_make(_mfn(i - VMM_L4_FIRST), VMM_RW);
}

void machine_reset(void)
{
    if (!frame_table)
        first_time();
    machine_softirqs();
    machine_preempt_every = 0;
    machine_descriptor_bad = NULL;
    machine_cache_flushed = NULL;
    memset(memory, 0xa5, MACHINE_FRAMES * PAGE_SIZE);
    memset(cpu_infos, 0, sizeof(cpu_infos));
    for (domid_t id = 0; id < MACHINE_DOMS; id++)
        reset_domain(id);
    for (unsigned int cpu = MACHINE_CPUS; cpu-- > 0;) {
        flush_cpu(cpu);
        machine_run(cpu, &vcpus[cpu][0]);
    }
}

long machine_hypercall(long (*fn)(struct hypercall_args *), uint64_t a0, uint64_t a1, uint64_t a2,
                       uint64_t a3, unsigned int limit)
{
    struct hypercall_args args = {{a0, a1, a2, a3}};
    long rc;

    do
        rc = fn(&args);
    while (rc == -ERESTART && limit-- > 0);
    return rc;
}

static void drop_tables(struct vcpu *v)
{
    while (release_pending(v))
        ;
    v->tag = (struct tlb_tag){.key = v->tag.key};
    if (v->pv.kernel_table)
        put_page_and_type(v->pv.kernel_table);
    if (v->pv.user_table)
        put_page_and_type(v->pv.user_table);
    v->pv.kernel_table = v->pv.user_table = NULL;
}

void machine_end(void)
{
    machine_preempt_every = 3;
    for (domid_t id = 0; id < MACHINE_DOMS; id++)
        for (uint32_t i = 0; i < 2; i++)
            drop_tables(machine_domain[id]->vcpu[i]);
    for (domid_t id = 0; id < MACHINE_DOMS; id++) {
        machine_domain[id]->dying = DOMAIN_DYING;
        while (domain_relinquish_memory(machine_domain[id]) == -ERESTART)
            ;
    }
    machine_softirqs();
    assert_int_equal(audit_machine(), 0);
    for (domid_t id = 0; id < MACHINE_DOMS; id++) {
        assert_int_equal(machine_domain[id]->mm.tot_pages, 0);
        assert_int_equal(machine_domain[id]->refcount, 1);
    }
    assert_int_equal(free_page_count(), MACHINE_FRAMES - 8);
}
