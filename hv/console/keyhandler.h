/* Debug keys: typed on the console (after Ctrl-A three times) or sent by "xl debug-keys". */
#ifndef CONSOLE_KEYHANDLER_H
#define CONSOLE_KEYHANDLER_H

/* Runs in softirq or hypercall context: interrupts on, no locks held. */
typedef void keyhandler_fn(char key);

/*
 * At boot.  @desc, a constant string, is shown by the key 'h'.  A key that is taken or not a
 * printable character is refused with a message.
 */
void register_keyhandler(char key, keyhandler_fn *fn, const char *desc);

/* Runs the handler of @key in the caller's context; keys without one do nothing. */
void handle_keypress(char key);

#endif
