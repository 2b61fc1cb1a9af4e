/* Bringing up the other CPUs. */
#ifndef BOOT_SMPBOOT_H
#define BOOT_SMPBOOT_H

/* Starts every CPU that ACPI lists (up to maxcpus=), one by one; a CPU that does not answer gets a warning.
 */
void smp_boot_cpus(void);

#endif
