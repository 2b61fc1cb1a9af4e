/*
 * Two vCPUs of dom0 map grants of a domain that changes them all the time, and
 * unmap what either has mapped, in parts and by wrong names. At the end every
 * entry is unused, and the domain and all its pages can go.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/pair.h"
#include "common/second.h"
#include "common/trap.h"
#include <xen/sched.h>
#include <xen/vcpu.h>

#define ID      7
#define REFS    4    /* from 8 on */
#define HOLES   3    /* of each vCPU */
#define HANDLES 2048 /* more than there can be */
#define ROUNDS  20000u

static struct domu other;
static unsigned long mfns[REFS];
static volatile bool second_runs, go, second_idle;

static struct side {
    uint64_t state;
    char *hole[HOLES], *own;
    unsigned int mapped, unmapped;
} sides[2];

static unsigned int pick(struct side *s, unsigned int n)
{
    s->state = s->state * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned int)(s->state >> 33) % n;
}

static char *any_hole(struct side *s)
{
    return sides[pick(s, 2)].hole[pick(s, HOLES)];
}

/* Only where nothing is, and only its own place: what is mapped over could never be unmapped. */
static void do_map(struct side *s)
{
    static const uint32_t kinds[] = {GNTMAP_host_map, GNTMAP_device_map, GNTMAP_host_map | GNTMAP_device_map};
    struct gnttab_map_grant_ref m = {.host_addr = (uint64_t)s->hole[pick(s, HOLES)],
                                     .flags = kinds[pick(s, 3)] | (pick(s, 2) ? GNTMAP_readonly : 0),
                                     .ref = 8 + pick(s, REFS),
                                     .dom = ID};

    if ((m.flags & GNTMAP_host_map) && *(volatile uint64_t *)pte_of(m.host_addr, 1))
        return;
    HC3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &m, 1);
    s->mapped += !m.status;
}

static void do_unmap(struct side *s)
{
    struct gnttab_unmap_grant_ref u[4];
    unsigned int n = pick(s, 4) + 1;

    for (unsigned int i = 0; i < n; i++)
        u[i] = (struct gnttab_unmap_grant_ref){
            .host_addr = pick(s, 4) ? (uint64_t)any_hole(s) : 0,
            .dev_bus_addr = pick(s, 2) ? mfns[pick(s, REFS)] << 12 : 0,
            /* In Xen each vCPU has handles of its own. */
            .handle = pick(s, 32) + (pick(s, 4) ? 0 : 256),
        };
    HC3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, u, n);
    for (unsigned int i = 0; i < n; i++)
        s->unmapped += !u[i].status;
}

static void do_copy(struct side *s)
{
    struct gnttab_copy c = {.source = {.u.ref = 8 + pick(s, REFS), .domid = ID},
                            .dest = {.u.gmfn = virt_to_mfn(s->own), .domid = DOMID_SELF},
                            .len = 64,
                            .flags = GNTCOPY_source_gref};

    HC3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, &c, 1);
}

static void one_round(struct side *s)
{
    switch (pick(s, 8)) {
    case 0:
    case 1:
    case 2:
        do_map(s);
        break;
    case 3:
        do_copy(s);
        break;
    default:
        do_unmap(s);
        break;
    }
}

void second_main(void);

void second_main(void)
{
    for (;;) {
        second_idle = true;
        second_runs = true;
        while (!go)
            HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
        second_idle = false;
        while (go)
            one_round(&sides[1]);
    }
}

static void start_second(void)
{
    must("second vCPU", second_up(second_context(second_main)));
    while (!second_runs)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

/* In the other domain: what it grants changes whenever it is not in use. */
static long far_churn(long a, long b, long c)
{
    unsigned long pages[REFS];

    (void)a, (void)b, (void)c;
    for (unsigned int i = 0; i < REFS; i++) {
        pages[i] = virt_to_mfn(page_alloc());
        domu_self->data[i] = pages[i];
    }
    for (unsigned int n = 0; !domu_self->data[REFS]; n++) {
        grant_ref_t ref = 8 + n % REFS;

        if (!grant_in_use(ref))
            grant_write(ref, n / REFS % 3 ? GTF_permit_access : GTF_permit_access | GTF_readonly, 0,
                        pages[(n + n / 64) % REFS]);
        if (n % 64 == 0)
            event_force();
        domu_self->data[REFS + 1] = n;
    }
    return 0;
}

static long far_uses(long a, long b, long c)
{
    long used = 0;

    (void)a, (void)b, (void)c;
    for (unsigned int i = 0; i < REFS; i++)
        used = used << 8 | grant_in_use(8 + i);
    return used;
}

/* Every handle by every name. */
static void unmap_all(void)
{
    for (grant_handle_t h = 0; h < HANDLES; h++) {
        struct gnttab_unmap_grant_ref u[2 * HOLES + REFS];

        for (unsigned int i = 0; i < ARRAY_SIZE(u); i++)
            u[i] = (struct gnttab_unmap_grant_ref){.handle = h};
        for (unsigned int i = 0; i < 2 * HOLES; i++)
            u[i].host_addr = (uint64_t)sides[i / HOLES].hole[i % HOLES];
        for (unsigned int i = 0; i < REFS; i++)
            u[2 * HOLES + i].dev_bus_addr = mfns[i] << 12;
        must("unmap", grant_op(GNTTABOP_unmap_grant_ref, u, ARRAY_SIZE(u)));
    }
}

static void race(uint32_t version)
{
    domu_call(&other, far_setup, version, 0, 0);
    domu_begin(&other, far_churn, 0, 0, 0);
    while (other.link->data[REFS + 1] < REFS)
        event_force();
    for (unsigned int i = 0; i < REFS; i++)
        mfns[i] = other.link->data[i];
    if (!second_runs)
        start_second();
    go = true;
    while (second_idle)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    for (unsigned int i = 0; i < ROUNDS; i++)
        one_round(&sides[0]);
    go = false;
    while (!second_idle)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    audit_point();
    other.link->data[REFS] = 1;
    (void)domu_end(&other);
    unmap_all();
    result("entries in use at the end", "%lx", domu_call(&other, far_uses, 0, 0, 0));
    for (unsigned int i = 0; i < 2; i++)
        print("vcpu %u: mapped %u unmapped %u\n", i, sides[i].mapped, sides[i].unmapped);
    for (unsigned int i = 0; i < 2 * HOLES; i++)
        if (*pte_of((unsigned long)sides[i / HOLES].hole[i % HOLES], 1))
            result("left mapped", "%u", i);
}

void guest_main(void)
{
    struct domu_config c = {.id = ID};

    for (unsigned int i = 0; i < 2; i++) {
        sides[i].state = 77 + i;
        sides[i].own = page_alloc();
        for (unsigned int j = 0; j < HOLES; j++)
            sides[i].hole[j] = page_hole();
    }
    grant_setup(1);
    for (uint32_t version = 1; version <= 2; version++) {
        result_prefix = version == 1 ? NULL : "v2 ";
        domu_build(&other, &c);
        domu_run(&other);
        race(version);
        domu_unlink(&other);
        must("destroy", domu_destroy(&other));
        result("gone", "%d", domu_gone(ID));
    }
}
