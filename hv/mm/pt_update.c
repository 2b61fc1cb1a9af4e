#include <base/errno.h>
#include <cpu/extable.h>
#include <domain/domain.h>
#include <mm/guest_access.h>
#include <mm/iomem.h>
#include <mm/page_ref.h>
#include <mm/pt_update.h>
#include <mm/tlb.h>
#include <mm/validate.h>

/* What changes the references that a level-1 entry holds, but for the right to write. */
#define L1_REFERENCE_BITS (PTE_P | PTE_ADDR_MASK | PTE_CACHE)

/* With a reference. By its number alone, not as DOMID_SELF. */
static int foreign_domain(domid_t id, struct domain **d)
{
    return id < DOMID_FIRST_RESERVED ? domain_find_permitted(id, d) : -ESRCH;
}

static int data_domain(struct pt_context *c, domid_t fd)
{
    struct domain *self = current->domain;
    int rc;

    if (fd == DOMID_SELF) {
        rc = foreign_domain(self->id, &c->data);
    } else if (fd == self->id) {
        rc = -ESRCH; /* as Xen has it */
    } else if (fd == DOMID_IO || fd == DOMID_XEN) {
        c->data = NULL;
        c->fd = fd;
        return fd == DOMID_XEN && !self->is_privileged ? -EPERM : 0;
    } else {
        rc = foreign_domain(fd, &c->data);
    }
    if (!rc)
        c->fd = c->data->id;
    return rc;
}

int pt_context_get_foreign(struct pt_context *c, uint32_t foreigndom)
{
    uint32_t pfd = foreigndom >> 16;
    int rc;

    c->foreign = true;
    rc = foreign_domain(pfd ? (domid_t)(pfd - 1) : c->owner->id, &c->owner);
    if (rc)
        return rc;
    rc = data_domain(c, (domid_t)foreigndom);
    if (rc)
        domain_put(c->owner);
    return rc;
}

void pt_context_put_foreign(struct pt_context *c)
{
    domain_put(c->owner);
    if (c->data)
        domain_put(c->data);
}

/* How an entry is written. */
enum write_mode {
    WRITE_PLAIN,       /* may lose A and D that the CPU sets now, as a guest that says so expects */
    WRITE_PRESERVE_AD, /* ORs the A and D bits that are set */
    WRITE_EXACT,       /* only over `old` */
};

/* The lock keeps other writers away; only the CPU's page walker may set A and D meanwhile. False: not `old`.
 */
static __always_inline bool write_entry(pte_t *slot, pte_t old, pte_t new, enum write_mode mode)
{
    pte_t now = old, seen;

    if (mode == WRITE_PLAIN) {
        WRITE_ONCE(*slot, new);
        return true;
    }
    if (mode == WRITE_EXACT)
        return cmpxchg(slot, old, new) == old;
    while ((seen = cmpxchg(slot, now, new | (now & (PTE_A | PTE_D)))) != now)
        now = seen;
    return true;
}

/* A mapped entry that becomes writable: the type reference that is new. -EBUSY; -EPERM for a device's. */
static __always_inline int get_write_right(pte_t e, domid_t fd)
{
    struct page_info *page;

    if (unlikely(!mfn_valid(pte_mfn(e))))
        return iomem_write_protected(pte_mfn(e)) ? -EPERM : 0;
    page = mfn_to_page(pte_mfn(e));
    /* A frame that was mapped read-only by another right (a grant) does not become writable this way. */
    if (unlikely(page->owner != fd))
        return -EBUSY;
    return likely(page_get_type(page, PGT_WRITABLE) == 0) ? 0 : -EBUSY;
}

static __always_inline void put_write_right(pte_t e)
{
    if (likely(mfn_valid(pte_mfn(e))))
        page_put_type(mfn_to_page(pte_mfn(e)));
}

/* The frame stays, and with it the general reference; the right to write changes. */
static __always_inline int change_write_right(const struct pt_context *c, pte_t *slot, pte_t old, pte_t new,
                                              enum write_mode mode)
{
    int rc;

