/* unit: hv/irq/irq_desc.c hv/irq/vector.c hv/irq/ioapic.c hv/irq/pirq.c tests/unit/stubs/irq.c */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <base/errno.h>
#include <irq/ioapic.h>
#include <irq/irq.h>
#include <irq/irq_desc.h>
#include <irq/msi.h>
#include <irq/pirq.h>
#include <irq/vector.h>
#include <stubs/irq.h>
#include <xen/physdev.h>

#define LEVEL_GSI 20u
#define EDGE_GSI  5u

/* MSIs as sources without a device. */
static unsigned int msi_freed[MAX_IRQS];
static uint32_t msi_groups[MAX_IRQS];

void msi_free(uint32_t irq)
{
    msi_freed[irq]++;
    for (uint32_t i = 0; i < MAX(msi_groups[irq], 1u); i++)
        irq_desc_release(irq_desc_get(irq + i));
}

uint32_t msi_group_size(uint32_t irq)
{
    return msi_groups[irq];
}

static void no_op(struct irq_desc *desc)
{
}

static const struct irq_chip fake_chip = {.name = "fake", .mask = no_op, .unmask = no_op, .retarget = no_op};

static int set_up_once(void **state)
{
    stubs_reset();
    ioapic_init();
    return 0;
}

static int set_up(void **state)
{
    /* Descriptors live as long as the machine: return them to their first state. */
    for (uint32_t irq = 0; irq < MAX_IRQS; irq++) {
        struct irq_desc *desc = irq_desc_get(irq);

        if (!desc || !desc->vector)
            continue;
        for (uint32_t cpu = 0; cpu < 8; cpu++)
            vector_free(cpu, desc->vector);
        *desc = (struct irq_desc){.lock = SPINLOCK_INIT(LOCK_IRQ_DESC),
                                  .irq = irq,
                                  .chip = irq < nr_gsis ? desc->chip : NULL,
                                  .level = irq < nr_gsis && desc->level};
    }
    stubs_reset();
    memset(msi_freed, 0, sizeof(msi_freed));
    memset(msi_groups, 0, sizeof(msi_groups));
    for (int i = 0; i < 3; i++)
        assert_int_equal(pirq_domain_init(&test_domains[i]), 0);
    return 0;
}

static int tear_down(void **state)
{
    for (int i = 0; i < 3; i++) {
        while (pirq_domain_release(&test_domains[i]) == -ERESTART)
            ;
        pirq_domain_free(&test_domains[i]);
        assert_int_equal(test_domains[i].refcount, 0);
    }
    return 0;
}

static void bind(int domain, uint32_t gsi, uint32_t port, bool share)
{
    assert_int_equal(pirq_map_gsi(&test_domains[domain], gsi, (int)gsi), gsi);
    assert_int_equal(pirq_bind(&test_domains[domain], gsi, port, &test_vcpus[domain], share), 0);
}

static void rte_encoding(void **state)
{
    assert_int_equal(rte_encode(0x31, 3, (struct gsi_mode){false, false}, false), 0x0300000000000031);
    assert_int_equal(rte_encode(0xdf, 0xff, (struct gsi_mode){true, true}, true), 0xff0000000001a0df);
    assert_int_equal(rte_encode(0x40, 0x101, (struct gsi_mode){true, false}, false) >> 56, 1);
}

static void pins_start_masked_with_their_mode(void **state)
{
    assert_int_equal(nr_gsis, MODEL_PINS);
    assert_false(irq_desc_get(2)->level);
    assert_true(irq_desc_get(9)->level);
    assert_true(irq_desc_get(LEVEL_GSI)->level);
    for (uint32_t pin = 0; pin < MODEL_PINS; pin++)
        assert_true(model_ioapic.rte[pin] & RTE_MASKED);
    /* PCI's pins are active low, an override that says high is believed. */
    bind(0, LEVEL_GSI, 1, true);
    bind(0, 9, 2, true);
    assert_true(model_ioapic.rte[LEVEL_GSI] & RTE_ACTIVE_LOW);
    assert_false(model_ioapic.rte[9] & RTE_ACTIVE_LOW);
    assert_true(model_ioapic.rte[9] & RTE_LEVEL);
}

