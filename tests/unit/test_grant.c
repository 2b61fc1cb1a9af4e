/* unit: hv/grant/table.c hv/grant/pin.c hv/grant/maptrack.c hv/grant/map.c hv/grant/copy.c
 * hv/grant/grant_op.c hv/grant/transfer.c hv/grant/cache.c tests/unit/stubs/machine.c */
#include <stdlib.h>
#include <string.h>

#include <base/errno.h>
#include <boot/cmdline.h>
#include <control/hypercall.h>
#include <domain/domain.h>
#include <grant/grant.h>
#include <grant/table.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <mm/pt_update.h>
#include <mm/tlb.h>
#include <mm/validate.h>
#include <xen/memory.h>
#include "stubs/machine.h"
#include <unit.h>

#define NR_DOMAINS 3
#define L1_VA      0x200000ul

static struct domain domains[NR_DOMAINS];
static struct vcpu vcpus[NR_DOMAINS];
static uint64_t l1_frame, data_frame[NR_DOMAINS];
static unsigned int flushes;
static void (*other_cpu)(void); /* runs once, while this one is about to change an entry */

struct domain *domain_find(domid_t id)
{
    if (id == DOMID_SELF)
        id = current->domain->id;
    if (id >= NR_DOMAINS)
        return NULL;
    domains[id].refcount++;
    return &domains[id];
}

struct domain *domain_by_id(domid_t id)
{
    return id < NR_DOMAINS ? &domains[id] : NULL;
}

void domain_put(struct domain *d)
{
    d->refcount--;
}

bool mfn_valid(mfn_t mfn)
{
    return mfn_x(mfn) < FAKE_FRAMES;
}

void share_vmm_page(struct page_info *page, const struct domain *d, bool writable)
{
}

void unshare_vmm_page(struct page_info *page)
{
    free_vmm_pages(page_to_virt(page), 0);
}

void put_page_type(struct page_info *page)
{
    page->type_info--;
}

void flush_tlb_mask(const cpumask_t *mask)
{
    flushes++;
}

/* Frames that change hands. */
cpumask_t cpu_online_map;
static uint64_t fake_m2p[FAKE_FRAMES];
static bool stolen[FAKE_FRAMES];
static unsigned int flushes_at_steal, freed;
static int assign_answer; /* of assign_check_locked() */

uint64_t *m2p_entry(mfn_t mfn)
{
    return &fake_m2p[mfn_x(mfn)];
}

bool get_page_owned(struct page_info *page, domid_t owner)
{
    return page->owner == owner && get_page_from_mfn(page_to_mfn(page), &domains[owner]);
}

struct page_info *page_steal(mfn_t mfn, const struct domain *d)
{
    struct page_info *page = &frame_table[mfn_x(mfn)];

    if (!mfn_valid(mfn) || page->owner != d->id || page->count_info || stolen[mfn_x(mfn)])
        return NULL;
    stolen[mfn_x(mfn)] = true;
    flushes_at_steal = flushes;
    return page;
}

void disown_frame(struct domain *d, struct page_info *page)
{
    assert_true(stolen[page - frame_table]);
    assert_int_equal(page->owner, d->id);
    assert_true(flushes > flushes_at_steal);
    page->owner = DOMID_INVALID;
}

void free_frames(struct page_info *page, unsigned int order)
{
    assert_int_equal(page->owner, DOMID_INVALID);
    stolen[page - frame_table] = false;
    freed++;
}

int assign_check_locked(const struct domain *d, uint64_t frames, uint32_t flags)
{
    assert_int_not_equal(d->mm.page_lock.owner, 0);
    return assign_answer;
}

int assign_frames_locked(struct domain *d, struct page_info *page, unsigned int order, uint32_t flags)
{
    assert_int_equal(assign_check_locked(d, 1, flags), 0);
    page->owner = d->id;
    stolen[page - frame_table] = false;
    return 0;
}

void panic(const char *fmt, ...)
{
    abort();
}

/* Page tables: one level-1 table of the mapping domain, at L1_VA. */
struct page_info *lock_l1_table(struct vcpu *v, uint64_t va)
{
    void (*other)(void) = other_cpu;

    other_cpu = NULL;
    if (other)
        other();
    return va >> 21 == L1_VA >> 21 ? &frame_table[l1_frame] : NULL;
}

int pt_update_l1(const struct pt_context *c, pte_t *slot, pte_t new, bool preserve_ad)
{
    struct page_info *page = get_page_from_mfn(pte_mfn(new), c->data);

    if (!page)
        return -EBUSY;
    if (new &PTE_RW)
        page->type_info++;
    l1e_put(*slot);
    *slot = new;
    return 0;
}

void l1e_put(pte_t e)
{
    if (!(e & PTE_P))
        return;
    if (e & PTE_RW)
        mfn_to_page(pte_mfn(e))->type_info--;
    mfn_to_page(pte_mfn(e))->count_info--;
}

static pte_t *l1(unsigned int i)
{
    return (pte_t *)fake_memory[l1_frame] + i;
}

