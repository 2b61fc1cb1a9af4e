/*
 * Two vCPUs on one CPU: a data selector of vCPU 0 goes bad while vCPU 1 runs,
 * so that vCPU 0's state cannot be loaded when it is its turn again.
 */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/second.h"
#include "common/trap.h"
#include <xen/callback.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define DATA64   0x00cff3000000fffful
#define SELECTOR 0x1b

static uint64_t *gdt;
static volatile bool wanted, done;

static void yield(void)
{
    HC2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

void second_main(void);

void second_main(void)
{
    for (;;) {
        if (wanted && !done) {
            HC2(__HYPERVISOR_update_descriptor, virt_to_machine(gdt + 3), 0);
            done = true;
        }
        yield();
    }
}

static void start_second(void)
{
    must("second vCPU", second_up(second_context(second_main)));
}

#define LOAD(segment, selector) __asm__ volatile("movw %w0, %%" segment ::"r"(selector))

static unsigned int ds(void)
{
    unsigned int seen = 0;

    __asm__ volatile("movw %%ds, %w0" : "+r"(seen));
    return seen;
}

static void one(const char *name, void (*load)(void))
{
    const struct regs *r = &trap.first;

    must("descriptor", HC2(__HYPERVISOR_update_descriptor, virt_to_machine(gdt + 3), DATA64));
    memset(failsafe_selectors, 0, sizeof(failsafe_selectors));
    load();
    done = false;
    trap_clear();
    trap_continue = true;
    wanted = true;
    while (!done)
        yield();
    wanted = false;
    trap_continue = false;
    result(
        name,
        "traps %u vector %lx selectors ds %lx es %lx fs %lx gs %lx cs %lx rflags.IF %lu mask %d, ds now %x",
        trap.count, r->vector, failsafe_selectors[0] & 0xffff, failsafe_selectors[1] & 0xffff,
        failsafe_selectors[2] & 0xffff, failsafe_selectors[3] & 0xffff, r->cs, r->rflags >> 9 & 1,
        trap.upcall_mask, ds());
    LOAD("ds", 0);
    LOAD("es", 0);
    LOAD("fs", 0);
    LOAD("gs", 0);
}

static void load_ds(void)
{
    LOAD("ds", SELECTOR);
}

static void load_es(void)
{
    LOAD("es", SELECTOR);
}

static void load_fs(void)
{
    LOAD("fs", SELECTOR);
}

static void load_gs(void)
{
    LOAD("gs", SELECTOR);
}

static void load_none(void)
{
}

static void load_all(void)
{
    load_ds();
    load_es();
    load_fs();
    load_gs();
}

void guest_main(void)
{
    xen_pfn_t frame;

    gdt = page_alloc();
    page_make_readonly(gdt);
    frame = virt_to_mfn(gdt);
    must("set_gdt", HC2(__HYPERVISOR_set_gdt, &frame, 512));
    start_second();
    one("none", load_none);
    one("ds", load_ds);
    one("es", load_es);
    one("fs", load_fs);
    one("gs", load_gs);
    one("all four", load_all);
    callback_register(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, failsafe_callback);
    vcpu_info()->evtchn_upcall_mask = 0;
    one("ds, events on, mask flag", load_ds);
    callback_register(CALLBACKTYPE_failsafe, 0, failsafe_callback);
    vcpu_info()->evtchn_upcall_mask = 0;
    one("ds, events on", load_ds);
    vcpu_info()->evtchn_upcall_mask = 1;
}
