/* unit: hv/domain/domain.c hv/domain/vcpu.c hv/domain/shutdown.c tests/unit/stubs/machine.c
 * tests/unit/stubs/printk.c */
#include <stdlib.h>
#include <string.h>

#include <base/errno.h>
#include <boot/cmdline.h>
#include <cpu/fpu.h>
#include <cpu/machine.h>
#include <cpu/softirq.h>
#include <cpu/cpuid_policy.h>
#include <domain/domain.h>
#include <domain/vcpu.h>
#include <event/evtchn.h>
#include <grant/grant.h>
#include <irq/pirq.h>
#include <mm/iomem.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <pv/pv.h>
#include <sched/sched.h>
#include <time/time.h>
#include <time/tsc.h>
#include <xen/sched.h>
#include "stubs/machine.h"
#include <unit.h>

static void (*reaper)(void);
static bool reaper_raised;
static unsigned int virqs, evtchn_frees, vcpu_frees, memory_steps, relinquish_calls, pv_resets;
static int fail_grant, fail_sched;
static char order[16]; /* teardown steps as they happen */

static void step(char c)
{
    size_t n = strlen(order);

    if (n < sizeof(order) - 1 && (!n || order[n - 1] != c))
        order[n] = c;
}

void open_softirq(enum softirq nr, void (*fn)(void))
{
    reaper = fn;
}

void raise_softirq(enum softirq nr)
{
    reaper_raised = true;
}

static void run_softirqs(void)
{
    if (reaper_raised) {
        reaper_raised = false;
        reaper();
    }
}

int evtchn_init(struct domain *d, uint32_t max_port)
{
    return 0;
}

int evtchn_destroy(struct domain *d)
{
    step('e');
    return 0;
}

void evtchn_free(struct domain *d)
{
    struct vcpu *v;

    evtchn_frees++;
    /* A timer's handler may be sending an event. */
    for_each_vcpu (d, v)
        assert_true(v->time.singleshot.killed);
}

int evtchn_send(struct domain *d, uint32_t port)
{
    return 0;
}

void send_global_virq(uint32_t virq)
{
    virqs++;
}

void iomem_domain_init(struct domain *d)
{
}

void iomem_domain_free(struct domain *d)
{
}

void tsc_init_domain(struct domain *d)
{
}

int cpu_policy_init_domain(struct domain *d)
{
    return 0;
}

void cpu_policy_free_domain(struct domain *d)
{
}

int pirq_domain_init(struct domain *d)
{
    return 0;
}

int pirq_domain_release(struct domain *d)
{
    step('p');
    return 0;
}

void pirq_domain_free(struct domain *d)
{
}

int grant_table_init(struct domain *d, int32_t max_frames, int32_t max_maptrack)
{
    return fail_grant;
}

void grant_table_share(struct domain *d)
{
}

int grant_release_mappings(struct domain *d)
{
    step('g');
    return 0;
}

void grant_table_free(struct domain *d)
{
}

void share_vmm_page(struct page_info *page, const struct domain *d, bool writable)
{
}

void unshare_vmm_page(struct page_info *page)
{
    free_vmm_pages(page_to_virt(page), 0);
}

int put_page_type_preemptible(struct page_info *page)
{
    return 0;
}

int domain_relinquish_memory(struct domain *d)
{
    step('m');
    relinquish_calls++;
    if (memory_steps) {
        memory_steps--;
        return -ERESTART;
    }
    return 0;
}

int fpu_vcpu_init(struct vcpu *v)
{
    return 0;
}

void fpu_vcpu_free(struct vcpu *v)
{
    vcpu_frees++;
}

int pv_vcpu_init(struct vcpu *v)
{
    return 0;
}

void pv_vcpu_destroy(struct vcpu *v)
{
    step('v');
}

void pv_vcpu_reset(struct vcpu *v)
{
    pv_resets++;
}

void fpu_vcpu_reset(struct vcpu *v)
{
}

int time_init_vcpu(struct vcpu *v)
{
    return 0;
}

void time_destroy_vcpu(struct vcpu *v)
{
    v->time.singleshot.killed = true;
}

void time_update_wallclock(struct domain *d)
{
}

int sched_init_vcpu(struct vcpu *v)
{
    return fail_sched;
}

void sched_destroy_vcpu(struct vcpu *v)
{
}

void sched_destroy_domain(struct domain *d)
{
}

void vcpu_wake(struct vcpu *v)
{
    v->sched.queued = true;
}

void vcpu_sleep_nosync(struct vcpu *v)
{
    v->sched.queued = false;
}