static int setup(void **state)
{
    memset(domains, 0, sizeof(domains));
    memset(vcpus, 0, sizeof(vcpus));
    preempt_now = bad_guest_pointer = false;
    preempt_after = 0;
    for (unsigned int i = 0; i < NR_DOMAINS; i++) {
        domains[i].id = i;
        domains[i].refcount = 1;
        vcpus[i].domain = &domains[i];
        spin_lock_init(&domains[i].mm.page_lock, LOCK_PAGE_ALLOC_DOMAIN);
        assert_int_equal(grant_table_init(&domains[i], 4, 2), 0);
        grant_table_share(&domains[i]);
        data_frame[i] = give_frame(&domains[i]);
        frame_table[data_frame[i]].type_info = 0;
        memset(fake_memory[data_frame[i]], '0' + (int)i, PAGE_SIZE);
    }
    domains[0].is_privileged = true;
    l1_frame = give_frame(&domains[0]);
    frame_table[l1_frame].type_info = PGT_L1 | PGT_VALIDATED;
    set_current(&vcpus[0]);
    flushes = freed = 0;
    assign_answer = 0;
    return 0;
}

/* Every test ends with nothing mapped, pinned, referenced or leaked. */
static int teardown(void **state)
{
    for (unsigned int i = 0; i < 512; i++) {
        l1e_put(*l1(i));
        *l1(i) = 0;
    }
    for (unsigned int i = 0; i < NR_DOMAINS; i++)
        assert_int_equal(grant_release_mappings(&domains[i]), 0);
    for (unsigned int i = 0; i < NR_DOMAINS; i++) {
        struct grant_table *gt = domains[i].grant;

        for (uint32_t ref = 0; ref < grant_entries(gt); ref++) {
            assert_int_equal(grant_active(gt, ref)->readers, 0);
            assert_int_equal(grant_active(gt, ref)->writers, 0);
        }
        for (unsigned int j = 0; j < GRANT_STRIPES; j++)
            assert_int_equal(gt->stripe[j].owner, 0);
        assert_int_equal(domains[i].refcount, 1);
        assert_int_equal(frame_table[data_frame[i]].type_info, 0);
        frame_table[data_frame[i]].count_info &= ~PGC_FOREIGN;
        grant_table_free(&domains[i]);
    }
    assert_int_equal(frame_references(), 0);
    return 0;
}

static long op(uint32_t cmd, void *arg, uint32_t count)
{
    struct hypercall_args args = {{cmd, (uint64_t)arg, count}};

    return hc_grant_table_op(&args);
}

static grant_entry_v1_t *entry(unsigned int dom, grant_ref_t ref)
{
    return (grant_entry_v1_t *)domains[dom].grant->shared[0] + ref;
}

static void grant_to(unsigned int dom, grant_ref_t ref, domid_t to, uint16_t flags)
{
    *entry(dom, ref) = (grant_entry_v1_t){GTF_permit_access | flags, to, (uint32_t)data_frame[dom]};
}

static int16_t map(unsigned int dom, grant_ref_t ref, uint32_t flags, uint64_t addr, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref m = {.host_addr = addr, .flags = flags, .ref = ref, .dom = dom};

    assert_int_equal(op(GNTTABOP_map_grant_ref, &m, 1), 0);
    *handle = m.handle;
    return m.status;
}

static int16_t unmap(grant_handle_t handle, uint64_t addr)
{
    struct gnttab_unmap_grant_ref u = {.host_addr = addr, .handle = handle};

    assert_int_equal(op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    return u.status;
}

static void test_map(void **state)
{
    grant_handle_t ro, rw;

    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, GNTMAP_host_map | GNTMAP_readonly, L1_VA, &ro), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading);
    assert_int_equal(pte_mfn(*l1(0)).m, data_frame[1]);
    assert_false(*l1(0) & PTE_RW);
    assert_int_equal(map(1, 9, GNTMAP_host_map | 5u << 16, L1_VA + PAGE_SIZE, &rw), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(*l1(1) & (PTE_RW | PTE_P | PTE_AVAIL), PTE_RW | PTE_P | 5 << 9);
    /* One reference of the entry, one of the handle, for each. */
    assert_int_equal(frame_table[data_frame[1]].count_info & PGC_COUNT_MASK, 4);
    assert_int_equal(frame_table[data_frame[1]].type_info, 2);

    /* The other entry maps the same frame, but is another mapping: a writable one would be left without a
     * writer. */
    assert_int_equal(unmap(rw, L1_VA), GNTST_general_error);
    assert_int_equal(unmap(ro, L1_VA + PAGE_SIZE), GNTST_general_error);
    assert_int_equal(domains[1].refcount, 3); /* each mapping keeps the domain, too */
    assert_int_equal(unmap(rw, L1_VA + PAGE_SIZE), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading);
    assert_int_equal(flushes, 1);
    assert_int_equal(unmap(ro, L1_VA), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(*l1(0) | *l1(1), 0);
    assert_int_equal(unmap(ro, L1_VA), GNTST_bad_handle);
    assert_int_equal(unmap(123456, L1_VA), GNTST_bad_handle);
    assert_int_equal(unmap(~0u, L1_VA), GNTST_bad_handle);
}

static void test_map_refusals(void **state)
{
    grant_handle_t h;
    uint32_t rw = GNTMAP_host_map;

    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_general_error); /* nothing granted */
    grant_to(1, 9, 2, 0);
    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_general_error); /* to another domain */
    grant_to(1, 9, 0, GTF_readonly);
    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_general_error);
    assert_int_equal(map(7, 9, rw, L1_VA, &h), GNTST_bad_domain);
    assert_int_equal(map(1, 512, rw, L1_VA, &h), GNTST_bad_gntref);
    assert_int_equal(map(1, ~0u, rw, L1_VA, &h), GNTST_bad_gntref);
    assert_int_equal(map(1, 9, 0, L1_VA, &h), GNTST_bad_gntref);
    grant_to(1, 9, 0, 0);
    entry(1, 9)->frame = (uint32_t)data_frame[2]; /* not its own */
    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_bad_page);
    entry(1, 9)->frame = ~0u;
    assert_int_equal(map(1, 9, rw, L1_VA, &h), GNTST_bad_page);
    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, rw, 1ul << 40, &h), GNTST_general_error); /* no table there */
    assert_int_equal(map(1, 9, rw | GNTMAP_contains_pte, (data_frame[0] << 12) + 8, &h), GNTST_general_error);
    assert_int_equal(map(1, 9, rw | GNTMAP_contains_pte, (l1_frame << 12) + 4, &h), GNTST_general_error);
    /* A refusal leaves the entry as it was, and no handle in use. */
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(map(1, 9, rw | GNTMAP_contains_pte, (l1_frame << 12) + 24, &h), GNTST_okay);
    assert_int_equal(h, 0);
    assert_int_equal(pte_mfn(*l1(3)).m, data_frame[1]);
    assert_int_equal(unmap(h, (l1_frame << 12) + 32), GNTST_general_error); /* not there */
    assert_int_equal(unmap(h, (l1_frame << 12) + 24), GNTST_okay);
}