static void edge_is_sent_each_time(void **state)
{
    bind(0, EDGE_GSI, 7, false);
    for (int i = 0; i < 5; i++)
        model_pulse(EDGE_GSI);
    assert_int_equal(sent[7], 5);
    assert_int_equal(eois, 5);
    assert_false(model_ioapic.rte[EDGE_GSI] & RTE_MASKED);
}

static void level_waits_for_the_guest(void **state)
{
    bind(0, LEVEL_GSI, 7, false);
    model_line(LEVEL_GSI, true);
    assert_int_equal(sent[7], 1);
    assert_true(model_ioapic.rte[LEVEL_GSI] & RTE_MASKED);
    assert_false(model_ioapic.rte[LEVEL_GSI] & RTE_REMOTE_IRR);
    /* EOI while the device still asserts it: comes again. */
    assert_int_equal(pirq_eoi(&test_domains[0], LEVEL_GSI), 0);
    model_run();
    assert_int_equal(sent[7], 2);
    model_line(LEVEL_GSI, false);
    assert_int_equal(pirq_eoi(&test_domains[0], LEVEL_GSI), 0);
    model_run();
    assert_int_equal(sent[7], 2);
    assert_false(model_ioapic.rte[LEVEL_GSI] & RTE_MASKED);
    /* An EOI too many does nothing. */
    assert_int_equal(pirq_eoi(&test_domains[0], LEVEL_GSI), 0);
    model_line(LEVEL_GSI, true);
    assert_int_equal(sent[7], 3);
    assert_int_equal(unmasked_ports, 0);
    model_line(LEVEL_GSI, false);
}

static void shared_line_waits_for_all(void **state)
{
    bind(0, LEVEL_GSI, 1, true);
    bind(1, LEVEL_GSI, 2, true);
    assert_int_equal(pirq_map_gsi(&test_domains[2], LEVEL_GSI, LEVEL_GSI), LEVEL_GSI);
    assert_int_equal(pirq_bind(&test_domains[2], LEVEL_GSI, 3, &test_vcpus[2], false), -EBUSY);
    assert_int_equal(pirq_bind(&test_domains[2], LEVEL_GSI, 3, &test_vcpus[2], true), 0);
    model_line(LEVEL_GSI, true);
    assert_int_equal(sent[1] + sent[2] + sent[3], 3);
    pirq_eoi(&test_domains[0], LEVEL_GSI);
    pirq_eoi(&test_domains[0], LEVEL_GSI);
    assert_true(model_ioapic.rte[LEVEL_GSI] & RTE_MASKED);
    pirq_unbind(&test_domains[1], LEVEL_GSI, 2); /* owes nothing any more */
    assert_true(model_ioapic.rte[LEVEL_GSI] & RTE_MASKED);
    model_line(LEVEL_GSI, false);
    pirq_eoi(&test_domains[2], LEVEL_GSI);
    assert_false(model_ioapic.rte[LEVEL_GSI] & RTE_MASKED);
    model_line(LEVEL_GSI, true);
    assert_int_equal(sent[1], 2);
    assert_int_equal(sent[2], 1);
    assert_int_equal(sent[3], 2);
    model_line(LEVEL_GSI, false);
}

static void unshared_line_has_one_guest(void **state)
{
    bind(0, LEVEL_GSI, 1, false);
    assert_int_equal(pirq_map_gsi(&test_domains[1], LEVEL_GSI, LEVEL_GSI), LEVEL_GSI);
    assert_int_equal(pirq_bind(&test_domains[1], LEVEL_GSI, 2, &test_vcpus[1], true), -EBUSY);
    assert_int_equal(pirq_bind(&test_domains[0], LEVEL_GSI, 3, &test_vcpus[0], false), -EEXIST);
}

