#include "pair.h"
#include "hypercall.h"
#include "trap.h"

static grant_handle_t last_handle;

long far_setup(long version, long b, long c)
{
    (void)b, (void)c;
    grant_setup((uint32_t)version);
    return 0;
}

long far_grant(long ref, long flags, long dom_frame)
{
    grant_write((grant_ref_t)ref, (uint16_t)flags, (domid_t)dom_frame, (uint64_t)dom_frame >> 16);
    return 0;
}

long far_flags(long ref, long b, long c)
{
    (void)b, (void)c;
    return grant_flags((grant_ref_t)ref);
}

long far_in_use(long ref, long b, long c)
{
    (void)b, (void)c;
    return grant_in_use((grant_ref_t)ref);
}

long far_frame(long ref, long b, long c)
{
    (void)b, (void)c;
    return (long)grant_frame((grant_ref_t)ref);
}

long far_page(long a, long b, long c)
{
    (void)a, (void)b, (void)c;
    return (long)page_alloc();
}

long far_hole(long a, long b, long c)
{
    (void)a, (void)b, (void)c;
    return (long)page_hole();
}

long far_load(long address, long b, long c)
{
    (void)b, (void)c;
    return *(volatile long *)address;
}

long far_store(long address, long value, long c)
{
    (void)c;
    *(volatile long *)address = value;
    return 0;
}

long far_map(long dom_ref, long flags, long address)
{
    struct gnttab_map_grant_ref m = grant_map((domid_t)dom_ref, (grant_ref_t)((uint64_t)dom_ref >> 16),
                                              (uint32_t)flags, (uint64_t)address);

    last_handle = m.handle;
    return m.status;
}

long far_handle(long a, long b, long c)
{
    (void)a, (void)b, (void)c;
    return last_handle;
}

long far_unmap(long handle, long address, long bus)
{
    return grant_unmap((grant_handle_t)handle, (uint64_t)address, (uint64_t)bus);
}

long far_map_own(long address, long pte, long c)
{
    (void)c;
    return hc_update_va_mapping((unsigned long)address, (uint64_t)pte, UVMF_INVLPG);
}

long far_mmuext(long command, long first, long second)
{
    return mmuext((unsigned int)command, (unsigned long)first, (unsigned long)second);
}

long far_transfer(long mfn, long dom, long ref)
{
    struct gnttab_transfer t = {
        .mfn = (xen_pfn_t)mfn, .domid = (domid_t)dom, .ref = (grant_ref_t)ref, .status = 99};

    must("transfer", grant_op(GNTTABOP_transfer, &t, 1));
    return t.status;
}

long far_swap(long a, long b, long c)
{
    struct gnttab_swap_grant_ref w = {.ref_a = (grant_ref_t)a, .ref_b = (grant_ref_t)b, .status = 99};

    (void)c;
    must("swap", grant_op(GNTTABOP_swap_grant_ref, &w, 1));
    return w.status;
}

long far_sub_page(long ref, long flags, long off_len)
{
    union grant_entry_v2 *e = grant_entry_2((grant_ref_t)ref);

    e->sub_page.page_off = (uint16_t)off_len;
    e->sub_page.length = (uint16_t)(off_len >> 16);
    __sync_synchronize();
    *(volatile uint16_t *)&e->hdr.flags = (uint16_t)flags;
    return 0;
}

long far_transitive(long ref, long dom, long of)
{
    union grant_entry_v2 *e = grant_entry_2((grant_ref_t)ref);

    e->transitive.trans_domid = (domid_t)dom;
    e->transitive.gref = (grant_ref_t)of;
    e->hdr.domid = 0;
    __sync_synchronize();
    *(volatile uint16_t *)&e->hdr.flags = GTF_transitive;
    return 0;
}

unsigned int trap_of_load(const void *at)
{
    TRY("movq (%0), %%rax", ::"r"(at) : "rax");
    return trap.count ? (unsigned int)trap.first.vector : 0;
}

unsigned int trap_of_store(void *at)
{
    TRY("movq $0x5152, (%0)", ::"r"(at) : "memory");
    return trap.count ? (unsigned int)trap.first.vector : 0;
}

long far_trap_of_load(long address, long b, long c)
{
    (void)b, (void)c;
    return trap_of_load((void *)address);
}

long far_trap_of_store(long address, long b, long c)
{
    (void)b, (void)c;
    return trap_of_store((void *)address);
}