static void test_handles_run_out(void **state)
{
    const unsigned int all = 2 * PAGE_SIZE / sizeof(struct maptrack);
    grant_handle_t h;

    grant_to(1, 9, 0, 0);
    for (unsigned int i = 0; i < all; i++)
        assert_int_equal(map(1, 9, GNTMAP_device_map | GNTMAP_readonly, 0, &h), GNTST_okay);
    assert_int_equal(map(1, 9, GNTMAP_device_map, 0, &h), GNTST_no_space);
    /* The end of the mapping domain releases them all, in steps. */
    preempt_now = true;
    assert_int_equal(grant_release_mappings(&domains[0]), -ERESTART);
    assert_int_equal(grant_active(domains[1].grant, 9)->readers, all - 64);
    preempt_now = false;
    assert_int_equal(grant_release_mappings(&domains[0]), 0);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
}

static void test_device_map(void **state)
{
    struct gnttab_map_grant_ref m = {
        .host_addr = L1_VA, .flags = GNTMAP_host_map | GNTMAP_device_map, .ref = 9, .dom = 1};
    struct gnttab_unmap_grant_ref u;

    grant_to(1, 9, 0, 0);
    assert_int_equal(op(GNTTABOP_map_grant_ref, &m, 1), 0);
    assert_int_equal(m.dev_bus_addr, data_frame[1] << 12);
    u = (struct gnttab_unmap_grant_ref){.dev_bus_addr = 4096, .handle = m.handle};
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    assert_int_equal(u.status, GNTST_bad_dev_addr);
    assert_int_equal(unmap(m.handle, L1_VA), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags,
                     GTF_permit_access | GTF_reading | GTF_writing); /* devices still may */
    u.dev_bus_addr = m.dev_bus_addr;
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    assert_int_equal(u.status, GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
}

static struct gnttab_map_grant_ref both;

static void unmap_device_part(void)
{
    struct gnttab_unmap_grant_ref u = {.dev_bus_addr = both.dev_bus_addr, .handle = both.handle};

    assert_int_equal(op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    assert_int_equal(u.status, GNTST_okay);
    /* The other CPU is not done: nothing is dropped. */
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
}

/* Two CPUs take the two kinds of one mapping away at once: the handle ends once, and with the later of them.
 */
static void test_two_unmaps(void **state)
{
    grant_handle_t h;

    both = (struct gnttab_map_grant_ref){
        .host_addr = L1_VA, .flags = GNTMAP_host_map | GNTMAP_device_map, .ref = 9, .dom = 1};
    grant_to(1, 9, 0, 0);
    assert_int_equal(op(GNTTABOP_map_grant_ref, &both, 1), 0);
    other_cpu = unmap_device_part;
    assert_int_equal(unmap(both.handle, 1ul << 40),
                     GNTST_general_error); /* not there: it keeps its host part */
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(map(1, 9, GNTMAP_device_map, 0, &h), GNTST_okay);
    assert_int_not_equal(h, both.handle);
    assert_int_equal(unmap(both.handle, L1_VA), GNTST_okay);
    assert_int_equal(unmap(both.handle, L1_VA), GNTST_bad_handle);
    assert_int_equal(grant_release_mappings(&domains[0]), 0);
    domains[0].grant->release_next = 0;

    assert_int_equal(op(GNTTABOP_map_grant_ref, &both, 1), 0);
    other_cpu = unmap_device_part;
    assert_int_equal(unmap(both.handle, L1_VA), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
}

static void test_batches(void **state)
{
    struct gnttab_map_grant_ref m[80];
    struct gnttab_unmap_grant_ref u[80];
    struct hypercall_args args;
    unsigned int tries = 0;
    long rc;

    grant_to(1, 9, 0, 0);
    for (unsigned int i = 0; i < 80; i++)
        m[i] = (struct gnttab_map_grant_ref){
            .host_addr = L1_VA + i * PAGE_SIZE, .flags = GNTMAP_host_map, .ref = 9, .dom = 1};
    preempt_now = true;
    args = (struct hypercall_args){{GNTTABOP_map_grant_ref, (uint64_t)m, 80}};
    do
        tries++;
    while ((rc = hc_grant_table_op(&args)) == -ERESTART);
    assert_int_equal(rc, 0);
    assert_int_equal(tries, 80);
    for (unsigned int i = 0; i < 80; i++) {
        assert_int_equal(m[i].status, GNTST_okay);
        u[i] = (struct gnttab_unmap_grant_ref){.host_addr = m[i].host_addr, .handle = m[i].handle};
    }
    preempt_now = false;
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, u, 80), 0);
    assert_int_equal(flushes, 3); /* 32 + 32 + 16 */
    for (unsigned int i = 0; i < 80; i++)
        assert_int_equal(u[i].status, GNTST_okay);
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, u, 0x80000000), -EINVAL);
    assert_int_equal(op(99, u, 1), -ENOSYS);
    bad_guest_pointer = true;
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, u, 1), -EFAULT);
    assert_int_equal(op(GNTTABOP_map_grant_ref, m, 1), -EFAULT);
    assert_int_equal(op(GNTTABOP_copy, m, 1), -EFAULT);
}