static void unbound_line_is_masked(void **state)
{
    bind(0, LEVEL_GSI, 1, false);
    model_line(LEVEL_GSI, true);
    pirq_unbind(&test_domains[0], LEVEL_GSI, 2); /* another port: not its own binding */
    assert_int_equal(irq_desc_get(LEVEL_GSI)->nr_guests, 1);
    pirq_unbind(&test_domains[0], LEVEL_GSI, 1);
    assert_true(model_ioapic.rte[LEVEL_GSI] & RTE_MASKED);
    model_run();
    assert_int_equal(sent[1], 1);
    /* Bound again while the device asserts the line: comes at once. */
    assert_int_equal(pirq_bind(&test_domains[0], LEVEL_GSI, 4, &test_vcpus[0], false), 0);
    model_run();
    assert_int_equal(sent[4], 1);
    model_line(LEVEL_GSI, false);
}

static unsigned int own_calls;

static void own_handler(void *data)
{
    own_calls++;
    /* A device is quiet after its handler. */
    model_ioapic.line[(uintptr_t)data] = false;
}

static void the_vmms_own(void **state)
{
    own_calls = 0;
    assert_int_equal(request_gsi(4, own_handler, (void *)4), 0);
    assert_int_equal(request_gsi(4, own_handler, NULL), -EBUSY);
    assert_int_equal(request_gsi(MODEL_PINS, own_handler, NULL), -EINVAL);
    assert_int_equal(request_gsi(LEVEL_GSI, own_handler, (void *)(uintptr_t)LEVEL_GSI), 0);
    model_pulse(4);
    model_pulse(4);
    assert_int_equal(own_calls, 2);
    model_line(LEVEL_GSI, true);
    assert_int_equal(own_calls, 3);
    assert_false(model_ioapic.rte[LEVEL_GSI] & RTE_MASKED);
    assert_int_equal(pirq_map_gsi(&test_domains[0], 4, 4), 4);
    assert_int_equal(pirq_bind(&test_domains[0], 4, 1, &test_vcpus[0], true), -EBUSY);
    assert_int_equal(gsi_set_mode(4, (struct gsi_mode){true, true}), -EEXIST);
}

static void source_follows_its_vcpu(void **state)
{
    uint64_t before;

    bind(0, LEVEL_GSI, 1, false);
    bind(0, EDGE_GSI, 2, false);
    assert_int_equal(model_ioapic.rte[EDGE_GSI] >> 56, 10);
    before = model_ioapic.rte[EDGE_GSI];
    test_vcpus[0].processor = 3;
    model_pulse(EDGE_GSI); /* comes to the old CPU, and is the last that does */
    assert_int_equal(model_ioapic.rte[EDGE_GSI] >> 56, 13);
    assert_int_equal((uint32_t)model_ioapic.rte[EDGE_GSI], (uint32_t)before);
    model_pulse(EDGE_GSI);
    assert_int_equal(sent[2], 2);
    /* A level-triggered one in the middle of its service. */
    model_line(LEVEL_GSI, true);
    test_vcpus[0].processor = 1;
    pirq_set_vcpu(&test_domains[0], LEVEL_GSI, 1, &test_vcpus[0]);
    assert_int_equal(model_ioapic.rte[LEVEL_GSI] >> 56, 11);
    pirq_eoi(&test_domains[0], LEVEL_GSI);
    model_run();
    assert_int_equal(sent[1], 2);
    model_line(LEVEL_GSI, false);
}

static void taken_vector_keeps_source_where_it_is(void **state)
{
    struct irq_desc *desc = irq_desc_get(EDGE_GSI);

    bind(0, EDGE_GSI, 2, false);
    assert_true(vector_claim(2, desc->vector, irq_desc_get(LEVEL_GSI)));
    test_vcpus[0].processor = 2;
    model_pulse(EDGE_GSI);
    model_pulse(EDGE_GSI);
    assert_int_equal(model_ioapic.rte[EDGE_GSI] >> 56, 10);
    assert_int_equal(sent[2], 2);
    vector_free(2, desc->vector);
}

