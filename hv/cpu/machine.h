/* The end of the whole machine's run. */
#ifndef CPU_MACHINE_H
#define CPU_MACHINE_H

#include <base/compiler.h>
#include <base/types.h>

/* Boot option "noreboot": after a crash or panic the machine halts. */
extern bool opt_noreboot;

/* They take an NMI and never return from it; does not wait for that. Any context. */
void stop_other_cpus(void);

/* Any context. Stops the other CPUs and resets the machine (acpi/power.h says how). */
void machine_restart(void) __noreturn;
/* Stops all CPUs for good, interrupts off. */
void machine_halt(void) __noreturn;

#endif