static void test_replace(void **state)
{
    struct gnttab_unmap_and_replace r = {.host_addr = L1_VA, .new_addr = L1_VA + PAGE_SIZE};
    uint64_t own = data_frame[0];

    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA, &r.handle), GNTST_okay);
    frame_table[own].count_info++;
    *l1(1) = pte_make(_mfn(own), PTE_P);
    assert_int_equal(op(GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_okay);
    assert_int_equal(pte_mfn(*l1(0)).m, own);
    assert_int_equal(*l1(1), 0);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(op(GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_bad_handle);
}

/* An entry of another mapping does not move: its handle would not find it, and could be ended without it. */
static void test_replace_by_foreign(void **state)
{
    struct gnttab_unmap_and_replace r = {.host_addr = L1_VA, .new_addr = L1_VA + PAGE_SIZE};
    grant_handle_t h;

    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA, &r.handle), GNTST_okay);
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA + PAGE_SIZE, &h), GNTST_okay);
    assert_int_equal(op(GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_general_error);
    assert_int_equal(unmap(r.handle, L1_VA), GNTST_okay);
    assert_int_equal(unmap(h, L1_VA + PAGE_SIZE), GNTST_okay);
    r.new_addr = L1_VA + 2 * PAGE_SIZE; /* nothing: then nothing comes in its place */
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA, &r.handle), GNTST_okay);
    assert_int_equal(op(GNTTABOP_unmap_and_replace, &r, 1), 0);
    assert_int_equal(r.status, GNTST_okay);
    assert_int_equal(*l1(0), 0);
}

static int16_t copy(struct gnttab_copy c)
{
    assert_int_equal(op(GNTTABOP_copy, &c, 1), 0);
    return c.status;
}

static void test_copy(void **state)
{
    struct gnttab_copy c = {.source = {.u.ref = 9, .domid = 1, .offset = 4000},
                            .dest = {.u.gmfn = data_frame[0], .domid = DOMID_SELF, .offset = 10},
                            .len = 96,
                            .flags = GNTCOPY_source_gref};

    assert_int_equal(copy(c), GNTST_general_error);
    grant_to(1, 9, 0, GTF_readonly);
    assert_int_equal(copy(c), GNTST_okay);
    assert_int_equal(fake_memory[data_frame[0]][9], '0');
    assert_int_equal(fake_memory[data_frame[0]][10], '1');
    assert_int_equal(fake_memory[data_frame[0]][105], '1');
    assert_int_equal(fake_memory[data_frame[0]][106], '0');
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_readonly);

    c.len = 97;
    assert_int_equal(copy(c), GNTST_bad_copy_arg);
    c.len = 96;
    c.dest.domid = 0; /* its own number will not do */
    assert_int_equal(copy(c), GNTST_permission_denied);
    c.dest = (struct gnttab_copy_ptr){.u.gmfn = data_frame[2], .domid = DOMID_SELF};
    assert_int_equal(copy(c), GNTST_bad_page);
    c.dest = (struct gnttab_copy_ptr){.u.ref = 9, .domid = 1}; /* granted read-only */
    c.flags |= GNTCOPY_dest_gref;
    assert_int_equal(copy(c), GNTST_general_error);
    c.source.domid = 55;
    assert_int_equal(copy(c), GNTST_bad_domain);
}

