/*
 * The machine's console: serial output, the ring that xl dmesg reads, and input, which belongs to
 * dom0 until Ctrl-A typed three times gives it to the VMM's debug keys.
 *
 * One leaf lock, LOCK_CONSOLE, covers all of it.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include <base/types.h>

struct xen_sysctl_readconsole;

/* Boot, after cmdline_parse(): opens the port of console= and shows what was printed so far. */
void console_init(void);

/* Boot, once frames, interrupts, softirqs and timers work: the full ring, interrupt-driven serial. */
void console_init_late(void);

/* Boot, before dom0 runs: input goes to it from now on. */
void console_start_dom0(void);

/*
 * The machine stops, interrupts are off: from now on this CPU ignores the console's lock and output is
 * polled.  The other CPUs are or will be stopped.  May be called more than once.
 */
void console_force_unlock(void);

/* Waits until all output has left the machine; before a reset. */
void console_flush(void);

/* dom0's output: as it is, without a prefix.  @len bytes, not terminated. */
void console_write_guest(const char *text, size_t len);

/*
 * Whether console_write_guest() of @len bytes would not wait for the line; sends what it can.  True as well
 * for a line that is dead: what is written then is lost.
 */
bool console_tx_ready(size_t len);

/* Input for dom0: up to @len characters; returns how many. */
size_t console_read_guest(char *buf, size_t len);

/*
 * XEN_SYSCTL_readconsole: copies to the calling guest and updates *@op, which the caller copies
 * back.  0 or -EFAULT.
 */
int console_read_ring(struct xen_sysctl_readconsole *op);

#endif
