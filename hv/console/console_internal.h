/* What printk.c needs of console.c. */
#ifndef CONSOLE_CONSOLE_INTERNAL_H
#define CONSOLE_CONSOLE_INTERNAL_H

#include <base/types.h>

/* Takes LOCK_CONSOLE with interrupts off; in a panic only the latter. */
unsigned long console_acquire(void);
void console_release(unsigned long flags);

/* Text of the VMM, with its prefix at the start of each line.  Lock held. */
void console_emit(const char *text, size_t len);

#endif
