/* GNTTABOP_transfer between two domains: who has the frame afterwards, whatever the answer. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/pair.h"
#include "common/trap.h"
#include <xen/memory.h>

#define ID    7
#define SPARE 12

static struct domu other;
static char *hole;

/* In the other domain. */

static long other_m2p(long mfn, long set, long pfn)
{
    if (set)
        return mmu_update_one((uint64_t)mfn << 12 | MMU_MACHPHYS_UPDATE, (uint64_t)pfn);
    return (long)mfn_to_pfn((unsigned long)mfn);
}

/* The first word of a frame of its own, or the errno of mapping it. */
static long other_read(long mfn, long b, long c)
{
    long ret;

    (void)b, (void)c;
    if (!hole)
        hole = page_hole();
    ret = hc_update_va_mapping((unsigned long)hole, pte_make((unsigned long)mfn, PTE_DATA), UVMF_INVLPG);
    if (ret)
        return ret;
    ret = *(volatile long *)hole;
    *(volatile long *)hole = 0x7fff;
    unmap_page(hole);
    return ret;
}

static struct gnttab_transfer transfer(unsigned long mfn, domid_t dom, grant_ref_t ref)
{
    struct gnttab_transfer t = {.mfn = mfn, .domid = dom, .ref = ref, .status = 99};

    must("transfer", grant_op(GNTTABOP_transfer, &t, 1));
    return t;
}

/* Takes a frame out of its own memory and gives it to dom0. */
static long other_give(long ref, long dom, long word)
{
    long *page = page_alloc();
    unsigned long mfn = virt_to_mfn(page);

    *page = word;
    unmap_page(page);
    return transfer(mfn, (domid_t)dom, (grant_ref_t)ref).status;
}

/* In dom0. */

/* The entry names the number that the frame is to have in the machine-to-phys table. */
#define WANTED_PFN 0x777l

static void accept(grant_ref_t ref, uint16_t flags, domid_t dom)
{
    domu_call(&other, far_grant, ref, flags, DOM_FRAME(dom, WANTED_PFN));
}

static unsigned long pages_of(domid_t id)
{
    domu_flags(id);
    return (unsigned long)domctl_arg.u.getdomaininfo.tot_pages;
}

/* A frame of ours that nothing maps. */
static unsigned long loose_frame(long word)
{
    long *page = page_alloc();
    unsigned long mfn = virt_to_mfn(page);

    *page = word;
    unmap_page(page);
    return mfn;
}

static bool is_ours(unsigned long mfn)
{
    long ret = hc_update_va_mapping((unsigned long)hole, pte_make(mfn, PTE_RO), UVMF_INVLPG);

    unmap_page(hole);
    return !ret;
}

/* One transfer to the other domain, and what became of the frame. */
static void try(const char *name, unsigned long mfn, domid_t dom, grant_ref_t ref)
{
    unsigned long ours = pages_of(0), theirs = pages_of(ID);
    int status = transfer(mfn, dom, ref).status;

    /* Frames on their way to the allocator count a little longer. */
    for (int i = 0; i < 50 && ours == pages_of(0); i++)
        delay_ns(100000);
    result(name, "status %d ours %d, we have %ld more, it %ld", status, is_ours(mfn),
           (long)(pages_of(0) - ours), (long)(pages_of(ID) - theirs));
}

static void result_entry(const char *name, grant_ref_t ref, unsigned long mfn)
{
    long frame = domu_call(&other, far_frame, ref, 0, 0);

    result(name, "flags %lx frame %s", domu_call(&other, far_flags, ref, 0, 0),
           (unsigned long)frame == mfn ? "ours"
           : frame == WANTED_PFN       ? "as wanted"
                                       : "another");
}

