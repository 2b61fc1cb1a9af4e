#ifndef CONSOLE_KEYS_H
#define CONSOLE_KEYS_H

/* Registers the debug keys that concern the whole machine; boot. */
void debug_keys_init(void);

#endif
