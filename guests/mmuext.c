/* Each command of mmuext_op and what it refuses. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"

static uint64_t *data; /* a writable page without meaning */

static const char *const pin_names[] = {"L1", "L2", "L3", "L4"};

static void result_level(const char *what, unsigned int level, long ret)
{
    char name[64];
    size_t n = strlen(what);

    memcpy(name, what, n);
    name[n++] = ' ';
    memcpy(name + n, pin_names[level], 3);
    result_errno(name, ret);
}

/* Pins an empty table of each level, then looks at the rules around it. */
static void test_pin(void)
{
    for (unsigned int l = 0; l < 4; l++) {
        uint64_t *t = page_alloc();
        unsigned long mfn = virt_to_mfn(t);

        result_level("pin writable page as", l, mmuext(MMUEXT_PIN_L1_TABLE + l, mfn, 0));
        result_level("unpin that as", l, mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
        page_make_readonly(t);
        result_level("pin empty", l, mmuext(MMUEXT_PIN_L1_TABLE + l, mfn, 0));
        result_level("pin twice", l, mmuext(MMUEXT_PIN_L1_TABLE + l, mfn, 0));
        result_level("pin at the next level", l, mmuext(MMUEXT_PIN_L1_TABLE + (l + 1) % 4, mfn, 0));
        result_level("make pinned writable", l,
                     hc_update_va_mapping((unsigned long)t, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
        result_level("unpin", l, mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
        result_level("unpin twice", l, mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
        result_level("make unpinned writable", l,
                     hc_update_va_mapping((unsigned long)t, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
        page_free(t);
    }
}

/* A table with one bad entry each. */
static void test_pin_contents(void)
{
    const struct {
        const char *name;
        unsigned int cmd;
        uint64_t entry;
    } cases[] = {
        {"pin l1, own data", MMUEXT_PIN_L1_TABLE, pte_make(virt_to_mfn(data), PTE_DATA)},
        {"pin l1, l4 writable", MMUEXT_PIN_L1_TABLE, pte_make(virt_to_mfn(kernel_l4), PTE_DATA)},
        {"pin l1, l4 read-only", MMUEXT_PIN_L1_TABLE, pte_make(virt_to_mfn(kernel_l4), PTE_RO)},
        {"pin l1, frame of the VMM or free", MMUEXT_PIN_L1_TABLE, pte_make(0x200, PTE_DATA)},
        {"pin l1, frame beyond width", MMUEXT_PIN_L1_TABLE, pte_make(1ul << 39, PTE_DATA)},
        {"pin l1, not present", MMUEXT_PIN_L1_TABLE, 0x1000},
        {"pin l2, data", MMUEXT_PIN_L2_TABLE, pte_make(virt_to_mfn(data), PTE_TABLE)},
        {"pin l2, superpage", MMUEXT_PIN_L2_TABLE, pte_make(0x200, PTE_TABLE | PTE_PSE)},
        {"pin l2, l4", MMUEXT_PIN_L2_TABLE, pte_make(virt_to_mfn(kernel_l4), PTE_TABLE)},
        {"pin l3, data", MMUEXT_PIN_L3_TABLE, pte_make(virt_to_mfn(data), PTE_TABLE)},
        {"pin l3, l4", MMUEXT_PIN_L3_TABLE, pte_make(virt_to_mfn(kernel_l4), PTE_TABLE)},
        {"pin l3, superpage", MMUEXT_PIN_L3_TABLE, pte_make(0, PTE_TABLE | PTE_PSE)},
        {"pin l4, data", MMUEXT_PIN_L4_TABLE, pte_make(virt_to_mfn(data), PTE_TABLE)},
        {"pin l4, kernel l3", MMUEXT_PIN_L4_TABLE, kernel_l4[511]},
        {"pin l4, PSE", MMUEXT_PIN_L4_TABLE, kernel_l4[511] | PTE_PSE},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t *t = page_alloc();
        unsigned long mfn = virt_to_mfn(t);

        t[3] = cases[i].entry;
        page_make_readonly(t);
        result_errno(cases[i].name, mmuext(cases[i].cmd, mfn, 0));
        mmuext(MMUEXT_UNPIN_TABLE, mfn, 0);
        must("clean up", hc_update_va_mapping((unsigned long)t, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
        page_free(t);
    }
}

static void test_pin_targets(void)
{
    result_errno("pin shared info", mmuext(MMUEXT_PIN_L1_TABLE, start_info->shared_info >> 12, 0));
    result_errno("pin out of range", mmuext(MMUEXT_PIN_L1_TABLE, 1ul << 30, 0));
    result_errno("pin all ones", mmuext(MMUEXT_PIN_L1_TABLE, ~0ul, 0));
    result_errno("pin frame of the VMM or free", mmuext(MMUEXT_PIN_L1_TABLE, 0x200, 0));
    result_errno("pin VGA", mmuext(MMUEXT_PIN_L1_TABLE, 0xb8, 0));
    result_errno("unpin out of range", mmuext(MMUEXT_UNPIN_TABLE, 1ul << 30, 0));
    result_errno("unpin data", mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(data), 0));
    result_errno("unpin frame of the VMM or free", mmuext(MMUEXT_UNPIN_TABLE, 0x200, 0));
    /* A table that is in use may be pinned as well and unpinned again. */
    result_errno("pin used L3", mmuext(MMUEXT_PIN_L3_TABLE, (kernel_l4[511] & PTE_FRAME) >> 12, 0));
    result_errno("unpin used L3", mmuext(MMUEXT_UNPIN_TABLE, (kernel_l4[511] & PTE_FRAME) >> 12, 0));
    result("still running on it", "%d", 1);
}

static uint64_t *copy_of_l4(void)
{
    uint64_t *l4 = page_alloc();

    for (int i = 0; i < 512; i++)
        if (i < 256 || i >= 272)
            l4[i] = kernel_l4[i];
    return l4;
}

static void test_baseptr(void)
{
    uint64_t *l4 = copy_of_l4(), *old = kernel_l4;
    unsigned long mfn = virt_to_mfn(l4);

    result_errno("new baseptr, writable page", mmuext(MMUEXT_NEW_BASEPTR, mfn, 0));
    page_make_readonly(l4);
    result_errno("new baseptr, not pinned", mmuext(MMUEXT_NEW_BASEPTR, mfn, 0));
    kernel_l4 = l4;
    result_errno("make current l4 writable",
                 hc_update_va_mapping((unsigned long)l4, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
    result_errno("new baseptr back", mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(old), 0));
    kernel_l4 = old;
    result_errno("make former l4 writable",
                 hc_update_va_mapping((unsigned long)l4, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
    result("former l4 slot 511 kept", "%d", l4[511] == old[511]);
    result_errno("new baseptr, l3", mmuext(MMUEXT_NEW_BASEPTR, (kernel_l4[511] & PTE_FRAME) >> 12, 0));
    result_errno("new baseptr, data", mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(data), 0));
    result_errno("new baseptr, out of range", mmuext(MMUEXT_NEW_BASEPTR, 1ul << 30, 0));
    result_errno("new baseptr, VGA", mmuext(MMUEXT_NEW_BASEPTR, 0xb8, 0));
    result_errno("new baseptr, same", mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(kernel_l4), 0));
}

static void test_user_baseptr(void)
{
    uint64_t *l4 = page_alloc();
    unsigned long mfn = virt_to_mfn(l4);

    result_errno("user baseptr, writable page", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn, 0));
    page_make_readonly(l4);
    result_errno("user baseptr", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn, 0));
    result_errno("user baseptr again", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn, 0));
    result_errno("make user l4 writable",
                 hc_update_va_mapping((unsigned long)l4, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
    result_errno("user baseptr, data", mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(data), 0));
    result_errno("user baseptr, out of range", mmuext(MMUEXT_NEW_USER_BASEPTR, 1ul << 30, 0));
    result_errno("user baseptr, kernel l4", mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(kernel_l4), 0));
    result_errno("user baseptr none", mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0));
    result_errno("user baseptr none again", mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0));
    result_errno("make former user l4 writable",
                 hc_update_va_mapping((unsigned long)l4, pte_make(mfn, PTE_DATA), UVMF_INVLPG));
}

static long flush_op(unsigned int cmd, unsigned long va, const void *mask)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.linear_addr = va};

    op.arg2.vcpumask.p = mask;
    return HC4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

static void test_flush(void)
{
    static unsigned long cpus[128] = {1};
    unsigned long va = (unsigned long)data;

    result_errno("flush local", flush_op(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
    result_errno("flush multi", flush_op(MMUEXT_TLB_FLUSH_MULTI, 0, cpus));
    result_errno("flush multi, bad mask", flush_op(MMUEXT_TLB_FLUSH_MULTI, 0, (void *)0x1000));
    result_errno("flush all", flush_op(MMUEXT_TLB_FLUSH_ALL, 0, 0));
    result_errno("invlpg local", flush_op(MMUEXT_INVLPG_LOCAL, va, 0));
    result_errno("invlpg multi", flush_op(MMUEXT_INVLPG_MULTI, va, cpus));
    result_errno("invlpg multi, bad mask", flush_op(MMUEXT_INVLPG_MULTI, va, (void *)0x1000));
    result_errno("invlpg all", flush_op(MMUEXT_INVLPG_ALL, va, 0));
    result_errno("invlpg local, VMM address", flush_op(MMUEXT_INVLPG_LOCAL, 0xffff820000000000, 0));
    result_errno("invlpg all, VMM address", flush_op(MMUEXT_INVLPG_ALL, 0xffff820000000000, 0));
    result_errno("invlpg local, noncanonical", flush_op(MMUEXT_INVLPG_LOCAL, 0x900000000000, 0));
    result_errno("invlpg all, noncanonical", flush_op(MMUEXT_INVLPG_ALL, 0x900000000000, 0));
    cpus[0] = 0;
    result_errno("flush multi, empty mask", flush_op(MMUEXT_TLB_FLUSH_MULTI, 0, cpus));
    cpus[0] = ~0ul;
    result_errno("flush multi, absent vCPUs", flush_op(MMUEXT_TLB_FLUSH_MULTI, 0, cpus));
    result_errno("flush cache", flush_op(MMUEXT_FLUSH_CACHE, 0, 0));
    result_errno("flush cache global", flush_op(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0));
}

static void test_clear_copy(void)
{
    uint64_t *a = page_alloc(), *b = page_alloc();
    unsigned long ma = virt_to_mfn(a), mb = virt_to_mfn(b);

    memset(a, 0x5a, PAGE_SIZE);
    result_errno("copy page", mmuext(MMUEXT_COPY_PAGE, mb, ma));
    result("copied", "%d", !memcmp(a, b, PAGE_SIZE));
    result_errno("clear page", mmuext(MMUEXT_CLEAR_PAGE, ma, 0));
    result("cleared", "%lx %lx", a[0], a[511]);
    page_make_readonly(a);
    result_errno("clear page mapped read-only", mmuext(MMUEXT_CLEAR_PAGE, ma, 0));
    result_errno("copy to page mapped read-only", mmuext(MMUEXT_COPY_PAGE, ma, mb));
    result("copied to it", "%lx", a[5]);
    result_errno("copy from page mapped read-only", mmuext(MMUEXT_COPY_PAGE, mb, ma));
    result_errno("clear page table", mmuext(MMUEXT_CLEAR_PAGE, virt_to_mfn(kernel_l4), 0));
    result_errno("copy to page table", mmuext(MMUEXT_COPY_PAGE, virt_to_mfn(kernel_l4), mb));
    result_errno("copy from page table", mmuext(MMUEXT_COPY_PAGE, mb, virt_to_mfn(kernel_l4)));
    result("page table copied", "%d", b[511] == kernel_l4[511]);
    result_errno("clear out of range", mmuext(MMUEXT_CLEAR_PAGE, 1ul << 30, 0));
    result_errno("clear VGA", mmuext(MMUEXT_CLEAR_PAGE, 0xb8, 0));
    result_errno("clear frame of the VMM or free", mmuext(MMUEXT_CLEAR_PAGE, 0x200, 0));
    result_errno("copy from out of range", mmuext(MMUEXT_COPY_PAGE, mb, 1ul << 30));
    result_errno("copy from frame of the VMM or free", mmuext(MMUEXT_COPY_PAGE, mb, 0x200));
    result_errno("copy to itself", mmuext(MMUEXT_COPY_PAGE, mb, mb));
    page_make_writable(a);
}

static void test_ldt(void)
{
    uint64_t *ldt = page_alloc();

    result_errno("set ldt of 0", flush_op(MMUEXT_SET_LDT, 0, 0));
    result_errno("set ldt", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 16));
    result_errno("set ldt unaligned", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt + 8, 16));
    result_errno("set ldt too long", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 8193));
    result_errno("set ldt of 8192", mmuext(MMUEXT_SET_LDT, (unsigned long)ldt, 8192));
    result_errno("set ldt in VMM", mmuext(MMUEXT_SET_LDT, 0xffff820000000000, 16));
    result_errno("set ldt noncanonical", mmuext(MMUEXT_SET_LDT, 0x900000000000, 16));
    result_errno("set ldt unmapped", mmuext(MMUEXT_SET_LDT, 0x1000, 16));
    result_errno("set ldt off", mmuext(MMUEXT_SET_LDT, 0, 0));
}

static void test_calls(void)
{
    struct mmuext_op op[3] = {{.cmd = MMUEXT_TLB_FLUSH_LOCAL}, {.cmd = 99}, {.cmd = MMUEXT_TLB_FLUSH_LOCAL}};
    unsigned int done = 55;

    result_errno("batch with unknown", HC4(__HYPERVISOR_mmuext_op, op, 3, &done, DOMID_SELF));
    result("done of it", "%u", done);
    op[1].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    result_errno("batch", HC4(__HYPERVISOR_mmuext_op, op, 3, &done, DOMID_SELF));
    result("done of batch", "%u", done);
    result_errno("none", HC4(__HYPERVISOR_mmuext_op, op, 0, &done, DOMID_SELF));
    result("done of none", "%u", done);
    result_errno("bad pointer", HC4(__HYPERVISOR_mmuext_op, 0x1000, 1, 0, DOMID_SELF));
    result_errno("bad done pointer", HC4(__HYPERVISOR_mmuext_op, op, 1, 0x1000, DOMID_SELF));
    result_errno("command 14", mmuext(14, virt_to_mfn(data), 0));
    result_errno("mark super", mmuext(MMUEXT_MARK_SUPER, virt_to_mfn(data) & ~511ul, 0));
    result_errno("unmark super", mmuext(MMUEXT_UNMARK_SUPER, virt_to_mfn(data) & ~511ul, 0));
    result_errno("command 21", mmuext(21, virt_to_mfn(data), 0));
    result_errno("domain 0", HC4(__HYPERVISOR_mmuext_op, op, 1, 0, 0));
    result_errno("domain 1", HC4(__HYPERVISOR_mmuext_op, op, 1, 0, 1));
    result_errno("domain io", HC4(__HYPERVISOR_mmuext_op, op, 1, 0, DOMID_IO));
    result_errno("domain xen", HC4(__HYPERVISOR_mmuext_op, op, 1, 0, DOMID_XEN));
    result_errno("domain 0xffff", HC4(__HYPERVISOR_mmuext_op, op, 1, 0, 0xffff));
}

void guest_main(void)
{
    data = page_alloc();
    test_pin();
    test_pin_contents();
    test_pin_targets();
    test_baseptr();
    test_user_baseptr();
    test_flush();
    test_clear_copy();
    test_ldt();
    test_calls();
}