void vcpu_sleep_sync(struct vcpu *v)
{
    v->sched.queued = false;
}

void machine_restart(void)
{
    mock_assert(0, "restart", "machine", 0);
    abort();
}

void machine_halt(void)
{
    mock_assert(0, "halt", "machine", 0);
    abort();
}

static struct domain own_domain;
static struct vcpu own_vcpu;

static int setup(void **state)
{
    virqs = evtchn_frees = vcpu_frees = memory_steps = relinquish_calls = pv_resets = 0;
    fail_grant = fail_sched = 0;
    preempt_now = false;
    memset(order, 0, sizeof(order));
    own_domain.id = 1000;
    own_vcpu.domain = &own_domain;
    set_current(&own_vcpu);
    domain_init();
    return 0;
}

static struct domain *create(domid_t id, uint32_t vcpus)
{
    struct domain_config c = {.id = id, .max_vcpus = vcpus, .max_evtchn_port = 1023};
    struct domain *d;

    assert_int_equal(domain_create(&c, &d), 0);
    return d;
}

static void destroy(struct domain *d)
{
    while (domain_kill(d) == -ERESTART)
        ;
    run_softirqs();
}

static void test_find(void **state)
{
    struct domain *a = create(1, 1), *b = create(300, 1), *f;
    struct domain_config c = {.id = 300, .max_vcpus = 1};

    assert_int_equal(a->refcount, 1);
    assert_int_equal(a->pause_count, 1);
    assert_ptr_equal(f = domain_find(300), b);
    assert_int_equal(b->refcount, 2);
    domain_put(f);
    assert_ptr_equal(domain_by_id(1), a);
    assert_null(domain_find(2));
    assert_null(domain_find(32000)); /* no leaf of the table there */
    for (uint32_t id = DOMID_FIRST_RESERVED; id < 0x10000; id++)
        if (id != DOMID_SELF)
            assert_null(domain_find(id));
    assert_int_equal(domain_create(&c, &f), -EEXIST);
    c.id = DOMID_FIRST_RESERVED;
    assert_int_equal(domain_create(&c, &f), -EINVAL);
    c = (struct domain_config){.id = 5, .max_vcpus = MAX_VCPUS_PER_DOMAIN + 1};
    assert_int_equal(domain_create(&c, &f), -EINVAL);
    c.max_vcpus = 0;
    assert_int_equal(domain_create(&c, &f), -EINVAL);

    assert_ptr_equal(f = domain_find_next(0), a);
    domain_put(f);
    assert_ptr_equal(f = domain_find_next(2), b);
    domain_put(f);
    assert_null(domain_find_next(301));
    destroy(a);
    destroy(b);
    assert_null(domain_find(1));
    assert_null(domain_find_next(0));
}

static void test_create_fails_cleanly(void **state)
{
    struct domain_config c = {.id = 7, .max_vcpus = 1};
    struct domain *d;

    fail_grant = -ENOMEM;
    assert_int_equal(domain_create(&c, &d), -ENOMEM);
    assert_null(domain_find(7));
    fail_grant = 0;
    destroy(create(7, 1));
}

static void test_references_keep_it(void **state)
{
    struct domain *d = create(3, 1), *f = domain_find(3);

    assert_int_equal(domain_kill(d), 0);
    assert_int_equal(d->dying, DOMAIN_DEAD);
    run_softirqs();
    assert_int_equal(virqs, 1);
    assert_int_equal(evtchn_frees, 0);   /* f is still there */
    assert_ptr_equal(domain_find(3), d); /* dead, but it can be looked at */
    domain_put(d);
    assert_int_equal(domain_kill(d), 0); /* again: nothing to do */
    domain_put(f);
    assert_null(domain_find(3)); /* at once, also before its memory is freed */
    assert_false(domain_get(d));
    assert_int_equal(evtchn_frees, 0);
    run_softirqs();
    assert_int_equal(evtchn_frees, 1);
    assert_int_equal(virqs, 2);
    /* The struct is used again: for another domain it is another domain. */
    f = create(4, 1);
    assert_ptr_equal(f, d);
    assert_null(domain_find(3));
    destroy(f);
}

static void test_teardown_is_preemptible(void **state)
{
    struct domain *d = create(3, 4);

    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(vcpu_create(d, i, 0), 0);
    memory_steps = 2;
    preempt_now = true;
    assert_int_equal(domain_kill(d), -ERESTART);
    assert_int_equal(d->dying, DOMAIN_DYING);
    assert_int_equal(d->pause_count, 2);
    preempt_now = false;
    while (domain_kill(d) == -ERESTART)
        assert_int_equal(d->pause_count, 2); /* paused once, not with every try */
    assert_string_equal(order, "epgvm");
    assert_int_equal(relinquish_calls, 3);
    run_softirqs();
    assert_int_equal(vcpu_frees, 3);
}