    if (!(new &PTE_RW)) {
        if (!write_entry(slot, old, new, mode))
            return -EAGAIN;
        put_write_right(old);
        return 0;
    }
    rc = get_write_right(new, c->fd);
    if (unlikely(rc))
        return rc;
    if (likely(write_entry(slot, old, new, mode)))
        return 0;
    put_write_right(new);
    return -EAGAIN;
}

static __always_inline int update_l1(const struct pt_context *c, pte_t *slot, pte_t old, pte_t new,
                                     enum write_mode mode)
{
    int rc;

    if (!(new &PTE_P)) {
        if (new &&unlikely(rc = nonpresent_pte_check(new, c->owner)))
            return rc;
    } else {
        new = guest_pte(new, 1);
        if (!((old ^ new) & L1_REFERENCE_BITS)) {
            if ((old ^ new) & PTE_RW)
                return change_write_right(c, slot, old, new, mode);
            return likely(write_entry(slot, old, new, mode)) ? 0 : -EAGAIN;
        }
        rc = l1e_get(new, c->owner, c->fd);
        if (unlikely(rc < 0))
            return rc;
        if (unlikely(rc == L1E_READ_ONLY))
            new &= ~PTE_RW;
    }
    if (unlikely(!write_entry(slot, old, new, mode))) {
        l1e_put(new);
        return -EAGAIN;
    }
    if (old & PTE_P)
        l1e_put(old);
    return 0;
}

int pt_update_l1(const struct pt_context *c, pte_t *slot, pte_t new, bool preserve_ad)
{
    pte_t old = READ_ONCE(*slot);

    return likely(!preserve_ad) ? update_l1(c, slot, old, new, WRITE_PLAIN)
                                : update_l1(c, slot, old, new, WRITE_PRESERVE_AD);
}

uint32_t pt_update_l1_run(const struct pt_context *c, mfn_t table, const struct mmu_update *req, uint32_t n,
                          int *error)
{
    const struct mmu_update *r = req, *end = req + n;
    char *entries = mfn_to_virt(table);
    int rc = 0;

    for (; r != end && r->ptr >> PAGE_SHIFT == mfn_x(table); r++) {
        pte_t *slot = (pte_t *)(entries + (r->ptr & (PAGE_SIZE - 1) & ~7UL)), old = READ_ONCE(*slot);
        unsigned int cmd = r->ptr & 7;

        if (likely(cmd == MMU_PT_UPDATE_PRESERVE_AD))
            rc = update_l1(c, slot, old, r->val, WRITE_PRESERVE_AD);
        else if (likely(cmd == MMU_NORMAL_PT_UPDATE || cmd == MMU_PT_UPDATE_NO_TRANSLATE))
            rc = update_l1(c, slot, old, r->val, WRITE_PLAIN);
        else
            break;
        if (unlikely(rc))
            break;
    }
    *error = rc;
    return (uint32_t)(r - req);
}

int pt_cmpxchg_l1(const struct pt_context *c, pte_t *slot, pte_t old, pte_t new)
{
    return READ_ONCE(*slot) == old ? update_l1(c, slot, old, new, WRITE_EXACT) : -EAGAIN;
}

/* The same frame below, other flags: RW of a linear entry alone matters. */
static int upper_flags_check(pte_t new, const struct page_info *table, unsigned int level)
{
    const struct page_info *target = mfn_to_page(pte_mfn(new));

    if (new &TABLE_ENTRY_REFUSED)
        return -EINVAL;
    return (new &PTE_RW) && pgt_level(READ_ONCE(target->type_info)) == pgt_level(READ_ONCE(table->type_info))
               ? -EINVAL
               : 0;
}

