/*
 * Messages of the VMM.
 *
 * Each line goes to the console ring (xl dmesg) and to the serial line, with "(HV) " before it.
 * All of this may be called in any context, holding any locks but the console's own, from the
 * first instruction in C on: what is printed before console_init() appears when that has run.
 * Messages longer than PRINTK_MAX bytes are cut short.
 */
#ifndef CONSOLE_PRINTK_H
#define CONSOLE_PRINTK_H

#include <base/compiler.h>
#include <base/types.h>
#include <xen/xen.h>

#define PRINTK_MAX 512

/* Rising order of detail; the boot options loglvl= and guest_loglvl= choose from it. */
enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG, NR_LOG_LEVELS };

/*
 * Printed whatever loglvl= says: for what a person asked for (debug keys) or must see (the banner,
 * panics).  A message need not end with a newline: the next one continues its line.
 */
void printk(const char *fmt, ...) __printf(1, 2);

/* Printed if loglvl= allows the level (by default errors and warnings). */
void printk_level(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define printk_err(...)   printk_level(LOG_ERR, __VA_ARGS__)
#define printk_warn(...)  printk_level(LOG_WARN, __VA_ARGS__)
#define printk_info(...)  printk_level(LOG_INFO, __VA_ARGS__)
#define printk_debug(...) printk_level(LOG_DEBUG, __VA_ARGS__)

/*
 * The boot options loglvl= and (guests) guest_loglvl= while the VMM runs, as "always/limited". set:
 * -EINVAL with nothing changed. Only in guest context, with the control lock held.
 */
#define PRINTK_THRESHOLD_MAX 16 /* of a text, with its final zero */
void printk_threshold_get(bool guests, char *text, size_t size);
int printk_threshold_set(bool guests, const char *text);

/*
 * Whatever a guest can cause.  @domid is the guest to blame and is shown.  Subject to guest_loglvl=
 * (by default errors and warnings) and to a rate limit, which it shares with few other guests.
 */
void guest_printk_level(enum log_level level, domid_t domid, const char *fmt, ...) __printf(3, 4);

#define guest_printk(domid, ...)       guest_printk_level(LOG_WARN, domid, __VA_ARGS__)
#define guest_printk_info(domid, ...)  guest_printk_level(LOG_INFO, domid, __VA_ARGS__)
#define guest_printk_debug(domid, ...) guest_printk_level(LOG_DEBUG, domid, __VA_ARGS__)

#endif
