/*
 * tsc_mode: what dom0 sets and reads back, and what time and the counter are to the domain: whether RDTSC
 * agrees with the frequency that it was told and with its clock.
 */
#include "common/child.h"
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/arch-x86/cpuid.h>
#include <xen/sched.h>

#define GHZ 1000000u /* kHz */

static long set(uint32_t mode, uint32_t khz, uint64_t elapsed, uint32_t incarnation)
{
    domctl_clear();
    domctl_arg.u.tsc_info.tsc_mode = mode;
    domctl_arg.u.tsc_info.gtsc_khz = khz;
    domctl_arg.u.tsc_info.elapsed_nsec = elapsed;
    domctl_arg.u.tsc_info.incarnation = incarnation;
    return domctl(XEN_DOMCTL_settscinfo, CHILD_ID);
}

static void result_get(const char *name)
{
    long ret;

    domctl_clear();
    ret = domctl(XEN_DOMCTL_gettscinfo, CHILD_ID);
    result(name, "%e mode %u khz %s incarnation %u elapsed %s", ret, domctl_arg.u.tsc_info.tsc_mode,
           domctl_arg.u.tsc_info.gtsc_khz == GHZ     ? "1000000"
           : domctl_arg.u.tsc_info.gtsc_khz == 0     ? "0"
           : domctl_arg.u.tsc_info.gtsc_khz == 20000 ? "20000"
                                                     : "the machine's",
           domctl_arg.u.tsc_info.incarnation, domctl_arg.u.tsc_info.elapsed_nsec ? "some" : "0");
}