static void gsi_mode_is_set_once(void **state)
{
    assert_int_equal(gsi_set_mode(10, (struct gsi_mode){true, true}), 0);
    assert_true(irq_desc_get(10)->level);
    assert_int_equal(gsi_set_mode(10, (struct gsi_mode){false, false}), -EEXIST);
    assert_true(irq_desc_get(10)->level);
    assert_int_equal(gsi_set_mode(MODEL_PINS, (struct gsi_mode){true, true}), -EINVAL);
    assert_int_equal(gsi_set_mode(UINT32_MAX, (struct gsi_mode){true, true}), -EINVAL);
    bind(0, 11, 3, false);
    assert_int_equal(gsi_set_mode(11, (struct gsi_mode){true, true}), -EBUSY);
}

static void view_of_the_ioapic(void **state)
{
    uint32_t value;

    assert_int_equal(ioapic_guest_read(_paddr(MODEL_IOAPIC_BASE), 1, &value), 0);
    assert_int_equal(value, 0x170020);
    assert_int_equal(ioapic_guest_read(_paddr(0x1000), 1, &value), -EINVAL);
    bind(0, EDGE_GSI, 1, false);
    value = (uint32_t)model_ioapic.rte[EDGE_GSI];
    assert_int_equal(ioapic_guest_write(_paddr(MODEL_IOAPIC_BASE), 0x10 + 2 * EDGE_GSI, RTE_LEVEL | 0x99), 0);
    assert_int_equal(model_ioapic.rte[EDGE_GSI] & 0xffffffff, value);
    assert_int_equal(ioapic_guest_write(_paddr(MODEL_IOAPIC_BASE), 0x10 + 2 * 13, RTE_LEVEL | 0x99), 0);
    assert_true(irq_desc_get(13)->level);
    assert_int_equal(ioapic_guest_write(_paddr(MODEL_IOAPIC_BASE), 0xf0, 0), 0);
    assert_int_equal(ioapic_guest_write(_paddr(0), 0x10, 0), -EINVAL);
}

static void gsi_numbers(void **state)
{
    struct domain *d = &test_domains[0];

    assert_int_equal(pirq_map_gsi(d, MODEL_PINS, -1), -EINVAL);
    assert_int_equal(pirq_map_gsi(d, 17, 1000000), -EINVAL);
    assert_int_equal(pirq_map_gsi(d, 17, 17), 17);
    assert_int_equal(pirq_map_gsi(d, 17, 17), 17);
    assert_int_equal(pirq_map_gsi(d, 17, -1), 17);
    assert_int_equal(pirq_map_gsi(d, 17, 18), -EEXIST);
    assert_int_equal(pirq_map_gsi(d, 18, 17), -EEXIST);
    assert_int_equal(pirq_map_gsi(d, 19, 18), 18);
    assert_int_equal(pirq_map_gsi(d, 18, -1), 16); /* its own number is taken */
    assert_int_equal(pirq_to_irq(d, 16), 18);
    assert_int_equal(pirq_unmap(d, 16), 0);
    assert_int_equal(pirq_unmap(d, 16), -EINVAL);
    assert_int_equal(pirq_unmap(d, 100000), -EINVAL);
    assert_int_equal(pirq_to_irq(d, 16), IRQ_NONE);
    assert_int_equal(pirq_bind(d, 16, 1, &test_vcpus[0], true), -EPERM);
    assert_int_equal(pirq_eoi(d, 16), -EINVAL);
    out_of_memory = true;
    assert_int_equal(pirq_map_gsi(d, 22, -1), -ENOMEM);
    out_of_memory = false;
    d->dying = DOMAIN_DYING;
    assert_int_equal(pirq_map_gsi(d, 22, -1), -EINVAL);
    d->dying = DOMAIN_ALIVE;
}

/* XEN_DOMCTL_irq_permission names the caller's pirq; what it takes away may not be bound any more. */
static void irq_rights(void **state)
{
    struct domain *owner = &test_domains[0], *d = &test_domains[1];

    assert_int_equal(pirq_permit(owner, 20, d, true), -EPERM);
    assert_int_equal(pirq_map_gsi(owner, 20, -1), 20);
    assert_int_equal(pirq_permit(owner, 20, d, true), 0);
    assert_int_equal(pirq_bind(d, 20, 1, &test_vcpus[1], true), -EPERM);
    assert_int_equal(pirq_map_gsi(d, 20, -1), 16); /* its own number is only the hardware domain's */
    assert_int_equal(pirq_bind(d, 16, 1, &test_vcpus[1], true), 0);
    assert_int_equal(pirq_permit(owner, 20, d, false), 0);
    pirq_unbind(d, 16, 1);
    assert_int_equal(pirq_bind(d, 16, 1, &test_vcpus[1], true), -EPERM);
    assert_int_equal(pirq_permit(owner, 20, d, true), 0);
    assert_int_equal(pirq_bind(d, 16, 1, &test_vcpus[1], true), 0);
    assert_int_equal(pirq_permit(owner, 20, owner, false), 0);
    assert_int_equal(pirq_permit(owner, 20, d, true), -EPERM);
}