static void accept_at(unsigned int dom, grant_ref_t ref, domid_t from, uint16_t flags)
{
    *entry(dom, ref) = (grant_entry_v1_t){GTF_accept_transfer | flags, from, 0x77};
}

static int16_t transfer(uint64_t mfn, domid_t to, grant_ref_t ref)
{
    struct gnttab_transfer t = {.mfn = mfn, .domid = to, .ref = ref};

    assert_int_equal(op(GNTTABOP_transfer, &t, 1), 0);
    return t.status;
}

static void test_transfer(void **state)
{
    uint64_t mfn = give_frame(&domains[0]);

    accept_at(1, 9, 0, 0);
    assert_int_equal(transfer(mfn, 1, 9), GNTST_okay);
    assert_int_equal(frame_table[mfn].owner, 1);
    assert_int_equal(entry(1, 9)->flags,
                     GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    assert_int_equal(entry(1, 9)->frame, mfn);
    assert_int_equal(fake_m2p[mfn], 0x77);
    assert_int_equal(transfer(mfn, 1, 9), GNTST_bad_page); /* it is not ours any more */
    assert_int_equal(freed, 0);

    mfn = give_frame(&domains[0]);
    frame_table[mfn].count_info = 1; /* in use */
    assert_int_equal(transfer(mfn, 1, 9), GNTST_bad_page);
    assert_int_equal(transfer(FAKE_FRAMES, 1, 9), GNTST_bad_page);
    frame_table[mfn].count_info = 0;
    assert_int_equal(transfer(mfn, 1, 9), GNTST_general_error); /* the entry is used up: the frame is lost */
    assert_int_equal(frame_table[mfn].owner, DOMID_INVALID);
    assert_int_equal(freed, 1);
    assert_int_equal(transfer(give_frame(&domains[0]), 1, 512), GNTST_general_error);
    assert_int_equal(transfer(give_frame(&domains[0]), 7, 9), GNTST_bad_domain);
    assert_int_equal(transfer(give_frame(&domains[0]), DOMID_SELF, 9), GNTST_bad_domain);
    accept_at(1, 9, 2, 0);
    assert_int_equal(transfer(give_frame(&domains[0]), 1, 9), GNTST_general_error);
    accept_at(1, 9, 0, GTF_transfer_committed);
    assert_int_equal(transfer(give_frame(&domains[0]), 1, 9), GNTST_general_error);
    assert_int_equal(freed, 6);
    /* A receiver that may not have the frame sees no promise of it. */
    accept_at(1, 9, 0, 0);
    assign_answer = -E2BIG;
    assert_int_equal(transfer(give_frame(&domains[0]), 1, 9), GNTST_general_error);
    assert_int_equal(entry(1, 9)->flags, GTF_accept_transfer);
    assert_int_equal(freed, 7);
}

/* One flush for many; what was taken is given or freed even if the guest's list cannot be read on. */
static void test_transfer_batch(void **state)
{
    struct gnttab_transfer t[20];
    struct hypercall_args args = {{GNTTABOP_transfer, (uint64_t)t, 20}};

    for (unsigned int i = 0; i < 20; i++) {
        accept_at(1, 8 + i, 0, 0);
        t[i] = (struct gnttab_transfer){.mfn = give_frame(&domains[0]), .domid = 1, .ref = 8 + i};
    }
    t[5].mfn = t[4].mfn;
    preempt_now = true;
    assert_int_equal(hc_grant_table_op(&args), -ERESTART);
    assert_int_equal(flushes, 1);
    assert_int_equal(args.a[2], 4);
    assert_int_equal(hc_grant_table_op(&args), 0);
    assert_int_equal(flushes, 2);
    preempt_now = false;
    for (unsigned int i = 0; i < 20; i++) {
        assert_int_equal(t[i].status, i == 5 ? GNTST_bad_page : GNTST_okay);
        assert_int_equal(frame_table[t[i].mfn].owner, 1);
    }
    bad_guest_pointer = true;
    assert_int_equal(op(GNTTABOP_transfer, t, 1), -EFAULT);
    assert_int_equal(freed, 0);
}

static long cache_flush(uint64_t address, uint16_t offset, uint16_t length, uint32_t kind)
{
    struct gnttab_cache_flush f = {.a.dev_bus_addr = address, .offset = offset, .length = length, .op = kind};

    return op(GNTTABOP_cache_flush, &f, 1);
}

static void test_cache_flush(void **state)
{
    uint64_t own = data_frame[0] << 12, theirs = data_frame[1] << 12;
    struct gnttab_cache_flush f = {.a.dev_bus_addr = theirs, .length = 64, .op = GNTTAB_CACHE_CLEAN};
    struct hypercall_args args = {{GNTTABOP_cache_flush, (uint64_t)&f, 1}};
    grant_handle_t h;

    assert_int_equal(cache_flush(own, 10, 4086, GNTTAB_CACHE_CLEAN), 0);
    assert_int_equal(cache_flush(own, 10, 4087, GNTTAB_CACHE_CLEAN), -EINVAL);
    assert_int_equal(cache_flush(own, 0, 64, GNTTAB_CACHE_INVAL), -EOPNOTSUPP);
    assert_int_equal(cache_flush(own, 0, 64, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL), 0);
    assert_int_equal(cache_flush(own, 0, 64, 4), -EINVAL);
    assert_int_equal(cache_flush(own, 0, 64, 0), 0);
    assert_int_equal(cache_flush((uint64_t)FAKE_FRAMES << 12, 0, 64, GNTTAB_CACHE_CLEAN), -EINVAL);
    assert_int_equal(cache_flush(theirs, 0, 64, GNTTAB_CACHE_CLEAN), -EINVAL);
    grant_to(1, 9, 0, 0);
    assert_int_equal(map(1, 9, GNTMAP_device_map, 0, &h), GNTST_okay);
    assert_int_equal(cache_flush(theirs, 0, 64, GNTTAB_CACHE_CLEAN), 0);
    /* A search from the middle, as a continued one is, misses what lies before. */
    args.a[0] |= 100ul << 32;
    assert_int_equal(hc_grant_table_op(&args), -EINVAL);
}

static void use_v2(unsigned int dom)
{
    struct gnttab_set_version v = {.version = 2};

    set_current(&vcpus[dom]);
    assert_int_equal(op(GNTTABOP_set_version, &v, 1), 0);
    assert_int_equal(v.version, 2);
    set_current(&vcpus[0]);
}

static void test_v2(void **state)
{
    grant_entry_v2_t *e;
    grant_handle_t h;

    grant_to(1, 1, 0, 0); /* reserved: survives the change */
    grant_to(1, 9, 0, 0);
    use_v2(1);
    e = (grant_entry_v2_t *)domains[1].grant->shared[0];
    assert_int_equal(e[1].hdr.flags, GTF_permit_access);
    assert_int_equal(e[1].full_page.frame, data_frame[1]);
    assert_int_equal(e[9].hdr.flags, 0);
    assert_int_equal(map(1, 1, GNTMAP_host_map, L1_VA, &h), GNTST_okay);
    assert_int_equal(e[1].hdr.flags, GTF_permit_access);
    assert_int_equal(domains[1].grant->status[0][1], GTF_reading | GTF_writing);
    set_current(&vcpus[1]);
    assert_int_equal(op(GNTTABOP_set_version, &(struct gnttab_set_version){1}, 1), -EBUSY);
    set_current(&vcpus[0]);
    assert_int_equal(unmap(h, L1_VA), GNTST_okay);
    assert_int_equal(domains[1].grant->status[0][1], 0);
    set_current(&vcpus[1]);
    assert_int_equal(op(GNTTABOP_set_version, &(struct gnttab_set_version){1}, 1), 0);
    assert_int_equal(entry(1, 1)->frame, data_frame[1]);
    assert_int_equal(op(GNTTABOP_set_version, &(struct gnttab_set_version){3}, 1), -EINVAL);
}

static void test_v2_parts(void **state)
{
    grant_entry_v2_t *e;
    grant_handle_t h;
    struct gnttab_copy c = {.source = {.u.ref = 9, .domid = 1, .offset = 100},
                            .dest = {.u.gmfn = data_frame[0], .domid = DOMID_SELF},
                            .len = 50,
                            .flags = GNTCOPY_source_gref};

    use_v2(1);
    e = (grant_entry_v2_t *)domains[1].grant->shared[0] + 9;
    e->sub_page.hdr = (grant_entry_header_t){GTF_permit_access | GTF_sub_page, 0};
    e->sub_page.frame = data_frame[1];
    e->sub_page.page_off = 100;
    e->sub_page.length = 50;
    assert_int_equal(copy(c), GNTST_okay);
    c.len = 51;
    assert_int_equal(copy(c), GNTST_general_error);
    c.len = 50;
    c.source.offset = 99;
    assert_int_equal(copy(c), GNTST_general_error);
    assert_int_equal(map(1, 9, GNTMAP_host_map, L1_VA, &h), GNTST_general_error);
    c.source.offset = 100;
    e->sub_page.length = 4000; /* past the end of the page */
    assert_int_equal(copy(c), GNTST_general_error);
}

static void test_transitive(void **state)
{
    grant_entry_v2_t *e;
    grant_handle_t h;
    struct gnttab_copy c = {.source = {.u.ref = 9, .domid = 1},
                            .dest = {.u.gmfn = data_frame[0], .domid = DOMID_SELF},
                            .len = 8,
                            .flags = GNTCOPY_source_gref};

    use_v2(1);
    grant_to(2, 20, 1, GTF_readonly); /* domain 2 to domain 1, which passes it on */
    e = (grant_entry_v2_t *)domains[1].grant->shared[0] + 9;
    e->transitive.hdr = (grant_entry_header_t){GTF_transitive, 0};
    e->transitive.trans_domid = 2;
    e->transitive.gref = 20;
    assert_int_equal(copy(c), GNTST_okay);
    assert_int_equal(fake_memory[data_frame[0]][0], '2');
    assert_int_equal(entry(2, 20)->flags, GTF_permit_access | GTF_readonly);
    assert_int_equal(map(1, 9, GNTMAP_host_map | GNTMAP_readonly, L1_VA, &h), GNTST_general_error);
    c.source = (struct gnttab_copy_ptr){.u.gmfn = data_frame[0], .domid = DOMID_SELF};
    c.dest = (struct gnttab_copy_ptr){.u.ref = 9, .domid = 1};
    c.flags = GNTCOPY_dest_gref;
    assert_int_equal(copy(c), GNTST_general_error); /* read-only at its end */
    grant_to(2, 20, 0, 0);                          /* not to domain 1 any more */
    c.source = (struct gnttab_copy_ptr){.u.ref = 9, .domid = 1};
    c.dest = (struct gnttab_copy_ptr){.u.gmfn = data_frame[0], .domid = DOMID_SELF};
    c.flags = GNTCOPY_source_gref;
    assert_int_equal(copy(c), GNTST_general_error);
    e->transitive.trans_domid = 1; /* to itself: no endless way */
    e->transitive.gref = 9;
    assert_int_equal(copy(c), GNTST_general_error);
}

static void test_table(void **state)
{
    uint64_t frames[8];
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 3};
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    struct gnttab_get_status_frames g = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_get_version v = {.dom = 1};

    s.frame_list.p = frames;
    g.frame_list.p = frames;
    assert_int_equal(op(GNTTABOP_setup_table, &s, 2), -EINVAL);
    assert_int_equal(op(GNTTABOP_setup_table, &s, 1), 0);
    assert_int_equal(s.status, GNTST_okay);
    for (unsigned int i = 0; i < 3; i++)
        assert_ptr_equal(mfn_to_virt(_mfn(frames[i])), domains[0].grant->shared[i]);
    assert_int_equal(op(GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.nr_frames, 3);
    assert_int_equal(q.max_nr_frames, 4);
    s.nr_frames = 5;
    assert_int_equal(op(GNTTABOP_setup_table, &s, 1), 0);
    assert_int_equal(s.status, GNTST_general_error);
    assert_int_equal(op(GNTTABOP_get_status_frames, &g, 1), 0);
    assert_int_equal(g.status, GNTST_general_error); /* version 1 has none */
    assert_int_equal(op(GNTTABOP_get_version, &v, 1), 0);
    assert_int_equal(v.version, 1);
    v.dom = 9;
    assert_int_equal(op(GNTTABOP_get_version, &v, 1), -ESRCH);
    use_v2(0);
    assert_int_equal(op(GNTTABOP_get_status_frames, &g, 1), 0);
    assert_int_equal(g.status, GNTST_okay);
    assert_ptr_equal(mfn_to_virt(_mfn(frames[0])), domains[0].grant->status[0]);

    set_current(&vcpus[2]);
    q.dom = s.dom = v.dom = 1;
    assert_int_equal(op(GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.status, GNTST_permission_denied);
    assert_int_equal(op(GNTTABOP_setup_table, &s, 1), 0);
    assert_int_equal(s.status, GNTST_permission_denied);
    assert_int_equal(op(GNTTABOP_get_version, &v, 1), -EPERM);
    q.dom = 9;
    assert_int_equal(op(GNTTABOP_query_size, &q, 1), 0);
    assert_int_equal(q.status, GNTST_bad_domain);
}

static void test_swap(void **state)
{
    struct gnttab_swap_grant_ref s = {.ref_a = 9, .ref_b = 25}; /* of one stripe */
    grant_handle_t h;

    set_current(&vcpus[1]);
    grant_to(1, 9, 0, 0);
    assert_int_equal(op(GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, 0);
    assert_int_equal(entry(1, 25)->frame, data_frame[1]);
    s.ref_b = 512;
    assert_int_equal(op(GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, GNTST_bad_gntref);
    set_current(&vcpus[0]);
    assert_int_equal(map(1, 25, GNTMAP_device_map, 0, &h), GNTST_okay);
    set_current(&vcpus[1]);
    s.ref_b = 25;
    assert_int_equal(op(GNTTABOP_swap_grant_ref, &s, 1), 0);
    assert_int_equal(s.status, GNTST_eagain);
}

static long acquire(struct xen_mem_acquire_resource *r, uint64_t *frames)
{
    r->frame_list.p = frames;
    return grant_acquire_resource((uint64_t)r);
}

/* A toolstack that maps another domain's table: as much of it as there may be. */
static void test_acquire(void **state)
{
    uint64_t frames[8];
    struct xen_mem_acquire_resource r = {.domid = 1, .type = XENMEM_resource_grant_table};

    assert_int_equal(acquire(&r, NULL), 0);
    assert_int_equal(r.nr_frames, 4);
    r.frame = 1;
    r.nr_frames = 2;
    assert_int_equal(acquire(&r, frames), 0);
    assert_int_equal(domains[1].grant->nr_frames, 3);
    assert_ptr_equal(mfn_to_virt(_mfn(frames[0])), domains[1].grant->shared[1]);
    assert_ptr_equal(mfn_to_virt(_mfn(frames[1])), domains[1].grant->shared[2]);
    r.nr_frames = 4;
    assert_int_equal(acquire(&r, frames), -EINVAL); /* past the largest size */
    r.frame = ~0ul;
    assert_int_equal(acquire(&r, frames), -EINVAL);
    r = (struct xen_mem_acquire_resource){.domid = 1,
                                          .type = XENMEM_resource_grant_table,
                                          .id = XENMEM_resource_grant_table_id_status,
                                          .nr_frames = 1};
    assert_int_equal(acquire(&r, frames), -EINVAL); /* version 1 has none */
    use_v2(1);
    assert_int_equal(acquire(&r, frames), 0);
    assert_ptr_equal(mfn_to_virt(_mfn(frames[0])), domains[1].grant->status[0]);
    r.id = 2;
    assert_int_equal(acquire(&r, frames), -EINVAL);
    r.type = XENMEM_resource_ioreq_server;
    assert_int_equal(acquire(&r, frames), -EOPNOTSUPP);
    r.pad = 1;
    assert_int_equal(acquire(&r, frames), -EINVAL);
    r = (struct xen_mem_acquire_resource){.domid = 9, .type = XENMEM_resource_grant_table, .nr_frames = 1};
    assert_int_equal(acquire(&r, frames), -ESRCH);
    r.domid = 0; /* its own it has already */
    assert_int_equal(acquire(&r, frames), -EPERM);
    r.domid = 1;
    set_current(&vcpus[2]);
    assert_int_equal(acquire(&r, frames), -EPERM);
}

static void test_version_limit(void **state)
{
    struct gnttab_set_version v = {.version = 2};

    grant_table_limit_version(&domains[0], 1);
    assert_int_equal(op(GNTTABOP_set_version, &v, 1), -ENOSYS);
    assert_int_equal(domains[0].grant->version, 1);
}

/*
 * Random maps, unmaps, copies and changes of the entries by their owner. After
 * each step: counts, flags and references are what the live handles explain.
 */
static void test_random(void **state)
{
    enum { REFS = 4, HANDLES = 24 };
    struct {
        bool live, readonly;
        grant_ref_t ref;
        grant_handle_t handle;
        uint64_t addr;
    } held[HANDLES] = {{0}};

    srandom(11);
    for (unsigned int i = 0; i < 30000; i++) {
        unsigned int n = (unsigned int)random() % HANDLES, readers[REFS] = {0}, writers[REFS] = {0}, live = 0,
                     rw = 0;
        grant_ref_t ref = 8 + (unsigned int)random() % REFS;
        struct gnttab_copy c = {.source = {.u.ref = ref, .domid = 1},
                                .dest = {.u.gmfn = data_frame[0], .domid = DOMID_SELF},
                                .len = 8,
                                .flags = GNTCOPY_source_gref};

        switch (random() % 4) {
        case 0: /* what an owner may do: take back only what is not in use */
            if (!(entry(1, ref)->flags & (GTF_reading | GTF_writing)))
                grant_to(1, ref, random() % 4 ? 0 : 2, random() % 2 ? GTF_readonly : 0);
            break;
        case 1:
            (void)copy(c);
            break;
        case 2:
            if (!held[n].live) {
                held[n].readonly = random() % 2;
                held[n].ref = ref;
                held[n].addr = L1_VA + n * PAGE_SIZE;
                held[n].live = map(1, ref, GNTMAP_host_map | (held[n].readonly ? GNTMAP_readonly : 0),
                                   held[n].addr, &held[n].handle) == GNTST_okay;
            }
            break;
        default:
            if (held[n].live) {
                assert_int_equal(unmap(held[n].handle, held[n].addr), GNTST_okay);
                held[n].live = false;
            }
        }
        for (n = 0; n < HANDLES; n++) {
            if (!held[n].live)
                continue;
            live++;
            rw += !held[n].readonly;
            if (held[n].readonly)
                readers[held[n].ref - 8]++;
            else
                writers[held[n].ref - 8]++;
        }
        for (n = 0; n < REFS; n++) {
            uint16_t flags = entry(1, 8 + n)->flags;

            assert_int_equal(grant_active(domains[1].grant, 8 + n)->readers, readers[n]);
            assert_int_equal(grant_active(domains[1].grant, 8 + n)->writers, writers[n]);
            assert_int_equal(!!(flags & GTF_reading), readers[n] || writers[n]);
            assert_int_equal(!!(flags & GTF_writing), !!writers[n]);
        }
        assert_int_equal(frame_table[data_frame[1]].count_info & PGC_COUNT_MASK, 2 * live);
        assert_int_equal(frame_table[data_frame[1]].type_info, 2 * rw);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_map),
        TEST(test_map_refusals),
        TEST(test_handles_run_out),
        TEST(test_device_map),
        TEST(test_batches),
        TEST(test_replace),
        TEST(test_copy),
        TEST(test_v2),
        TEST(test_v2_parts),
        TEST(test_transitive),
        TEST(test_table),
        TEST(test_swap),
        TEST(test_two_unmaps),
        TEST(test_transfer),
        TEST(test_transfer_batch),
        TEST(test_cache_flush),
        TEST(test_replace_by_foreign),
        TEST(test_random),
        TEST(test_acquire),
        TEST(test_version_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
