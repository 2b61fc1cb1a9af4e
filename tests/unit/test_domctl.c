/* unit: hv/control/domctl_domain.c */
#include <unit.h>
#include <unistd.h>
#include <base/errno.h>
#include <control/domctl.h>
#include <control/hypercall.h>

/* Domains by number. */
static bool taken[DOMID_FIRST_RESERVED];
static struct domain domain;

struct domain *domain_by_id(domid_t id)
{
    return taken[id] ? &domain : NULL;
}

int domain_create(const struct domain_config *config, struct domain **d)
{
    if (taken[config->id])
        return -EEXIST;
    taken[config->id] = true;
    domain = (struct domain){.id = config->id};
    *d = &domain;
    return 0;
}

struct cpu_info *get_cpu_info(void)
{
    static struct domain caller;
    static struct vcpu v = {.domain = &caller};
    static struct cpu_info info = {.current_vcpu = &v};

    return &info;
}

unsigned int nr_cpus = 4;
static unsigned int vcpus_until_event, vcpu_creations;

int vcpu_create(struct domain *d, uint32_t id, uint32_t cpu)
{
    static struct vcpu v;

    assert_null(d->vcpu[id]);
    assert_int_equal(cpu, id % nr_cpus);
    if (vcpu_creations++ == 5)
        return -ENOMEM;
    d->vcpu[id] = &v;
    return 0;
}

bool hypercall_preempt_check(void)
{
    return vcpu_creations % vcpus_until_event == 0;
}

static int create(domid_t id)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_createdomain, .domain = id};
    bool copyback = false;
    int rc;

    op.u.createdomain =
        (struct xen_domctl_createdomain){.max_vcpus = 1, .max_grant_frames = 1, .grant_opts = 1};
    rc = domctl_createdomain(NULL, &op, &copyback);
    assert_int_equal(copyback, !rc);
    return rc ? rc : op.domain;
}

/* Those that are given out are not dom0's, and not used again before all others were. */
static void numbers(void **state)
{
    alarm(20); /* the search for one ends */
    for (uint32_t id = 0; id < DOMID_FIRST_RESERVED; id++)
        taken[id] = true;
    assert_int_equal(create(0), -ENOMEM);
    assert_int_equal(create(DOMID_FIRST_RESERVED - 1), -EEXIST);
    taken[DOMID_FIRST_RESERVED - 1] = false;
    assert_int_equal(create(0), DOMID_FIRST_RESERVED - 1);
    assert_int_equal(create(0), -ENOMEM);
    taken[1] = taken[2] = taken[7] = false;
    assert_int_equal(create(0), 1);
    taken[1] = false;
    assert_int_equal(create(DOMID_SELF), 2);
    assert_int_equal(create(0), 7);
    assert_int_equal(create(0), 1);
    assert_int_equal(create(0), -ENOMEM);
    taken[1] = false;
    assert_int_equal(create(0), 1); /* the last that was given out */
    alarm(0);
}

/* Thousands are not made at once, when there is something else to do. */
static void vcpus(void **state)
{
    struct vcpu *all[8] = {NULL};
    struct domain d = {.id = 1, .max_vcpus = 8, .vcpu = all};
    struct xen_domctl op = {.cmd = XEN_DOMCTL_max_vcpus};
    bool copyback = false;

    op.u.max_vcpus.max = 7;
    assert_int_equal(domctl_max_vcpus(&d, &op, &copyback), -EINVAL);
    op.u.max_vcpus.max = 8;
    vcpus_until_event = 2;
    assert_int_equal(domctl_max_vcpus(&d, &op, &copyback), -ERESTART);
    assert_int_equal(vcpu_creations, 2);
    assert_int_equal(domctl_max_vcpus(&d, &op, &copyback), -ERESTART);
    assert_int_equal(vcpu_creations, 4);
    assert_int_equal(domctl_max_vcpus(&d, &op, &copyback), -ENOMEM);
    assert_int_equal(domctl_max_vcpus(&d, &op, &copyback), -ERESTART);
    assert_int_equal(vcpu_creations, 8);
    assert_int_equal(domctl_max_vcpus(&d, &op, &copyback), 0);
    assert_int_equal(vcpu_creations, 9);
    assert_int_equal(domctl_max_vcpus(&d, &op, &copyback), 0);
    assert_int_equal(vcpu_creations, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers), cmocka_unit_test(vcpus)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