static void test_accepted(const char *version)
{
    unsigned long mfn = loose_frame(0x1234);
    long ret;

    accept(8, GTF_accept_transfer, 0);
    result_entry(version[0] == '1' ? "entry before" : "entry before, 2", 8, mfn);
    try(version[0] == '1' ? "transfer" : "transfer, 2", mfn, ID, 8);
    result_entry(version[0] == '1' ? "entry after" : "entry after, 2", 8, mfn);
    result(version[0] == '1' ? "machine-to-phys" : "machine-to-phys, 2", "%lx", mfn_to_pfn(mfn));
    ret = domu_call(&other, other_m2p, (long)mfn, 1, 0x999);
    result(version[0] == '1' ? "set machine-to-phys" : "set machine-to-phys, 2", "%e then %lx", ret,
           mfn_to_pfn(mfn));
    result(version[0] == '1' ? "contents" : "contents, 2", "%lx",
           domu_call(&other, other_read, (long)mfn, 0, 0));
    try(version[0] == '1' ? "transfer of it again" : "transfer of it again, 2", mfn, ID, 8);
    try(version[0] == '1' ? "transfer by used entry" : "transfer by used entry, 2", loose_frame(1), ID, 8);
}

static void test_frames(void)
{
    char *mapped = page_alloc(), *table = page_alloc();
    unsigned long mfn = virt_to_mfn(table);

    accept(9, GTF_accept_transfer, 0);
    try("mapped frame", virt_to_mfn(mapped), ID, 9);
    page_make_readonly(mapped);
    try("frame mapped read-only", virt_to_mfn(mapped), ID, 9);
    page_make_readonly(table);
    must("pin", mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
    unmap_page(table);
    try("pinned table", mfn, ID, 9);
    must("unpin", mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
    result_entry("entry after the refusals", 9, mfn);
    try("table unpinned", mfn, ID, 9);
    result_entry("entry after that", 9, mfn);
    accept(9, GTF_accept_transfer, 0);
    try("its own frame", domu_mfn(&other, page_alloc()), ID, 9);
    try("frame out of range", 1ul << 40, ID, 9);
    try("frame of the VMM or free", 0x200, ID, 9);
    try("shared info", start_info->shared_info >> 12, ID, 9);
    result_entry("entry after more refusals", 9, mfn);
}

static void test_entries(void)
{
    unsigned long mfn;

    accept(10, GTF_invalid, 0);
    try("by invalid entry", loose_frame(1), ID, 10);
    accept(10, GTF_permit_access, 0);
    try("by access entry", loose_frame(1), ID, 10);
    accept(10, GTF_accept_transfer, 5);
    try("by another's entry", loose_frame(1), ID, 10);
    accept(10, GTF_accept_transfer | GTF_readonly, 0);
    try("by entry committed before", loose_frame(1), ID, 10);
    accept(10, GTF_accept_transfer | 0x100, 0);
    try("by entry with an unknown flag", mfn = loose_frame(1), ID, 10);
    result_entry("entry after that flag", 10, mfn);
    try("by ref out of range", loose_frame(1), ID, 1000000);
    try("to absent domain", loose_frame(1), 9, 10);
    try("to nobody", loose_frame(1), DOMID_IO, 10);
    grant_write(10, GTF_accept_transfer, 0, 0);
    mfn = loose_frame(0x55);
    try("to ourselves", mfn, 0, 10);
    result("entry of ours", "flags %x frame %s", grant_flags(10), grant_frame(10) == mfn ? "it" : "another");
    grant_write(10, GTF_accept_transfer, 0, 0);
    try("to DOMID_SELF", loose_frame(0x55), DOMID_SELF, 10);
}

/* A translation that the giver still has cached. */
static void test_stale(void)
{
    char *page = page_alloc();
    unsigned long mfn = virt_to_mfn(page);

    accept(11, GTF_accept_transfer, 0);
    *(volatile long *)page = 0x4444;
    must("clear without flush", hc_update_va_mapping((unsigned long)page, 0, 0));
    result("transfer with a stale translation", "status %d", transfer(mfn, ID, 11).status);
    TRY("movq $0x6666, (%0)", ::"r"(page) : "memory");
    result_trap("write through it");
    result("contents after it", "%lx", domu_call(&other, other_read, (long)mfn, 0, 0));
}

static void test_batch(void)
{
    struct gnttab_transfer t[40];
    unsigned int ok = 0, bad = 0;

    for (unsigned int i = 0; i < 4; i++) {
        accept(20 + i, GTF_accept_transfer, 0);
        t[i] =
            (struct gnttab_transfer){.mfn = loose_frame(0x100 + i), .domid = ID, .ref = 20 + i, .status = 99};
    }
    t[2].mfn = virt_to_mfn(hole); /* mapped nowhere either */
    t[3].mfn = t[0].mfn;          /* given away just before */
    result_errno("batch", grant_op(GNTTABOP_transfer, t, 4));
    for (unsigned int i = 0; i < 4; i++)
        t[i].status == GNTST_okay ? ok++ : t[i].status == GNTST_bad_page ? bad++ : 0;
    result("batch, statuses", "%u okay %u bad pages", ok, bad);
    result("contents of its second", "%lx", domu_call(&other, other_read, (long)t[1].mfn, 0, 0));
    result_errno("batch of none", grant_op(GNTTABOP_transfer, t, 0));
    result_errno("batch, unmapped argument", grant_op(GNTTABOP_transfer, (void *)0x1000, 1));
    result_errno("batch, huge count", grant_op(GNTTABOP_transfer, t, 0xffffffff));
}

static void test_limit(void)
{
    unsigned int n = 0;
    int status;

    accept(30, GTF_accept_transfer, 0);
    memset(&domctl_arg, 0, sizeof(domctl_arg));
    domctl_arg.u.max_mem.max_memkb = pages_of(ID) * 4;
    must("max_mem", domctl(XEN_DOMCTL_max_mem, ID));
    try("beyond its limit", loose_frame(1), ID, 30);
    result_entry("entry beyond the limit", 30, 1);
    domctl_arg.u.max_mem.max_memkb = (pages_of(ID) + 3) * 4;
    must("max_mem", domctl(XEN_DOMCTL_max_mem, ID));
    do {
        accept(30, GTF_accept_transfer, 0);
        status = transfer(loose_frame(1), ID, 30).status;
        n += status == GNTST_okay;
    } while (status == GNTST_okay && n < 10);
    result("until its limit", "%u then status %d", n, status);
}

static void test_from_other(void)
{
    unsigned long mfn;
    long status;

    grant_write(12, GTF_accept_transfer, ID, 0);
    status = domu_call(&other, other_give, 12, 0, 0x2222);
    mfn = grant_frame(12);
    result("from the other domain", "status %ld flags %x ours %d", status, grant_flags(12), is_ours(mfn));
    must("map it", hc_update_va_mapping((unsigned long)hole, pte_make(mfn, PTE_RO), UVMF_INVLPG));
    result("contents of what came", "%lx", *(volatile unsigned long *)hole);
    unmap_page(hole);
    grant_write(13, GTF_accept_transfer, 3, 0);
    result("from the other domain, not to it", "status %ld flags %x",
           domu_call(&other, other_give, 13, 0, 0x2222), grant_flags(13));
    accept(14, GTF_accept_transfer, ID);
    status = domu_call(&other, other_give, 14, ID, 0x3333);
    result("other domain to itself", "status %ld flags %lx", status, domu_call(&other, far_flags, 14, 0, 0));
}

static void build_and_run(void)
{
    struct domu_config c = {.id = ID, .spare_frames = SPARE};

    domu_build(&other, &c);
    domu_run(&other);
}

static long end_domain(void)
{
    domu_unlink(&other);
    must("destroy", domu_destroy(&other));
    return domu_gone(ID);
}

void guest_main(void)
{
    uint64_t before, ours;

    hole = page_hole();
    grant_setup(1);
    build_and_run();
    domu_call(&other, far_setup, 1, 0, 0);
    test_accepted("1");
    test_frames();
    test_entries();
    test_stale();
    test_batch();
    test_from_other();
    test_limit();
    audit_point();
    result("gone", "%ld", end_domain());
    before = machine_settled_pages();
    ours = pages_of(0);
    build_and_run();
    domu_call(&other, far_setup, 2, 0, 0);
    test_accepted("2");
    accept(8, GTF_accept_transfer, 0);
    /* A frame that it got is given back with all others. */
    try("one more", loose_frame(7), ID, 8);
    result("gone again", "%ld", end_domain());
    /* What we gave away, whoever got it, is free now. */
    result("pages missing", "%ld", machine_missing_pages(before + ours - pages_of(0)));
}
