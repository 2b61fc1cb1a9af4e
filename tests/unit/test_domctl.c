/* unit: hv/control/domctl_domain.c */
#include <unit.h>
#include <unistd.h>
#include <base/errno.h>
#include <control/domctl.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