int pt_update_upper(const struct pt_context *c, struct page_info *table, unsigned int level,
                    unsigned int index, pte_t new, bool preserve_ad, struct page_info **released)
{
    pte_t *slot = (pte_t *)page_to_virt(table) + index;
    enum write_mode mode = preserve_ad ? WRITE_PRESERVE_AD : WRITE_PLAIN;
    pte_t old = READ_ONCE(*slot);
    int rc;

    *released = NULL;
    if (level == 4 && is_vmm_slot(index))
        return -EINVAL;
    if (!(new &PTE_P)) {
        rc = new ? nonpresent_pte_check(new, c->owner) : 0;
    } else {
        new = guest_pte(new, level);
        if (!((old ^ new) & (PTE_P | PTE_ADDR_MASK))) {
            rc = upper_flags_check(new, table, level);
            if (!rc)
                (void)write_entry(slot, old, new, mode);
            return rc;
        }
        rc = table_entry_get(new, table, c->owner, level);
    }
    if (unlikely(rc))
        return rc;
    (void)write_entry(slot, old, new, mode);
    *released = table_entry_detach(old, table, level);
    return 0;
}

/*
 * Entry `index` of the table in a frame, 0 if it cannot be read. The walk holds
 * no references: a table may end and its frame may be reused under it. So what
 * it reads may be anything, and whoever uses the result checks it.
 */
static pte_t read_entry(mfn_t mfn, unsigned int index)
{
#ifndef HOSPES_UNIT_TEST
    const pte_t *slot = (const pte_t *)mfn_to_virt(mfn) + index;
    pte_t e;

    __asm__ __volatile__(
        "1: movq %1, %0\n2:\n\t"
        ".pushsection .text.fixup, \"ax\"\n3: xorl %k0, %k0\n\tjmp 2b\n\t.popsection\n\t" EXTABLE(1b, 3b)
        : "=r"(e)
        : "m"(*slot));
    return e;
#else
    return mfn_valid(mfn) ? ((const pte_t *)mfn_to_virt(mfn))[index] : 0;
#endif
}

/* The frame that the level-2 entry for va names; INVALID_MFN if there is none. */
static mfn_t find_l1(const struct vcpu *v, uint64_t va)
{
    mfn_t mfn = page_to_mfn(v->pv.kernel_table);

    if (unlikely(!guest_range_ok(va, 1)))
        return INVALID_MFN;
    for (unsigned int level = 4; level > 1; level--) {
        pte_t e = read_entry(mfn, pt_index(va, level));

        if (unlikely((e & (PTE_P | PTE_PSE)) != PTE_P))
            return INVALID_MFN;
        mfn = pte_mfn(e);
    }
    return mfn;
}

struct page_info *lock_l1_table(struct vcpu *v, uint64_t va)
{
    mfn_t mfn = find_l1(v, va);
    unsigned int level;

    if (unlikely(!mfn_valid(mfn)))
        return NULL;
    level = lock_table(mfn_to_page(mfn), v->domain->id);
    if (likely(level == 1))
        return mfn_to_page(mfn);
    if (level)
        unlock_table(mfn_to_page(mfn));
    return NULL;
}

pte_t read_l1_entry(const struct vcpu *v, uint64_t va)
{
    mfn_t mfn = find_l1(v, va);

    return likely(mfn_valid(mfn)) ? read_entry(mfn, pt_index(va, 1)) : 0;
}

int vcpumask_to_cpus(struct domain *d, uint64_t bitmap_gva, cpumask_t *cpus)
{
    (void)tlb_domain_cpus(d); /* those that do not run, too */
    *cpus = (cpumask_t){{0}};
    for (uint32_t base = 0; base < d->max_vcpus; base += 64) {
        uint64_t word;

        if (copy_from_guest(&word, bitmap_gva + base / 8, sizeof(word)))
            return -EFAULT;
        while (word) {
            uint32_t id = base + (uint32_t)__builtin_ctzl(word);
            const struct vcpu *v = domain_vcpu(d, id);

            word &= word - 1;
            for (unsigned int i = 0; v && i < ARRAY_SIZE(cpus->bits); i++)
                cpus->bits[i] |= READ_ONCE(v->dirty_cpu.bits[i]);
        }
    }
    return 0;
}
