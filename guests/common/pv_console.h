/* The console of a guest that is not dom0: a ring that xenconsoled empties (<xen/io/console.h>). */
#ifndef GUEST_PV_CONSOLE_H
#define GUEST_PV_CONSOLE_H

#include <stddef.h>

/* Waits, with hypercalls, for room in the ring. */
void pv_console_write(const char *text, size_t len);

#endif
