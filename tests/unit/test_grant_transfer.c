/* unit: hv/grant/table.c hv/grant/pin.c hv/grant/maptrack.c hv/grant/map.c hv/grant/copy.c
 * hv/grant/grant_op.c hv/grant/transfer.c hv/grant/cache.c hv/cpu/cache.c tests/unit/stubs/machine.c
 * tests/unit/fixtures/domains.c tests/unit/fixtures/grant.c */
#include <unit.h>
#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/page_type.h>
#include "fixtures/grant.h"

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

static uint64_t moving;

/* Another vCPU of the receiver guesses the frame's number and gives it back; domain 2 gets it. */
static void give_back(void)
{
    if (frame_table[moving].owner != 1)
        return;
    frame_table[moving].owner = 2;
    fake_m2p[moving] = INVALID_M2P_ENTRY;
}

static void test_given_back_at_once(void **state)
{
    moving = give_frame(&domains[0]);
    accept_at(1, 9, 0, 0);
    other_cpu = give_back;
    assert_int_equal(transfer(moving, 1, 9), GNTST_okay);
    assert_null(other_cpu);
    assert_int_equal(fake_m2p[moving], frame_table[moving].owner == 2 ? INVALID_M2P_ENTRY : 0x77);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_transfer),
        TEST(test_given_back_at_once),
        TEST(test_transfer_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
