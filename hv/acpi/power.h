/* The end of the machine's day. */
#ifndef ACPI_POWER_H
#define ACPI_POWER_H

#include <base/compiler.h>
#include <base/types.h>

struct xenpf_enter_acpi_sleep;

/*
 * XENPF_enter_acpi_sleep: dom0 has run its part of the sequence and gives the values for PM1a/b.
 * Soft-off (S5) does not return when it works; other states give -EOPNOTSUPP, bad values -EINVAL,
 * a machine without the registers -ENODEV, one that stays on -EIO.  Any one CPU; interrupts on.
 */
int acpi_enter_sleep(const struct xenpf_enter_acpi_sleep *sleep);

/* Resets the machine: ACPI reset register, keyboard controller, triple fault.  Any context. */
void machine_restart(void) __noreturn;

/* Stops this CPU for ever, NMIs but ignored. */
void machine_halt(void) __noreturn;

#endif