/* Another domain keeps it, and tools still find it: what they do to its vCPUs finds nothing to work on. */
static void test_vcpus_of_dead(void **state)
{
    struct domain *d = create(3, 2);

    assert_int_equal(vcpu_create(d, 0, 0), 0);
    assert_true(domain_get(d));
    assert_int_equal(domain_kill(d), 0);
    assert_true(domain_vcpu(d, 0)->memory_dropped);
    assert_int_equal(vcpu_reset(domain_vcpu(d, 0)), 0);
    assert_int_equal(pv_resets, 0);
    memset(order, 0, sizeof(order));
    assert_int_equal(vcpu_create(d, 1, 0), -EINVAL);
    assert_string_equal(order, "v"); /* what it was given is given back */
    assert_null(domain_vcpu(d, 1));
    assert_int_equal(vcpu_frees, 1);
    domain_put(d);
    run_softirqs();
    assert_int_equal(vcpu_frees, 2);
}

static void test_kill_refuses(void **state)
{
    struct domain *d = create(0, 1);

    dom0 = d;
    assert_int_equal(domain_kill(d), -EINVAL);
    assert_int_equal(domain_kill(&own_domain), -EINVAL);
    dom0 = NULL;
    destroy(d);
}

static void test_vcpus(void **state)
{
    struct domain *d = create(3, 40);
    struct vcpu *v;

    assert_int_equal(vcpu_create(d, 40, 0), -EINVAL);
    fail_sched = -ENOMEM;
    assert_int_equal(vcpu_create(d, 0, 0), -ENOMEM);
    fail_sched = 0;
    assert_null(domain_vcpu(d, 0));
    assert_int_equal(vcpu_create(d, 0, 0), 0);
    assert_int_equal(vcpu_create(d, 0, 0), -EEXIST);
    assert_int_equal(vcpu_create(d, 33, 0), 0);
    v = domain_vcpu(d, 0);
    assert_ptr_equal(v->vcpu_info, &d->shared_info->vcpu_info[0]);
    assert_int_equal(v->sched.pause_flags, VPF_DOWN);
    /* Beyond shared_info: a place where events are never deliverable. */
    v = domain_vcpu(d, 33);
    assert_false(vcpu_has_info(v));
    v->vcpu_info->evtchn_upcall_pending = 1;
    assert_false(events_need_delivery(v->vcpu_info));
    assert_null(domain_vcpu(d, 1));
    assert_null(domain_vcpu(d, 40));
    assert_null(domain_vcpu(d, ~0u));
    destroy(d);
}

/* It polled when it was reset: senders of events do not look for it any more. */
static void test_reset_of_a_poller(void **state)
{
    struct domain *d = create(3, 1);
    struct vcpu *v;

    assert_int_equal(vcpu_create(d, 0, 0), 0);
    v = domain_vcpu(d, 0);
    v->sched.pause_flags |= VPF_POLL;
    d->events.nr_pollers = 1;
    assert_int_equal(vcpu_reset(v), 0);
    assert_int_equal(v->sched.pause_flags, VPF_DOWN);
    assert_int_equal(d->events.nr_pollers, 0);
    assert_int_equal(vcpu_reset(v), 0);
    assert_int_equal(d->events.nr_pollers, 0);
    destroy(d);
}

/* One that a toolstack lets run without a vcpu_info has events of its own, not those of another guest. */
static void test_no_vcpu_info_in_common(void **state)
{
    struct domain *a = create(3, 40), *b = create(4, 40);
    struct vcpu *of_a, *of_b;

    assert_int_equal(vcpu_create(a, 33, 0), 0);
    assert_int_equal(vcpu_create(b, 33, 0), 0);
    of_a = domain_vcpu(a, 33);
    of_b = domain_vcpu(b, 33);
    of_a->vcpu_info->evtchn_upcall_mask = 0;
    of_b->vcpu_info->evtchn_upcall_pending = 1;
    assert_false(events_need_delivery(of_a->vcpu_info));
    assert_false(events_need_delivery(of_b->vcpu_info));
    destroy(a);
    destroy(b);
}