static inline __attribute__((always_inline)) uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* The child's shared info is at CHILD_WINDOW. */
CHILD_FN static void child_time(volatile uint64_t *answers)
{
    uint32_t low, high, aux = 77;
    uint64_t vector;
    volatile struct shared_info *shared = (void *)CHILD_WINDOW;
    struct mmu_update u = {.ptr = answers[0], .val = answers[1]};

    answers[2] = (uint64_t)child_call(__HYPERVISOR_mmu_update, (unsigned long)&u, 1, 0, DOMID_SELF);
    for (unsigned int i = 0; i < 3; i++) {
        uint32_t a = 0x40000003, b, c = i, d;

        __asm__ volatile(XEN_CPUID : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        answers[10 + 2 * i] = (uint64_t)b << 32 | a;
        answers[11 + 2 * i] = (uint64_t)d << 32 | c;
    }
    answers[3] = shared->vcpu_info[0].time.tsc_timestamp;
    answers[4] = shared->vcpu_info[0].time.system_time;
    answers[5] = shared->vcpu_info[0].time.tsc_to_system_mul;
    answers[6] = (uint64_t)(int64_t)shared->vcpu_info[0].time.tsc_shift;
    answers[7] = shared->vcpu_info[0].time.flags;
    answers[20] = rdtsc();
    for (unsigned int i = 0; i < 1000; i++)
        child_call(__HYPERVISOR_xen_version, 0, 0, 0, 0);
    answers[21] = rdtsc();
    /* Its clock, as <xen/xen.h> has it computed. */
    {
        uint64_t delta = rdtsc() - answers[3];

        delta = (int64_t)answers[6] < 0 ? delta >> -(int64_t)answers[6] : delta << answers[6];
        answers[8] = answers[4] + (uint64_t)((unsigned __int128)delta * answers[5] >> 32);
    }
    CHILD_TRY(vector, "rdtscp", CHILD_OUTPUT("=a"(low), "=d"(high), "+c"(aux)), "i"(0));
    answers[22] = (uint64_t)high << 32 | low;
    answers[23] = vector;
    answers[24] = aux;
    CHILD_TRY(vector, "rdmsr", CHILD_OUTPUT("=a"(low), "=d"(high)), "c"(0x10));
    answers[25] = (uint64_t)high << 32 | low;
    answers[26] = vector;
    answers[27] = rdtsc();
    /* CR4.TSD of the guest's own is for its programs. */
    CHILD_TRY(vector, "movq %%cr4, %%rax; orq $4, %%rax; movq %%rax, %%cr4; rdtsc",
              CHILD_OUTPUT("=a"(low), "=d"(high)), "i"(0));
    answers[28] = vector;
    CHILD_END();
}

static uint64_t scale(uint64_t ticks, uint64_t mul, int64_t shift)
{
    ticks = shift < 0 ? ticks >> -shift : ticks << shift;
    return (uint64_t)((unsigned __int128)ticks * mul >> 32);
}

static void run(const char *title)
{
    char name[64];
    size_t n = strlen(title);
    uint64_t ns, first, before, after;

    domctl_clear();
    must("info", domctl(XEN_DOMCTL_getdomaininfo, CHILD_ID));
    child_load(child_time);
    domctl_clear();
    must("info", domctl(XEN_DOMCTL_getdomaininfo, CHILD_ID));
    child_put(0, child_window_entry());
    child_put(1, pte_make(domctl_arg.u.getdomaininfo.shared_info_frame, PTE_DATA));
    memcpy(name, title, n);
    memcpy(name + n, ", ran", 6);
    before = system_time();
    result(name, "%d, mapped %e", child_run(), (long)child_get(2));
    after = system_time();
    memcpy(name + n, ", clock", 8);
    result(name, "agrees %d", child_get(8) + 100 >= before && child_get(8) <= after + 100);
    memcpy(name + n, ", 40000003", 11);
    result(name, "flags %x mode %u khz %s incarnation %u", (uint32_t)child_get(10) & 1,
           (uint32_t)(child_get(10) >> 32),
           (uint32_t)child_get(11) ? (uint32_t)child_get(11) == GHZ ? "1000000" : "some" : "0",
           (uint32_t)(child_get(11) >> 32));
    first = child_get(20) - child_get(3);
    ns = scale(child_get(21) - child_get(20), child_get(5), (int64_t)child_get(6));
    memcpy(name + n, ", time", 7);
    result(name, "timestamp %d rate 1 GHz %d forward %d rdtscp %lu agrees %d rdmsr %lu agrees %d tsd %lu",
           child_get(3) != 0,
           scale(1000000000, child_get(5), (int64_t)child_get(6)) / 1000 == 1000000 ||
               scale(1000000000, child_get(5), (int64_t)child_get(6)) / 1000 == 999999,
           (int64_t)first >= 0 && ns > 0, child_get(23),
           child_get(22) >= child_get(21) && child_get(22) <= child_get(27), child_get(26),
           child_get(25) >= child_get(22) && child_get(25) <= child_get(27), child_get(28));
}

void guest_main(void)
{
    static const struct {
        const char *name;
        uint32_t mode, khz;
        uint64_t elapsed;
        uint32_t incarnation;
    } cases[] = {{"default", 0, 0, 0, 0},
                 {"default, 1 GHz", 0, GHZ, 1000, 0},
                 {"default, restored", 0, GHZ, 5000000000ul, 1},
                 {"always", 1, 0, 0, 0},
                 {"always, 1 GHz", 1, GHZ, 1000, 0},
                 {"always, restored", 1, GHZ, 5000000000ul, 3},
                 {"never", 2, 0, 0, 0},
                 {"never, 1 GHz", 2, GHZ, 1000, 2},
                 {"3", 3, 0, 0, 0},
                 {"4", 4, 0, 0, 0},
                 {"always, 20 MHz", 1, 20000, 0, 0}};

    for (uint32_t i = 0; i < 3; i++) {
        uint32_t a = 0x40000003, b, c = i, d;

        __asm__ volatile(XEN_CPUID : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        result(i == 0   ? "dom0, 40000003.0"
               : i == 1 ? "dom0, 40000003.1"
                        : "dom0, 40000003.2",
               "%x %x %d %d", i < 2 ? a : a != 0, b, i < 2 ? c != 0 : c, d);
    }
    child_create(1);
    result_get("new");
    child_destroy();
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        char name[64];
        size_t n = strlen(cases[i].name);
        long ret;

        child_create(1);
        memcpy(name, cases[i].name, n + 1);
        result_errno(name, ret = set(cases[i].mode, cases[i].khz, cases[i].elapsed, cases[i].incarnation));
        memcpy(name + n, ", get", 6);
        result_get(name);
        if (!ret)
            run(cases[i].name);
        memcpy(name + n, ", get after it ran", 19);
        result_get(name);
        memcpy(name + n, ", set after it ran", 19);
        result_errno(name, set(cases[i].mode, cases[i].khz, cases[i].elapsed, cases[i].incarnation));
        child_destroy();
    }
    domctl_clear();
    result_errno("get of dom0", domctl(XEN_DOMCTL_gettscinfo, 0));
    result_errno("set of dom0", domctl(XEN_DOMCTL_settscinfo, 0));
    result_errno("get of none", domctl(XEN_DOMCTL_gettscinfo, CHILD_ID));
    result_errno("set of none", domctl(XEN_DOMCTL_settscinfo, CHILD_ID));
}
