/* Domains that stop by themselves: shutdown, crash, and resuming. dom0's end is the machine's. */
#include <base/atomic.h>
#include <boot/cmdline.h>
#include <console/printk.h>
#include <cpu/machine.h>
#include <domain/domain.h>
#include <domain/vcpu.h>
#include <event/evtchn.h>
#include <lib/printf.h>
#include <xen/sched.h>

bool opt_noreboot;
BOOT_OPTION_BOOL("noreboot", opt_noreboot);

static void __noreturn restart_unless_told_not(void)
{
    if (opt_noreboot) {
        printk("'noreboot' set - not rebooting\n");
        machine_halt();
    }
    machine_restart();
}

/* "noreboot" keeps the messages of a failure on the screen: it does not apply to a reboot that was asked for.
 */
static void __noreturn machine_shutdown(uint32_t reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        printk("Hardware domain halted: halting the machine\n");
        machine_halt();
    case SHUTDOWN_reboot:
        printk("Hardware domain shut down: rebooting the machine\n");
        machine_restart();
    case SHUTDOWN_crash:
        printk("Hardware domain crashed\n");
        break;
    case SHUTDOWN_watchdog:
        printk("Hardware domain's watchdog expired\n");
        break;
    default:
        printk("Hardware domain shut down (reason %u)\n", reason);
        break;
    }
    restart_unless_told_not();
}

/*
 * Takes no lock, so that a domain can be crashed from wherever its fault is
 * found: the first caller wins is_shutting_down and does the rest alone.
 */
void domain_shutdown(struct domain *d, uint32_t reason)
{
    if (d->is_hardware)
        machine_shutdown(reason);
    if (xchg(&d->is_shutting_down, true))
        return;
    /* SCHEDOP_shutdown_code may have chosen the code beforehand. */
    (void)cmpxchg(&d->shutdown_code, SHUTDOWN_CODE_NONE, reason);
    domain_pause_nosync(d);
    store_release(&d->is_shut_down, true);
    if (d->shutdown_code == SHUTDOWN_suspend && d->suspend_port)
        (void)evtchn_send(d, d->suspend_port);
    else
        domain_notify_change();
}

void domain_resume(struct domain *d)
{
    domain_pause(d);
    spin_lock(&d->lock);
    if (d->is_shut_down) {
        d->shutdown_code = SHUTDOWN_CODE_NONE;
        d->is_shut_down = false;
        store_release(&d->is_shutting_down, false);
        domain_unpause(d);
    }
    spin_unlock(&d->lock);
    domain_unpause(d);
}

static void print_registers(const struct domain *d)
{
    const struct vcpu *v = current;
    const struct cpu_user_regs *r = guest_regs();

    if (v->domain != d)
        return;
    printk("d%uv%u: rip %04x:%016lx rsp %04x:%016lx flags %08lx\n", d->id, v->id, r->cs, r->rip, r->ss,
           r->rsp, r->rflags);
    printk(" rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
    printk(" rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
    printk(" r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
    printk(" r13 %016lx r14 %016lx r15 %016lx cr3 %016lx\n", r->r13, r->r14, r->r15,
           v->tag.cr3[v->pv.kernel_mode]);
}

/*
 * The registers are printed once in a domain's life, and a domain cannot make
 * another: so no guest can flood the console with them.
 */
void domain_crash(struct domain *d, const char *fmt, ...)
{
    char reason[160];
    va_list args;

    if (!xchg(&d->crash_reported, true)) {
        va_start(args, fmt);
        vsnprintf(reason, sizeof(reason), fmt, args);
        va_end(args);
        printk("d%u crashed: %s\n", d->id, reason);
        print_registers(d);
    }
    domain_shutdown(d, SHUTDOWN_crash);
}
