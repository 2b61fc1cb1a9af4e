/* The end of the whole machine's run. */
#ifndef CPU_MACHINE_H
#define CPU_MACHINE_H

#include <base/compiler.h>
#include <base/types.h>

/* Boot option "noreboot": after a crash or panic the machine halts. */
extern bool opt_noreboot;

/* Any context. Stops the other CPUs and resets the machine (as "reboot=" says). */
void machine_restart(void) __noreturn;
/* Stops all CPUs for good, interrupts off. */
void machine_halt(void) __noreturn;

#endif