static void msi_numbers(void **state)
{
    struct domain *d = &test_domains[1];
    uint32_t top = d->irq.nr_pirqs - 1;
    int irq = irq_desc_alloc(1, &fake_chip, 0), group = irq_desc_alloc(4, &fake_chip, 1), reserved, n;

    assert_true(irq >= (int)nr_gsis && group >= (int)nr_gsis);
    assert_int_equal(irq_desc_get((uint32_t)group)->vector % 4, 0);
    msi_groups[irq] = 1;
    msi_groups[group] = 4;
    assert_int_equal(pirq_map_msi(d, (uint32_t)irq, 1, -1), top);
    reserved = pirq_reserve(d, false);
    assert_int_equal(reserved, top - 1);
    assert_int_equal(pirq_reserve(d, true), 16);
    n = pirq_map_msi(d, (uint32_t)group, 4, -1);
    assert_int_equal(n, top - 5);
    assert_int_equal(pirq_to_irq(d, (uint32_t)n + 3), group + 3);
    assert_int_equal(pirq_bind(d, (uint32_t)n + 2, 9, &test_vcpus[1], false), 0);
    model_message(0xfee00000 | 11 << 12, irq_desc_get((uint32_t)group + 2)->vector);
    assert_int_equal(sent[9], 1);
    assert_int_equal(pirq_unmap(d, (uint32_t)n + 1), -EINVAL); /* inside the group */
    assert_int_equal(pirq_unmap(d, (uint32_t)n), 0);
    assert_int_equal(msi_freed[group], 1);
    assert_int_equal(irq_desc_get((uint32_t)group + 2)->nr_guests, 0);
    assert_int_equal(pirq_unmap(d, (uint32_t)reserved), 0);
    /* The domain's end frees the other one. */
    assert_int_equal(pirq_domain_release(d), -ERESTART);
    assert_int_equal(msi_freed[irq], 0);
    while (pirq_domain_release(d) == -ERESTART)
        ;
    assert_int_equal(msi_freed[irq], 1);
    assert_int_equal(pirq_domain_release(d), 0);
}

static void numbers_run_out(void **state)
{
    struct domain *d = &test_domains[2];
    uint32_t n = 0;

    while (pirq_reserve(d, false) >= 0)
        n++;
    assert_int_equal(n, d->irq.nr_pirqs - nr_gsis);
    assert_int_equal(pirq_reserve(d, false), -ENOSPC);
    for (n = 16; n < nr_gsis; n++)
        assert_int_equal(pirq_reserve(d, true), n);
    assert_int_equal(pirq_reserve(d, true), -ENOSPC);
}

/* Drivers are often loaded on one CPU: when it has no vector left another one has. */
static void sources_of_one_cpu(void **state)
{
    static int irqs[4 * 256];
    uint32_t n = 0, on_cpu[TEST_CPUS] = {0};
    int group;

    cpu_online_map = (cpumask_t){{7}}; /* three of them, and one of these cannot be named in a message */
    cpu_to_apicid[1] = 0x100;
    while ((irqs[n] = irq_desc_alloc(1, &fake_chip, 0)) >= 0)
        on_cpu[irq_desc_get((uint32_t)irqs[n++])->cpu]++;
    assert_int_equal(irqs[n], -ENOSPC);
    assert_in_range(on_cpu[0], 150, 174);
    assert_int_equal(on_cpu[1], 0);
    assert_in_range(on_cpu[2], 150, 174);
    assert_int_equal(on_cpu[3], 0);
    while (n)
        irq_desc_release(irq_desc_get((uint32_t)irqs[--n]));
    while (irq_desc_get((uint32_t)(irqs[n] = irq_desc_alloc(1, &fake_chip, 0)))->cpu == 0)
        n++;
    group = irq_desc_alloc(4, &fake_chip, 0);
    assert_int_equal(irq_desc_get((uint32_t)group)->cpu, 2);
    for (int i = 0; i < 4; i++)
        irq_desc_release(irq_desc_get((uint32_t)(group + i)));
    for (uint32_t i = 0; i <= n; i++)
        irq_desc_release(irq_desc_get((uint32_t)irqs[i]));
    cpu_to_apicid[1] = 11;
    cpu_online_map = (cpumask_t){{0}};
}

