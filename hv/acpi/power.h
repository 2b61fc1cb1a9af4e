/* Soft-off and reset of the machine, as the firmware's tables describe them. */
#ifndef ACPI_POWER_H
#define ACPI_POWER_H

#include <base/compiler.h>
#include <base/types.h>

struct xenpf_enter_acpi_sleep;

/* Boot, after acpi_init() and with ioremap() working: maps what the functions below will need. */
void acpi_power_init(void);

/*
 * XENPF_enter_acpi_sleep: dom0 has run its part of the sequence and gives the values for PM1a and
 * PM1b.  Soft-off (S5) does not return when it works; other states give -EOPNOTSUPP, bad values
 * -EINVAL, a machine without the registers -ENODEV, one that stays on -EIO.
 */
int acpi_enter_sleep(const struct xenpf_enter_acpi_sleep *sleep);

/*
 * Resets the machine: ACPI reset register, keyboard controller, reset control register, triple
 * fault, in this order.  Any context; the other CPUs are best stopped before.
 */
void acpi_reset(void) __noreturn;

#endif