static void test_pause_nests(void **state)
{
    struct domain *d = create(3, 1);
    struct vcpu *v;

    assert_int_equal(vcpu_create(d, 0, 0), 0);
    v = domain_vcpu(d, 0);
    domain_unpause(d);
    assert_true(v->sched.queued);
    domain_pause(d);
    domain_pause_nosync(d);
    assert_false(v->sched.queued);
    domain_unpause(d);
    assert_false(v->sched.queued);
    domain_unpause(d);
    assert_true(v->sched.queued);
    vcpu_pause(v);
    assert_int_equal(v->sched.pause_count, 1);
    vcpu_unpause(v);
    assert_int_equal(v->sched.pause_count, 0);
    destroy(d);
}

static void test_shutdown(void **state)
{
    struct domain *d = create(3, 1);

    domain_unpause(d);
    assert_int_equal(d->pause_count, 0);
    domain_shutdown(d, SHUTDOWN_suspend);
    assert_true(d->is_shut_down);
    assert_int_equal(d->shutdown_code, SHUTDOWN_suspend);
    assert_int_equal(d->pause_count, 1);
    run_softirqs();
    assert_int_equal(virqs, 1);
    domain_shutdown(d, SHUTDOWN_crash); /* too late */
    assert_int_equal(d->shutdown_code, SHUTDOWN_suspend);
    assert_int_equal(d->pause_count, 1);
    domain_resume(d);
    assert_false(d->is_shut_down);
    assert_int_equal(d->pause_count, 0);
    domain_resume(d); /* it was not shut down: nothing */
    assert_int_equal(d->pause_count, 0);
    d->shutdown_code = SHUTDOWN_watchdog; /* SCHEDOP_shutdown_code */
    domain_crash(d, "test %d", 1);
    assert_int_equal(d->shutdown_code, SHUTDOWN_watchdog);
    destroy(d);
}

static void test_dom0_is_the_machine(void **state)
{
    struct domain *d = create(0, 1);

    d->is_hardware = true;
    expect_assert_failure(domain_shutdown(d, SHUTDOWN_poweroff));
    expect_assert_failure(domain_shutdown(d, SHUTDOWN_reboot));
    expect_assert_failure(domain_crash(d, "gone"));
    d->is_hardware = false;
    destroy(d);
}

/* Random finds, puts, creations and kills against a model of who holds what. */
static void test_random(void **state)
{
    static struct domain *alive[8], *held[8][16];
    static unsigned int nr_held[8];
    static domid_t id[8];
    domid_t next_id = 1;

    srandom(5);
    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int n = (unsigned int)random() % 8;

        switch (random() % 4) {
        case 0:
            if (!alive[n] && !nr_held[n]) {
                id[n] = next_id++ % 500 + 1;
                alive[n] = create(id[n], 1);
            }
            break;
        case 1:
            if (id[n] && nr_held[n] < 16) {
                struct domain *d = domain_find(id[n]);

                /* It is found just as long as someone holds it. */
                assert_true(!d == (!alive[n] && !nr_held[n]));
                if (d)
                    held[n][nr_held[n]++] = d;
            }
            break;
        case 2:
            if (nr_held[n])
                domain_put(held[n][--nr_held[n]]);
            break;
        default:
            if (alive[n] && random() % 4 == 0) {
                assert_int_equal(domain_kill(alive[n]), 0);
                alive[n] = NULL;
            }
        }
        run_softirqs();
        for (n = 0; n < 8; n++)
            if (alive[n])
                assert_int_equal(alive[n]->refcount, 1 + nr_held[n]);
    }
    for (unsigned int n = 0; n < 8; n++) {
        struct domain *d = alive[n] ? alive[n] : nr_held[n] ? held[n][0] : NULL;

        if (!d)
            continue;
        if (alive[n])
            assert_int_equal(domain_kill(d), 0);
        while (nr_held[n])
            domain_put(held[n][--nr_held[n]]);
        run_softirqs();
    }
    assert_null(domain_find_next(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_find, setup),
        cmocka_unit_test_setup(test_create_fails_cleanly, setup),
        cmocka_unit_test_setup(test_references_keep_it, setup),
        cmocka_unit_test_setup(test_teardown_is_preemptible, setup),
        cmocka_unit_test_setup(test_vcpus_of_dead, setup),
        cmocka_unit_test_setup(test_kill_refuses, setup),
        cmocka_unit_test_setup(test_vcpus, setup),
        cmocka_unit_test_setup(test_reset_of_a_poller, setup),
        cmocka_unit_test_setup(test_no_vcpu_info_in_common, setup),
        cmocka_unit_test_setup(test_pause_nests, setup),
        cmocka_unit_test_setup(test_shutdown, setup),
        cmocka_unit_test_setup(test_dom0_is_the_machine, setup),
        cmocka_unit_test_setup(test_random, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