static void late_interrupt_of_a_released_source(void **state)
{
    int irq = irq_desc_alloc(1, &fake_chip, 0);
    uint8_t vector = irq_desc_get((uint32_t)irq)->vector;

    irq_desc_release(irq_desc_get((uint32_t)irq));
    model_message(0xfee00000 | 10 << 12, vector);
    assert_int_equal(eois, 1);
}

static void status_and_eoi_map(void **state)
{
    struct domain *d = &test_domains[0];
    uint32_t flags;

    bind(0, LEVEL_GSI, 1, true);
    assert_int_equal(pirq_set_eoi_map(d, _mfn(76), false), -EINVAL);
    assert_int_equal(pirq_set_eoi_map(d, _mfn(77), true), 0);
    assert_int_equal(pirq_set_eoi_map(d, _mfn(77), false), -EBUSY);
    assert_int_equal(eoi_map_page[0], 1u << LEVEL_GSI);
    bind(0, 21, 2, true);
    bind(0, EDGE_GSI, 3, true);
    assert_int_equal(eoi_map_page[0], 1u << LEVEL_GSI | 1u << 21);
    assert_int_equal(pirq_status(d, LEVEL_GSI, &flags), 0);
    assert_int_equal(flags, XENIRQSTAT_needs_eoi);
    assert_int_equal(pirq_status(d, EDGE_GSI, &flags), 0);
    assert_int_equal(flags, 0);
    bind(1, LEVEL_GSI, 4, true);
    assert_int_equal(pirq_status(d, LEVEL_GSI, &flags), 0);
    assert_int_equal(flags, XENIRQSTAT_needs_eoi | XENIRQSTAT_shared);
    assert_int_equal(pirq_status(d, 1 << 20, &flags), -EINVAL);
    assert_int_equal(pirq_eoi(d, EDGE_GSI), 0);
    assert_int_equal(unmasked_ports, 1);
    pirq_unbind(d, LEVEL_GSI, 1);
    assert_int_equal(eoi_map_page[0], 1u << 21);
}

static void vectors(void **state)
{
    static struct irq_desc descs[256];
    struct irq_desc *p[32];
    bool seen[256] = {false};
    uint32_t n = 0;
    int v;

    for (int i = 0; i < 32; i++)
        p[i] = &descs[i];
    while ((v = vector_alloc(6, 1, p)) >= 0) {
        assert_in_range(v, VECTOR_FIRST_DYNAMIC, VECTOR_LAST_DYNAMIC);
        assert_int_not_equal(v, 0x80);
        assert_int_not_equal(v, 0x82);
        assert_false(seen[v]);
        seen[v] = true;
        n++;
    }
    assert_int_equal(v, -ENOSPC);
    assert_int_equal(n, VECTOR_LAST_DYNAMIC - VECTOR_FIRST_DYNAMIC + 1 - 2);
    assert_int_equal(vector_alloc(6, 32, p), -ENOSPC);
    for (uint32_t i = 0x60; i < 0x80; i++)
        vector_free(6, (uint8_t)i);
    assert_int_equal(vector_alloc(6, 32, p), 0x60);
    set_cpu(6);
    assert_ptr_equal(vector_lookup(0x61), &descs[1]);
    assert_false(vector_claim(6, 0x61, &descs[2]));
    assert_true(vector_claim(6, 0x61, &descs[1]));
    /* The gates of guests lie in 0x80-0x9f: no block of 32 there. */
    for (uint32_t i = 0; i < 256; i++)
        vector_free(6, (uint8_t)i);
    while ((v = vector_alloc(6, 32, p)) >= 0)
        assert_true(v == 0x40 || v == 0x60 || v == 0xa0 || v == 0xc0);
    for (uint32_t i = 0; i < 256; i++)
        vector_free(6, (uint8_t)i);
}

