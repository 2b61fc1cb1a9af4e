#include <base/errno.h>
#include <cpu/features.h>
#include <cpu/insn.h>
#include <domain/domain.h>
#include <time/clock.h>
#include <time/time.h>
#include <time/tsc.h>

/* XEN_CPUID_LEAF(3), EAX of subleaf 0 */
#define CPUID_EMULATED BIT(0)
#define CPUID_RELIABLE BIT(1)
#define CPUID_RDTSCP   BIT(2)

/* Two calibrations of one counter differ by less than one part in so many. */
#define CALIBRATION_PRECISION 1000u

#define KHZ_NS 1000000u /* ns * kHz / this: ticks */

static bool same_frequency(uint32_t khz)
{
    uint64_t difference = khz > tsc_khz ? khz - tsc_khz : tsc_khz - khz;

    return difference <= tsc_khz / CALIBRATION_PRECISION;
}

/* The default: as fast as can be, unless the domain knows another frequency, or its CPUs would disagree. */
static bool must_emulate(uint32_t mode, uint32_t khz)
{
    if (mode == TSC_MODE_DEFAULT)
        return !same_frequency(khz) || tsc_offsets_differ();
    return mode == TSC_MODE_ALWAYS;
}

void tsc_init_domain(struct domain *d)
{
    if (d->is_hardware)
        return;
    tsc_set_info(d, TSC_MODE_DEFAULT, 0, 0, 0);
}

int tsc_set_info(struct domain *d, uint32_t mode, uint32_t khz, uint64_t elapsed, uint32_t incarnation)
{
    struct tsc_domain *t = &d->time.tsc;
    struct vcpu *v;

    if (mode > TSC_MODE_NEVER)
        return -EINVAL;
    if (!khz || mode == TSC_MODE_NEVER)
        khz = (uint32_t)tsc_khz;
    *t = (struct tsc_domain){.mode = mode,
                             .khz = khz,
                             .incarnation = incarnation + 1,
                             .offset = (uint64_t)now() - elapsed,
                             .emulated = must_emulate(mode, khz),
                             .scale = time_scale_for_hz((uint64_t)khz * 1000)};
    for_each_vcpu (d, v)
        time_forget_vcpu(v);
    return 0;
}

/* Where the counter is the machine's, its age is that of the machine's counter. */
void tsc_get_info(const struct domain *d, uint32_t *khz, uint64_t *elapsed)
{
    const struct tsc_domain *t = &d->time.tsc;

    *khz = t->mode == TSC_MODE_NEVER ? 0 : t->khz;
    *elapsed = 0;
    if (t->mode != TSC_MODE_NEVER)
        *elapsed = t->emulated ? (uint64_t)now() - t->offset : mul_div(rdtsc(), KHZ_NS, tsc_khz);
}

static uint64_t ticks_at(const struct tsc_domain *t, uint64_t ns)
{
    return mul_div(ns - t->offset, t->khz, KHZ_NS);
}

uint64_t guest_tsc(const struct vcpu *v)
{
    const struct tsc_domain *t = &v->domain->time.tsc;

    return t->emulated ? ticks_at(t, (uint64_t)now()) : rdtsc();
}

/*
 * Ticks are rounded down, so a guest computes a time that is up to a tick too
 * early: the stamp is moved to where a tick begins.
 */
void tsc_emulated_clock(const struct domain *d, struct clock *c)
{
    const struct tsc_domain *t = &d->time.tsc;
    uint64_t ns = (uint64_t)now();

    *c = (struct clock){.tsc = ticks_at(t, ns), .scale = t->scale};
    c->ns = t->offset + mul_div(c->tsc, KHZ_NS, t->khz);
}

void tsc_cpuid(const struct domain *d, uint32_t sub, struct cpuid_regs *out)
{
    const struct tsc_domain *t = &d->time.tsc;
    struct time_scale scale = t->emulated ? t->scale : time_scale_for_hz(tsc_khz * 1000);

    *out = (struct cpuid_regs){0};
    switch (sub) {
    case 0:
        out->a = (uint32_t)((t->emulated ? CPUID_EMULATED : 0) | (cpu_has(ITSC) ? CPUID_RELIABLE : 0) |
                            (cpu_has(RDTSCP) ? CPUID_RDTSCP : 0));
        out->b = t->mode;
        out->c = t->khz;
        out->d = t->incarnation;
        break;
    case 1:
        if (!t->khz) /* the hardware domain, whose counter is the machine's in all */
            break;
        if (!t->emulated)
            *out = (struct cpuid_regs){.a = (uint32_t)t->offset, .b = (uint32_t)(t->offset >> 32)};
        out->c = scale.mul;
        out->d = (uint32_t)(int32_t)scale.shift;
        break;
    case 2:
        out->a = (uint32_t)tsc_khz;
        break;
    }
}
