/* Debug keys: typed on the console (after Ctrl-A three times) or sent by "xl debug-keys". */
#ifndef CONSOLE_KEYHANDLER_H
#define CONSOLE_KEYHANDLER_H

#include <base/compiler.h>

/* Runs in softirq or hypercall context: interrupts on, no locks held. */
typedef void keyhandler_fn(char key);

/*
 * At boot.  @desc, a constant string, is shown by the key 'h'.  A key that is taken or not a
 * printable character is refused with a message.
 */
void register_keyhandler(char key, keyhandler_fn *fn, const char *desc);

/* Runs the handler of @key in the caller's context; keys without one do nothing. */
void handle_keypress(char key);

/*
 * What a handler prints, however many guests, ports or grants there are: after KEY_LINES lines the rest
 * is counted only. In lists of one domain or CPU handlers stop after KEY_ITEMS themselves.
 */
#define KEY_LINES 1000
#define KEY_ITEMS 16
void key_printk(const char *fmt, ...) __printf(1, 2);

#endif