/*
 * Devices, guests and the scheduler at random. Each device asserts its line
 * until a guest has seen the event; a guest serves a device when its port was
 * raised, then says EOI. No device may wait for ever.
 */
static const uint32_t traffic_gsis[] = {9, 16, 17, 18, LEVEL_GSI};
enum { NR_TRAFFIC = sizeof(traffic_gsis) / sizeof(traffic_gsis[0]) };

/* A domain's handler, if its event came; the device is the first domain's. True if that served it. */
static bool serve(uint32_t i, uint32_t d)
{
    uint32_t gsi = traffic_gsis[i], port = 100 + i * 2 + d;
    bool served = false;

    if (!sent[port])
        return false;
    sent[port] = 0;
    if (d == 0 && model_ioapic.line[gsi]) {
        model_line(gsi, false);
        served = true;
    }
    pirq_eoi(&test_domains[d], gsi);
    return served;
}

static void random_traffic(void **state)
{
    unsigned int served[NR_TRAFFIC] = {0}, wanted[NR_TRAFFIC] = {0};

    srand(1);
    for (uint32_t i = 0; i < NR_TRAFFIC; i++)
        for (int d = 0; d < 2; d++)
            bind(d, traffic_gsis[i], 100 + i * 2 + (uint32_t)d, true);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)rand() % NR_TRAFFIC, d = (uint32_t)rand() % 2, port = 100 + i * 2 + d;
        uint32_t gsi = traffic_gsis[i];

        switch (rand() % 4) {
        case 0:
            if (!model_ioapic.line[gsi])
                wanted[i]++;
            model_line(gsi, true);
            break;
        case 1:
            test_vcpus[d].processor = (uint32_t)rand() % 4;
            pirq_set_vcpu(&test_domains[d], gsi, port, &test_vcpus[d]);
            break;
        case 2:
            if (rand() % 20 == 0) {
                pirq_unbind(&test_domains[d], gsi, port);
                sent[port] = 0;
                assert_int_equal(pirq_bind(&test_domains[d], gsi, port, &test_vcpus[d], true), 0);
            }
            break;
        default:
            served[i] += serve(i, d);
        }
        model_run();
    }
    for (uint32_t turn = 0; turn < 10 * 2 * NR_TRAFFIC; turn++) {
        served[turn / 2 % NR_TRAFFIC] += serve(turn / 2 % NR_TRAFFIC, turn % 2);
        model_run();
    }
    for (uint32_t i = 0; i < NR_TRAFFIC; i++) {
        assert_true(wanted[i] > 100);
        assert_int_equal(served[i], wanted[i]);
        assert_false(model_ioapic.rte[traffic_gsis[i]] & RTE_MASKED);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rte_encoding),
        TEST(pins_start_masked_with_their_mode),
        TEST(edge_is_sent_each_time),
        TEST(level_waits_for_the_guest),
        TEST(shared_line_waits_for_all),
        TEST(unshared_line_has_one_guest),
        TEST(unbound_line_is_masked),
        TEST(the_vmms_own),
        TEST(source_follows_its_vcpu),
        TEST(taken_vector_keeps_source_where_it_is),
        TEST(gsi_mode_is_set_once),
        TEST(view_of_the_ioapic),
        TEST(gsi_numbers),
        TEST(irq_rights),
        TEST(msi_numbers),
        TEST(numbers_run_out),
        TEST(sources_of_one_cpu),
        TEST(late_interrupt_of_a_released_source),
        TEST(status_and_eoi_map),
        TEST(vectors),
        TEST(random_traffic),
    };

    return cmocka_run_group_tests(tests, set_up_once, NULL);
}
